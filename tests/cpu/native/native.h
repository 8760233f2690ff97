/* The instruction table against the host CPU: shared declarations.
 *
 * A case is one encoded instruction (encode.c) and one machine state (values.c). It runs on the host's own
 * CPU (host.c) and in the interpreter (guest.c), at the same linear addresses and with the same memory, and
 * the two results are compared (compare.c). 64-bit code runs in 64-bit mode, 32-bit code in compatibility
 * mode, 16-bit code in compatibility mode through a descriptor of the process's LDT. */
#ifndef CROSSPAGE_TESTS_NATIVE_H
#define CROSSPAGE_TESTS_NATIVE_H

#include "cpu/exec.h"

#include <stdio.h>

enum native_bits { BITS_16, BITS_32, BITS_64, BITS_COUNT };

/* Linear addresses, the same on both sides. Everything around the regions is unmapped. */
enum {
    DATA_BASE = 0x30000000, /* read and written by instructions */
    DATA_SIZE = 2 * PAGE_SIZE,
    CODE_BASE = 0x40000000, /* full of INT3 except the instruction under test */
    CODE_SIZE = 16 * PAGE_SIZE,
    DATA16_BASE = DATA_BASE - 0x8000, /* base of the 16-bit data segments */
    GS64_BASE = DATA_BASE - 0x2000,   /* GS base in 64-bit mode */
};

/* A user segment as both sides see it. */
struct native_segment {
    uint16_t selector, attr; /* attr as in struct segment */
    uint32_t base, limit;
};

/* More descriptors of the LDT, for selectors that instructions load or look at. */
enum { NATIVE_LDT_EXTRA = 8 };
extern const struct native_segment native_ldt[NATIVE_LDT_EXTRA];
/* What each mode runs with. */
extern const struct native_segment native_segments[BITS_COUNT][SREG_COUNT];

/* What stays the same in all cases of a mode. */
struct native_machine {
    enum native_bits bits;
    struct native_segment segment[SREG_COUNT];
    uint64_t fs_base;
    bool ymm;          /* the upper halves of YMM registers are there */
    const char *model; /* of the interpreter's CPU; NULL: x86-64-v3 */
    /* Cost classes have different prices, small ones: a wrong class shows in the clock, and blocks that end
     * in INT3 are cheap enough for a translator. Else all is 1 but the delivery of a fault. */
    bool priced;
    bool writable_code; /* the user may write the code region */
    bool timed;         /* with small modelled caches, whose penalties are small, too */
};

/* What an instruction can change. */
struct native_state {
    _Alignas(16) uint8_t fx[512]; /* FXSAVE64 image */
    uint8_t ymm[256];             /* upper halves of YMM0 to YMM15 */
    uint64_t gpr[GPR_COUNT];
    uint64_t rip; /* offset in CS */
    uint64_t rflags;
    uint16_t selector[SREG_COUNT]; /* results of system rows only; null ones are 0 */
};

enum {
    FX_FCW = 0,
    FX_FSW = 2,
    FX_FTW = 4,
    FX_FOP = 6,
    FX_FIP = 8,
    FX_FDP = 16,
    FX_MXCSR = 24,
    FX_ST = 32,
    FX_XMM = 160,
    XSAVE_AVX = 576, /* of a standard XSAVE area: the upper halves of the YMM registers */
    XSAVE_BYTES = 832,
};

enum { FAULT_NONE = 0xFF, FAULT_HANG = 0xFE };

struct native_result {
    struct native_state s;
    uint8_t fault; /* vector, or FAULT_NONE */
    uint32_t code;
    uint64_t cr2;
};

/* The memory operand as encoded. */
struct native_ea {
    bool present;
    uint8_t base, index, scale; /* enum gpr, REG_NONE, REG_RIP */
    int64_t disp;
    uint8_t seg;
    unsigned size;              /* bytes accessed, 0 = depends on the instruction */
    uint8_t disp_at, disp_size; /* where in the encoding the displacement is */
    uint8_t vector_index;       /* of a gather; `index` is REG_NONE then */
};

enum { CASE_BYTES = 256 };

/* One instruction, or (blocks.c) several; then the fields from row to ea are those of the first. */
struct native_case {
    const struct native_machine *machine;
    enum native_bits bits;
    const struct insn_row *row;
    uint8_t bytes[CASE_BYTES];
    unsigned length, op_size, addr_size, prefixes; /* prefixes: enum insn_prefix_bit */
    uint8_t rex, modrm; /* of a VEX prefix, rex has W, R, X, B; 0 outside 64-bit mode */
    uint8_t vex_l, vex_w, vvvv;
    uint64_t imm;
    struct native_ea ea;
    uint32_t code; /* linear address of the instruction */
    struct native_state in;
};

/* ---- values.c ---- */

struct rng {
    uint64_t state;
};

uint64_t rng_next(struct rng *rng);
/* 0 .. n-1 */
static inline unsigned rng_below(struct rng *rng, unsigned n)
{
    return (unsigned)(((rng_next(rng) >> 32) * n) >> 32);
}
static inline bool rng_one_in(struct rng *rng, unsigned n)
{
    return rng_below(rng, n) == 0;
}
uint64_t random_integer(struct rng *rng);
void random_float80(struct rng *rng, uint8_t out[10]);
uint32_t random_float32(struct rng *rng);
uint64_t random_float64(struct rng *rng);

/* Offset into [DATA_BASE, ...) for an operand of `size` bytes: mostly inside, sometimes not. */
uint32_t random_data_address(struct rng *rng, unsigned size);
uint32_t random_code_address(struct rng *rng, const struct native_case *c);

/* Fill c->in for the encoded instruction and put operands into `memory` (DATA_SIZE bytes). */
void case_randomize(struct rng *rng, struct native_case *c, uint8_t *memory);

/* ---- system.c ---- */

/* Is the row one of those that the user-mode comparison leaves out (ATTR_PRIV, ATTR_SYS)? */
static inline bool row_is_system(const struct insn_row *row)
{
    return (row->attr & (ATTR_PRIV | ATTR_SYS)) != 0;
}
/* May it be compared all the same? `known`: does system.def mention it? */
bool system_row_is_compared(const struct insn_row *row, bool *known);
/* Selectors, far pointers and frames (of rows that system.def has), over what case_encode and case_randomize
 * have put there. */
void system_encode(struct rng *rng, struct native_case *c);
void system_randomize(struct rng *rng, struct native_case *c, uint8_t *memory);

/* ---- encode.c ---- */

/* One random encoding of the row; false when the row has none in this mode. */
bool case_encode(struct rng *rng, const struct insn_row *row, const struct native_machine *machine,
                 struct native_case *c);
/* Offset in its segment of the memory operand. */
uint64_t case_ea(const struct native_case *c);

/* ---- blocks.c ---- */

struct native_guest;

enum { BLOCK_INSNS = 16 };

/* A block of 1 to BLOCK_INSNS instructions that do not fault, as one case. `rows` may be drawn from. `memory`
 * is what it starts with. */
struct native_block {
    struct native_case c;
    unsigned count;
    struct {
        const struct insn_row *row;
        unsigned offset, length;
    } insn[BLOCK_INSNS];
};
void block_randomize(struct rng *rng, struct native_guest *guest, const struct native_machine *machine,
                     const struct insn_row *const *rows, unsigned row_count, struct native_block *block,
                     uint8_t *memory);

/* ---- host.c ---- */

struct native_host;

/* NULL with a reason when this host cannot run the comparison in this mode. */
struct native_host *host_open(enum native_bits bits, const char **reason);
void host_close(struct native_host *host);
bool host_has(enum insn_feature feature);
const struct native_machine *host_machine(const struct native_host *host);
uint8_t *host_data(struct native_host *host);
/* A case that faults in the interpreter, at an address where this process has memory of its own, would not
 * fault here, but damage it. */
bool host_can_run(const struct native_host *host, const struct native_result *guest);
void host_run(struct native_host *host, const struct native_case *c, struct native_result *out);
/* From now until host_close() a signal comes at least so often, and must not be seen in any case. */
void host_disturb(unsigned microseconds);

/* ---- guest.c ---- */

struct native_guest;

struct native_guest *guest_open(const struct native_machine *machine);
void guest_close(struct native_guest *guest);
struct cpu *guest_cpu(struct native_guest *guest); /* with room for a translator */
uint8_t *guest_data(struct native_guest *guest);
uint8_t *guest_code(struct native_guest *guest);
/* The top of the ring-0 stack, to which faults are delivered. */
uint8_t *guest_stack(struct native_guest *guest);
/* What the user may do with one page of the data. */
void guest_data_access(struct native_guest *guest, unsigned page, bool present, bool writable);
/* Put code and state of a case there, and run nothing. */
void guest_load(struct native_guest *guest, const struct native_case *c);
/* Does the decoder agree with the encoder about length and row? A disagreement is written to `report` (may be
 * NULL). */
bool guest_decodes(struct native_guest *guest, const struct native_case *c, FILE *report);
void guest_run(struct native_guest *guest, const struct native_case *c, struct native_result *out);
/* Until the INT3 behind the case's bytes, or a fault. */
void guest_run_block(struct native_guest *guest, const struct native_case *c, struct native_result *out);

/* ---- compare.c ---- */

enum native_verdict { SAME, SAME_BUT_UNDEFINED, DIFFERENT };

struct native_memories {
    const uint8_t *before, *host, *guest;
};

enum native_verdict case_compare(const struct native_case *c, const struct native_result *host,
                                 const struct native_result *guest, const struct native_memories *memory);
/* Results of one case with two values of the flags that the row does not read: do they show that it does? */
bool case_reads_flags(const struct native_case *c, const struct native_result *a,
                      const struct native_result *b);
/* Everything equal, undefined flags too. */
bool results_equal(const struct native_case *c, const struct native_result *host,
                   const struct native_result *guest, const struct native_memories *memory);
/* May this row's results differ from the host's without a fault? */
bool row_is_inexact(const struct insn_row *row);
void case_print(FILE *file, const struct native_case *c, const struct native_result *host,
                const struct native_result *guest, const struct native_memories *memory);

#endif
