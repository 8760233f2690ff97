/* The gate through which everything from outside comes into one host of a lab: it writes it down, or keeps
 * the outside out and gives what a recording has instead.
 *
 *     chardev --byte--> gate --byte--> serial port          recording: each byte is written down as it passes
 *               recording --> gate --byte--> serial port    replay: the chardev is for output only
 *
 * An exact replay gives each input in the same event of the lab at the same tick as it came in; nothing that
 * decides about an input is asked again, only checked. In a counterfactual replay the guest runs otherwise,
 * so that ticks mean nothing; which rule gives an input its time then is in enum replay_rule. */
#ifndef CROSSPAGE_HOSTWORLD_INPUTS_H
#define CROSSPAGE_HOSTWORLD_INPUTS_H

#include "base/event.h"
#include "devices/backends.h"
#include "hostworld/recording.h"
#include "vmm/host.h"

enum replay_rule {
    REPLAY_EXACT,
    /* Counterfactual: an input answers what the guest has sent on the same port. It comes as long after the
     * guest has sent the last of that (so many lines, and so much of the line after) as it did in the
     * recording, in simulated time. Should the guest never send it, it comes when the port has been silent
     * for REPLAY_PATIENCE times as long as in the recording between the input before and this one, and
     * REPLAY_PATIENCE_S seconds. Never before an input that it came after. */
    REPLAY_ANSWER,
    /* Counterfactual: an input comes at its simulated time. */
    REPLAY_TIME,
};

enum { REPLAY_PATIENCE = 4, REPLAY_PATIENCE_S = 60 };

struct inputs_config {
    struct host *host;
    unsigned number;                 /* of the host in the lab */
    struct recording_writer *record; /* or NULL */
    const struct recording *replay;  /* or NULL */
    enum replay_rule rule;
    void (*stop)(void *ctx); /* an INPUT_STOP of the recording */
    void *stop_ctx;
};

/* What became of a recording's inputs on one host. */
struct inputs_counts {
    uint64_t all, given;
    uint64_t impatient; /* given although what they answer was not sent */
    bool differs;       /* an exact replay that is none */
    tick_t differs_at;  /* not before this tick was it noticed */
};

struct inputs;

struct inputs *inputs_create(const struct inputs_config *config);
/* NULL is nothing to do. */
void inputs_destroy(struct inputs *inputs);

/* Put the gate between a serial port and its back end. */
void inputs_connect(struct inputs *inputs, unsigned port, struct char_backend *backend);

/* Around a look at the outside, which is an event: before it; and after it, `waits` telling whether input
 * waits for a port. Returns whether it does, or did in the recording. */
void inputs_begin(struct inputs *inputs);
bool inputs_end(struct inputs *inputs, bool waits);

/* Write down that the user ends the run. */
void inputs_note_stop(struct inputs *inputs);

/* A frame of the real network, `looking` at the host's sockets or not: write it down; or the next one of an
 * exact replay that came so at this tick, or NULL. */
void inputs_note_frame(struct inputs *inputs, bool looking, const struct frame *frame);
const struct input *inputs_next_frame(struct inputs *inputs, bool looking);
bool inputs_replayed(const struct inputs *inputs);

struct inputs_counts inputs_counts(const struct inputs *inputs);

#endif
