/* The CPU: create, run, interrupt inputs, state access.
 *
 * cpu_run() executes instructions until the clock reaches a deadline, the CPU halts or shuts down, or
 * somebody asks it to stop (cpu_stop_soon: a device interrupt, an earlier event). Interrupts, NMI and debug
 * traps are taken inside, at the first instruction boundary at which they are pending and allowed (contract
 * E2). */
#ifndef CROSSPAGE_CPU_CPU_H
#define CROSSPAGE_CPU_CPU_H

#include "base/log.h"
#include "cpu/bus.h"
#include "cpu/engine.h"
#include "cpu/insn.h"
#include "cpu/state.h"
#include "cpu/timing.h"

/* A CPU model is data: cpu/models.def. */
struct cpu_model;
const struct cpu_model *cpu_model_find(const char *name);   /* NULL if unknown */
const struct cpu_model *cpu_model_by_index(unsigned index); /* NULL past the last */
const char *cpu_model_name(const struct cpu_model *model);
/* Front-side bus or crystal: what the board must drive the local APIC timer with. */
uint64_t cpu_model_bus_hz(const struct cpu_model *model);
bool cpu_model_has_apic(const struct cpu_model *model);
bool cpu_has(const struct cpu *cpu, enum insn_feature feature);

struct cpu_config {
    const struct cpu_model *model;
    uint64_t hz;                        /* for CPUID 15h/16h and the brand string's MHz */
    uint16_t cost[2][COST_CLASS_COUNT]; /* cycles per class, [0] at CPL 0..2, [1] at CPL 3 */
    uint64_t random_seed;               /* where RDRAND and RDSEED start at power-on */
    bool fast_paths;                    /* off: only the reference handlers (tests) */
    bool no_apic;                       /* the board has no local APIC: the model's is not there */
    bool no_pcid;                       /* nor are PCIDs and INVPCID: a monitor hides them */
    const struct timing_config *timing; /* caches and branch prediction take time; NULL: they do not */
    size_t engine_bytes; /* room behind struct cpu for a translator, which addresses it from there */
};

enum cpu_stop {
    CPU_STOP_DEADLINE, /* clock >= deadline, or asked to stop */
    CPU_STOP_HALTED,   /* HLT and nothing wakes it yet */
    CPU_STOP_SHUTDOWN, /* triple fault */
};

struct fault {
    uint8_t vector;
    bool has_code;
    uint32_t code;
    uint64_t cr2; /* vector 14 only */
};

/* Operands of the last instruction that set flags (cpu/flags.h). */
struct lazy_flags {
    uint32_t op;
    uint64_t result, src1, src2;
};

struct block_cache; /* cpu/block.c */
struct cpu_pauses;  /* cpu/pause.h */
struct cpu_probes;  /* cpu/probe.h */
struct block;       /* cpu/block.h */

struct cpu {
    struct cpu_state s;

    /* ---- engine state ---- */
    cycle_t
        deadline;  /* cpu_run returns at the first boundary with clock >= deadline; 0 = as soon as possible */
    cycle_t limit; /* the inner loop leaves at the first boundary with clock >= limit: the deadline, or 0 to
                      make it look at interrupts, invalidated code or a new deadline first */
    unsigned mode; /* enum cpu_mode, derived from s */
    uint8_t cpl;   /* derived: s.seg[SS] DPL, 3 in V86, 0 in real mode */
    /* Derived, bit per segment: no check but paging is needed to read (flat) or write (flat_write) through
     * it: limit 4 GB or 64-bit mode, present, type fits, no alignment checking. The base need not be 0. */
    uint8_t flat, flat_write;
    bool align_check;      /* derived: CR0.AM, EFLAGS.AC and CPL 3 */
    uint8_t debug_enabled; /* derived: bit n = breakpoint n is enabled in DR7; bit 4 = cpu/pause.h watches */
    bool debug_code;       /* derived: an instruction breakpoint is enabled */
    uint8_t pause;         /* enum pause_bit: what boundaries have to look for, see cpu/pause.h */
    bool skip_step;        /* set by a handler that settles its own single-step trap; run loop clears */
    /* Derived: EFER.LMA and CS.L. Not beside `mode`: a compiler that loads both at once, right after they
     * were stored one by one, makes the host wait for the stores. */
    bool long64;
    uint64_t seg_base[SREG_COUNT]; /* derived: base that linear addresses are made with */
    /* Derived, outside 64-bit mode, [0] to read and [1] to write: what plus offset and size - 1 is negative
     * when the access needs no check but paging. */
    int64_t seg_reach[2][SREG_COUNT];
    /* What CS and SS were when the four above were derived from them, privilege apart; outside 64-bit mode.
     */
    struct segment derived_from[SS + 1];
    /* For segment_load_quick(): what loading a selector gave when its descriptor was `raw` and CPL `cpl`. */
    struct segment_memo {
        uint64_t raw; /* 0: nothing */
        struct segment segment;
        uint8_t cpl;
    } segment_memo[SREG_COUNT][2];
    uint64_t linear_mask;    /* derived: 32 bits outside 64-bit mode */
    uint64_t code_bound;     /* derived: the highest offset that code in CS may reach */
    struct tlb_map *tlb_map; /* derived: maps[] for this CPL */
    /* The TLB's maps, [user]; with a cache model, which has to see every access, an empty one. */
    struct tlb_map *maps[2];
    struct paging paging; /* derived from CR0, CR3, CR4, EFER */
    /* Lazy arithmetic flags: valid instead of s.rflags' arithmetic bits when op != 0 (cpu/flags.h). */
    struct lazy_flags lazy;
    struct fault fault; /* set by a handler that returns EXEC_FAULT */
    struct guest_memory *memory;
    const struct cpu_bus *bus;
    const struct cpu_model *model;
    struct insn_tables *tables;
    struct block_cache *blocks;
    struct block *block;             /* the running one */
    uint32_t block_cost;             /* its cycles */
    uint32_t chain;                  /* how many more blocks may follow before the run loop wants control */
    const struct cpu_engine *engine; /* NULL: interpret everything */
    struct cpu_pauses *pauses;       /* NULL: nobody pauses it */
    struct cpu_probes *probes;       /* NULL: none */
    struct log *log;
    struct cpu_config config;
    struct timing *timing; /* the cache model, or NULL */
    struct timing_filter filter;
    struct tlb tlb; /* large, so at the end */
};

struct cpu *cpu_create(const struct cpu_config *config, struct guest_memory *memory,
                       const struct cpu_bus *bus, struct log *log);
void cpu_destroy(struct cpu *cpu);

/* Attach a translator, or NULL to take it away; at an instruction boundary. */
void cpu_set_engine(struct cpu *cpu, const struct cpu_engine *engine);
/* How far behind the start of struct cpu its config.engine_bytes begin: whole cache lines. */
static inline size_t cpu_engine_offset(void)
{
    return (sizeof(struct cpu) + 63) & ~(size_t)63;
}
/* These bytes, zeroed at creation. */
void *cpu_engine_room(struct cpu *cpu);

/* Power-on or INIT state (SDM vol. 3, table 9-1). The clock keeps running. */
void cpu_reset(struct cpu *cpu, bool power_on);

enum cpu_stop cpu_run(struct cpu *cpu, cycle_t deadline);

/* Make cpu_run return at the next instruction boundary. May be called from any callback. */
static inline void cpu_stop_soon(struct cpu *cpu)
{
    cpu->deadline = 0;
    cpu->limit = 0;
}

/* Make the run loop look at interrupts, debug traps and the deadline at the next instruction boundary. */
static inline void cpu_attend(struct cpu *cpu)
{
    cpu->limit = 0;
}

/* Make the running cpu_run return earlier than it was told. */
static inline void cpu_advance_deadline(struct cpu *cpu, cycle_t deadline)
{
    if (deadline < cpu->deadline)
        cpu->deadline = deadline;
    if (deadline < cpu->limit)
        cpu->limit = deadline;
}

/* Interrupt inputs; may be called from callbacks. */
void cpu_set_intr(struct cpu *cpu, bool level);
void cpu_raise_nmi(struct cpu *cpu);
void cpu_set_a20(struct cpu *cpu, bool enabled);

/* True when a halted CPU would wake now. */
bool cpu_wakes(const struct cpu *cpu);

/* After s was changed from outside (loader, snapshot, debugger): recompute everything derived from it and
 * drop caches. */
void cpu_state_changed(struct cpu *cpu);
/* Make s.rflags current (also done at every return of cpu_run). */
void cpu_sync(struct cpu *cpu);

/* Hash of the architectural state (flags made current first). */
uint64_t cpu_state_hash(struct cpu *cpu, uint64_t seed);

/* Drop all engine caches (test of the contract that this is unobservable). The TLB's entries are none. */
void cpu_drop_caches(struct cpu *cpu);

/* Registers and the next instruction, as text for logs and traps. */
void cpu_dump(struct cpu *cpu, FILE *file);

/* Guest-virtual memory as the guest would see it with supervisor rights, without side effects; false = not
 * mapped. */
bool cpu_peek(struct cpu *cpu, gva_t addr, void *to, size_t size) MUST_CHECK;

/* Linear address of the next instruction. */
uint64_t cpu_pc(const struct cpu *cpu);

#endif
