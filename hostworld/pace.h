/* Simulated time that keeps step with the host's: for a run that something of the real world takes part in.
 * It may be slower than the host's, never faster.
 *
 * Time that the run is behind by is not made up for later, or a guest that computed for a second would not
 * wait for its network during the next. */
#ifndef CROSSPAGE_HOSTWORLD_PACE_H
#define CROSSPAGE_HOSTWORLD_PACE_H

#include "base/types.h"

struct pace {
    bool started;
    double ahead; /* simulated minus host's seconds when they were equal */
};

/* How many milliseconds the host has to wait before it is as late as `simulated` seconds, rounded up. */
unsigned pace_wait_ms(struct pace *pace, double simulated);

#endif
