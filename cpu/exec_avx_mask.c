/* AVX accesses to memory of chosen elements: VMASKMOV, VPMASKMOV, and the gathers (SDM vol. 2).
 *
 * An element is chosen by its sign in the mask, the first source. Those that are not chosen are not accessed
 * and fault nothing; no access is checked for alignment. A masked store checks all chosen elements before it
 * writes one. A gather goes from the lowest element to the highest; when one faults, those before it are in
 * the destination and the mask has ones for those still to do, as Intel CPUs leave it. */
#include "cpu/simd.h"

static ALWAYS_INLINE bool chosen(const union simd256 *mask, unsigned i, unsigned size)
{
    return mask->u8[size * i + size - 1] >> 7;
}

/* Offset of element i of the memory operand, which does not wrap around. */
static uint64_t element_ea(const struct cpu *cpu, const struct insn *insn, unsigned i, unsigned size)
{
    return insn_ea(cpu, insn) + (uint64_t)i * size;
}

bool simd_element_read(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size, uint64_t *value)
{
    bool check = cpu->align_check;
    cpu->align_check = false;
    bool ok = mem_read(cpu, seg, offset, size, value);
    cpu->align_check = check;
    return ok;
}

bool simd_element_write(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size, uint64_t value)
{
    bool check = cpu->align_check;
    cpu->align_check = false;
    bool ok = mem_write(cpu, seg, offset, size, value);
    cpu->align_check = check;
    return ok;
}

/* Would simd_element_write() succeed? */
static bool element_check(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size)
{
    bool check = cpu->align_check;
    cpu->align_check = false;
    bool ok = mem_check_write(cpu, seg, offset, size);
    cpu->align_check = check;
    return ok;
}

/* ---- VMASKMOV ---- */

static ALWAYS_INLINE enum exec masked_load(struct cpu *cpu, const struct insn *insn, unsigned size)
{
    union simd256 mask = simd_source256(cpu, insn), r = {.u64 = {0}};
    for (unsigned i = 0; i < insn->op[1].size / size; i++) {
        uint64_t value;
        if (!chosen(&mask, i, size))
            continue;
        if (!simd_element_read(cpu, insn->seg, element_ea(cpu, insn, i, size), size, &value))
            return EXEC_FAULT;
        memcpy(r.u8 + size * i, &value, size);
    }
    simd_commit256(cpu, insn, &r);
    return EXEC_NEXT;
}

static ALWAYS_INLINE enum exec masked_store(struct cpu *cpu, const struct insn *insn, unsigned size)
{
    union simd256 mask = simd_source256(cpu, insn), from;
    unsigned count = insn->op[0].size / size;
    if (!simd_read256(cpu, insn, 1, &from))
        return EXEC_FAULT;
    for (unsigned i = 0; i < count; i++)
        if (chosen(&mask, i, size) && !element_check(cpu, insn->seg, element_ea(cpu, insn, i, size), size))
            return EXEC_FAULT;
    for (unsigned i = 0; i < count; i++) {
        uint64_t value = size == 4 ? from.u32[i] : from.u64[i % 4];
        if (chosen(&mask, i, size) &&
            !simd_element_write(cpu, insn->seg, element_ea(cpu, insn, i, size), size, value))
            return EXEC_FAULT;
    }
    return EXEC_NEXT;
}

enum exec exec_mask_load32(struct cpu *cpu, const struct insn *insn)
{
    return masked_load(cpu, insn, 4);
}

enum exec exec_mask_load64(struct cpu *cpu, const struct insn *insn)
{
    return masked_load(cpu, insn, 8);
}

enum exec exec_mask_store32(struct cpu *cpu, const struct insn *insn)
{
    return masked_store(cpu, insn, 4);
}

enum exec exec_mask_store64(struct cpu *cpu, const struct insn *insn)
{
    return masked_store(cpu, insn, 8);
}

/* ---- Gathers ---- */

/* Base plus the index of element i, which has `size` bytes and a sign. */
static ALWAYS_INLINE uint64_t gather_ea(const struct cpu *cpu, const struct insn *insn,
                                        const union simd256 *index, unsigned i, unsigned size)
{
    uint64_t offset = size == 4 ? (uint64_t)(int64_t)index->s32[i] : index->u64[i];
    uint64_t ea = (uint64_t)insn->disp + (offset << insn->scale);
    if (insn->base < GPR_COUNT)
        ea += cpu->s.gpr[insn->base];
    return insn->addr_size == 8 ? ea : (uint32_t)ea;
}

/* Elements of `size` bytes at indexes of `index_size` bytes. Those with the wider indexes fill half of the
 * vector length only; before they are all done, the other half stays. */
static ALWAYS_INLINE enum exec gather(struct cpu *cpu, const struct insn *insn, unsigned size,
                                      unsigned index_size)
{
    union simd256 mask = simd_source256(cpu, insn), pending = {.u64 = {0}}, index, r;
    unsigned count = insn->op[0].size / size, length = count * (size > index_size ? size : index_size);
    bool done = true, loaded = false;
    memcpy(&index, cpu->s.vec[insn->index].q, sizeof index);
    memcpy(&r, cpu->s.vec[insn->op[0].reg].q, sizeof r);
    for (unsigned i = 0; i < length / size; i++) {
        uint64_t value;
        if (!chosen(&mask, i, size))
            continue;
        if (i < count)
            done = done && simd_element_read(cpu, insn->seg, gather_ea(cpu, insn, &index, i, index_size),
                                             size, &value);
        if (done && i < count)
            memcpy(r.u8 + size * i, &value, size);
        else
            memset(pending.u8 + size * i, 0xFF, size);
        loaded |= done && i < count;
    }
    unsigned kept = done ? count * size : length;
    memset(r.u8 + kept, 0, YMM_BYTES - kept);
    if (done)
        pending = (union simd256){.u64 = {0}};
    if (done || loaded)
        memcpy(cpu->s.vec[insn->op[0].reg].q, &r, sizeof r);
    memcpy(cpu->s.vec[insn->source].q, &pending, sizeof pending);
    return done ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_gather_dd(struct cpu *cpu, const struct insn *insn)
{
    return gather(cpu, insn, 4, 4);
}

enum exec exec_gather_dq(struct cpu *cpu, const struct insn *insn)
{
    return gather(cpu, insn, 8, 4);
}

enum exec exec_gather_qd(struct cpu *cpu, const struct insn *insn)
{
    return gather(cpu, insn, 4, 8);
}

enum exec exec_gather_qq(struct cpu *cpu, const struct insn *insn)
{
    return gather(cpu, insn, 8, 8);
}
