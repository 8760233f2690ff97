/* Modelled caches in translated code (cpu/timing.h). Host code looks into the filter itself; what is not
 * found there it asks here, and goes on if that fits before the limit, at a price that is added to the
 * budget. All else is the interpreter's.
 *
 * An instruction may be asked about here and done by the interpreter after all. That is as if it had not been
 * asked: what it touched is first in its sets, and touching it again changes nothing. Therefore an
 * instruction with two memory operands, which may be of one set, is always the interpreter's. */
#include "binxlate/priv.h"

void timed_create(struct translator *t)
{
    const struct timing *timing = t->cpu->timing;
    if (timing == NULL)
        return;
    t->config.off |= 1u << PATH_NEAR | 1u << PATH_SHARE | 1u << PATH_LOOP | 1u << PATH_ROUTE;
    uint64_t line = (UINT64_C(1) << timing->hierarchy.config.line_shift) - 1;
    for (unsigned n = 0; n < NEAR_SIZES; n++)
        t->frame->line_mask[n] = ~line | ((UINT64_C(1) << n) - 1);
}

/* How many cycles may pass before the limit, so that what is paid for still ends below it. */
static uint64_t room(const struct xlat_frame *frame)
{
    int64_t left = -(frame->budget >> BUDGET_SHIFT);
    return left > 0 ? (uint64_t)left - 1 : 0;
}

static void pay(struct xlat_frame *frame, uint32_t cycles)
{
    frame->budget += (int64_t)((uint64_t)cycles << BUDGET_SHIFT);
}

uint64_t timed_data(struct cpu *cpu, uint64_t linear)
{
    struct xlat_frame *frame = cpu_engine_room(cpu);
    uint32_t price = 0, what = frame->timed_what, size = what & 0xFF;
    if ((what & TIMED_ALIGNED) != 0 && (linear & (size - 1)) != 0)
        return 0;
    uintptr_t addend = timing_data_within(cpu, linear, size, (what & TIMED_STORE) != 0, room(frame), &price);
    pay(frame, price);
    return addend;
}

uint64_t timed_fetch(struct cpu *cpu, uint64_t linear)
{
    struct xlat_frame *frame = cpu_engine_room(cpu);
    uint32_t price = 0;
    bool done = timing_fetch_within(cpu, linear, room(frame), &price);
    pay(frame, price);
    return !done;
}

uint64_t timed_branch(struct cpu *cpu, uint64_t target)
{
    struct xlat_frame *frame = cpu_engine_room(cpu);
    uint32_t what = frame->timed_what;
    const struct branch branch = {
        .kind = (enum branch_kind)(what & 0xFF),
        .taken = (what & TIMED_TAKEN) != 0,
        .backward = (what & TIMED_BACKWARD) != 0,
        .address = frame->timed_address,
        .next = (frame->timed_address + (what >> TIMED_LENGTH_SHIFT)) & cpu->linear_mask,
        .target = target & cpu->linear_mask,
    };
    pay(frame, timing_predict(cpu, &branch));
    return 0;
}
