/* The calls of guest functions that a trace tells of (-probe), and which of them are open at a time.
 *
 * A call is open from its function's entry to its return. Calls nest per stack. At any time the guest is on
 * one stack, and the innermost call open there is the current one, its callers are open around it:
 *
 *   - the current stack is the one of the last call or return, or the one that a record names (a task switch
 *     was seen);
 *   - when the last call of a stack returns and nothing else said so, the stack that was current before its
 *     first is current again: an interrupt on a stack of its own is over;
 *   - at CPL 3 there is none, and none is known after it, until the next record.
 *
 * So a call that waits while other tasks run is open, but not current. */
#ifndef CROSSPAGE_TRACES_CALLS_H
#define CROSSPAGE_TRACES_CALLS_H

#include "traces/reader.h"

struct call {
    tick_t begin, end;
    uint32_t name;
    bool lost;     /* nobody saw it return; `end` is when that was clear, or the end of the trace */
    size_t caller; /* number of the call around it; 0: none */
};

/* From `when` on, call number `call` is current; 0: none. */
struct call_moment {
    tick_t when;
    size_t call;
};

struct call_sample {
    tick_t when;
    uint32_t name;
};

struct call_stack {
    size_t top;     /* number of the innermost call */
    uint32_t below; /* the stack that was current before */
};

struct calls {
    size_t count;
    struct call *call; /* number n is call[n - 1]; by begin */
    size_t moment_count;
    struct call_moment *moment; /* ascending */
    size_t sample_count;
    struct call_sample *sample; /* ascending */
    /* While a trace is read. */
    struct call_stack *stacks;
    size_t stack_count;
    uint32_t current;
};

/* A record of kind TRACE_GUEST. */
enum status calls_note(struct calls *calls, const struct trace_record *record, struct error *err) MUST_CHECK;
/* The guest is at CPL 3. */
void calls_note_user(struct calls *calls, tick_t when);
/* The trace is over: ends what is open. */
void calls_finish(struct calls *calls, tick_t when);
void calls_free(struct calls *calls);

static inline const struct call *calls_get(const struct calls *calls, size_t number)
{
    return &calls->call[number - 1];
}

/* Number of the current call at a time; 0: none. */
size_t calls_at(const struct calls *calls, tick_t when);
/* Index of the last moment at or before `when`; moment_count: there is none. */
size_t calls_moment_at(const struct calls *calls, tick_t when);

#endif
