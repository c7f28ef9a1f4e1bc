#include "fuzz.h"

/* SMTP-13, SMTP-21, SEC-17: whatever comes, a reply ends within its bounds, and what is called a reply is one: every line
   three digits of one code, the last one's not followed by a hyphen, CRLF and nothing else at its end. */
static void check(const uint8_t *data, size_t size, const mote_reply_t *reply)
{
    size_t at = 0;
    unsigned line_count = 0;
    bool is_last = false;

    while (at < size) {
        REQUIRE(!is_last && size - at >= 5);
        REQUIRE((data[at] - '0') * 100 + (data[at + 1] - '0') * 10 + (data[at + 2] - '0') == reply->code);
        REQUIRE(data[at + 3] == '-' || data[at + 3] == ' ' || data[at + 3] == '\r');
        is_last = data[at + 3] != '-';
        for (at += 3; data[at] != '\n'; at++) {
            REQUIRE(data[at] != 0 && (data[at] != '\r' || data[at + 1] == '\n'));
        }
        REQUIRE(data[at - 1] == '\r');
        at++;
        line_count++;
    }
    REQUIRE(is_last && line_count == reply->line_count);
    REQUIRE(reply->code >= 200 && reply->code <= 599);
    REQUIRE(reply->enhanced.klass == 0 || reply->enhanced.klass == (data[0] - '0'));
    REQUIRE(reply->enhanced.subject <= 999 && reply->enhanced.detail <= 999);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mote_reply_t reply;
    size_t start = 0;

    memset(&reply, 0, sizeof reply);
    for (size_t i = 0; i < size; i++) {
        mote_reply_event_t event = mote_reply_octet(&reply, data[i]);

        REQUIRE(i - start < MOTE_REPLY_BYTES || event == MOTE_REPLY_MALFORMED);
        if (event == MOTE_REPLY_MALFORMED) {
            REQUIRE(mote_reply_octet(&reply, '2') == MOTE_REPLY_MALFORMED);
            break;
        }
        if (event == MOTE_REPLY_DONE) {
            check(data + start, i + 1 - start, &reply);
            memset(&reply, 0, sizeof reply);
            start = i + 1;
        }
    }
    return 0;
}
