/* Mails an alert straight to the recipient's own mail server: alert FROM TO TEXT. Copy it into your program. */
#include <mailmote/posix.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    static mote_hop_t mx = { .port = 25, .tls = MOTE_TLS_OPPORTUNISTIC };
    static mote_route_t everywhere = { .kind = MOTE_ROUTE_MX, .hops = &mx, .hop_count = 1 };
    static mote_settings_t settings = { .routes = &everywhere, .route_count = 1 };
    static mote_endpoint_t servers[MOTE_POSIX_SERVER_COUNT];
    static uint8_t tcp[4096], text[128], message[1024];
    mote_dns_settings_t dns = { .servers = servers, .tcp_buffer = tcp, .tcp_capacity = sizeof tcp };
    mote_recipient_t to = { .text = { text, sizeof text, 0 } };
    mote_memory_source_t source;
    mote_mail_t mail = { .recipients = &to, .recipient_count = 1, .source = &source.source };

    if (argc != 4) {
        return fprintf(stderr, "usage: alert FROM TO TEXT\n"), 64;
    }
    int size = snprintf((char *)message, sizeof message, "From: %s\r\nTo: %s\r\nSubject: Alert\r\n\r\n%s\r\n",
                        argv[1], argv[2], argv[3]);
    dns.server_count = (uint8_t)mote_posix_dns_servers(NULL, servers, MOTE_POSIX_SERVER_COUNT);
    mote_memory_source_init(&source, mote_span(message, size > 0 && (size_t)size < sizeof message ? (size_t)size : 0));
    mail.reverse_path = mote_span_text(argv[1]);
    to.address = mote_span_text(argv[2]);
    mote_status_t status = mote_posix_deliver(&settings, &dns, &mail);
    printf("%s: %s (%s) %u %.*s\n", argv[2], mote_verdict_text((mote_verdict_t)to.verdict),
           mote_status_text(status != MOTE_OK ? status : (mote_status_t)to.report.status), to.report.code,
           (int)to.text.size, (const char *)text);
    return to.verdict == MOTE_VERDICT_ACCEPTED ? 0 : 1;
}
