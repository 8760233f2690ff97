/* Inputs, inside: recording and exact replay (inputs.c), counterfactual replay (inputs_answer.c). */
#ifndef CROSSPAGE_HOSTWORLD_INPUTS_PRIV_H
#define CROSSPAGE_HOSTWORLD_INPUTS_PRIV_H

#include "hostworld/inputs.h"

/* Between one serial port and its back end. */
struct gate {
    struct inputs *inputs;
    unsigned port_number;
    struct char_backend outside; /* ops NULL: no such port */
    const struct char_port_ops *port;
    void *port_ctx;
    uint64_t lines, column; /* what the guest has sent */
    tick_t sent;            /* when it sent the last byte */
    /* Counterfactual replay: */
    struct event due;
    size_t next;     /* input of this port to be given, index in the recording */
    size_t answered; /* first one whose place the guest has not reached */
    tick_t given;    /* when the last one was */
    tick_t before;   /* when it was in the recording, in its ticks */
};

struct inputs {
    struct inputs_config config;
    struct event_queue *queue;
    struct gate gate[RECORDING_PORTS];
    size_t next, next_frame; /* exact replay: in the recording */
    bool waits;              /* the pace last written down, or read */
    tick_t *reached; /* counterfactual, per input of the recording: when the guest reached its place */
    struct inputs_counts counts;
};

/* Counterfactual replay: after creation, for each connected port, and after each byte that the guest sends.
 */
void answer_start(struct gate *gate);
void answer_sent(struct gate *gate);

#endif
