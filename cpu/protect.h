/* Descriptors, stacks of frames and control transfers between privilege levels: shared by the far transfer,
 * interrupt, task switch and segment files. Private to cpu/.
 *
 * Conventions: functions returning bool have recorded a fault when they return false and have changed
 * nothing the guest can see (accessed bits excepted, which hardware also sets before it knows better). `ext`
 * is bit 0 of error codes: 1 while an external event or an exception is being delivered. */
#ifndef CROSSPAGE_CPU_PROTECT_H
#define CROSSPAGE_CPU_PROTECT_H

#include "cpu/cpu_priv.h"
#include "cpu/exec.h"

/* System descriptor types (SDM vol. 3, table 3-2). */
enum system_type {
    SYSTEM_TSS16 = 1,
    SYSTEM_LDT = 2,
    SYSTEM_TSS16_BUSY = 3,
    SYSTEM_CALL_GATE16 = 4,
    SYSTEM_TASK_GATE = 5,
    SYSTEM_INT_GATE16 = 6,
    SYSTEM_TRAP_GATE16 = 7,
    SYSTEM_TSS32 = 9, /* and the 64-bit TSS */
    SYSTEM_TSS32_BUSY = 11,
    SYSTEM_CALL_GATE32 = 12, /* and the 64-bit call gate */
    SYSTEM_INT_GATE32 = 14,
    SYSTEM_TRAP_GATE32 = 15,
};
enum { SYSTEM_BUSY = 2 };

/* ---- Descriptors (cpu/descriptor.c) ---- */

struct descriptor {
    uint64_t low, high; /* high: second half of a 16-byte system descriptor in IA-32e mode */
    uint64_t address;   /* linear */
    uint16_t selector;
};

static inline unsigned descriptor_type(const struct descriptor *d)
{
    return d->low >> 40 & 0xF;
}

static inline bool descriptor_is_segment(const struct descriptor *d) /* code or data */
{
    return (d->low >> 44 & 1) != 0;
}

static inline bool descriptor_is_code(const struct descriptor *d)
{
    return (d->low >> 43 & 3) == 3;
}

static inline bool descriptor_is_conforming_code(const struct descriptor *d)
{
    return (d->low >> 42 & 7) == 7;
}

static inline bool descriptor_is_writable_data(const struct descriptor *d)
{
    return (d->low >> 41 & 1) != 0 && (d->low >> 43 & 3) == 2;
}

static inline unsigned descriptor_dpl(const struct descriptor *d)
{
    return d->low >> 45 & 3;
}

static inline bool descriptor_present(const struct descriptor *d)
{
    return (d->low >> 47 & 1) != 0;
}

static inline bool descriptor_is_long(const struct descriptor *d)
{
    return (d->low >> 53 & 1) != 0;
}

static inline uint16_t gate_selector(const struct descriptor *d)
{
    return (uint16_t)(d->low >> 16);
}

/* Offset of a 286, 386 or (high half set) 64-bit gate. */
static inline uint64_t gate_offset(const struct descriptor *d, bool wide)
{
    uint64_t offset = d->low & 0xFFFF;
    return wide ? offset | (d->low >> 48) << 16 | d->high << 32 : offset;
}

static inline bool selector_is_null(uint16_t selector)
{
    return (selector & 0xFFFC) == 0;
}

static inline bool in_long_mode(const struct cpu *cpu)
{
    return (cpu->s.efer & EFER_LMA) != 0;
}

/* Record a fault with the selector as error code; returns false. */
bool selector_fault(struct cpu *cpu, enum exception vector, uint16_t selector, unsigned ext);
/* Fetch from GDT or LDT; out of limits (or LDT without one): `vector` with the selector. Null is the caller's
 * business. */
bool descriptor_read(struct cpu *cpu, uint16_t selector, enum exception vector, unsigned ext,
                     struct descriptor *d) MUST_CHECK;
/* Fetch the upper half of a system descriptor in IA-32e mode (no-op in legacy mode). */
bool descriptor_read_high(struct cpu *cpu, enum exception vector, unsigned ext,
                          struct descriptor *d) MUST_CHECK;
/* Set the accessed bit in the table if it is clear. */
bool descriptor_mark_accessed(struct cpu *cpu, struct descriptor *d) MUST_CHECK;
bool descriptor_set_busy(struct cpu *cpu, const struct descriptor *d, bool busy) MUST_CHECK;
struct segment descriptor_segment(const struct descriptor *d, uint16_t selector);
/* Base and limit of an LDT or TSS, with the high half of the base in IA-32e mode. */
struct segment descriptor_system_segment(const struct cpu *cpu, const struct descriptor *d);

/* What a real-mode or virtual-8086 load of segment `n` leaves in it. */
struct segment segment_real(const struct cpu *cpu, unsigned n, uint16_t selector);
struct segment segment_null(uint16_t selector, unsigned dpl);

/* A stack segment for privilege `dpl` named by `selector`: null, limits, RPL, DPL, type: #TS; not present:
 * #SS. */
bool stack_segment_read(struct cpu *cpu, uint16_t selector, unsigned dpl, unsigned ext,
                        struct segment *ss) MUST_CHECK;

/* A 64-bit offset into a segment of compatibility mode loses its upper half. */
static inline uint64_t code_offset(const struct cpu *cpu, const struct segment *cs, uint64_t rip)
{
    return in_long_mode(cpu) && !(cs->attr & SEG_L) ? (uint32_t)rip : rip;
}

/* Offset within the limit (or canonical for 64-bit code)? #GP(ext) otherwise. */
bool code_offset_check(struct cpu *cpu, const struct segment *cs, uint64_t rip, unsigned ext) MUST_CHECK;

/* Inner stack of the current TSS: SS:ESP for `dpl`, or in IA-32e mode RSP only (SS null). ist 1..7 selects an
 * interrupt stack. */
bool tss_inner_stack(struct cpu *cpu, unsigned dpl, unsigned ist, unsigned ext, struct segment *ss,
                     uint64_t *rsp) MUST_CHECK;

/* ---- Derived state after a segment load ---- */

/* Recompute what depends on data segment `n` alone (cpu/mode.c). */
void cpu_update_segment(struct cpu *cpu, unsigned n);
/* The same when nothing but CS, SS and RFLAGS was loaded, the mode being protected before and after. */
void cpu_update_privilege(struct cpu *cpu);

/* ---- Stacks ---- */

/* Mask of the stack pointer: 64, 32 or 16 bits. */
static inline uint64_t stack_mask(const struct cpu *cpu)
{
    return cpu->long64 ? UINT64_MAX : cpu->s.seg[SS].attr & SEG_DB ? UINT32_MAX : UINT16_MAX;
}

/* `rsp` with only the bits of `mask` replaced; a 32-bit stack pointer write clears the upper half. */
static inline uint64_t stack_pointer_merge(uint64_t old, uint64_t value, uint64_t mask)
{
    return mask == UINT16_MAX ? (old & ~mask) | (value & mask) : value & mask;
}

/* Read `size` bytes at SS:rSP + depth. */
MUST_CHECK static inline bool stack_peek(struct cpu *cpu, uint64_t depth, unsigned size, uint64_t *value)
{
    return mem_read(cpu, SS, (cpu->s.gpr[RSP] + depth) & stack_mask(cpu), size, value);
}

static inline void stack_drop(struct cpu *cpu, uint64_t bytes)
{
    uint64_t mask = stack_mask(cpu);
    cpu->s.gpr[RSP] = stack_pointer_merge(cpu->s.gpr[RSP], cpu->s.gpr[RSP] + bytes, mask);
}

/* A frame that is checked push by push and written only when all is known to be good (cpu/frame.c). */
enum { FRAME_SLOTS = 40 };

struct frame {
    struct segment ss;
    uint64_t rsp, mask;
    uint32_t fault_code; /* of #SS */
    bool long64, user, real;
    unsigned count;
    struct {
        uint64_t linear, value;
        uint8_t size;
    } slot[FRAME_SLOTS];
};

/* On the present stack; `to_long64`: the code it is for is 64-bit. */
void frame_begin(struct cpu *cpu, struct frame *frame, bool to_long64, unsigned ext);
/* On another stack, for privilege level `cpl`. */
void frame_begin_on(struct cpu *cpu, struct frame *frame, const struct segment *ss, uint64_t rsp,
                    unsigned cpl, bool to_long64, unsigned ext);
bool frame_push(struct cpu *cpu, struct frame *frame, unsigned size, uint64_t value) MUST_CHECK;
/* Write the slots. The caller sets SS and RSP (frame_rsp). */
void frame_commit(struct cpu *cpu, const struct frame *frame);
static inline uint64_t frame_rsp(const struct cpu *cpu, const struct frame *frame)
{
    return stack_pointer_merge(cpu->s.gpr[RSP], frame->rsp, frame->mask);
}

/* ---- Flags ---- */

/* Replace the bits of RFLAGS in `mask`; the caller calls cpu_update_mode if VM or AC may change. */
static inline void rflags_load(struct cpu *cpu, uint64_t value, uint64_t mask)
{
    flags_write(cpu, value, mask & FLAGS_ARITH);
    mask &= ~(uint64_t)FLAGS_ARITH;
    cpu->s.rflags = (cpu->s.rflags & ~mask) | (value & mask) | FLAG_ONE;
}

/* RFLAGS bits that POPF and IRET may change at `cpl` with `iopl` (VM, VIF, VIP apart). */
static inline uint64_t rflags_writable(const struct cpu *cpu, unsigned cpl, unsigned iopl)
{
    (void)cpu;
    uint64_t mask = FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;
    if (cpl <= iopl)
        mask |= FLAG_IF;
    if (cpl == 0)
        mask |= FLAG_IOPL;
    return mask;
}

static inline unsigned cpu_iopl(const struct cpu *cpu)
{
    return cpu->s.rflags >> 12 & 3;
}

/* Tell the hypervisor that a sensitive operation is about to happen. */
static inline void cpu_exit(struct cpu *cpu, enum cpu_exit exit, uint64_t detail)
{
    if (cpu->bus->exit != NULL)
        cpu->bus->exit(cpu->bus->ctx, exit, detail);
}

/* ---- Events (cpu/interrupt.c) ---- */

enum event_kind {
    EVENT_EXCEPTION, /* fault, trap, #DB, NMI: no DPL check, EXT set */
    EVENT_EXTERNAL,  /* INTR */
    EVENT_SOFTWARE,  /* INT3, INTO: DPL check, EXT clear */
    EVENT_INT_N,     /* INT n: also IOPL and the VME bitmap in virtual-8086 mode */
    EVENT_ICEBP,     /* INT1: EXT set, no DPL check */
};

struct cpu_event {
    uint8_t vector;
    enum event_kind kind;
    bool has_code;
    uint32_t code;
    uint64_t rip;   /* to return to */
    uint64_t flags; /* image to push */
    enum cpu_exit exit;
    uint64_t exit_detail;
};

bool event_deliver(struct cpu *cpu, const struct cpu_event *event) MUST_CHECK;

/* ---- Task switch (cpu/task.c) ---- */

enum task_switch { TASK_JMP, TASK_CALL, TASK_IRET, TASK_EVENT };

/* Switch to the task of `tss` (a fetched TSS descriptor, privilege already checked). `rip`, `flags`: to save
 * in the old TSS. On false a fault is recorded; if it happened after the commit point, the new task's state
 * is already loaded and the fault belongs to it. */
bool task_switch(struct cpu *cpu, struct descriptor *tss, enum task_switch reason, uint64_t rip,
                 uint64_t flags, const uint32_t *error_code, unsigned ext) MUST_CHECK;
/* The task gate `gate` (already checked): find its TSS descriptor, which must be available. */
bool task_gate_target(struct cpu *cpu, const struct descriptor *gate, unsigned ext,
                      struct descriptor *tss) MUST_CHECK;

/* ---- Control registers (cpu/exec_system_cr.c) ---- */

/* Load PDPTEs from `cr3`; false when one has a reserved bit set (#GP(0) recorded). */
bool pdptes_load(struct cpu *cpu, uint64_t cr3, uint64_t pdpte[4]) MUST_CHECK;
/* Drop translations and tell the hypervisor: all, or those of the present PCID that are not global. */
void cpu_invalidate_all(struct cpu *cpu, bool global);

bool segment_limit_ok(const struct segment *segment, uint64_t offset, uint64_t size);

#endif
