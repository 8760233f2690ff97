/* Writing inputs down, and giving them again at the same ticks (inputs.h).
 *
 * Invariant of an exact replay: the events of the host's queue are those of the recorded run, one for one.
 * The looks at the outside are among them, so inputs are given in these, and the recording says how soon the
 * next one follows. */
#include "hostworld/inputs_priv.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* ---- The gate ---- */

static struct input note(const struct inputs *inputs, const struct gate *gate, enum input_kind kind)
{
    tick_t now = inputs->queue->now;
    return (struct input){.kind = (uint8_t)kind,
                          .host = (uint8_t)inputs->config.number,
                          .port = (uint8_t)gate->port_number,
                          .when = now,
                          .instructions = inputs->config.host->cpu->s.instructions,
                          .lines = gate->lines,
                          .column = gate->column,
                          .since = now > gate->sent ? now - gate->sent : 0};
}

static bool outside_ready(void *ctx)
{
    const struct gate *gate = ctx;
    return gate->port->ready(gate->port_ctx);
}

static void outside_receive(void *ctx, uint8_t byte)
{
    const struct gate *gate = ctx;
    struct input input = note(gate->inputs, gate, INPUT_BYTE);
    input.byte = byte;
    recording_add(gate->inputs->config.record, &input);
    gate->port->receive(gate->port_ctx, byte);
}

static void gate_attach(void *ctx, const struct char_port_ops *ops, void *port)
{
    static const struct char_port_ops own = {.ready = outside_ready, .receive = outside_receive};
    struct gate *gate = ctx;
    gate->port = ops;
    gate->port_ctx = port;
    if (gate->inputs->config.record != NULL)
        gate->outside.ops->attach(gate->outside.ctx, &own, gate);
}

static void gate_write(void *ctx, uint8_t byte)
{
    struct gate *gate = ctx;
    gate->lines += byte == '\n';
    gate->column = byte == '\n' ? 0 : gate->column + 1;
    gate->sent = gate->inputs->queue->now;
    if (gate->inputs->reached != NULL)
        answer_sent(gate);
    gate->outside.ops->write(gate->outside.ctx, byte);
}

void inputs_connect(struct inputs *inputs, unsigned port, struct char_backend *backend)
{
    static const struct char_backend_ops ops = {.attach = gate_attach, .write = gate_write};
    CHECK(port < RECORDING_PORTS);
    struct gate *gate = &inputs->gate[port];
    if (backend->ops == NULL || (inputs->config.record == NULL && inputs->config.replay == NULL))
        return;
    gate->outside = *backend;
    *backend = (struct char_backend){.ops = &ops, .ctx = gate};
}

/* ---- Exact replay ---- */

static bool exact(const struct inputs *inputs)
{
    return inputs->config.replay != NULL && inputs->config.rule == REPLAY_EXACT;
}

static void differ(struct inputs *inputs)
{
    if (!inputs->counts.differs)
        inputs->counts.differs_at = inputs->queue->now;
    inputs->counts.differs = true;
}

static void give(struct inputs *inputs, const struct input *input)
{
    const struct gate *gate = &inputs->gate[input->port];
    if (input->instructions != inputs->config.host->cpu->s.instructions)
        differ(inputs);
    inputs->counts.given++;
    if (input->kind == INPUT_STOP)
        inputs->config.stop(inputs->config.stop_ctx);
    else if (gate->port == NULL || !gate->port->ready(gate->port_ctx))
        differ(inputs);
    else
        gate->port->receive(gate->port_ctx, input->byte);
}

static void give_all(struct inputs *inputs)
{
    const struct recording *recording = inputs->config.replay;
    for (; inputs->next < recording->count; inputs->next++) {
        const struct input *input = &recording->input[inputs->next];
        if (input->host != inputs->config.number || input->kind == INPUT_FRAME)
            continue;
        if (input->when > inputs->queue->now)
            return;
        if (input->when < inputs->queue->now)
            differ(inputs); /* no look at the outside was at its tick */
        if (input->kind == INPUT_PACE)
            inputs->waits = input->byte != 0;
        else
            give(inputs, input);
    }
}

/* ---- Looks at the outside ---- */

void inputs_begin(struct inputs *inputs)
{
    if (exact(inputs))
        give_all(inputs);
}

bool inputs_end(struct inputs *inputs, bool waits)
{
    if (inputs->config.replay != NULL)
        return inputs->waits;
    if (inputs->config.record != NULL && waits != inputs->waits) {
        struct input input = {.kind = INPUT_PACE,
                              .host = (uint8_t)inputs->config.number,
                              .byte = waits,
                              .when = inputs->queue->now};
        recording_add(inputs->config.record, &input);
    }
    if (inputs->config.record != NULL)
        recording_flush(inputs->config.record);
    inputs->waits = waits;
    return waits;
}

void inputs_note_stop(struct inputs *inputs)
{
    if (inputs->config.record == NULL)
        return;
    struct input input = note(inputs, &inputs->gate[0], INPUT_STOP);
    recording_add(inputs->config.record, &input);
}

/* ---- The real network ---- */

bool inputs_replayed(const struct inputs *inputs)
{
    return inputs != NULL && inputs->config.replay != NULL;
}

void inputs_note_frame(struct inputs *inputs, bool looking, const struct frame *frame)
{
    uint8_t bytes[FRAME_MAX];
    if (inputs == NULL || inputs->config.record == NULL)
        return;
    memcpy(bytes, frame->data, frame->size);
    struct input input = {.kind = INPUT_FRAME,
                          .host = (uint8_t)inputs->config.number,
                          .byte = looking,
                          .when = inputs->queue->now,
                          .instructions = inputs->config.host->cpu->s.instructions,
                          .frame = bytes,
                          .size = frame->size};
    recording_add(inputs->config.record, &input);
}

const struct input *inputs_next_frame(struct inputs *inputs, bool looking)
{
    const struct recording *recording = inputs->config.replay;
    for (; inputs->next_frame < recording->count; inputs->next_frame++) {
        const struct input *input = &recording->input[inputs->next_frame];
        if (input->host != inputs->config.number || input->kind != INPUT_FRAME)
            continue;
        if (input->when > inputs->queue->now || (input->when == inputs->queue->now && input->byte != looking))
            return NULL;
        if (input->when < inputs->queue->now ||
            input->instructions != inputs->config.host->cpu->s.instructions)
            differ(inputs);
        inputs->counts.given++;
        inputs->next_frame++;
        return input;
    }
    return NULL;
}

/* ---- Life ---- */

static void count_all(struct inputs *inputs)
{
    const struct recording *recording = inputs->config.replay;
    for (size_t i = 0; i < recording->count; i++)
        inputs->counts.all +=
            recording->input[i].host == inputs->config.number && recording->input[i].kind != INPUT_PACE;
}

struct inputs *inputs_create(const struct inputs_config *config)
{
    struct inputs *inputs = xcalloc(1, sizeof *inputs);
    CHECK(config->record == NULL || config->replay == NULL);
    inputs->config = *config;
    inputs->queue = config->host->queue;
    for (unsigned i = 0; i < RECORDING_PORTS; i++)
        inputs->gate[i] = (struct gate){.inputs = inputs, .port_number = i};
    if (config->replay == NULL)
        return inputs;
    count_all(inputs);
    if (config->rule == REPLAY_EXACT)
        return inputs;
    inputs->reached = xcalloc(config->replay->count + 1, sizeof *inputs->reached);
    for (unsigned i = 0; i < RECORDING_PORTS; i++)
        answer_start(&inputs->gate[i]);
    return inputs;
}

void inputs_destroy(struct inputs *inputs)
{
    if (inputs == NULL)
        return;
    for (unsigned i = 0; i < RECORDING_PORTS; i++)
        event_cancel(inputs->queue, &inputs->gate[i].due);
    free(inputs->reached);
    free(inputs);
}

struct inputs_counts inputs_counts(const struct inputs *inputs)
{
    return inputs->counts;
}
