/* The memory areas of FNSTENV, FNSAVE, FXSAVE and their loads.
 *
 * To the CPU an area is a row of elements with an effective address each: with 16- or 32-bit addresses the
 * row wraps to zero at the end of the address space, and an element that straddles the segment limit faults.
 * Everything is checked before the first byte moves.
 * Sources: SDM vol. 1, 3.3.7 and 8.1.10; vol. 3, 5.3 (limit checking). */
#include "cpu/x87.h"

static unsigned unit_at(const struct x87_area *area, unsigned position)
{
    return position < area->head ? area->head_unit : area->tail_unit;
}

/* Does the area end within the address space? */
static bool fits(const struct insn *insn, uint64_t offset, unsigned size)
{
    return insn->addr_size == 8 || offset + size <= 1ull << (8 * insn->addr_size);
}

static uint64_t wrap(const struct insn *insn, uint64_t offset)
{
    return insn->addr_size == 8 ? offset : offset & ((1ull << (8 * insn->addr_size)) - 1);
}

static bool check(struct cpu *cpu, const struct insn *insn, uint64_t offset, unsigned size, bool write)
{
    return write ? mem_check_write(cpu, insn->seg, offset, size)
                 : mem_check_read(cpu, insn->seg, offset, size);
}

/* The slow way: every element by itself; FXSAVE and FXRSTOR look at the last byte first. */
static bool check_elements(struct cpu *cpu, const struct insn *insn, const struct x87_area *area,
                           uint64_t offset, bool write)
{
    if (area->head == 0 && !check(cpu, insn, wrap(insn, offset + area->size - 1), 1, write))
        return false;
    for (unsigned i = 0; i < area->size; i += unit_at(area, i)) {
        if (!check(cpu, insn, wrap(insn, offset + i), unit_at(area, i), write))
            return false;
    }
    return true;
}

bool x87_area_check_write(struct cpu *cpu, const struct insn *insn, const struct x87_area *area)
{
    uint64_t offset = insn_ea(cpu, insn);
    if (LIKELY(fits(insn, offset, area->size)))
        return mem_check_write(cpu, insn->seg, offset, area->size);
    return check_elements(cpu, insn, area, offset, true);
}

bool x87_area_read(struct cpu *cpu, const struct insn *insn, const struct x87_area *area, uint8_t *image)
{
    uint64_t offset = insn_ea(cpu, insn);
    if (LIKELY(fits(insn, offset, area->size)))
        return mem_read_bytes(cpu, insn->seg, offset, image, area->size);
    bool ok = check_elements(cpu, insn, area, offset, false);
    for (unsigned i = 0; ok && i < area->size; i += unit_at(area, i))
        ok = mem_read_bytes(cpu, insn->seg, wrap(insn, offset + i), image + i, unit_at(area, i));
    return ok;
}

bool x87_area_write(struct cpu *cpu, const struct insn *insn, const struct x87_area *area,
                    const uint8_t *image)
{
    uint64_t offset = insn_ea(cpu, insn);
    if (LIKELY(fits(insn, offset, area->size)))
        return mem_write_bytes(cpu, insn->seg, offset, image, area->size);
    bool ok = check_elements(cpu, insn, area, offset, true);
    for (unsigned i = 0; ok && i < area->size; i += unit_at(area, i))
        ok = mem_write_bytes(cpu, insn->seg, wrap(insn, offset + i), image + i, unit_at(area, i));
    return ok;
}
