#include <mailmote/status.h>

const char *mote_status_text(mote_status_t status)
{
    static const char *const texts[MOTE_STATUS_COUNT] = {
        [MOTE_OK] = "ok",
        [MOTE_PENDING] = "pending",
        [MOTE_CLOSED] = "closed by the other end",
        [MOTE_ERR_ARGUMENT] = "a setting that cannot be",
        [MOTE_ERR_SPACE] = "does not fit",
        [MOTE_ERR_ADDRESS] = "not a valid address",
        [MOTE_ERR_RANDOM] = "no random numbers",
        [MOTE_ERR_SOURCE] = "the message could not be read",
        [MOTE_ERR_CONTENT] = "the message holds what may not travel",
        [MOTE_ERR_REFUSED] = "connection refused",
        [MOTE_ERR_UNREACHABLE] = "unreachable",
        [MOTE_ERR_NO_ADDRESS] = "no address of our own",
        [MOTE_ERR_RESET] = "connection reset",
        [MOTE_ERR_MEMORY] = "out of memory",
        [MOTE_ERR_TIMEOUT] = "timed out",
        [MOTE_ERR_LINK_LOST] = "connection lost",
        [MOTE_ERR_STOPPED] = "stopped",
        [MOTE_ERR_NO_NAME] = "no such domain or host",
        [MOTE_ERR_NO_DATA] = "no mail host or address is known for it",
        [MOTE_ERR_DNS] = "no answer from the name servers",
        [MOTE_ERR_DNS_LOOP] = "its DNS aliases lead in a circle",
        [MOTE_ERR_DNS_SPACE] = "the DNS answer is too large",
        [MOTE_ERR_NULL_MX] = "the domain takes no mail (null MX)",
        [MOTE_ERR_OURSELVES] = "its mail hosts lead back to this host",
        [MOTE_ERR_FORBIDDEN] = "its address may not be connected to",
        [MOTE_ERR_PROTOCOL] = "not the SMTP protocol",
        [MOTE_ERR_REPLY_4YZ] = "refused for now",
        [MOTE_ERR_REPLY_5YZ] = "refused",
        [MOTE_ERR_EXTENSION] = "the server lacks a needed extension",
        [MOTE_ERR_AUTH] = "authentication failed",
        [MOTE_ERR_TLS] = "TLS failed",
        [MOTE_ERR_TLS_UNTRUSTED] = "certificate not accepted",
        [MOTE_ERR_TLS_SPACE] = "TLS record or certificate too large",
        [MOTE_ERR_TLS_MISSING] = "TLS is required and not available",
        [MOTE_ERR_NO_MAILBOX] = "no such user",
        [MOTE_ERR_QUOTA] = "mailbox full",
        [MOTE_ERR_STORAGE] = "writing the mailbox failed",
        [MOTE_ERR_TOO_LARGE] = "message too large",
    };

    return (unsigned)status < MOTE_STATUS_COUNT ? texts[status] : "unknown";
}
