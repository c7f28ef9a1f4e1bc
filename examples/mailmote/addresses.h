/* Addresses as people and headers write them. */
#ifndef ADDRESSES_H
#define ADDRESSES_H

#include <mailmote/address.h>

/* Why a text is no address one can send to or from, or NULL: it is one. */
const char *address_fault(mote_span_t text, bool is_sender);

/* Walks the value of a To, Cc or Bcc field (RFC 5322 3.4): groups, comments, quoted strings, folds. Zero it, set rest. */
typedef struct address_list {
    mote_span_t rest;
    const char *fault; /* why the walk ended before its end, or NULL */
    bool is_in_group;
    bool is_behind_group; /* and now there must be a comma */
} address_list_t;

enum { ADDRESS_ROOM_BYTES = 320 };

/*
 * The next address, written to room without its name, its comments and the white space around its dots; whether it is
 * one that mail has is for address_fault to say. False behind the last one, or when there is a fault.
 */
bool address_list_next(address_list_t *list, char room[ADDRESS_ROOM_BYTES], size_t *size);

#endif
