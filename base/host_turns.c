/* Taking turns by a condition variable each, so that a hand-over wakes the one thread that waits. */
#include "base/host_turns.h"

#include "base/check.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct host_turns {
    void (*fn)(void *ctx);
    void *ctx;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed[2];
    unsigned turn; /* 0: the creator's */
    bool started, ended;
};

/* Mutex held: wake the other and sleep until it is `own` turn. */
static void hand_over(struct host_turns *turns, unsigned own)
{
    turns->turn = 1 - own;
    pthread_cond_signal(&turns->changed[1 - own]);
    while (turns->turn != own)
        pthread_cond_wait(&turns->changed[own], &turns->mutex);
}

static void *second(void *ctx)
{
    struct host_turns *turns = ctx;
    turns->fn(turns->ctx);
    pthread_mutex_lock(&turns->mutex);
    turns->ended = true;
    turns->turn = 0;
    pthread_cond_signal(&turns->changed[0]);
    pthread_mutex_unlock(&turns->mutex);
    return NULL;
}

/* Signals are the first thread's: the run loop asks for them there. */
static void start(struct host_turns *turns)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&turns->thread, NULL, second, turns);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    CHECK(!failed);
    turns->started = true;
}

struct host_turns *host_turns_create(void (*fn)(void *ctx), void *ctx)
{
    struct host_turns *turns = xcalloc(1, sizeof *turns);
    turns->fn = fn;
    turns->ctx = ctx;
    pthread_mutex_init(&turns->mutex, NULL);
    pthread_cond_init(&turns->changed[0], NULL);
    pthread_cond_init(&turns->changed[1], NULL);
    return turns;
}

void host_turns_give(struct host_turns *turns)
{
    pthread_mutex_lock(&turns->mutex);
    unsigned own = turns->turn;
    if (own == 0 && !turns->started) {
        turns->turn = 1;
        start(turns);
    }
    if (!turns->ended)
        hand_over(turns, own);
    pthread_mutex_unlock(&turns->mutex);
}

void host_turns_destroy(struct host_turns *turns)
{
    if (turns == NULL)
        return;
    CHECK(!turns->started || turns->ended);
    if (turns->started)
        pthread_join(turns->thread, NULL);
    pthread_cond_destroy(&turns->changed[0]);
    pthread_cond_destroy(&turns->changed[1]);
    pthread_mutex_destroy(&turns->mutex);
    free(turns);
}
