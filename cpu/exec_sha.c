/* SHA extensions (SDM vol. 2; FIPS 180-4). Names of words as in the SDM's operation sections; word 3 of a
 * register is its highest. */
#include "cpu/simd.h"

static uint32_t rotate_left(uint32_t v, unsigned count)
{
    return v << count | v >> (32 - count);
}

static uint32_t rotate_right(uint32_t v, unsigned count)
{
    return v >> count | v << (32 - count);
}

static uint32_t choose(uint32_t b, uint32_t c, uint32_t d)
{
    return (b & c) ^ (~b & d);
}

static uint32_t majority(uint32_t b, uint32_t c, uint32_t d)
{
    return (b & c) ^ (b & d) ^ (c & d);
}

/* ---- SHA-1 ---- */

static uint32_t sha1_function(unsigned phase, uint32_t b, uint32_t c, uint32_t d)
{
    return phase == 0 ? choose(b, c, d) : phase == 2 ? majority(b, c, d) : b ^ c ^ d;
}

/* Four rounds: a holds A, B, C, D from the top, b the message words, the first with E added. */
static void sha1_rounds(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    static const uint32_t constants[4] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
    uint32_t A = a->u32[3], B = a->u32[2], C = a->u32[1], D = a->u32[0], E = 0;
    (void)bytes;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t next =
            sha1_function(imm & 3, B, C, D) + rotate_left(A, 5) + b->u32[3 - i] + E + constants[imm & 3];
        E = D;
        D = C;
        C = rotate_left(B, 30);
        B = A;
        A = next;
    }
    *a = (union simd){.u32 = {D, C, B, A}};
}

static void sha1_next_e(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes, (void)imm;
    uint32_t e = rotate_left(a->u32[3], 30);
    *a = *b;
    a->u32[3] += e;
}

static void sha1_message1(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes, (void)imm;
    *a = (union simd){
        .u32 = {a->u32[0] ^ b->u32[2], a->u32[1] ^ b->u32[3], a->u32[2] ^ a->u32[0], a->u32[3] ^ a->u32[1]}};
}

static void sha1_message2(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes, (void)imm;
    uint32_t w16 = rotate_left(a->u32[3] ^ b->u32[2], 1), w17 = rotate_left(a->u32[2] ^ b->u32[1], 1);
    uint32_t w18 = rotate_left(a->u32[1] ^ b->u32[0], 1), w19 = rotate_left(a->u32[0] ^ w16, 1);
    *a = (union simd){.u32 = {w19, w18, w17, w16}};
}

enum exec exec_sha1rnds4(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, sha1_rounds);
}

enum exec exec_sha1nexte(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, sha1_next_e);
}

enum exec exec_sha1msg1(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, sha1_message1);
}

enum exec exec_sha1msg2(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, sha1_message2);
}

/* ---- SHA-256 ---- */

static uint32_t small_sigma0(uint32_t v)
{
    return rotate_right(v, 7) ^ rotate_right(v, 18) ^ v >> 3;
}

static uint32_t small_sigma1(uint32_t v)
{
    return rotate_right(v, 17) ^ rotate_right(v, 19) ^ v >> 10;
}

static uint32_t big_sigma0(uint32_t v)
{
    return rotate_right(v, 2) ^ rotate_right(v, 13) ^ rotate_right(v, 22);
}

static uint32_t big_sigma1(uint32_t v)
{
    return rotate_right(v, 6) ^ rotate_right(v, 11) ^ rotate_right(v, 25);
}

/* Two rounds; message words plus constants are the low half of XMM0. The destination holds C, D, G, H, the
 * source A, B, E, F. */
enum exec exec_sha256rnds2(struct cpu *cpu, const struct insn *insn)
{
    union simd s, d = simd_source(cpu, insn), words = *simd_xmm(cpu, 0);
    if (!simd_read(cpu, insn, 1, &s))
        return EXEC_FAULT;
    uint32_t A = s.u32[3], B = s.u32[2], C = d.u32[3], D = d.u32[2];
    uint32_t E = s.u32[1], F = s.u32[0], G = d.u32[1], H = d.u32[0];
    for (unsigned i = 0; i < 2; i++) {
        uint32_t t1 = H + big_sigma1(E) + choose(E, F, G) + words.u32[i];
        uint32_t t2 = big_sigma0(A) + majority(A, B, C);
        H = G;
        G = F;
        F = E;
        E = D + t1;
        D = C;
        C = B;
        B = A;
        A = t1 + t2;
    }
    simd_commit(cpu, insn, (union simd){.u32 = {F, E, B, A}});
    return EXEC_NEXT;
}

static void sha256_message1(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes, (void)imm;
    for (unsigned i = 0; i < 4; i++)
        a->u32[i] += small_sigma0(i < 3 ? a->u32[i + 1] : b->u32[0]);
}

static void sha256_message2(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes, (void)imm;
    for (unsigned i = 0; i < 4; i++)
        a->u32[i] += small_sigma1(i < 2 ? b->u32[i + 2] : a->u32[i - 2]);
}

enum exec exec_sha256msg1(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, sha256_message1);
}

enum exec exec_sha256msg2(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, sha256_message2);
}
