/* mailmote resolve: the mail exchangers of a domain in order, with their addresses. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "setup.h"

/* Returns the exit code. */
int resolve(setup_t *setup, const char *domain);

#endif
