/* SSE4.2 string compares (PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM) and CRC32 (SDM vol. 1, 12.12; vol. 2,
 * 4.1 "Imm8 control byte operation").
 *
 * The four instructions are one computation: two strings with explicit or implicit lengths, an aggregation
 * into one bit per element of the second (IntRes1), a polarity (IntRes2), and an index or a mask as result.
 */
#include "cpu/simd.h"

enum { AGGREGATE_ANY, AGGREGATE_RANGES, AGGREGATE_EACH, AGGREGATE_ORDERED };

struct compare {
    int32_t a[16], b[16];  /* elements, extended from their type */
    unsigned count;        /* elements in a register: 16 bytes or 8 words */
    unsigned a_len, b_len; /* valid elements, at most count */
};

/* imm 1..0: unsigned bytes, unsigned words, signed bytes, signed words. */
static void compare_load(int32_t out[16], const union simd *v, unsigned format)
{
    for (unsigned i = 0; i < 16; i++)
        switch (format) {
        case 0: out[i] = v->u8[i]; break;
        case 1: out[i] = v->u16[i & 7]; break;
        case 2: out[i] = v->s8[i]; break;
        default: out[i] = v->s16[i & 7]; break;
        }
}

/* Elements before the first zero. */
static unsigned implicit_length(const int32_t v[16], unsigned count)
{
    unsigned n = 0;
    while (n < count && v[n])
        n++;
    return n;
}

/* EAX or EDX (RAX, RDX with REX.W): absolute value, saturated to the register. */
static unsigned explicit_length(uint64_t reg, bool wide, unsigned count)
{
    int64_t value = wide ? (int64_t)reg : (int32_t)reg;
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    return magnitude < count ? (unsigned)magnitude : count;
}

static bool in_set(const struct compare *c, unsigned j)
{
    for (unsigned i = 0; i < c->a_len; i++)
        if (c->a[i] == c->b[j])
            return true;
    return false;
}

/* A range needs both its ends valid. */
static bool in_ranges(const struct compare *c, unsigned j)
{
    for (unsigned i = 0; i + 1 < c->a_len; i += 2)
        if (c->a[i] <= c->b[j] && c->b[j] <= c->a[i + 1])
            return true;
    return false;
}

/* a occurs in b at j, as far as the register reaches. */
static bool occurs_at(const struct compare *c, unsigned j)
{
    for (unsigned i = 0; i < c->a_len && j + i < c->count; i++)
        if (j + i >= c->b_len || c->a[i] != c->b[j + i])
            return false;
    return true;
}

/* IntRes1, bit j for element j of b (SDM vol. 2, table 4-6 for elements past a string's end). */
static unsigned compare_aggregate(const struct compare *c, unsigned aggregation)
{
    unsigned result = 0;
    for (unsigned j = 0; j < c->count; j++) {
        bool hit = false;
        switch (aggregation) {
        case AGGREGATE_ANY: hit = j < c->b_len && in_set(c, j); break;
        case AGGREGATE_RANGES: hit = j < c->b_len && in_ranges(c, j); break;
        case AGGREGATE_EACH:
            hit = j < c->a_len && j < c->b_len ? c->a[j] == c->b[j] : j >= c->a_len && j >= c->b_len;
            break;
        default: hit = occurs_at(c, j); break;
        }
        result |= (unsigned)hit << j;
    }
    return result;
}

/* Runs the comparison, sets the flags, gives IntRes2 and the number of elements. */
static bool compare_run(struct cpu *cpu, const struct insn *insn, bool explicit, unsigned *result,
                        unsigned *count)
{
    unsigned imm = (uint8_t)insn->imm;
    union simd b;
    struct compare c = {.count = imm & 1 ? 8 : 16};
    if (!simd_read(cpu, insn, 1, &b))
        return false;
    compare_load(c.a, simd_xmm(cpu, insn->op[0].reg), imm & 3);
    compare_load(c.b, &b, imm & 3);
    bool wide = insn->rex & 8;
    c.a_len = explicit ? explicit_length(cpu->s.gpr[RAX], wide, c.count) : implicit_length(c.a, c.count);
    c.b_len = explicit ? explicit_length(cpu->s.gpr[RDX], wide, c.count) : implicit_length(c.b, c.count);

    unsigned bits = compare_aggregate(&c, imm >> 2 & 3), all = (1u << c.count) - 1;
    if ((imm & 0x30) == 0x10)
        bits ^= all;
    else if ((imm & 0x30) == 0x30)
        bits ^= (1u << c.b_len) - 1;

    uint64_t flags = 0;
    flags |= bits ? FLAG_CF : 0;
    flags |= c.b_len < c.count ? FLAG_ZF : 0;
    flags |= c.a_len < c.count ? FLAG_SF : 0;
    flags |= bits & 1 ? FLAG_OF : 0;
    flags_write(cpu, flags, FLAGS_ARITH);
    *result = bits;
    *count = c.count;
    return true;
}

/* Index of the lowest or highest set bit (imm 6) to ECX; the element count when there is none. */
static enum exec compare_index(struct cpu *cpu, const struct insn *insn, bool explicit)
{
    unsigned bits, count;
    if (!compare_run(cpu, insn, explicit, &bits, &count))
        return EXEC_FAULT;
    unsigned index = count;
    if (bits)
        index = insn->imm & 0x40 ? 31u - (unsigned)__builtin_clz(bits) : (unsigned)__builtin_ctz(bits);
    cpu->s.gpr[RCX] = index;
    return EXEC_NEXT;
}

/* IntRes2 to XMM0: as bits, or with imm 6 widened to elements. */
static enum exec compare_mask(struct cpu *cpu, const struct insn *insn, bool explicit)
{
    unsigned bits, count;
    if (!compare_run(cpu, insn, explicit, &bits, &count))
        return EXEC_FAULT;
    union simd r = {.u64 = {bits, 0}};
    if (insn->imm & 0x40)
        for (unsigned i = 0; i < 16; i++)
            r.u8[i] = bits >> (count == 8 ? i / 2 : i) & 1 ? 0xFF : 0;
    *simd_xmm(cpu, 0) = r;
    if (insn->prefixes & PREFIX_VEX)
        cpu->s.vec[0].q[2] = cpu->s.vec[0].q[3] = 0;
    return EXEC_NEXT;
}

enum exec exec_pcmpestri(struct cpu *cpu, const struct insn *insn)
{
    return compare_index(cpu, insn, true);
}

enum exec exec_pcmpestrm(struct cpu *cpu, const struct insn *insn)
{
    return compare_mask(cpu, insn, true);
}

enum exec exec_pcmpistri(struct cpu *cpu, const struct insn *insn)
{
    return compare_index(cpu, insn, false);
}

enum exec exec_pcmpistrm(struct cpu *cpu, const struct insn *insn)
{
    return compare_mask(cpu, insn, false);
}

/* ---- CRC32 ---- */

/* The remainder of each nibble by the bit-reflected polynomial 11EDC6F41 (Castagnoli). */
static const uint32_t crc_nibble[16] = {
    0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
    0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
};

enum exec exec_crc32(struct cpu *cpu, const struct insn *insn)
{
    uint64_t data;
    if (!operand_read(cpu, insn, 1, &data))
        return EXEC_FAULT;
    uint32_t crc = (uint32_t)cpu->s.gpr[insn->op[0].reg];
    for (unsigned i = 0; i < 2u * insn->op[1].size; i++, data >>= 4)
        crc = crc >> 4 ^ crc_nibble[(crc ^ data) & 15];
    cpu->s.gpr[insn->op[0].reg] = crc;
    return EXEC_NEXT;
}
