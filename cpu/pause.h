/* Pauses: somebody outside the machine stops it between two instructions, looks at it, and lets it go on.
 *
 * A pause is a callback made just before an instruction runs, when nothing else is asked for by its boundary.
 * The machine stands still until it returns; it takes no simulated time and leaves no trace, so that a run
 * with pauses ends in the state of one without (contract E1), unless whoever paused it changes something.
 *
 *     asked for       before the next instruction (cpu_pause_ask)
 *     step            after one instruction, or after the delivery of the fault or interrupt that came
 * instead break           before an instruction at one of a list of linear addresses watch           after an
 * instruction that accessed one of a list of linear ranges
 *
 * Invariants: (1) guest memory, debug registers and EFLAGS.TF are not used for any of this; (2) a page with a
 * watched byte is not in the TLB's map for the accesses that are watched, as with the guest's own data
 * breakpoints (cpu/debug.c), so every such access comes by pause_note_access(); (3) an instruction is paused
 * at by breakpoint once: who lets it go on from there is not stopped at the same place again. */
#ifndef CROSSPAGE_CPU_PAUSE_H
#define CROSSPAGE_CPU_PAUSE_H

#include "cpu/cpu.h"

enum { PAUSE_BREAKS = 1024, PAUSE_WATCHES = 64 };

enum pause_reason { PAUSE_ASKED, PAUSE_STEPPED, PAUSE_BREAK, PAUSE_WATCH };

struct pause_watch {
    uint64_t first, last; /* linear addresses */
    unsigned accesses;    /* 1 << ACCESS_READ, 1 << ACCESS_WRITE */
};

struct pause {
    enum pause_reason reason;
    struct pause_watch watch; /* PAUSE_WATCH: which one */
    enum access access;       /* and what was done */
};

/* True: the machine's state was changed, or the run is to stop; the boundary is looked at again.
 * cpu_state_changed() has been called where what was changed asks for it. */
typedef bool cpu_pause_fn(void *ctx, const struct pause *pause);

/* Once per CPU, before all others below. */
void cpu_pauses_create(struct cpu *cpu, cpu_pause_fn *fn, void *ctx);
void cpu_pauses_destroy(struct cpu *cpu);

/* The following at any time in a callback of the CPU or between two cpu_run(). */
void cpu_pause_ask(struct cpu *cpu);
/* In the pause function: pause again after one instruction. */
void cpu_pause_step(struct cpu *cpu);
/* False: the list is full. What is in it already is not added again. */
bool cpu_pause_add_break(struct cpu *cpu, uint64_t linear) MUST_CHECK;
void cpu_pause_remove_break(struct cpu *cpu, uint64_t linear);
bool cpu_pause_add_watch(struct cpu *cpu, const struct pause_watch *watch) MUST_CHECK;
void cpu_pause_remove_watch(struct cpu *cpu, const struct pause_watch *watch);
/* All of both. */
void cpu_pause_remove_all(struct cpu *cpu);

/* ---- For cpu/ ---- */

/* What cpu->pause asks the boundaries to look for. */
enum pause_bit { PAUSE_BIT_ASKED = 1, PAUSE_BIT_STEP = 2, PAUSE_BIT_WATCH = 4 };

struct cpu_pauses {
    cpu_pause_fn *fn;
    void *ctx;
    unsigned break_count, watch_count;
    uint64_t breaks[PAUSE_BREAKS];
    struct pause_watch watches[PAUSE_WATCHES];
    struct pause hit; /* valid with PAUSE_BIT_WATCH: what the next pause reports */
    /* Where the last pause ended. */
    uint64_t resumed_rip, resumed_instructions;
};

/* Both pause and return true when the boundary is to be looked at again. The first when cpu->pause is not 0
 * and everything else about a boundary is settled; the second before the instruction at `linear` if a
 * breakpoint is there: it comes by probe_arrived() (cpu/probe.h). */
bool pause_at_boundary(struct cpu *cpu) MUST_CHECK;
bool pause_at_break(struct cpu *cpu, uint64_t linear) MUST_CHECK;

/* Is there a watch for this access in the page of `linear`? */
bool pause_page_watched(const struct cpu *cpu, uint64_t linear, enum access access);
/* An access has been made. */
void pause_note_access(struct cpu *cpu, uint64_t linear, unsigned size, enum access access);

#endif
