/* Counterfactual replay (enum replay_rule in inputs.h): each port of a host goes through its own inputs, one
 * event for the next one.
 *
 * The guest sends more bytes than there are inputs, so a byte costs a comparison: `answered` is the first
 * input whose place the guest has not reached. `reached` holds for all before it when that was. */
#include "hostworld/inputs_priv.h"

#include "base/check.h"

enum { RETRY_US = 100 }; /* about a character at 115200 baud: until a port that is not ready is asked again */

static tick_t ticks(const struct inputs *inputs, tick_t recorded)
{
    return ticks_from(inputs->queue, recorded, inputs->config.replay->tick_hz);
}

/* From `index` on, the first one of this port. */
static size_t own(const struct gate *gate, size_t index)
{
    const struct inputs_config *config = &gate->inputs->config;
    const struct recording *recording = config->replay;
    while (index < recording->count &&
           (recording->input[index].host != config->number ||
            recording->input[index].port != gate->port_number || recording->input[index].kind == INPUT_PACE ||
            recording->input[index].kind == INPUT_FRAME))
        index++;
    return index;
}

static tick_t latest(tick_t a, tick_t b)
{
    return a > b ? a : b;
}

/* How long the port may be silent before an input comes unasked. */
static tick_t patience(const struct gate *gate, const struct input *input)
{
    return REPLAY_PATIENCE * ticks(gate->inputs, input->when - gate->before) +
           ticks_from(gate->inputs->queue, REPLAY_PATIENCE_S, 1);
}

static void schedule(struct gate *gate)
{
    const struct inputs *inputs = gate->inputs;
    const struct recording *recording = inputs->config.replay;
    event_cancel(inputs->queue, &gate->due);
    if (gate->next == recording->count)
        return;
    const struct input *input = &recording->input[gate->next];
    tick_t when;
    if (inputs->config.rule == REPLAY_TIME)
        when = ticks(inputs, input->when);
    else if (gate->next < gate->answered)
        when = inputs->reached[gate->next] + ticks(inputs, input->since);
    else
        when = latest(gate->sent, gate->given) + patience(gate, input);
    event_schedule(inputs->queue, &gate->due, when);
}

static bool guest_is_there(const struct gate *gate, const struct input *input)
{
    return gate->lines > input->lines || (gate->lines == input->lines && gate->column >= input->column);
}

/* Whether `answered` moved past the input that is next. */
static bool look_what_is_answered(struct gate *gate)
{
    const struct recording *recording = gate->inputs->config.replay;
    size_t before = gate->answered;
    while (gate->answered < recording->count && guest_is_there(gate, &recording->input[gate->answered])) {
        gate->inputs->reached[gate->answered] = gate->sent;
        gate->answered = own(gate, gate->answered + 1);
    }
    return before <= gate->next && gate->answered > gate->next;
}

void answer_sent(struct gate *gate)
{
    if (look_what_is_answered(gate) && gate->inputs->config.rule == REPLAY_ANSWER)
        schedule(gate);
}

/* The port's silence may have ended since this was scheduled. */
static bool too_soon(struct gate *gate)
{
    const struct inputs *inputs = gate->inputs;
    if (inputs->config.rule != REPLAY_ANSWER || gate->next < gate->answered)
        return false;
    tick_t now = inputs->queue->now;
    schedule(gate);
    return gate->due.when > now;
}

static void give_next(struct event *event, tick_t late)
{
    (void)late;
    struct gate *gate = CONTAINER_OF(event, struct gate, due);
    struct inputs *inputs = gate->inputs;
    const struct input *input = &inputs->config.replay->input[gate->next];
    if (too_soon(gate))
        return;
    if (input->kind == INPUT_BYTE && gate->port != NULL && !gate->port->ready(gate->port_ctx)) {
        event_schedule(inputs->queue, event,
                       inputs->queue->now + ticks_from(inputs->queue, RETRY_US, 1000000));
        return;
    }
    inputs->counts.given++;
    inputs->counts.impatient += gate->next >= gate->answered && inputs->config.rule == REPLAY_ANSWER;
    gate->given = inputs->queue->now;
    gate->before = input->when;
    gate->next = own(gate, gate->next + 1);
    if (gate->answered < gate->next)
        gate->answered = gate->next;
    look_what_is_answered(gate);
    schedule(gate);
    if (input->kind == INPUT_STOP)
        inputs->config.stop(inputs->config.stop_ctx);
    else if (gate->port != NULL)
        gate->port->receive(gate->port_ctx, input->byte);
}

void answer_start(struct gate *gate)
{
    event_init(&gate->due, "inputs.due", EVENT_ORDER_LAST, give_next);
    gate->next = gate->answered = own(gate, 0);
    look_what_is_answered(gate);
    schedule(gate);
}
