/* Fast handlers of the two-operand ALU instructions, INC, DEC, NEG, NOT and IMUL: every operation, form and
 * size is one instance of the form's body (see fast.h). */
#include "cpu/alu.h"
#include "cpu/fast.h"

/* ---- Bodies, one per operand form; `op`, `size` and `kind` are constants ---- */

static ALWAYS_INLINE uint64_t operate(struct cpu *cpu, enum alu_op op, unsigned size, uint64_t a, uint64_t b)
{
    unsigned carry = alu_carry(cpu, op);
    uint64_t result = alu_compute(op, a, b, carry);
    alu_flags(cpu, op, size, a, b, carry, result);
    return result;
}

static ALWAYS_INLINE enum exec alu_register(struct cpu *cpu, const struct insn *insn, enum alu_op op,
                                            unsigned size, uint64_t b)
{
    unsigned reg = insn->op[0].reg;
    uint64_t result = operate(cpu, op, size, gpr_read(cpu, reg, size), b);
    if (alu_writes(op))
        gpr_write(cpu, reg, size, result);
    return insn_done(cpu, insn);
}

static ALWAYS_INLINE enum exec alu_memory(struct cpu *cpu, const struct insn *insn, enum alu_op op,
                                          unsigned size, enum fast_memory kind, uint64_t b)
{
    uint8_t *host = fast_operand(cpu, insn, kind, size, alu_writes(op) ? ACCESS_WRITE : ACCESS_READ);
    if (UNLIKELY(host == NULL))
        return run_reference(cpu, insn);
    uint64_t result = operate(cpu, op, size, host_load(host, size), b);
    if (alu_writes(op))
        host_store(host, size, result);
    return insn_done(cpu, insn);
}

static ALWAYS_INLINE enum exec rr(struct cpu *cpu, const struct insn *insn, enum alu_op op, unsigned size)
{
    return alu_register(cpu, insn, op, size, gpr_read(cpu, insn->op[1].reg, size));
}

static ALWAYS_INLINE enum exec ri(struct cpu *cpu, const struct insn *insn, enum alu_op op, unsigned size)
{
    return alu_register(cpu, insn, op, size, insn->imm & size_mask(size));
}

static ALWAYS_INLINE enum exec rm(struct cpu *cpu, const struct insn *insn, enum alu_op op, unsigned size,
                                  enum fast_memory kind)
{
    const uint8_t *host = fast_operand(cpu, insn, kind, size, ACCESS_READ);
    if (UNLIKELY(host == NULL))
        return run_reference(cpu, insn);
    return alu_register(cpu, insn, op, size, host_load(host, size));
}

static ALWAYS_INLINE enum exec rs(struct cpu *cpu, const struct insn *insn, enum alu_op op, unsigned size)
{
    return rm(cpu, insn, op, size, FAST_SIMPLE);
}

static ALWAYS_INLINE enum exec rg(struct cpu *cpu, const struct insn *insn, enum alu_op op, unsigned size)
{
    return rm(cpu, insn, op, size, FAST_GENERAL);
}

static ALWAYS_INLINE enum exec sr(struct cpu *cpu, const struct insn *insn, enum alu_op op, unsigned size)
{
    return alu_memory(cpu, insn, op, size, FAST_SIMPLE, gpr_read(cpu, insn->op[1].reg, size));
}

static ALWAYS_INLINE enum exec gr(struct cpu *cpu, const struct insn *insn, enum alu_op op, unsigned size)
{
    return alu_memory(cpu, insn, op, size, FAST_GENERAL, gpr_read(cpu, insn->op[1].reg, size));
}

static ALWAYS_INLINE enum exec si(struct cpu *cpu, const struct insn *insn, enum alu_op op, unsigned size)
{
    return alu_memory(cpu, insn, op, size, FAST_SIMPLE, insn->imm & size_mask(size));
}

static ALWAYS_INLINE enum exec gi(struct cpu *cpu, const struct insn *insn, enum alu_op op, unsigned size)
{
    return alu_memory(cpu, insn, op, size, FAST_GENERAL, insn->imm & size_mask(size));
}

/* ---- Instances ---- */

/* r register, i immediate, s simple memory, g general memory; destination first. */
enum alu_form { FORM_rr, FORM_ri, FORM_rs, FORM_rg, FORM_sr, FORM_gr, FORM_si, FORM_gi, FORMS };

#define INSTANCE(op, form, size)                                                                             \
    static enum exec op##_##form##_##size(struct cpu *cpu, const struct insn *insn)                          \
    {                                                                                                        \
        return form(cpu, insn, op, size);                                                                    \
    }
#define ALU_ROW(op, form)                                                                                    \
    INSTANCE(op, form, 1) INSTANCE(op, form, 2) INSTANCE(op, form, 4) INSTANCE(op, form, 8)
#include "cpu/fast_alu.def"
#undef ALU_ROW
#undef INSTANCE

static exec_fn *const instances[ALU_OPS][FORMS][4] = {
#define ALU_ROW(op, form)                                                                                    \
    [op][FORM_##form] = {op##_##form##_1, op##_##form##_2, op##_##form##_4, op##_##form##_8},
#include "cpu/fast_alu.def"
#undef ALU_ROW
};

/* ---- One operand ---- */

static ALWAYS_INLINE enum exec step(struct cpu *cpu, const struct insn *insn, unsigned size, bool up)
{
    unsigned reg = insn->op[0].reg;
    uint64_t result = gpr_read(cpu, reg, size) + (up ? 1 : UINT64_MAX);
    flags_set_step(cpu, size, result, up);
    gpr_write(cpu, reg, size, result);
    return insn_done(cpu, insn);
}

static enum exec inc4(struct cpu *cpu, const struct insn *insn)
{
    return step(cpu, insn, 4, true);
}

static enum exec inc8(struct cpu *cpu, const struct insn *insn)
{
    return step(cpu, insn, 8, true);
}

static enum exec dec4(struct cpu *cpu, const struct insn *insn)
{
    return step(cpu, insn, 4, false);
}

static enum exec dec8(struct cpu *cpu, const struct insn *insn)
{
    return step(cpu, insn, 8, false);
}

/* ---- IMUL r, r and r, r, imm ---- */

static ALWAYS_INLINE enum exec multiply(struct cpu *cpu, const struct insn *insn, unsigned size, uint64_t a,
                                        uint64_t b)
{
    int64_t low, narrow;
    bool overflow = __builtin_mul_overflow(sign_extend(a, size), sign_extend(b, size), &low);
    narrow = sign_extend((uint64_t)low, size);
    overflow |= narrow != low;
    /* ZF is 0 whatever the product; the rest as in exec_muldiv.c. */
    uint64_t flags = overflow ? FLAG_CF | FLAG_OF : 0;
    flags |= narrow < 0 ? FLAG_SF : 0;
    flags |= parity_even((uint64_t)narrow) ? FLAG_PF : 0;
    gpr_write(cpu, insn->op[0].reg, size, (uint64_t)narrow);
    flags_replace(cpu, (cpu->s.rflags & ~(uint64_t)FLAGS_ARITH) | flags);
    return insn_done(cpu, insn);
}

static enum exec imul_rr4(struct cpu *cpu, const struct insn *insn)
{
    return multiply(cpu, insn, 4, cpu->s.gpr[insn->op[0].reg], cpu->s.gpr[insn->op[1].reg]);
}

static enum exec imul_rr8(struct cpu *cpu, const struct insn *insn)
{
    return multiply(cpu, insn, 8, cpu->s.gpr[insn->op[0].reg], cpu->s.gpr[insn->op[1].reg]);
}

static enum exec imul_rri4(struct cpu *cpu, const struct insn *insn)
{
    return multiply(cpu, insn, 4, cpu->s.gpr[insn->op[1].reg], insn->imm);
}

static enum exec imul_rri8(struct cpu *cpu, const struct insn *insn)
{
    return multiply(cpu, insn, 8, cpu->s.gpr[insn->op[1].reg], insn->imm);
}

/* ---- Choice ---- */

static int alu_op_of(const struct insn *insn)
{
    static const struct {
        exec_fn *exec;
        enum alu_op op;
    } ops[] = {{exec_add, ALU_ADD}, {exec_or, ALU_OR},   {exec_adc, ALU_ADC},
               {exec_sbb, ALU_SBB}, {exec_and, ALU_AND}, {exec_sub, ALU_SUB},
               {exec_xor, ALU_XOR}, {exec_cmp, ALU_CMP}, {exec_test, ALU_TEST}};
    for (unsigned i = 0; i < ARRAY_LEN(ops); i++)
        if (insn->exec == ops[i].exec)
            return (int)ops[i].op;
    return -1;
}

/* The form of a two-operand instruction, FORMS when it has none here. */
static enum alu_form alu_form_of(const struct insn *insn, unsigned mode)
{
    const struct operand *to = &insn->op[0], *from = &insn->op[1];
    if (is_low_gpr(to) && is_low_gpr(from))
        return FORM_rr;
    if (is_low_gpr(to) && from->kind == OPK_IMM)
        return FORM_ri;
    enum fast_memory kind = fast_memory_kind(insn, mode);
    if (kind == FAST_NO_MEMORY)
        return FORMS;
    bool simple = kind == FAST_SIMPLE;
    if (is_low_gpr(to) && from->kind == OPK_MEM)
        return simple ? FORM_rs : FORM_rg;
    if (to->kind == OPK_MEM && is_low_gpr(from))
        return simple ? FORM_sr : FORM_gr;
    if (to->kind == OPK_MEM && from->kind == OPK_IMM)
        return simple ? FORM_si : FORM_gi;
    return FORMS;
}

static exec_fn *unary_select(const struct insn *insn)
{
    bool wide = insn->op[0].size == 8;
    if (!is_low_gpr(&insn->op[0]) || insn->op[0].size < 4)
        return NULL;
    if (insn->exec == exec_inc)
        return wide ? inc8 : inc4;
    if (insn->exec == exec_dec)
        return wide ? dec8 : dec4;
    if (insn->exec == exec_imul && is_low_gpr(&insn->op[1]))
        return wide ? imul_rr8 : imul_rr4;
    if (insn->exec == exec_imul3 && is_low_gpr(&insn->op[1]))
        return wide ? imul_rri8 : imul_rri4;
    return NULL;
}

exec_fn *fast_alu_select(const struct insn *insn, unsigned mode)
{
    int op = alu_op_of(insn);
    if (op < 0)
        return unary_select(insn);
    enum alu_form form = alu_form_of(insn, mode);
    return form == FORMS ? NULL : instances[op][form][fast_size_index(insn->op[0].size)];
}
