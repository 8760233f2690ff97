/* Pacing (pace.h): the one place besides base/host_* that looks at the host's clock (contract E1). */
#include "hostworld/pace.h"

#include "base/host_clock.h"

#include <math.h>

#define BEHIND_MOST 0.02 /* seconds */

unsigned pace_wait_ms(struct pace *pace, double simulated)
{
    double host = host_clock_seconds(), gap = simulated - host - pace->ahead;
    if (!pace->started || gap < -BEHIND_MOST) {
        pace->started = true;
        pace->ahead = simulated - host;
        gap = 0;
    }
    return gap > 0 ? (unsigned)ceil(gap * 1000) : 0;
}
