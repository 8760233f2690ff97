/* The one place that reads the host's monotonic clock (host_clock.h). */
#include "base/host_clock.h"

#include <time.h>

double host_clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
