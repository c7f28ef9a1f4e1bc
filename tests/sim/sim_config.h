/* The core's assertions fail a world as any broken invariant does. */
#ifndef SIM_CONFIG_H
#define SIM_CONFIG_H

void sim_asserts(const char *condition);
#define MOTE_ASSERT(condition) ((condition) ? (void)0 : sim_asserts(#condition))

#endif
