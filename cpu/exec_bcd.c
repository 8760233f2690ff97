/* Decimal adjustment (SDM vol. 2: DAA, DAS, AAA, AAS, AAM, AAD) and SALC (undocumented, all Intel CPUs).
 *
 * Undefined flags as on Intel CPUs: OF is 0 after DAA and DAS; AAA and AAS compute SF, ZF, PF from AL with OF
 * 0; AAM and AAD clear CF and AF, and OF. */
#include "cpu/flags.h"
#include "cpu/operand.h"

static void decimal_flags(struct cpu *cpu, uint8_t al, bool carry, bool adjust)
{
    flags_set_bits(cpu, 1, al, (carry ? FLAG_CF : 0) | (adjust ? FLAG_AF : 0));
}

/* DAA adds, DAS subtracts 6 and 60h. */
static enum exec adjust_packed(struct cpu *cpu, int sign)
{
    uint64_t flags = flags_read(cpu);
    uint8_t old = (uint8_t)cpu->s.gpr[RAX];
    int al = old;
    bool carry = false, adjust = (old & 0xF) > 9 || (flags & FLAG_AF) != 0;
    if (adjust) {
        al += sign * 6;
        carry = (flags & FLAG_CF) != 0 || al < 0 || al > 0xFF;
    }
    if (old > 0x99 || (flags & FLAG_CF) != 0) {
        al += sign * 0x60;
        carry = true;
    } else if (sign > 0) {
        carry = false;
    }
    gpr_write(cpu, RAX, 1, (uint64_t)al);
    decimal_flags(cpu, (uint8_t)al, carry, adjust);
    return EXEC_NEXT;
}

enum exec exec_daa(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    return adjust_packed(cpu, 1);
}

enum exec exec_das(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    return adjust_packed(cpu, -1);
}

static enum exec adjust_unpacked(struct cpu *cpu, uint16_t delta)
{
    uint64_t flags = flags_read(cpu);
    uint16_t ax = (uint16_t)cpu->s.gpr[RAX];
    bool adjust = (ax & 0xF) > 9 || (flags & FLAG_AF) != 0;
    if (adjust)
        ax = (uint16_t)(ax + delta);
    ax &= 0xFF0F;
    gpr_write(cpu, RAX, 2, ax);
    decimal_flags(cpu, (uint8_t)ax, adjust, adjust);
    return EXEC_NEXT;
}

enum exec exec_aaa(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    return adjust_unpacked(cpu, 0x106);
}

enum exec exec_aas(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    return adjust_unpacked(cpu, (uint16_t)-0x106);
}

enum exec exec_aam(struct cpu *cpu, const struct insn *insn)
{
    uint8_t base = (uint8_t)insn->imm, al = (uint8_t)cpu->s.gpr[RAX];
    if (base == 0)
        return cpu_fault(cpu, VEC_DE);
    gpr_write(cpu, RAX, 2, (uint64_t)(al / base) << 8 | al % base);
    decimal_flags(cpu, al % base, false, false);
    return EXEC_NEXT;
}

/* Flags are those of the addition; the SDM leaves CF, OF, AF undefined. */
enum exec exec_aad(struct cpu *cpu, const struct insn *insn)
{
    uint64_t ax = cpu->s.gpr[RAX];
    uint8_t al = (uint8_t)ax, tens = (uint8_t)((ax >> 8) * insn->imm), sum = al + tens;
    gpr_write(cpu, RAX, 2, sum);
    flags_set(cpu, LAZY_ADD, 1, sum, al, tens);
    return EXEC_NEXT;
}

enum exec exec_salc(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    gpr_write(cpu, RAX, 1, flag_carry(cpu) ? 0xFF : 0);
    return EXEC_NEXT;
}
