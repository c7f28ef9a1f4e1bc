/* Mails an alert straight to the recipient's own mail server, or through a relay. Copy it into your program. */
#include <mailmote/posix.h>
#include <stdio.h>
#include <time.h>

int main(int argc, char **argv)
{
    mote_hop_t hop = { .port = 25, .tls = MOTE_TLS_OPPORTUNISTIC };
    mote_route_t everywhere = { .kind = MOTE_ROUTE_MX, .hops = &hop, .hop_count = 1 };
    mote_settings_t settings = { .routes = &everywhere, .route_count = 1 };
    uint8_t text[128];
    mote_recipient_t to = { .text = { text, sizeof text, 0 } };
    mote_memory_source_t source;
    mote_mail_t mail = { .recipients = &to, .recipient_count = 1, .source = &source.source };
    char date[40], message[1024];
    time_t now = time(NULL);

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime(&now));
    int size = argc < 4 ? -1 : snprintf(message, sizeof message, "Date: %s\r\nFrom: %s\r\nTo: %s\r\nSubject: Alert\r\n\r\n%s\r\n",
                                        date, argv[1], argv[2], argv[3]);
    if (size < 0 || (size_t)size >= sizeof message) {
        return fprintf(stderr, "usage: alert FROM TO TEXT [RELAY]    (a short text)\n"), 64;
    }
    if (argc > 4) { /* a relay that wants a password wants TLS too: see mbedtls.h */
        everywhere.kind = MOTE_ROUTE_RELAY;
        hop.host = mote_span_text(argv[4]);
    }
    mote_memory_source_init(&source, mote_span(message, (size_t)size));
    mail.reverse_path = mote_span_text(argv[1]);
    to.address = mote_span_text(argv[2]);
    mote_status_t status = mote_posix_deliver(&settings, NULL, &mail);
    printf("%s: %s (%s) %u %.*s\n", argv[2], mote_verdict_text((mote_verdict_t)to.verdict),
           mote_status_text(status != MOTE_OK ? status : (mote_status_t)to.report.status), to.report.code,
           (int)to.text.size, (const char *)text);
    return to.verdict == MOTE_VERDICT_ACCEPTED ? 0 : 1;
}
