#define _POSIX_C_SOURCE 200809L
#include "idn.h"

#include <stdlib.h>

/* No domain that mail has needs more. */
enum { IDN_BYTES = 1024 };

static bool is_ascii(mote_span_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

#ifdef MAILMOTE_HAS_IDN

#include <idn2.h>

/* made: what it became; free it by idn2_free. Returns IDN2_OK or what libidn2 says. */
static int to_ascii(mote_span_t domain, char **made)
{
    char text[IDN_BYTES];

    *made = NULL;
    if (domain.size >= sizeof text) {
        return IDN2_TOO_BIG_DOMAIN;
    }
    if (domain.size > 0) {
        memcpy(text, domain.data, domain.size);
    }
    text[domain.size] = '\0';
    return idn2_to_ascii_8z(text, made, IDN2_NONTRANSITIONAL);
}

const char *idn_fault(mote_span_t domain)
{
    char *made = NULL;
    int status = to_ascii(domain, &made);

    idn2_free(made);
    if (status == IDN2_ENCODING_ERROR) {
        return "it is not UTF-8";
    }
    return status != IDN2_OK ? idn2_strerror(status) : "its domain has no ASCII form that mail could use";
}

char *idn_convert(const char *text)
{
    const char *at = strrchr(text, '@');
    const char *start = at != NULL ? at + 1 : text;
    mote_span_t domain = mote_span(start, strcspn(start, ">"));
    const char *rest = start + domain.size;
    char *made = NULL;
    char *whole = NULL;

    if (!is_ascii(domain) && to_ascii(domain, &made) == IDN2_OK) {
        size_t front = (size_t)(start - text);
        size_t size = strlen(made);

        whole = malloc(front + size + strlen(rest) + 1);
        if (whole != NULL) {
            memcpy(whole, text, front);
            memcpy(whole + front, made, size);
            memcpy(whole + front + size, rest, strlen(rest) + 1);
        }
    }
    idn2_free(made);
    return whole;
}

const char *idn_version(void)
{
    return "IDN by libidn2 " IDN2_VERSION;
}

#else

const char *idn_fault(mote_span_t domain)
{
    return is_ascii(domain) ? "" : "this program was built without libidn2: give the domain's ASCII form (xn--...)";
}

char *idn_convert(const char *text)
{
    (void)text;
    return NULL;
}

const char *idn_version(void)
{
    return "without IDN";
}

#endif
