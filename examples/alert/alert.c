/* Mails an alert straight to the recipient's own mail server, or through a relay. Copy it into your program. */
#include <mailmote/compose.h>
#include <mailmote/posix.h>
#include <stdio.h>
#include <time.h>

int main(int argc, char **argv)
{
    mote_hop_t hop = { .port = 25, .tls = MOTE_TLS_OPPORTUNISTIC };
    mote_route_t everywhere = { .kind = MOTE_ROUTE_MX, .hops = &hop, .hop_count = 1 };
    mote_settings_t settings = { .routes = &everywhere, .route_count = 1 };
    mote_name_addr_t from = { .name = MOTE_SPAN("Pump 7") }, to = { .name = MOTE_SPAN("Operations") };
    mote_part_t words = { .role = MOTE_PART_TEXT }; /* further parts: HTML, images, attachments */
    mote_message_t message = { .from = { &from, 1 }, .to = { &to, 1 }, .subject = MOTE_SPAN("Alert"), .parts = &words, .part_count = 1 };
    mote_compose_t compose = { .fault = "random numbers" };
    uint8_t room[1024], text[128];
    mote_recipient_t recipient = { .text = { text, sizeof text, 0 } };
    mote_mail_t mail = { .recipients = &recipient, .recipient_count = 1, .source = &compose.source };

    if (argc < 4) {
        return fprintf(stderr, "usage: alert FROM TO TEXT [RELAY]\n"), 64;
    }
    if (argc > 4) { /* a relay that wants a password wants TLS too: see mbedtls.h */
        everywhere.kind = MOTE_ROUTE_RELAY;
        hop.host = mote_span_text(argv[4]);
    }
    mail.reverse_path = from.address = mote_span_text(argv[1]);
    recipient.address = to.address = mote_span_text(argv[2]);
    words.content = mote_span_text(argv[3]);
    message.date_s = (uint32_t)time(NULL);
    mote_status_t status = mote_posix_random(NULL, message.seed, sizeof message.seed);
    if (status == MOTE_OK && (status = mote_compose_start(&compose, &message, room, sizeof room)) == MOTE_OK) {
        status = mote_compose_scan(&compose);
    }
    if (status != MOTE_OK) {
        return fprintf(stderr, "alert: %s: %s\n", compose.fault, mote_status_text(status)), 65;
    }
    status = mote_posix_deliver(&settings, NULL, &mail); /* name servers: resolv.conf */
    printf("%s: %s (%s) %u %.*s\n", argv[2], mote_verdict_text((mote_verdict_t)recipient.verdict),
           mote_status_text(status != MOTE_OK ? status : (mote_status_t)recipient.report.status), recipient.report.code,
           (int)recipient.text.size, (const char *)text);
    return recipient.verdict == MOTE_VERDICT_ACCEPTED ? 0 : 1;
}
