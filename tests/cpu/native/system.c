/* Values for rows whose behaviour depends on system state, as far as a user program can show it: selectors,
 * far pointers, frames of far returns and interrupts.
 *
 * Selectors name the process's LDT (host.c) and the user segments of Linux's GDT, which the interpreter's
 * tables repeat; or what a user cannot have: null, beyond the table, segments of the kernel.
 *
 * TF stays out of flag images: the trap after the next instruction is not this one's. */
#include "native.h"
#include "native_priv.h"

enum system_kind {
    KIND_OMIT,
    KIND_PLAIN,
    KIND_SELECTOR, /* the operands hold selectors */
    KIND_POINTER,  /* offset and selector of data */
    KIND_CODE_POINTER,
    KIND_PUSH,
    KIND_POP, /* a selector */
    KIND_POP_FLAGS,
    KIND_RETURN,
    KIND_IRET,
    KIND_INT,
    KIND_XSAVE,
    KIND_INVPCID,
};

static const struct {
    const char *handler;
    enum system_kind kind;
} system_rows[] = {
#define SYSTEM(handler, kind)        {#handler, KIND_##kind},
#define SYSTEM_OMIT(handler, reason) {#handler, KIND_OMIT},
#include "system.def"
#undef SYSTEM
#undef SYSTEM_OMIT
};

static enum system_kind row_kind(const struct insn_row *row, bool *known)
{
    for (unsigned i = 0; i < ARRAY_LEN(system_rows); i++)
        if (strcmp(system_rows[i].handler, row->handler_name) == 0) {
            *known = true;
            return system_rows[i].kind;
        }
    *known = false;
    return KIND_OMIT;
}

bool system_row_is_compared(const struct insn_row *row, bool *known)
{
    return row_kind(row, known) != KIND_OMIT;
}

/* ---- Selectors ---- */

enum { USER_CODE32 = 0x23, USER_DATA = 0x2B, USER_CODE64 = 0x33 };

static uint16_t random_rpl(struct rng *rng, uint16_t selector)
{
    return rng_one_in(rng, 6) ? (uint16_t)((selector & ~3u) | rng_below(rng, 4)) : selector;
}

static uint16_t random_selector(struct rng *rng, const struct native_case *c)
{
    /* The kernel's code, data and TSS; an empty slot of the LDT; the ends of the tables. */
    static const uint16_t others[] = {0,    USER_CODE32, USER_DATA, USER_CODE64, 0x10,
                                      0x18, 0x40,        0x7F,      0xFFFF,      0xFFFB};
    unsigned n = rng_below(rng, ARRAY_LEN(others) + NATIVE_LDT_EXTRA + SREG_COUNT);
    if (n < ARRAY_LEN(others))
        return random_rpl(rng, others[n]);
    n -= ARRAY_LEN(others);
    return random_rpl(rng, n < NATIVE_LDT_EXTRA ? native_ldt[n].selector
                                                : c->machine->segment[n - NATIVE_LDT_EXTRA].selector);
}

/* Mostly code, with its base. */
static uint16_t random_code_selector(struct rng *rng, const struct native_case *c, uint32_t *base)
{
    uint16_t selector = random_selector(rng, c);
    if (!rng_one_in(rng, 4)) {
        unsigned n = rng_below(rng, 2 + NATIVE_LDT_EXTRA);
        selector =
            random_rpl(rng, n < NATIVE_LDT_EXTRA && (native_ldt[n].attr & SEG_CODE) ? native_ldt[n].selector
                            : rng_one_in(rng, 2)                                    ? USER_CODE32
                                                                                    : USER_CODE64);
    }
    *base = selector & 4 ? CODE_BASE : 0; /* of all code in the LDT */
    return selector;
}

static uint64_t random_code_offset(struct rng *rng, const struct native_case *c, uint32_t base)
{
    return rng_one_in(rng, 8) ? random_integer(rng) : (uint64_t)random_code_address(rng, c) - base;
}

static uint64_t random_flag_image(struct rng *rng)
{
    return random_integer(rng) & ~(uint64_t)FLAG_TF;
}

/* ---- Encoding ---- */

void system_encode(struct rng *rng, struct native_case *c)
{
    bool known;
    enum system_kind kind = row_kind(c->row, &known);
    uint8_t *end = c->bytes + c->length;
    if (kind == KIND_INT && end[-1] == 0x80) /* a system call */
        end[-1] = 0x81;
    if (kind == KIND_CODE_POINTER && row_has(c->row, METHOD_FARPTR)) {
        uint32_t base;
        uint16_t selector = random_code_selector(rng, c, &base);
        uint64_t offset = random_code_offset(rng, c, base);
        memcpy(end - 2, &selector, 2);
        memcpy(end - 2 - c->op_size, &offset, c->op_size);
    }
}

/* ---- State ---- */

static void put_memory(uint8_t *memory, uint64_t linear, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        if (linear + i - DATA_BASE < DATA_SIZE)
            memory[linear + i - DATA_BASE] = (uint8_t)(value >> (8 * i));
}

static uint64_t operand_linear(const struct native_case *c)
{
    return case_ea(c) + segment_base(c, c->ea.seg);
}

/* Both registers of the modrm byte, or the memory operand. */
static void put_selectors(struct rng *rng, struct native_case *c, uint8_t *memory)
{
    uint16_t selector = random_selector(rng, c);
    unsigned rm = (c->modrm & 7) | (c->rex & 1u) << 3;
    if (c->ea.present)
        put_memory(memory, operand_linear(c), selector, 2);
    else
        c->in.gpr[rm] = (c->in.gpr[rm] & ~UINT64_C(0xFFFF)) | selector;
}

static void put_pointer(struct rng *rng, struct native_case *c, uint8_t *memory, bool code)
{
    uint32_t base = 0;
    uint16_t selector = code ? random_code_selector(rng, c, &base) : random_selector(rng, c);
    uint64_t offset = code ? random_code_offset(rng, c, base) : random_integer(rng);
    if (!c->ea.present)
        return;
    put_memory(memory, operand_linear(c), offset, c->op_size);
    put_memory(memory, operand_linear(c) + c->op_size, selector, 2);
}

/* Sometimes a stack that ends within the slots that the instruction uses. A small stack pointer would be
 * taken below zero by a call of 64-bit code, to where Linux does not expect a user's page faults. */
static void put_stack(struct rng *rng, struct native_case *c, bool push)
{
    if (c->bits != BITS_64 && c->in.gpr[RSP] < 16)
        c->in.gpr[RSP] = 16;
    if (!rng_one_in(rng, 8))
        return;
    uint32_t address = push ? DATA_BASE + rng_below(rng, 20) : DATA_BASE + DATA_SIZE - rng_below(rng, 44);
    c->in.gpr[RSP] = address - segment_base(c, SS);
}

/* CS:rIP, flags and SS:rSP as far as the kind has them. */
static void put_frame(struct rng *rng, struct native_case *c, uint8_t *memory, enum system_kind kind)
{
    unsigned size = c->op_size;
    uint32_t base;
    uint64_t slot[5], at = c->in.gpr[RSP] + segment_base(c, SS);
    slot[1] = random_code_selector(rng, c, &base);
    slot[0] = random_code_offset(rng, c, base);
    slot[2] = random_flag_image(rng);
    if (at & (size - 1)) /* the host then takes an #AC with AC clear, which Linux thinks is a split lock */
        slot[2] &= ~(uint64_t)FLAG_AC;
    slot[3] = rng_one_in(rng, 4) ? random_integer(rng) : random_data_address(rng, 8);
    slot[4] = rng_one_in(rng, 4) ? random_selector(rng, c) : USER_DATA;
    for (unsigned i = 0; i < (kind == KIND_IRET ? 5 : 2); i++)
        put_memory(memory, at + i * size, slot[i], size);
    if (kind == KIND_IRET && rng_one_in(rng, 8))
        c->in.rflags |= FLAG_NT;
}

/* Components that both sides know; the area has a good header, mostly. Half the time the address is aligned.
 */
static void put_xsave(struct rng *rng, struct native_case *c, uint8_t *memory)
{
    uint64_t at = operand_linear(c);
    bool uses_mask = c->ea.base == RAX || c->ea.base == RDX || c->ea.index == RAX || c->ea.index == RDX;
    if (uses_mask) /* is not compared */
        return;
    c->in.gpr[RAX] = rng_below(rng, 8);
    c->in.gpr[RDX] = 0;
    for (unsigned i = 0; i < 64; i += 8)
        put_memory(memory, at + 512 + i, 0, 8);
    put_memory(memory, at + 512, rng_below(rng, 8), 8);
    if (rng_one_in(rng, 16)) /* reserved, but for bit 63 of XCOMP_BV, which means compaction */
        put_memory(memory, at + 520 + rng_below(rng, 7), rng_next(rng) | 1, 1);
}

/* A descriptor and a type that are good for the kernel, mostly. */
static void put_invpcid(struct rng *rng, struct native_case *c, uint8_t *memory)
{
    unsigned type = (c->modrm >> 3 & 7) | (c->rex & 4u) << 1;
    if (!c->ea.present)
        return;
    if (type != c->ea.base && type != c->ea.index)
        c->in.gpr[type] = rng_below(rng, 5);
    put_memory(memory, operand_linear(c), rng_one_in(rng, 4) ? random_integer(rng) : 0, 8);
    put_memory(memory, operand_linear(c) + 8, random_integer(rng), 8);
}

void system_randomize(struct rng *rng, struct native_case *c, uint8_t *memory)
{
    bool known;
    enum system_kind kind = row_kind(c->row, &known);
    uint64_t top;
    switch (kind) {
    case KIND_SELECTOR: put_selectors(rng, c, memory); break;
    case KIND_POINTER: put_pointer(rng, c, memory, false); break;
    case KIND_CODE_POINTER:
        put_stack(rng, c, true);
        put_pointer(rng, c, memory, true);
        break;
    case KIND_XSAVE: put_xsave(rng, c, memory); break;
    case KIND_INVPCID: put_invpcid(rng, c, memory); break;
    case KIND_PUSH: put_stack(rng, c, true); break;
    case KIND_POP:
    case KIND_POP_FLAGS:
        put_stack(rng, c, false);
        top = c->in.gpr[RSP] + segment_base(c, SS);
        put_memory(memory, top, random_integer(rng), 8);
        if (kind == KIND_POP)
            put_memory(memory, top, random_selector(rng, c), 2);
        else
            put_memory(memory, top, random_flag_image(rng), c->op_size);
        break;
    case KIND_RETURN:
    case KIND_IRET:
        put_stack(rng, c, false);
        put_frame(rng, c, memory, kind);
        break;
    default: break;
    }
}
