/* The host's clock: for progress displays and -stats only; nothing simulated may depend on it (contract E1).
 */
#ifndef CROSSPAGE_BASE_HOST_CLOCK_H
#define CROSSPAGE_BASE_HOST_CLOCK_H

/* Seconds since an arbitrary start, monotonic. */
double host_clock_seconds(void);

#endif
