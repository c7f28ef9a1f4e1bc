#include "console.h"

#include "board.h"

void console_text(const char *text)
{
    while (*text != '\0') {
        if (*text == '\n') {
            board_put('\r');
        }
        board_put(*text++);
    }
}

void console_span(mote_span_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        board_put(text.data[i] >= ' ' && text.data[i] < 0x7F ? (char)text.data[i] : '?');
    }
}

void console_number(uint32_t number)
{
    char digits[11];
    unsigned at = sizeof digits - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    console_text(digits + at);
}

void console_line(const char *before, uint32_t number, const char *after)
{
    console_text(before);
    console_number(number);
    console_text(after);
    console_text("\n");
}
