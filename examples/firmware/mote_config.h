/* What this firmware wants of mailmote. lwIP is built without IPv6; there is no mailbox and nobody watches the dialogue. */
#ifndef MOTE_CONFIG_H
#define MOTE_CONFIG_H

#define MOTE_FEATURE_IPV6     0
#define MOTE_FEATURE_LOCAL    0
#define MOTE_FEATURE_OBSERVER 0

#endif
