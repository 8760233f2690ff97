/* Fast handlers of MOV, MOVZX, MOVSX, LEA, CMOVcc, SETcc, PUSH, POP, LEAVE and NOP. */
#include "cpu/fast.h"
#include "cpu/flags.h"

/* ---- Loads: destination size, source size, signed ---- */

static ALWAYS_INLINE enum exec load(struct cpu *cpu, const struct insn *insn, enum fast_memory kind,
                                    unsigned to, unsigned from, bool is_signed)
{
    const uint8_t *host = fast_operand(cpu, insn, kind, from, ACCESS_READ);
    if (UNLIKELY(host == NULL))
        return run_reference(cpu, insn);
    uint64_t value = host_load(host, from);
    gpr_write(cpu, insn->op[0].reg, to, is_signed ? (uint64_t)sign_extend(value, from) : value);
    return insn_done(cpu, insn);
}

static ALWAYS_INLINE enum exec move(struct cpu *cpu, const struct insn *insn, enum fast_memory kind,
                                    unsigned to, unsigned from, bool is_signed)
{
    (void)kind;
    uint64_t value = gpr_read(cpu, insn->op[1].reg, from);
    gpr_write(cpu, insn->op[0].reg, to, is_signed ? (uint64_t)sign_extend(value, from) : value);
    return insn_done(cpu, insn);
}

static ALWAYS_INLINE enum exec store(struct cpu *cpu, const struct insn *insn, enum fast_memory kind,
                                     unsigned to, unsigned from, bool immediate)
{
    (void)from;
    uint8_t *host = fast_operand(cpu, insn, kind, to, ACCESS_WRITE);
    if (UNLIKELY(host == NULL))
        return run_reference(cpu, insn);
    host_store(host, to, immediate ? insn->imm : cpu->s.gpr[insn->op[1].reg]);
    return insn_done(cpu, insn);
}

#define MOVE_ROW(handler, reference, form, kind, to, from, flag)                                             \
    static enum exec handler(struct cpu *cpu, const struct insn *insn)                                       \
    {                                                                                                        \
        return form(cpu, insn, kind, to, from, flag);                                                        \
    }
#include "cpu/fast_move.def"
#undef MOVE_ROW

static enum exec mov_ri(struct cpu *cpu, const struct insn *insn)
{
    gpr_write(cpu, insn->op[0].reg, insn->op[0].size, insn->imm);
    return insn_done(cpu, insn);
}

/* 32 and 64 bits: the immediate is already what the register becomes. */
static enum exec mov_ri_wide(struct cpu *cpu, const struct insn *insn)
{
    cpu->s.gpr[insn->op[0].reg] = insn->op[0].size == 8 ? insn->imm : (uint32_t)insn->imm;
    return insn_done(cpu, insn);
}

static enum exec nop(struct cpu *cpu, const struct insn *insn)
{
    return insn_done(cpu, insn);
}

/* ---- LEA ---- */

static enum exec lea4(struct cpu *cpu, const struct insn *insn)
{
    gpr_write(cpu, insn->op[0].reg, 4, fast_ea(cpu, insn, FAST_GENERAL));
    return insn_done(cpu, insn);
}

static enum exec lea8(struct cpu *cpu, const struct insn *insn)
{
    cpu->s.gpr[insn->op[0].reg] = fast_ea(cpu, insn, FAST_GENERAL);
    return insn_done(cpu, insn);
}

/* ---- Conditional ---- */

static enum exec cmov_rr(struct cpu *cpu, const struct insn *insn)
{
    unsigned reg = insn->op[0].reg;
    uint64_t value = cpu->s.gpr[flags_test(cpu, insn->opcode & 15) ? insn->op[1].reg : reg];
    gpr_write(cpu, reg, insn->op[0].size, value);
    return insn_done(cpu, insn);
}

static enum exec setcc_r(struct cpu *cpu, const struct insn *insn)
{
    gpr_write(cpu, insn->op[0].reg, 1, flags_test(cpu, insn->opcode & 15));
    return insn_done(cpu, insn);
}

/* ---- Stack, in MODE_FLAT ---- */

static ALWAYS_INLINE enum exec push(struct cpu *cpu, const struct insn *insn, unsigned size, uint64_t value)
{
    uint64_t rsp = (cpu->s.gpr[RSP] - size) & cpu->linear_mask;
    uint8_t *host = fast_stack(cpu, rsp, size, ACCESS_WRITE);
    if (UNLIKELY(host == NULL))
        return run_reference(cpu, insn);
    host_store(host, size, value);
    cpu->s.gpr[RSP] = rsp;
    return insn_done(cpu, insn);
}

static enum exec push_r4(struct cpu *cpu, const struct insn *insn)
{
    return push(cpu, insn, 4, cpu->s.gpr[insn->op[0].reg]);
}

static enum exec push_r8(struct cpu *cpu, const struct insn *insn)
{
    return push(cpu, insn, 8, cpu->s.gpr[insn->op[0].reg]);
}

static enum exec push_i4(struct cpu *cpu, const struct insn *insn)
{
    return push(cpu, insn, 4, insn->imm);
}

static enum exec push_i8(struct cpu *cpu, const struct insn *insn)
{
    return push(cpu, insn, 8, insn->imm);
}

static ALWAYS_INLINE enum exec pop(struct cpu *cpu, const struct insn *insn, unsigned size)
{
    uint64_t rsp = cpu->s.gpr[RSP];
    const uint8_t *host = fast_stack(cpu, rsp, size, ACCESS_READ);
    if (UNLIKELY(host == NULL))
        return run_reference(cpu, insn);
    cpu->s.gpr[RSP] = (rsp + size) & cpu->linear_mask;
    cpu->s.gpr[insn->op[0].reg] = host_load(host, size);
    return insn_done(cpu, insn);
}

static enum exec pop4(struct cpu *cpu, const struct insn *insn)
{
    return pop(cpu, insn, 4);
}

static enum exec pop8(struct cpu *cpu, const struct insn *insn)
{
    return pop(cpu, insn, 8);
}

static ALWAYS_INLINE enum exec leave(struct cpu *cpu, const struct insn *insn, unsigned size)
{
    uint64_t rbp = cpu->s.gpr[RBP];
    const uint8_t *host = fast_stack(cpu, rbp, size, ACCESS_READ);
    if (UNLIKELY(host == NULL))
        return run_reference(cpu, insn);
    cpu->s.gpr[RSP] = (rbp + size) & cpu->linear_mask;
    cpu->s.gpr[RBP] = host_load(host, size);
    return insn_done(cpu, insn);
}

static enum exec leave4(struct cpu *cpu, const struct insn *insn)
{
    return leave(cpu, insn, 4);
}

static enum exec leave8(struct cpu *cpu, const struct insn *insn)
{
    return leave(cpu, insn, 8);
}

/* ---- Choice ---- */

enum move_form { FORM_load, FORM_move, FORM_store };

static exec_fn *move_select(const struct insn *insn, unsigned mode)
{
    static const struct {
        exec_fn *reference;
        enum move_form form;
        enum fast_memory kind;
        uint8_t to, from;
        bool flag;
        exec_fn *fast;
    } rows[] = {
#define MOVE_ROW(handler, reference, form, kind, to, from, flag)                                             \
    {reference, FORM_##form, kind, to, from, flag, handler},
#include "cpu/fast_move.def"
#undef MOVE_ROW
    };
    const struct operand *to = &insn->op[0], *from = &insn->op[1];
    bool memory = to->kind == OPK_MEM || from->kind == OPK_MEM;
    enum fast_memory kind = memory ? fast_memory_kind(insn, mode) : FAST_NO_MEMORY;
    if ((memory && kind == FAST_NO_MEMORY) || to->kind == OPK_GPRH || from->kind == OPK_GPRH)
        return NULL;
    enum move_form form = to->kind == OPK_MEM ? FORM_store : memory ? FORM_load : FORM_move;
    bool flag = form == FORM_store ? from->kind == OPK_IMM : insn->exec == exec_movsx;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        if (insn->exec == rows[i].reference && form == rows[i].form && kind == rows[i].kind &&
            to->size == rows[i].to && (form == FORM_store || from->size == rows[i].from) &&
            flag == rows[i].flag)
            return rows[i].fast;
    return NULL;
}

static exec_fn *stack_select(const struct insn *insn, unsigned mode)
{
    bool wide = (mode & MODE_CODE_MASK) == MODE_CODE64;
    if ((mode & MODE_FLAT) == 0 || insn->op_size != (wide ? 8 : 4))
        return NULL;
    if (insn->exec == exec_push && insn->op[0].kind == OPK_IMM)
        return wide ? push_i8 : push_i4;
    if (insn->exec == exec_push && insn->op[0].kind == OPK_GPR)
        return wide ? push_r8 : push_r4;
    if (insn->exec == exec_pop && insn->op[0].kind == OPK_GPR)
        return wide ? pop8 : pop4;
    if (insn->exec == exec_leave)
        return wide ? leave8 : leave4;
    return NULL;
}

static exec_fn *register_select(const struct insn *insn, unsigned mode)
{
    const struct operand *to = &insn->op[0], *from = &insn->op[1];
    if (insn->exec == exec_nop)
        return nop;
    if (insn->exec == exec_mov && is_low_gpr(to) && from->kind == OPK_IMM)
        return to->size >= 4 ? mov_ri_wide : mov_ri;
    if (insn->exec == exec_lea && to->size >= 4 && fast_memory_kind(insn, mode) != FAST_NO_MEMORY) {
        /* A 64-bit result of a 32-bit address would need truncation; the address size is the mode's. */
        return to->size == 8 ? lea8 : lea4;
    }
    if (insn->exec == exec_cmov && is_low_gpr(from))
        return cmov_rr;
    if (insn->exec == exec_setcc && is_low_gpr(to))
        return setcc_r;
    return NULL;
}

exec_fn *fast_move_select(const struct insn *insn, unsigned mode)
{
    if (insn->exec == exec_movzx || insn->exec == exec_movsx ||
        (insn->exec == exec_mov && !(insn->op[0].kind == OPK_GPR && insn->op[1].kind == OPK_IMM)))
        return move_select(insn, mode);
    exec_fn *fast = register_select(insn, mode);
    return fast != NULL ? fast : stack_select(insn, mode);
}
