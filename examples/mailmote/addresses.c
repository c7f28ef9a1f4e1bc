#include "addresses.h"

#include "idn.h"

const char *address_fault(mote_span_t text, bool is_sender)
{
    mote_address_t address;
    mote_status_t status = mote_address_parse(text, &address);
    size_t at = text.size;
    size_t first_8bit = text.size;

    if (status == MOTE_OK && (!is_sender || address.kind != MOTE_ADDRESS_POSTMASTER)) {
        return NULL;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == 0x7F || text.data[i] < ' ') {
            return "it holds a control character";
        }
        first_8bit = first_8bit == text.size && text.data[i] >= 0x80 ? i : first_8bit;
        at = text.data[i] == '@' ? i : at;
    }
    if (at < text.size && first_8bit < text.size) {
        return first_8bit < at ? "a local part beyond ASCII needs SMTPUTF8 (RFC 6531), which is not there yet"
                               : idn_fault(mote_span_slice(text, at + 1, text.size));
    }
    if (text.size == 0 || status == MOTE_ERR_SPACE) {
        return text.size == 0 ? "an empty address" : "too long (RFC 5321 4.5.3.1)";
    }
    if (at == text.size || text.data[text.size - 1] == '>') {
        return at == text.size ? "there is no @domain" : "an address stands here alone, without a name or angle brackets";
    }
    if (mote_span_find(text, ',') < text.size) {
        return "one address at a time, without commas (RFC 5321 4.1.2)";
    }
    text = mote_span_slice(text, at + 1, text.size);
    return mote_domain_is_valid(text) || (text.size > 0 && text.data[0] == '[')
               ? "not an address as mail has them (RFC 5321 4.1.2)"
               : "behind the @ stands no full domain name, as example.net";
}

/* ---- lists in a header --------------------------------------------------------------------------------- */

/* A name or an address as it is read. */
typedef struct words {
    mote_writer_t out;
    uint8_t last;
    bool has_gap; /* white space or a comment was passed over */
    bool has_at;  /* outside of quotes */
} words_t;

static words_t empty_words(char *room)
{
    words_t words = { mote_writer((uint8_t *)room, ADDRESS_ROOM_BYTES), 0, false, false };

    return words;
}

/* RFC 5322 4.4: white space may surround the dots and the @. Anywhere else it stays, and makes it no address: two words
   are never joined to one. */
static void put(words_t *words, uint8_t octet)
{
    bool is_joint = octet == '.' || octet == '@' || words->last == '.' || words->last == '@';

    if (words->has_gap && words->out.size > 0 && !is_joint) {
        mote_write_u8(&words->out, ' ');
    }
    words->has_gap = false;
    words->last = octet;
    mote_write_u8(&words->out, octet);
}

static bool is_space(uint8_t octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

static bool fail(address_list_t *list, const char *fault)
{
    list->fault = fault;
    return false;
}

/* RFC 5322 3.2.2: they may stand within each other. */
static bool skip_comment(address_list_t *list)
{
    unsigned depth = 0;

    while (list->rest.size > 0) {
        uint8_t octet = list->rest.data[0];

        depth += octet == '(' ? 1U : 0U;
        depth -= octet == ')' ? 1U : 0U;
        mote_span_skip(&list->rest, octet == '\\' ? 2 : 1);
        if (depth == 0) {
            return true;
        }
    }
    return fail(list, "a comment has no end");
}

/* A quoted string or a domain literal, with what stands around it, less the folds in it. */
static bool take_enclosed(address_list_t *list, words_t *words, uint8_t end)
{
    put(words, list->rest.data[0]);
    mote_span_skip(&list->rest, 1);
    while (list->rest.size > 0) {
        uint8_t octet = list->rest.data[0];

        mote_span_skip(&list->rest, 1);
        if (octet != '\r' && octet != '\n') {
            put(words, octet);
        }
        if (octet == end) {
            return true;
        }
        if (octet == '\\' && list->rest.size > 0) {
            put(words, list->rest.data[0]);
            mote_span_skip(&list->rest, 1);
        }
    }
    return fail(list, end == '"' ? "a quoted string has no end" : "a '[' has no ']'");
}

/* One between commas. */
typedef struct item {
    words_t name; /* or the address, if no angle brackets follow */
    words_t address;
    bool has_brackets;
    bool is_inside;
    bool has_ended;
} item_t;

static bool take_bracket(address_list_t *list, item_t *item, bool is_opening)
{
    if (is_opening == item->is_inside || (is_opening && item->has_brackets)) {
        return fail(list, "angle brackets do not match, or a comma is missing");
    }
    item->has_brackets = true;
    item->is_inside = is_opening;
    return !is_opening && item->name.has_at ? fail(list, "a name with an '@' must stand within quotes") : true;
}

/* ',' ':' or ';' outside of angle brackets. */
static bool take_separator(address_list_t *list, item_t *item, uint8_t octet, char *room)
{
    if (octet == ':' && (list->is_in_group || item->has_brackets || list->is_behind_group)) {
        return fail(list, "a ':' that begins no group");
    }
    if (octet == ';' && !list->is_in_group) {
        return fail(list, "a ';' that ends no group: addresses have commas between them");
    }
    if (octet == ':') {
        item->name = empty_words(room); /* the group's */
    }
    item->has_ended = octet != ':';
    list->is_in_group = octet == ':' || (octet == ',' && list->is_in_group);
    list->is_behind_group = octet == ';';
    return true;
}

static bool take(address_list_t *list, item_t *item, char *room)
{
    uint8_t octet = list->rest.data[0];
    words_t *words = item->is_inside ? &item->address : &item->name;

    if (is_space(octet)) {
        words->has_gap = true;
    } else if (octet == '(') {
        words->has_gap = true;
        return skip_comment(list);
    } else if (!item->is_inside && (octet == ',' || octet == ':' || octet == ';')) {
        mote_span_skip(&list->rest, 1);
        return take_separator(list, item, octet, room);
    } else if (list->is_behind_group || (item->has_brackets && !item->is_inside && octet != '<' && octet != '>')) {
        return fail(list, "a comma is missing");
    } else if (octet == '"' || octet == '[') {
        return take_enclosed(list, words, octet == '"' ? '"' : ']');
    } else if (octet == '<' || octet == '>') {
        mote_span_skip(&list->rest, 1);
        return take_bracket(list, item, octet == '<');
    } else {
        words->has_at |= octet == '@';
        put(words, octet);
    }
    mote_span_skip(&list->rest, 1);
    return true;
}

bool address_list_next(address_list_t *list, char room[ADDRESS_ROOM_BYTES], size_t *size)
{
    char name[ADDRESS_ROOM_BYTES];

    while (list->rest.size > 0) {
        item_t item = { empty_words(name), empty_words(room), false, false, false };
        const words_t *words;

        while (!item.has_ended && list->rest.size > 0) {
            if (!take(list, &item, name)) {
                return false;
            }
        }
        if (item.is_inside || (list->is_in_group && list->rest.size == 0)) {
            return fail(list, item.is_inside ? "a '<' has no '>'" : "a group has no ';' at its end");
        }
        words = item.has_brackets ? &item.address : &item.name;
        *size = mote_writer_stored(&words->out);
        if (mote_writer_overflowed(&words->out)) {
            return fail(list, "an address is too long (RFC 5321 4.5.3.1)");
        }
        if (words == &item.name) {
            memcpy(room, name, *size);
        }
        if (*size > 0 || item.has_brackets) {
            return true;
        }
    }
    return false;
}
