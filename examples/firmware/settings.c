#include "settings.h"

#include "firmware.h"

static uint8_t text[512];
static uint8_t ca[1024];

static uint16_t read_number(mote_span_t value)
{
    uint16_t number = 0;

    for (size_t i = 0; i < value.size; i++) {
        number = (uint16_t)(number * 10 + (value.data[i] - '0'));
    }
    return number;
}

static bool read_ca(settings_t *settings, mote_span_t value)
{
    char path[128];

    if (value.size >= sizeof path) {
        return false;
    }
    memcpy(path, value.data, value.size);
    path[value.size] = '\0';
    settings->ca = mote_span(ca, host_read(path, ca, sizeof ca));
    return settings->ca.size > 0 && settings->ca.size < sizeof ca;
}

static bool set(settings_t *settings, mote_span_t key, mote_span_t value)
{
    const struct {
        const char *key;
        mote_span_t *field;
    } spans[] = { { "from", &settings->from },
                  { "to", &settings->to },
                  { "relay", &settings->relay },
                  { "user", &settings->user },
                  { "password", &settings->password } };

    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        if (mote_span_equals(key, mote_span_text(spans[i].key))) {
            *spans[i].field = value;
            return true;
        }
    }
    if (mote_span_equals(key, mote_span_text("port"))) {
        settings->relay_port = read_number(value);
    } else if (mote_span_equals(key, mote_span_text("implicit"))) {
        settings->is_implicit = read_number(value) != 0;
    } else if (mote_span_equals(key, mote_span_text("mx"))) {
        settings->has_mx = read_number(value) != 0;
    } else if (mote_span_equals(key, mote_span_text("arena"))) {
        settings->arena = read_number(value);
    } else if (mote_span_equals(key, mote_span_text("rounds"))) {
        settings->rounds = read_number(value);
    } else if (mote_span_equals(key, mote_span_text("pause"))) {
        settings->pause_ms = read_number(value);
    } else if (mote_span_equals(key, mote_span_text("patience"))) {
        settings->patience_s = read_number(value);
    } else if (mote_span_equals(key, mote_span_text("dns"))) {
        return mote_ip_parse(value, &settings->name_server) == MOTE_OK;
    } else if (mote_span_equals(key, mote_span_text("sntp"))) {
        return mote_ip_parse(value, &settings->time_server) == MOTE_OK;
    } else if (mote_span_equals(key, mote_span_text("ca"))) {
        return read_ca(settings, value);
    } else {
        return false;
    }
    return true;
}

bool settings_read(settings_t *settings)
{
    char words[160] = { 0 };
    size_t size = host_arguments(words, sizeof words - 1);
    mote_span_t path = mote_span(words, size);
    mote_span_t left;
    bool is_good = true;

    memset(settings, 0, sizeof *settings);
    settings->relay_port = 587;
    settings->has_mx = true;
    settings->rounds = 1;
    path = mote_span_slice(path, mote_span_find(path, ' ') + 1, path.size); /* behind the program's name */
    if (path.size == 0) {
        return false;
    }
    left = mote_span(text, host_read((const char *)path.data, text, sizeof text));
    while (left.size > 0 && is_good) {
        size_t end = mote_span_find(left, '\n');
        mote_span_t line = mote_span_slice(left, 0, end);
        size_t blank = mote_span_find(line, ' ');

        is_good = set(settings, mote_span_slice(line, 0, blank), mote_span_slice(line, blank + 1, line.size));
        left = mote_span_slice(left, end + 1, left.size);
    }
    return is_good && settings->to.size > 0;
}
