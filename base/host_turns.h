/* Two threads of which one runs at a time: coroutines with a stack each.
 *
 * The creator runs first. Whoever runs hands the turn over and sleeps until it comes back, so what both touch
 * needs no lock, and the order of everything is as exact as in one thread. */
#ifndef CROSSPAGE_BASE_HOST_TURNS_H
#define CROSSPAGE_BASE_HOST_TURNS_H

struct host_turns;

/* The second thread runs fn(ctx) from the first host_turns_give() on. */
struct host_turns *host_turns_create(void (*fn)(void *ctx), void *ctx);

/* Hand over; returns when the turn comes back, or at once if the other thread's fn has returned. Called by
 * whoever runs. */
void host_turns_give(struct host_turns *turns);

/* By the creator, when the other's fn has returned or was never started. NULL is ignored. */
void host_turns_destroy(struct host_turns *turns);

#endif
