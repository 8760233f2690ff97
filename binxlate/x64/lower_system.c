/* Small system instructions that concern one field of struct cpu: RDTSC, CLI, CLD, PUSHF, SWAPGS, selectors
 * as sources, fences.
 *
 * Where a monitor wants to know of the instruction (cpu_bus.exit), it is left to the interpreter. */
#include "binxlate/x64/x64.h"

#include "cpu/quick.h"

static unsigned cpl_of(const struct x64_unit *x)
{
    return x->block->mode >> MODE_CPL_SHIFT & 3;
}

static bool watched(const struct x64_unit *x)
{
    return x->t->cpu->bus->exit != NULL;
}

static void slow_if_bit(struct x64_unit *x, struct x64_mem mem, unsigned bit)
{
    struct x64_asm *a = &x->a;
    x64_load(a, 4, X_TEST, mem);
    x64_rorx(a, 4, X_TEST, X_TEST, (bit + 1) & 31);
    x64_mov_imm(a, X_T0, 31);
    x64_shrx(a, 4, X_TEST, X_TEST, X_T0);
    x64_slow_unless_zero(x);
}

/* reg &= mask, without touching flags; `scratch` gets the mask. */
static void mask_register(struct x64_unit *x, unsigned reg, uint32_t mask, unsigned scratch)
{
    x64_mov_imm(&x->a, scratch, mask);
    x64_pext(&x->a, 4, reg, reg, scratch);
    x64_pdep(&x->a, 4, reg, reg, scratch);
}

/* ---- Time ---- */

/* The clock is known from the budget, see window_read(); the unit has paid for this instruction and the rest.
 */
static bool lower_rdtsc(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    uint32_t rest = x->paid_cost - x->insn->clock_offset;
    if (watched(x))
        return false;
    if (cpl_of(x) != 0)
        slow_if_bit(x, CPU_FIELD(s.cr4), 2); /* TSD */
    x64_mov_imm(a, X_TEST, BUDGET_SHIFT);
    x64_load(a, 8, X_T0, FRAME_FIELD(budget));
    x64_sarx(a, 8, X_T0, X_T0, X_TEST);
    x64_load(a, 8, X_T1, FRAME_FIELD(window_limit));
    x64_lea(a, 8, X_T0, x64_indexed(X_T0, X_T1, 0, -(int32_t)rest));
    x64_load(a, 8, X_T1, CPU_FIELD(s.tsc_offset));
    x64_lea(a, 8, X_T0, x64_indexed(X_T0, X_T1, 0, 0));
    x64_mov(a, 4, X_RAX, X_T0);
    x64_rorx(a, 8, X_RDX, X_T0, 32);
    x64_mov(a, 4, X_RDX, X_RDX);
    if (x->insn->exec == exec_rdtscp)
        x64_load(a, 4, x64_home(RCX), CPU_FIELD(s.tsc_aux));
    return true;
}
_Static_assert(CR4_TSD == 1 << 2, "bit of TSD");

/* ---- Flags ---- */

static void clear_flag(struct x64_unit *x, uint32_t flag)
{
    struct x64_mem byte = x64_cpu_field(offsetof(struct cpu, s.rflags) + 1);
    x64_rm(&x->a, OP_0F | 0xB6, 4, X_TEST, byte);
    mask_register(x, X_TEST, 0xFF & ~(flag >> 8), X_T0);
    x64_rm(&x->a, 0x88, 1, X_TEST, byte);
}

/* At CPL 0 always IF itself. */
static bool lower_cli(struct x64_unit *x)
{
    if (watched(x) || cpl_of(x) != 0)
        return false;
    clear_flag(x, FLAG_IF);
    return true;
}

static bool lower_cld(struct x64_unit *x)
{
    clear_flag(x, FLAG_DF);
    x64_rm(&x->a, 0xC6, 1, 0, FRAME_FIELD(backward));
    x64_imm(&x->a, 0, 1);
    return true;
}

/* Host EFLAGS through the host's stack, for which there is room below struct cpu (cpu/engine.h). */
static bool lower_pushf(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    unsigned size = x->insn->op_size;
    if (!x64_flat_stack(x) || size != x->code || (x->block->mode & MODE_REAL) != 0 ||
        (cpl_of(x) != 3 && watched(x)))
        return false;
    x64_lea(a, x->code, X_T0, x64_at(x64_home(RSP), -(int32_t)size));
    x64_lea(a, 8, X_T1, x64_probe(x, X_T0, size, ACCESS_WRITE));
    x64_mov(a, 8, x64_home(RSP), X_T0);
    x64_load(a, 4, X_TEST, CPU_FIELD(s.rflags));
    mask_register(x, X_TEST, ~(uint32_t)(FLAGS_ARITH | FLAG_VM | FLAG_RF), X_T0);
    x64_store(a, 8, FRAME_FIELD(temp), X_TEST);
    x64_byte(a, 0x9C);         /* pushfq */
    x64_o(a, 0x58, 4, X_TEST); /* pop rcx */
    mask_register(x, X_TEST, FLAGS_ARITH, X_T0);
    x64_load(a, 8, X_T0, FRAME_FIELD(temp));
    x64_lea(a, 8, X_TEST, x64_indexed(X_TEST, X_T0, 0, 0));
    x64_store(a, size, x64_at(X_T1, 0), X_TEST);
    return true;
}

/* The arithmetic flags, from their places in X_TEST, which is lost, as is X_T0. The host's POPF is microcode:
 * two of them were 2 % of the time of a system call. */
static void flags_from_image(struct x64_asm *a)
{
    x64_mov(a, 8, X_T0, X_RAX);
    x64_rr(a, OP_0F | 0xB6, 4, X_RAX, X_TEST); /* movzx eax, cl */
    x64_rr(a, 0xC1, 4, 4, X_RAX);              /* shl eax, 8: for SAHF */
    x64_imm(a, 8, 1);
    x64_rr(a, 0xC1, 4, 5, X_TEST); /* shr ecx, 11; and ecx, 1: OF */
    x64_imm(a, 11, 1);
    x64_rr(a, 0x83, 4, 4, X_TEST);
    x64_imm(a, 1, 1);
    x64_rr(a, 0x0B, 4, X_RAX, X_TEST); /* or eax, ecx */
    x64_byte(a, 0x04);                 /* add al, 7F: overflows if it is 1 */
    x64_byte(a, 0x7F);
    x64_byte(a, 0x9E); /* sahf */
    x64_mov(a, 8, X_RAX, X_T0);
}
_Static_assert(FLAG_OF == 1 << 11, "bit of OF");

/* POPF that changes no flag but the arithmetic ones, which is what it is used for most: the image is compared
 * with RFLAGS in all bits that POPF can write at any privilege. VIF and VIP, which it clears, are 0 then. */
static bool lower_popf(struct x64_unit *x)
{
    const uint32_t written = FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_AC | FLAG_ID;
    struct x64_asm *a = &x->a;
    unsigned size = x->insn->op_size;
    if (!x64_flat_stack(x) || size != x->code || (x->block->mode & MODE_REAL) != 0 ||
        (cpl_of(x) != 3 && watched(x)))
        return false;
    x64_lea(a, 8, X_T1, x64_top_place(x, size));
    x64_load(a, 4, X_T1, x64_at(X_T1, 0));
    x64_load(a, 4, X_TEST, CPU_FIELD(s.rflags));
    mask_register(x, X_TEST, written | FLAG_VIF | FLAG_VIP, X_T0);
    x64_rr(a, 0xF7, 4, 2, X_TEST); /* not ecx */
    x64_mov_imm(a, X_T0, written);
    x64_pext(a, 4, X_T0, X_T1, X_T0);
    x64_store(a, 4, FRAME_FIELD(temp), X_T1);
    x64_mov_imm(a, X_T1, written);
    x64_pdep(a, 4, X_T0, X_T0, X_T1);
    x64_lea(a, 4, X_TEST, x64_indexed(X_TEST, X_T0, 0, 1));
    x64_slow_unless_zero(x);
    x64_load(a, 4, X_TEST, FRAME_FIELD(temp));
    flags_from_image(a);
    x64_lea(a, x->code, x64_home(RSP), x64_at(x64_home(RSP), (int32_t)size));
    return true;
}

/* IF is set, the next instruction is in its shadow, and the unit is done. Not when there is something to
 * deliver behind the shadow. What is left then is to end the shadow, and that is left to whoever next looks:
 * the dispatcher, see end_shadow(). */
static bool lower_sti(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    struct x64_mem byte = x64_cpu_field(offsetof(struct cpu, s.rflags) + 1);
    if (watched(x) || cpl_of(x) != 0)
        return false;
    x64_rm(a, OP_0F | 0xB6, 4, X_TEST, CPU_FIELD(s.intr_line));
    x64_slow_unless_zero(x);
    x64_rm(a, OP_0F | 0xB6, 4, X_T1, byte);
    x64_mov_imm(a, X_TEST, FLAG_IF >> 8);
    x64_pext(a, 4, X_TEST, X_T1, X_TEST);
    x64_slow_unless_zero(x);
    x64_lea(a, 4, X_TEST, x64_at(X_T1, FLAG_IF >> 8));
    x64_rm(a, 0x88, 1, X_TEST, byte);
    x64_rm(a, 0xC6, 1, 0, CPU_FIELD(s.intr_shadow));
    x64_imm(a, 1, 1);
    x64_load(a, 8, X_TEST, FRAME_FIELD(budget));
    x64_store(a, 8, FRAME_FIELD(sti_budget), X_TEST);
    x64_goto(x, x64_next_rip(x));
    x->done = true;
    return true;
}

/* ---- Control registers ---- */

static bool lower_mov_from_cr(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    struct x64_mem field;
    if (watched(x) || cpl_of(x) != 0)
        return false;
    switch (insn->op[1].reg) {
    case 0: field = CPU_FIELD(s.cr0); break;
    case 2: field = CPU_FIELD(s.cr2); break;
    case 3: field = CPU_FIELD(s.cr3); break;
    case 4: field = CPU_FIELD(s.cr4); break;
    default: return false;
    }
    x64_load(&x->a, insn->op[0].size, X_TEST, field);
    x64_keep(x, insn->op[0].reg, X_TEST);
    return true;
}

/* ---- Segments ---- */

static void load_selector(struct x64_unit *x, unsigned segment)
{
    size_t field =
        offsetof(struct cpu, s.seg) + segment * sizeof(struct segment) + offsetof(struct segment, selector);
    x64_rm(&x->a, OP_0F | 0xB7, 4, X_TEST, x64_cpu_field(field)); /* movzx ecx, word */
}

static bool lower_mov_from_sreg(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    const struct operand *op = &insn->op[0];
    struct x64_asm *a = &x->a;
    if (insn->op[1].reg > GS)
        return false;
    if (op->kind == OPK_MEM) {
        if (!x64_can_access(x, insn))
            return false;
        struct x64_mem mem = x64_probe(x, x64_address(x, insn, 2, ACCESS_WRITE), 2, ACCESS_WRITE);
        load_selector(x, insn->op[1].reg);
        x64_store(a, 2, mem, X_TEST);
        return true;
    }
    load_selector(x, insn->op[1].reg);
    if (op->size >= 4) {
        x64_keep(x, op->reg, X_TEST);
        return true;
    }
    unsigned host = x64_use(x, op->reg, X_T0);
    x64_mov(a, 2, host, X_TEST);
    x64_keep(x, op->reg, host);
    return true;
}

/* See exec_push_sreg() for what becomes of the slot's rest. */
static bool lower_push_sreg(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    unsigned size = x->insn->op_size, written = size == 8 ? 8 : 2;
    if (!x64_can_push(x))
        return false;
    struct x64_mem to = x64_push_part(x, size, written);
    load_selector(x, x->insn->op[0].reg);
    x64_store(a, written, to, X_TEST);
    x64_lea(a, x->stack, x64_home(RSP), x64_at(x64_home(RSP), -(int32_t)size));
    return true;
}

/* Segment register `n`; 0: done. The frame is told what enter would tell it. */
static ALWAYS_INLINE uint64_t load_segment(struct cpu *cpu, unsigned n, uint64_t selector)
{
    if (!segment_load_quick(cpu, n, (uint16_t)selector))
        return 1;
    if (n == FS || n == GS) {
        struct xlat_frame *frame = cpu_engine_room(cpu);
        frame->not_flat[n - FS] = (cpu->flat & cpu->flat_write & 1 << n) == 0;
    }
    return 0;
}

static uint64_t load_es(struct cpu *cpu, uint64_t selector)
{
    return load_segment(cpu, ES, selector);
}

static uint64_t load_ds(struct cpu *cpu, uint64_t selector)
{
    return load_segment(cpu, DS, selector);
}

static uint64_t load_fs(struct cpu *cpu, uint64_t selector)
{
    return load_segment(cpu, FS, selector);
}

static uint64_t load_gs(struct cpu *cpu, uint64_t selector)
{
    return load_segment(cpu, GS, selector);
}

/* MOV SS and POP SS cast a shadow, so they are the interpreter's. */
static x64_callee *loader_of(const struct x64_unit *x)
{
    static x64_callee *const loader[SREG_COUNT] = {
        [ES] = load_es, [DS] = load_ds, [FS] = load_fs, [GS] = load_gs};
    unsigned n = x->insn->op[0].reg;
    bool usable = path_on(x->t, PATH_SEGMENT) && (cpl_of(x) == 3 || !watched(x));
    return usable && n < SREG_COUNT ? loader[n] : NULL;
}

/* The selector is in X_T0; to the slow path unless it can be loaded. */
static void call_loader(struct x64_unit *x, x64_callee *loader)
{
    x64_call(x, loader);
    x64_slow_unless_zero(x);
}

static bool lower_mov_to_sreg(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    const struct operand *op = &insn->op[1];
    struct x64_asm *a = &x->a;
    x64_callee *loader = loader_of(x);
    if (loader == NULL)
        return false;
    if (op->kind == OPK_MEM) {
        if (!x64_can_access(x, insn))
            return false;
        x64_rm(a, OP_0F | 0xB7, 4, X_T0, x64_operand(x, insn, 2, ACCESS_READ)); /* movzx t0d, word */
    } else {
        x64_rr(a, OP_0F | 0xB7, 4, X_T0, x64_use(x, op->reg, X_T0));
    }
    call_loader(x, loader);
    return true;
}

/* Of the slot only the selector is read. */
static bool lower_pop_sreg(struct x64_unit *x)
{
    unsigned rsp = x64_home(RSP);
    x64_callee *loader = loader_of(x);
    if (loader == NULL || !x64_can_push(x))
        return false;
    x64_rm(&x->a, OP_0F | 0xB7, 4, X_T0, x64_top_place(x, 2));
    call_loader(x, loader);
    x64_lea(&x->a, x->stack, rsp, x64_at(rsp, (int32_t)x->insn->op_size));
    return true;
}

/* In 64-bit mode nothing but the base depends on it (cpu/mode.c). */
static bool lower_swapgs(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    if (watched(x) || cpl_of(x) != 0 || x->code != 8)
        return false;
    struct x64_mem base = x64_cpu_field(offsetof(struct cpu, s.seg) + GS * sizeof(struct segment) +
                                        offsetof(struct segment, base));
    x64_load(a, 8, X_T0, base);
    x64_load(a, 8, X_T1, CPU_FIELD(s.kernel_gs_base));
    x64_store(a, 8, base, X_T1);
    x64_store(a, 8, x64_cpu_field(offsetof(struct cpu, seg_base) + GS * sizeof(uint64_t)), X_T1);
    x64_store(a, 8, CPU_FIELD(s.kernel_gs_base), X_T0);
    return true;
}

static bool lower_fence(struct x64_unit *x)
{
    (void)x;
    return true;
}

const struct x64_lowering x64_lower_system[] = {
    {exec_rdtsc, lower_rdtsc},
    {exec_rdtscp, lower_rdtsc},
    {exec_cli, lower_cli},
    {exec_popf, lower_popf},
    {exec_sti, lower_sti},
    {exec_cld, lower_cld},
    {exec_mov_from_cr, lower_mov_from_cr},
    {exec_pushf, lower_pushf},
    {exec_mov_from_sreg, lower_mov_from_sreg},
    {exec_push_sreg, lower_push_sreg},
    {exec_mov_to_sreg, lower_mov_to_sreg},
    {exec_pop_sreg, lower_pop_sreg},
    {exec_swapgs, lower_swapgs},
    {exec_fence, lower_fence},
    {NULL, NULL},
};
