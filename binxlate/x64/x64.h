/* The x86-64 back end: how guest state lies in host registers, and what the lowering files share. Private to
 * x64/.
 *
 *   host RSP          struct cpu, plus FRAME_BIAS: the frame register
 *   host RCX, R10, R11   scratch
 *   host R14, R15     guest RCX, guest RSP
 *   all others        the guest register of the same name; guest R10, R11, R14 and R15 stay in struct cpu
 *   host EFLAGS       the guest's arithmetic flags, always: what the translator adds to the guest's code must
 * not touch them (LEA, MOV, MOVZX, SHRX, RORX and JRCXZ do not)
 *
 * RCX is scratch because JRCXZ, the only conditional jump that needs no flags, tests it. Flags are kept at
 * all times, not only where they are live, because every memory access may fault, and the fault's stack frame
 * shows them.
 *
 * FRAME_BIAS makes the low six bits of the frame register 12, so that SHRX by it turns an address into a page
 * number. */
#ifndef CROSSPAGE_BINXLATE_X64_X64_H
#define CROSSPAGE_BINXLATE_X64_X64_H

#include "binxlate/priv.h"
#include "binxlate/share.h"
#include "binxlate/x64/asm.h"

enum {
    FRAME_BIAS = PAGE_SHIFT,
    X_FRAME = X_RSP,
    X_TEST = X_RCX, /* scratch, and what JRCXZ tests */
    X_T0 = X_R10,
    X_T1 = X_R11,
    LOOP_COPIES_MAX = 8,
    SIDES_MAX = ROUTE_BLOCKS * (LOOP_COPIES_MAX + 1),
    X64_NEARS_MAX = 256,
};

/* The x87 instruction, and the last segment of a memory operand, that the frame does not know of yet. */
struct x64_note {
    const struct insn *insn; /* NULL: none */
    uint8_t data;            /* enum sreg or X87_NO_DATA */
};

struct x64_marks; /* log.c */

/* An access with a near page. */
struct x64_near {
    uint8_t *miss, *hit; /* displacement to aim at the code for a miss; where that goes on */
    const struct insn *insn;
    uint32_t site; /* the instruction's slow path */
    struct x64_note note;
    uint16_t page;
    uint8_t address; /* host register */
    uint8_t size;
    bool write;
    bool aligned; /* others go to the slow path */
};

/* A unit while it is being translated. */
struct x64_unit {
    struct x64_asm a;
    struct translator *t;
    struct translation_unit *unit;
    const struct block *block; /* or the body of its route */
    const struct insn *insn;   /* the present one */
    unsigned copy, copies; /* a block that loops to itself is repeated; which copy the present one is in */
    uint32_t paid_cost, paid_count; /* where the present copy begins: what is paid and not yet done */
    unsigned code;                  /* 2, 4 or 8: address size of the mode */
    unsigned stack;                 /* and of the stack pointer */
    bool done;                      /* the present instruction ended the unit */
    /* Jumps to the present instruction's slow path. */
    uint8_t *slow[12];
    unsigned slow_count;
    bool memory; /* it has a memory access that the soft TLB may miss */
    bool called; /* nothing of it is done in host code, and its site is named right there */
    struct stub {
        uint8_t *from; /* 32-bit displacement to aim at the stub */
        uint32_t site;
        struct x64_note note; /* to be told to the frame */
    } * stub;
    unsigned stubs;
    struct x64_marks *marks; /* NULL: nobody wants to read the code */
    /* Accesses that share a check. From the first check on the unit exists twice: as it is while the checks
     * hold and host code is not left, in all copies, and plain, once, with a check for each access. */
    struct share share;
    bool sharing;                /* wanted */
    uint8_t checked;             /* bit per group: done, the frame has the address */
    unsigned shared_from;        /* position of the first check */
    struct x64_note shared_note; /* before it */
    struct {
        uint8_t *from;
        unsigned position;
    } unshared[SHARE_GROUPS]; /* failed checks: to the plain part */
    unsigned unshared_count;
    struct {
        uint8_t size;   /* 0: nothing is known of the group */
        int32_t offset; /* members at this offset from the start, modulo the size, are aligned */
    } aligned[SHARE_GROUPS];
    struct x64_near near[X64_NEARS_MAX];
    unsigned nears, nears_placed; /* placed: `site` is known */
    struct {
        uint8_t *from;
        uint64_t target;
        uint32_t cost, count;
        struct x64_note note;
    } side[SIDES_MAX];
    unsigned sides;
    struct x64_note note, stub_note; /* after the present instruction; before it */
};

/* A lowering emits the present instruction, or returns false with nothing emitted. */
typedef bool x64_lower_fn(struct x64_unit *x);

struct x64_lowering {
    exec_fn *exec; /* of the rows it is for */
    x64_lower_fn *lower;
};

/* Every row with ATTR_SSE; every row with ATTR_MMX, in units with x87 state; every row with ATTR_AVX. */
x64_lower_fn x64_lower_sse, x64_lower_mmx, x64_lower_avx;

/* End: exec NULL. */
extern const struct x64_lowering x64_lower_integer[], x64_lower_stack[], x64_lower_branch[],
    x64_lower_string[], x64_lower_divide[], x64_lower_atomic[], x64_lower_system[], x64_lower_x87[],
    x64_lower_integer_sse[], x64_lower_bmi[];

/* The row's opcode, map and mandatory prefix in the letters of asm.h. */
unsigned x64_opcode(const struct insn *insn);

/* 256-bit registers, saved by the host's operating system? */
bool x64_host_has_avx(const struct translator *t);
/* Has the host what the row's feature is? Only for those newer than what a host that can translate has. */
bool x64_host_has(const struct translator *t, const struct insn *insn);

/* As the guest has it, with other registers and another memory operand (lower_integer.c). */
x64_lower_fn x64_rewrite_integer;

/* ---- Guest registers ---- */

/* Host register of a guest register, X_NONE when it is kept in memory. */
unsigned x64_home(unsigned gpr);
/* Its place in struct cpu. */
struct x64_mem x64_slot(unsigned gpr);
/* A host register that holds it: its home, or `scratch` after loading it there. */
unsigned x64_use(struct x64_unit *x, unsigned gpr, unsigned scratch);
/* Store what was computed in `host` (as returned by x64_use) to where the guest register is kept. */
void x64_keep(struct x64_unit *x, unsigned gpr, unsigned host);
/* A field of struct cpu or struct xlat_frame. */
struct x64_mem x64_cpu_field(size_t offset);
struct x64_mem x64_frame_field(size_t offset);
#define CPU_FIELD(member)   x64_cpu_field(offsetof(struct cpu, member))
#define FRAME_FIELD(member) x64_frame_field(offsetof(struct xlat_frame, member))

/* From here to the end of the unit the guest's vector registers and MXCSR are the host's. Uses the
 * scratch registers. (lower_sse.c) */
void x64_want_vectors(struct x64_unit *x);
/* And so are the upper halves of the YMM registers. */
void x64_want_wide(struct x64_unit *x);

/* What the lowerings of SSE and AVX share (lower_sse.c, lower_avx.c). */
/* Can the present instruction be done in host code, in this mode? */
bool x64_vector_can(const struct x64_unit *x);
/* Encode it with other general registers and another memory operand. */
void x64_vector_rewrite(struct x64_unit *x);
/* Its VEX prefix, with another opcode. */
struct x64_vex x64_vex_of(const struct insn *insn, unsigned op);
bool x64_vex_has_vvvv(const struct insn *insn);

/* ---- Memory (memory.c) ---- */

/* Can the memory operand be accessed by x64_probe at all? */
bool x64_can_access(const struct x64_unit *x, const struct insn *insn);
/* And the stack? */
bool x64_can_push(const struct x64_unit *x);
/* Can it, with RSP as it is for an address? */
bool x64_flat_stack(const struct x64_unit *x);
/* Linear address of the memory operand, of which `size` bytes are to be accessed: a host register that holds
 * it (X_T0, or a guest register's home). To the slow path if the segment does not allow the access. */
unsigned x64_address(struct x64_unit *x, const struct insn *insn, unsigned size, enum access access);
/* Does the present instruction's memory operand use a shared check? */
bool x64_operand_is_shared(const struct x64_unit *x);
/* The memory operand's place in host memory: by x64_probe of x64_address, or by a shared check. */
struct x64_mem x64_operand(struct x64_unit *x, const struct insn *insn, unsigned size, enum access access);
/* The same for 16 or 32 bytes that must be aligned; to the slow path if they are not. */
struct x64_mem x64_operand_aligned(struct x64_unit *x, const struct insn *insn, unsigned size,
                                   enum access access);
/* Where a push of `size` bytes goes, and where the top of the stack is. RSP is not changed. */
struct x64_mem x64_push_place(struct x64_unit *x, unsigned size);
/* Where the first `part` bytes of it go, if only they are written. */
struct x64_mem x64_push_part(struct x64_unit *x, unsigned size, unsigned part);
struct x64_mem x64_top_place(struct x64_unit *x, unsigned size);
/* Where [address, address + size) is in host memory; to the slow path if the soft TLB does not say so. Uses
 * X_TEST and X_T1, which is part of the result. */
struct x64_mem x64_probe(struct x64_unit *x, unsigned address, unsigned size, enum access access);

/* The map of the soft TLB up to the test: X_TEST is zero on a hit, X_T1 the addend. `aligned`: 16 or 32
 * bytes, no hit unless they are. */
void x64_look_up(struct x64_unit *x, unsigned address, unsigned size, enum access access, bool aligned);
/* The map's key of slot `index` (a host register). */
struct x64_mem x64_map_key(const struct x64_unit *x, unsigned index, enum access access);
bool x64_is_user(const struct x64_unit *x);

/* ---- Near pages (near.c) ---- */

/* Does the present instruction's access of this size get one? */
bool x64_near_usable(const struct x64_unit *x, unsigned size);
/* As x64_probe. */
struct x64_mem x64_near_probe(struct x64_unit *x, unsigned address, unsigned size, enum access access,
                              bool aligned);
/* The present instruction's slow path. */
void x64_near_site(struct x64_unit *x, uint32_t site);
/* Behind the unit, before the stubs. */
void x64_emit_near_misses(struct x64_unit *x);

/* ---- Modelled caches (timed.c) ---- */

/* Are there any? */
bool x64_timed(const struct x64_unit *x);
/* Before the present instruction is done: fetch its lines; to the slow path if the interpreter has to. */
void x64_fetch(struct x64_unit *x);
/* As x64_probe. */
struct x64_mem x64_timed_probe(struct x64_unit *x, unsigned address, unsigned size, enum access access,
                               bool aligned);
/* Behind the unit, before the stubs. */
void x64_emit_timed_miss(struct x64_unit *x, const struct x64_near *near);
/* The present instruction, a direct branch, goes to `target`, taken, or on behind it. All scratch registers
 * are lost. */
void x64_predict(struct x64_unit *x, enum branch_kind kind, bool taken, uint64_t target);
/* An indirect one goes to the target in X_T0, which is lost, and so is X_TEST; X_T1 is kept. */
void x64_predict_indirect(struct x64_unit *x, enum branch_kind kind);

/* For a size known only at run time: `last` holds it, less one; at most the bytes of a page. The host address
 * goes to X_T1; uses X_T0, where `address` may be. */
void x64_probe_run(struct x64_unit *x, unsigned address, struct x64_mem last, enum access access);
/* Is the segment's base 0, and no check needed but paging? */
bool x64_plain_segment(const struct x64_unit *x, unsigned seg);

/* ---- Undefined flags (flag_probe.c) ---- */

/* Try the host, once. */
void x64_probe_flags(struct translator *t);
/* Does the host differ from the interpreter? Then the interpreter does such instructions. */
bool x64_unlike(const struct translator *t, const struct insn *insn);

/* ---- Vector floating point (vector_probe.c) ---- */

/* Does the host do the instruction as the interpreter does? It is tried when asked for the first time. */
bool x64_vector_alike(struct translator *t, const struct insn *insn);
/* Code memory for that. */
void x64_reserve_vector_probe(struct translator *t, struct x64_asm *a);

/* ---- x87 (lower_x87.c, x87_state.c, x87_probe.c) ---- */

/* Is there a lowering in x64_lower_x87 for it? */
bool x64_x87_has(const struct insn *insn);
/* How many of these the host does not do as the interpreter does. Uses code memory that is free. */
unsigned x64_x87_differences(struct translator *t);

/* Tell the frame. Uses X_TEST. */
void x64_x87_note(struct x64_unit *x, struct x64_note note);

bool x64_x87_usable(const struct cpu *cpu);
void x64_x87_load(struct translator *t);
void x64_x87_store(struct translator *t);

/* ---- Sites (unit.c) ---- */

/* From here to the interpreter, if RCX is not zero; to the next instruction else. */
void x64_slow_unless_zero(struct x64_unit *x);
void x64_slow_if_zero(struct x64_unit *x);
/* `from`, a 32-bit displacement, leads to a site. */
void x64_stub_add(struct x64_unit *x, uint8_t *from, uint32_t site, struct x64_note note);
/* A 32-bit displacement that leads to a site. */
void x64_leave_by(struct x64_unit *x, uint8_t *from, const struct site *site);
/* Call a C function with struct cpu and the value of X_T0; the result goes to X_TEST. All scratch registers
 * are lost, everything else is kept. The function sees struct cpu as cpu/quick.h says, and may change nothing
 * that host code has elsewhere. */
typedef uint64_t x64_callee(struct cpu *cpu, uint64_t argument);
void x64_call(struct x64_unit *x, x64_callee *callee);
/* The unit is done: go to `target`. `from` is the jump's displacement. */
void x64_goto(struct x64_unit *x, uint64_t target);
void x64_goto_from(struct x64_unit *x, uint8_t *from, uint64_t target);
/* The unit is done: go to the target in X_T0 (and only there); to the slow path when it is not in the jump
 * cache (indirect.c). `commit` emits what the instruction does before it jumps; it may use X_TEST and X_T0.
 */
void x64_goto_indirect(struct x64_unit *x, enum branch_kind kind, void (*commit)(struct x64_unit *x));

/* How the present instruction, a branch, leads to the next one of the unit; ONWARD_NONE: it ends the unit. */
enum onward x64_onward(const struct x64_unit *x);
/* Where that is. */
uint64_t x64_onward_rip(const struct x64_unit *x);
/* As x64_goto_indirect; but if the target is x64_onward_rip(), the unit is not left. */
void x64_go_on_indirect(struct x64_unit *x, void (*commit)(struct x64_unit *x));
/* The unit is left behind the present instruction: take back what is paid and will not be done. Uses X_TEST.
 */
void x64_take_back_rest(struct x64_unit *x);
/* What the frame does not know of the last x87 instruction is told it now. Uses X_TEST. */
void x64_flush_note(struct x64_unit *x);
/* The unit is left before its end: as x64_goto_from, with the cost of what is not done taken back. */
void x64_leave_early(struct x64_unit *x, uint8_t *from, uint64_t target);

/* As wide as offsets in the code segment are. */
uint64_t x64_offset(const struct x64_unit *x, uint64_t offset);
/* The present instruction's address, and that of the one after it. */
uint64_t x64_rip(const struct x64_unit *x, const struct insn *insn);
uint64_t x64_next_rip(const struct x64_unit *x);

/* ---- Lowerings that share a row of the table with others ---- */

/* BT, BTS, BTR, BTC with a register offset and memory (lower_bitstring.c). */
bool x64_lower_bit_string(struct x64_unit *x);

/* ---- Host code as text (log.c) ---- */

void x64_log_begin(struct x64_unit *x);
void x64_log_insn(struct x64_unit *x); /* before each instruction */
void x64_log_end(struct x64_unit *x, const uint8_t *start);

bool x64_make_thunks(struct translator *t);
void x64_make_look_ups(struct x64_unit *x); /* indirect.c */
bool x64_translate(struct translator *t, struct translation_unit *unit);

#endif
