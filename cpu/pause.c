/* Pauses (pause.h): the lists, and which of them a boundary has reached. */
#include "cpu/pause.h"

#include "base/check.h"
#include "cpu/cpu_priv.h"
#include "cpu/exec.h"
#include "cpu/probe.h"

#include <stdlib.h>

void cpu_pauses_create(struct cpu *cpu, cpu_pause_fn *fn, void *ctx)
{
    CHECK(cpu->pauses == NULL);
    cpu->pauses = xcalloc(1, sizeof *cpu->pauses);
    cpu->pauses->fn = fn;
    cpu->pauses->ctx = ctx;
    cpu->pauses->resumed_instructions = UINT64_MAX;
}

void cpu_pauses_destroy(struct cpu *cpu)
{
    free(cpu->pauses);
    cpu->pauses = NULL;
    cpu->pause = 0;
}

void cpu_pause_ask(struct cpu *cpu)
{
    cpu->pause |= PAUSE_BIT_ASKED;
    cpu_attend(cpu);
}

void cpu_pause_step(struct cpu *cpu)
{
    cpu->pause |= PAUSE_BIT_STEP;
    cpu_attend(cpu);
}

/* ---- Breakpoints ---- */

static unsigned find_break(const struct cpu_pauses *pauses, uint64_t linear)
{
    unsigned n = 0;
    while (n < pauses->break_count && pauses->breaks[n] != linear)
        n++;
    return n;
}

bool cpu_pause_add_break(struct cpu *cpu, uint64_t linear)
{
    struct cpu_pauses *pauses = cpu->pauses;
    if (find_break(pauses, linear) < pauses->break_count)
        return true;
    if (pauses->break_count == PAUSE_BREAKS)
        return false;
    pauses->breaks[pauses->break_count++] = linear;
    probe_mark(cpu, linear);
    return true;
}

void cpu_pause_remove_break(struct cpu *cpu, uint64_t linear)
{
    struct cpu_pauses *pauses = cpu->pauses;
    unsigned n = find_break(pauses, linear);
    if (n == pauses->break_count)
        return;
    pauses->breaks[n] = pauses->breaks[--pauses->break_count];
}

/* ---- Watches ---- */

static bool watches_equal(const struct pause_watch *a, const struct pause_watch *b)
{
    return a->first == b->first && a->last == b->last && a->accesses == b->accesses;
}

static unsigned find_watch(const struct cpu_pauses *pauses, const struct pause_watch *watch)
{
    unsigned n = 0;
    while (n < pauses->watch_count && !watches_equal(&pauses->watches[n], watch))
        n++;
    return n;
}

bool cpu_pause_add_watch(struct cpu *cpu, const struct pause_watch *watch)
{
    struct cpu_pauses *pauses = cpu->pauses;
    if (find_watch(pauses, watch) < pauses->watch_count)
        return true;
    if (pauses->watch_count == PAUSE_WATCHES)
        return false;
    pauses->watches[pauses->watch_count++] = *watch;
    debug_update(cpu);
    tlb_recheck_all(&cpu->tlb);
    return true;
}

void cpu_pause_remove_watch(struct cpu *cpu, const struct pause_watch *watch)
{
    struct cpu_pauses *pauses = cpu->pauses;
    unsigned n = find_watch(pauses, watch);
    if (n == pauses->watch_count)
        return;
    pauses->watches[n] = pauses->watches[--pauses->watch_count];
    debug_update(cpu);
}

void cpu_pause_remove_all(struct cpu *cpu)
{
    cpu->pauses->break_count = cpu->pauses->watch_count = 0;
    debug_update(cpu);
}

bool pause_page_watched(const struct cpu *cpu, uint64_t linear, enum access access)
{
    const struct cpu_pauses *pauses = cpu->pauses;
    uint64_t page = linear >> PAGE_SHIFT;
    for (unsigned n = 0; pauses != NULL && n < pauses->watch_count; n++) {
        const struct pause_watch *watch = &pauses->watches[n];
        if ((watch->accesses >> access & 1) != 0 && watch->first >> PAGE_SHIFT <= page &&
            page <= watch->last >> PAGE_SHIFT)
            return true;
    }
    return false;
}

/* Of several accesses of an instruction the first that is watched is reported. */
void pause_note_access(struct cpu *cpu, uint64_t linear, unsigned size, enum access access)
{
    struct cpu_pauses *pauses = cpu->pauses;
    if (pauses == NULL || (cpu->pause & PAUSE_BIT_WATCH) != 0)
        return;
    for (unsigned n = 0; n < pauses->watch_count; n++) {
        const struct pause_watch *watch = &pauses->watches[n];
        if ((watch->accesses >> access & 1) == 0 || linear > watch->last || linear + size - 1 < watch->first)
            continue;
        pauses->hit = (struct pause){.reason = PAUSE_WATCH, .watch = *watch, .access = access};
        cpu->pause |= PAUSE_BIT_WATCH;
        cpu_attend(cpu);
        return;
    }
}

/* ---- Pausing ---- */

static bool pause_now(struct cpu *cpu, const struct pause *pause)
{
    struct cpu_pauses *pauses = cpu->pauses;
    cpu->pause = 0;
    cpu_sync(cpu);
    bool again = pauses->fn(pauses->ctx, pause);
    if (pause->reason != PAUSE_ASKED) { /* which is mostly a look in passing */
        pauses->resumed_rip = cpu->s.rip;
        pauses->resumed_instructions = cpu->s.instructions;
    }
    return again;
}

bool pause_at_boundary(struct cpu *cpu)
{
    struct pause pause = {.reason = PAUSE_ASKED};
    if ((cpu->pause & PAUSE_BIT_WATCH) != 0)
        pause = cpu->pauses->hit;
    else if ((cpu->pause & PAUSE_BIT_STEP) != 0)
        pause.reason = PAUSE_STEPPED;
    return pause_now(cpu, &pause);
}

bool pause_at_break(struct cpu *cpu, uint64_t linear)
{
    const struct cpu_pauses *pauses = cpu->pauses;
    bool left_just_now =
        pauses->resumed_rip == cpu->s.rip && pauses->resumed_instructions == cpu->s.instructions;
    if (left_just_now || find_break(pauses, linear) == pauses->break_count)
        return false;
    return pause_now(cpu, &(const struct pause){.reason = PAUSE_BREAK});
}
