/* x87 instructions: re-encoded, with the memory operand replaced; the host's x87 unit has the guest's state
 * (x87_state.c) as long as a unit with such instructions runs.
 *
 * Control word: struct cpu has it, too, always; the host's own is the same. A word that unmasks an exception
 * is loaded by the interpreter, after which no x87 instruction runs here until all are masked again.
 *
 * Last-instruction pointers (SDM vol. 1, 8.1.8): the data pointer is stored by each instruction with a memory
 * operand, the rest only where the unit is left (x64_note).
 *
 * Left to the interpreter: transcendental instructions, whose last digits differ between CPUs, FPREM, whose
 * partial steps do, packed decimals, all that reads or replaces the whole state. */
#include "binxlate/x64/x64.h"

static const struct operand *memory_operand(const struct insn *insn)
{
    for (unsigned n = 0; n < 2; n++)
        if (insn->op[n].kind == OPK_MEM)
            return &insn->op[n];
    return NULL;
}

/* FS and GS have a base, and the data pointer is the offset without it. */
static bool can_access(const struct x64_unit *x)
{
    return x64_can_access(x, x->insn) && x64_plain_segment(x, x->insn->seg);
}

static void take_note(struct x64_unit *x)
{
    x->note.insn = x->insn;
    if (x->insn->modrm < 0xC0)
        x->note.data = x->insn->seg;
}

void x64_x87_note(struct x64_unit *x, struct x64_note note)
{
    struct x64_asm *a = &x->a;
    if (note.insn != NULL) {
        uint64_t ip = x64_rip(x, note.insn);
        unsigned opcode = (note.insn->opcode & 7u) << 8 | note.insn->modrm;
        x64_mov_imm(a, X_TEST, ip << 16 | X87_NOTED | opcode);
        x64_store(a, 8, FRAME_FIELD(x87_note), X_TEST);
    }
    if (note.data != X87_NO_DATA) {
        x64_rm(a, 0xC6, 1, 0, FRAME_FIELD(x87_data)); /* mov byte */
        x64_imm(a, note.data, 1);
    }
}

/* ---- Computation and transfer ---- */

static bool lower_registers(struct x64_unit *x)
{
    x64_byte(&x->a, x->insn->opcode);
    x64_byte(&x->a, x->insn->modrm);
    take_note(x);
    return true;
}

static bool lower_memory(struct x64_unit *x, enum access access)
{
    const struct insn *insn = x->insn;
    if (!can_access(x))
        return false;
    unsigned size = memory_operand(insn)->size, address;
    struct x64_mem mem;
    if (x64_operand_is_shared(x)) {
        mem = x64_operand(x, insn, size, access); /* leaves X_T0 free */
        address = x64_address(x, insn, size, access);
        if (insn->index != REG_NONE && x64_home(insn->index) == X_NONE)
            mem = x64_operand(x, insn, size, access); /* the index was fetched into the place's register */
    } else {
        address = x64_address(x, insn, size, access);
        mem = x64_probe(x, address, size, access);
    }
    x64_store(&x->a, 8, CPU_FIELD(s.x87.dp), address);
    x64_rm(&x->a, insn->opcode, 4, insn->modrm >> 3 & 7, mem);
    take_note(x);
    return true;
}

static bool lower_compute(struct x64_unit *x)
{
    return x->insn->modrm < 0xC0 ? lower_memory(x, ACCESS_READ) : lower_registers(x);
}

static bool lower_store(struct x64_unit *x)
{
    return lower_memory(x, ACCESS_WRITE);
}

/* ---- Control and status: no note ---- */

static bool lower_fldcw(struct x64_unit *x)
{
    enum { UNUSED_BITS = 32 - 6 }; /* above the six masks */
    struct x64_asm *a = &x->a;
    if (!can_access(x))
        return false;
    struct x64_mem mem = x64_operand(x, x->insn, 2, ACCESS_READ);
    x64_rm(a, OP_0F | 0xB7, 4, X_TEST, mem); /* movzx ecx, word */
    x64_store(a, 2, FRAME_FIELD(x87_word), X_TEST);
    x64_rr(a, 0xF7, 4, 2, X_TEST); /* not */
    x64_mov_imm(a, X_T1, UNUSED_BITS);
    x64_shlx(a, 4, X_TEST, X_TEST, X_T1);
    x64_slow_unless_zero(x);
    x64_rm(a, 0xD9, 4, 5, FRAME_FIELD(x87_word));    /* fldcw */
    x64_rm(a, 0xD9, 4, 7, CPU_FIELD(s.x87.control)); /* fnstcw: without the reserved bits */
    return true;
}

static bool lower_fnstcw(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    if (!can_access(x))
        return false;
    struct x64_mem mem = x64_operand(x, x->insn, 2, ACCESS_WRITE);
    x64_rm(a, OP_0F | 0xB7, 4, X_TEST, CPU_FIELD(s.x87.control)); /* movzx ecx, word */
    x64_store(a, 2, mem, X_TEST);
    return true;
}

static bool lower_fnstsw(struct x64_unit *x)
{
    if (!can_access(x))
        return false;
    struct x64_mem mem = x64_operand(x, x->insn, 2, ACCESS_WRITE);
    x64_rm(&x->a, x->insn->opcode, 4, 7, mem);
    return true;
}

/* FNSTSW AX, FNCLEX */
static bool lower_unnoted(struct x64_unit *x)
{
    x64_byte(&x->a, x->insn->opcode);
    x64_byte(&x->a, x->insn->modrm);
    return true;
}

/* Nothing is pending; but its #NM is not among what MODE_FPU_GUARD guards. */
static bool lower_fwait(struct x64_unit *x)
{
    return (x->block->mode & MODE_FPU_GUARD) == 0;
}

const struct x64_lowering x64_lower_x87[] = {
    {exec_fadd, lower_compute},
    {exec_fsub, lower_compute},
    {exec_fsubr, lower_compute},
    {exec_fmul, lower_compute},
    {exec_fdiv, lower_compute},
    {exec_fdivr, lower_compute},
    {exec_fcom, lower_compute},
    {exec_fcomp, lower_compute},
    {exec_fcompp, lower_registers},
    {exec_fucom, lower_registers},
    {exec_fucomp, lower_registers},
    {exec_fucompp, lower_registers},
    {exec_fcomi, lower_registers},
    {exec_fcomip, lower_registers},
    {exec_fucomi, lower_registers},
    {exec_fucomip, lower_registers},
    {exec_ftst, lower_registers},
    {exec_fxam, lower_registers},
    {exec_fchs, lower_registers},
    {exec_fabs, lower_registers},
    {exec_fsqrt, lower_registers},
    {exec_frndint, lower_registers},
    {exec_fscale, lower_registers},
    {exec_fxtract, lower_registers},
    {exec_fld_m32, lower_compute},
    {exec_fld_m64, lower_compute},
    {exec_fld_m80, lower_compute},
    {exec_fild_m16, lower_compute},
    {exec_fild_m32, lower_compute},
    {exec_fild_m64, lower_compute},
    {exec_fld_st, lower_registers},
    {exec_fld_constant, lower_registers},
    {exec_fst_m32, lower_store},
    {exec_fstp_m32, lower_store},
    {exec_fst_m64, lower_store},
    {exec_fstp_m64, lower_store},
    {exec_fstp_m80, lower_store},
    {exec_fist_m16, lower_store},
    {exec_fist_m32, lower_store},
    {exec_fistp_m16, lower_store},
    {exec_fistp_m32, lower_store},
    {exec_fistp_m64, lower_store},
    {exec_fisttp_m16, lower_store},
    {exec_fisttp_m32, lower_store},
    {exec_fisttp_m64, lower_store},
    {exec_fst_st, lower_registers},
    {exec_fstp_st, lower_registers},
    {exec_fxch, lower_registers},
    {exec_fcmov, lower_registers},
    {exec_fnop, lower_registers},
    {exec_ffree, lower_registers},
    {exec_ffreep, lower_registers},
    {exec_fincstp, lower_registers},
    {exec_fdecstp, lower_registers},
    {exec_fldcw, lower_fldcw},
    {exec_fnstcw, lower_fnstcw},
    {exec_fnstsw, lower_fnstsw},
    {exec_fnstsw_ax, lower_unnoted},
    {exec_fnclex, lower_unnoted},
    {exec_fwait, lower_fwait},
    {NULL, NULL},
};
