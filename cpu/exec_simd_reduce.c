/* Vector integer instructions that combine neighbouring lanes: PMADDWD, PMADDUBSW, PSADBW, MPSADBW,
 * PHMINPOSUW (SDM vol. 2). PHADD and PHSUB are regular and in exec_simd_element.c. */
#include "cpu/simd.h"

/* The one overflow, -32768 squared twice, wraps to 80000000. */
static ALWAYS_INLINE void multiply_add(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)imm;
    for (unsigned i = 0; i < bytes / 4; i++) {
        uint32_t low = (uint32_t)(a->s16[2 * i] * b->s16[2 * i]);
        uint32_t high = (uint32_t)(a->s16[2 * i + 1] * b->s16[2 * i + 1]);
        a->u32[i] = low + high;
    }
}

enum exec exec_pmaddwd(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply(cpu, insn, multiply_add);
}

/* Unsigned bytes of a times signed bytes of b. */
static ALWAYS_INLINE void multiply_add_bytes(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)imm;
    for (unsigned i = 0; i < bytes / 2; i++)
        a->s16[i] = (int16_t)lane_sat_s16(a->u8[2 * i] * b->s8[2 * i] + a->u8[2 * i + 1] * b->s8[2 * i + 1]);
}

enum exec exec_pmaddubsw(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply(cpu, insn, multiply_add_bytes);
}

static ALWAYS_INLINE unsigned byte_distance(uint8_t a, uint8_t b)
{
    return a > b ? a - b : b - a;
}

static ALWAYS_INLINE void sum_distances(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)imm;
    for (unsigned q = 0; q < bytes / 8; q++) {
        unsigned sum = 0;
        for (unsigned i = 0; i < 8; i++)
            sum += byte_distance(a->u8[8 * q + i], b->u8[8 * q + i]);
        a->u64[q] = sum;
    }
}

enum exec exec_psadbw(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply(cpu, insn, sum_distances);
}

/* Distances of one group of four bytes of b (imm 1..0) to eight successive groups of a (from imm 2 on). */
static ALWAYS_INLINE void sliding_distances(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes;
    union simd r;
    const uint8_t *from = a->u8 + (imm & 4), *block = b->u8 + 4 * (imm & 3);
    for (unsigned i = 0; i < 8; i++) {
        unsigned sum = 0;
        for (unsigned j = 0; j < 4; j++)
            sum += byte_distance(from[i + j], block[j]);
        r.u16[i] = (uint16_t)sum;
    }
    *a = r;
}

enum exec exec_mpsadbw(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_lanes(cpu, insn, sliding_distances, 3);
}

static ALWAYS_INLINE void minimum_position(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes, (void)imm;
    unsigned best = 0;
    for (unsigned i = 1; i < 8; i++)
        if (b->u16[i] < b->u16[best])
            best = i;
    *a = (union simd){.u16 = {b->u16[best], (uint16_t)best}};
}

enum exec exec_phminposuw(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, minimum_position);
}
