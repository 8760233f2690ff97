/* Multiplication and division (SDM vol. 2: MUL, IMUL, DIV, IDIV).
 *
 * #DE for a zero divisor and for a quotient that does not fit. CF and OF of a multiplication say that the
 * upper half matters. Undefined flags as on Intel Core CPUs: SF and PF from the low half of the product, ZF
 * and AF 0; division leaves all flags alone. */
#include "cpu/flags.h"
#include "cpu/operand.h"

typedef unsigned __int128 uint128;
typedef __int128 int128;

static void product_flags(struct cpu *cpu, unsigned size, uint64_t low, bool overflow)
{
    uint64_t flags = overflow ? FLAG_CF | FLAG_OF : 0;
    flags |= low & sign_bit(size) ? FLAG_SF : 0;
    flags |= parity_even(low) ? FLAG_PF : 0;
    flags_write(cpu, flags, FLAGS_ARITH);
}

/* The double-width accumulator: AX, DX:AX, EDX:EAX, RDX:RAX. */
static void accumulator_write(struct cpu *cpu, unsigned size, uint64_t low, uint64_t high)
{
    if (size == 1) {
        gpr_write(cpu, RAX, 2, (low & 0xFF) | high << 8);
    } else {
        gpr_write(cpu, RAX, size, low);
        gpr_write(cpu, RDX, size, high);
    }
}

static uint128 accumulator_read(const struct cpu *cpu, unsigned size)
{
    if (size == 1)
        return gpr_read(cpu, RAX, 2);
    return (uint128)gpr_read(cpu, RDX, size) << (8 * size) | gpr_read(cpu, RAX, size);
}

enum exec exec_mul(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    uint64_t factor;
    if (!operand_read(cpu, insn, 0, &factor))
        return EXEC_FAULT;
    uint128 product = (uint128)gpr_read(cpu, RAX, size) * factor;
    uint64_t low = (uint64_t)product & size_mask(size);
    uint64_t high = (uint64_t)(product >> (8 * size)) & size_mask(size);
    accumulator_write(cpu, size, low, high);
    product_flags(cpu, size, low, high != 0);
    return EXEC_NEXT;
}

enum exec exec_imul1(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    uint64_t factor;
    if (!operand_read(cpu, insn, 0, &factor))
        return EXEC_FAULT;
    int128 product = (int128)sign_extend(cpu->s.gpr[RAX], size) * sign_extend(factor, size);
    uint64_t low = (uint64_t)product & size_mask(size);
    uint64_t high = (uint64_t)((uint128)product >> (8 * size)) & size_mask(size);
    accumulator_write(cpu, size, low, high);
    product_flags(cpu, size, low, product != sign_extend(low, size));
    return EXEC_NEXT;
}

static enum exec multiply_into(struct cpu *cpu, const struct insn *insn, uint64_t a, uint64_t b)
{
    unsigned size = insn->op[0].size;
    int128 product = (int128)sign_extend(a, size) * sign_extend(b, size);
    uint64_t low = (uint64_t)product & size_mask(size);
    gpr_write(cpu, insn->op[0].reg, size, low);
    product_flags(cpu, size, low, product != sign_extend(low, size));
    return EXEC_NEXT;
}

enum exec exec_imul(struct cpu *cpu, const struct insn *insn)
{
    uint64_t factor;
    if (!operand_read(cpu, insn, 1, &factor))
        return EXEC_FAULT;
    return multiply_into(cpu, insn, cpu->s.gpr[insn->op[0].reg], factor);
}

enum exec exec_imul3(struct cpu *cpu, const struct insn *insn)
{
    uint64_t factor;
    if (!operand_read(cpu, insn, 1, &factor))
        return EXEC_FAULT;
    return multiply_into(cpu, insn, factor, insn->imm);
}

enum exec exec_div(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    uint64_t divisor;
    if (!operand_read(cpu, insn, 0, &divisor))
        return EXEC_FAULT;
    uint128 dividend = accumulator_read(cpu, size);
    if (divisor == 0 || dividend / divisor > size_mask(size))
        return cpu_fault(cpu, VEC_DE);
    accumulator_write(cpu, size, (uint64_t)(dividend / divisor), (uint64_t)(dividend % divisor));
    return EXEC_NEXT;
}

enum exec exec_idiv(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    uint64_t raw;
    if (!operand_read(cpu, insn, 0, &raw))
        return EXEC_FAULT;
    unsigned spare = size == 8 ? 0 : 128 - 16 * size;
    int128 dividend = (int128)(accumulator_read(cpu, size) << spare) >> spare;
    int64_t divisor = sign_extend(raw, size);
    /* The most negative dividend by -1 overflows the host's division too. */
    if (divisor == 0 || (divisor == -1 && dividend == (int128)((uint128)1 << 127)))
        return cpu_fault(cpu, VEC_DE);
    int128 quotient = dividend / divisor, remainder = dividend % divisor;
    if (quotient != sign_extend((uint64_t)quotient, size))
        return cpu_fault(cpu, VEC_DE);
    accumulator_write(cpu, size, (uint64_t)quotient, (uint64_t)remainder);
    return EXEC_NEXT;
}
