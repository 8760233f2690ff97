/* Entering and leaving host code.
 *
 * enter(cpu, target): save what the C calling convention wants saved, switch the stack pointer to the frame,
 * load the guest's registers and flags, jump. Leaving is the reverse; the site's index comes in X_TEST.
 *
 * Vector registers are loaded when the dispatcher says that the unit wants them, or by the unit itself
 * (x64_want_vectors), and stay until host code is left: code without vector instructions neither loads nor
 * stores them. Their upper halves are loaded in the same ways (x64_want_wide), by units with AVX
 * instructions: legacy SSE ones do not touch them. They are cleared in the host on leaving: on many
 * processors legacy SSE instructions, of which C code is full, are slower while they hold something (Intel,
 * "Optimization Reference Manual", mixing AVX code with SSE code). */
#include "binxlate/x64/x64.h"

#include "base/host_cpu.h"

static const uint8_t saved[] = {X_RBX, X_RBP, X_R12, X_R13, X_R14, X_R15};

static void move_registers(struct x64_unit *x, bool load, bool but_rax)
{
    for (unsigned gpr = but_rax ? RAX + 1 : RAX; gpr < GPR_COUNT; gpr++) {
        unsigned home = x64_home(gpr);
        if (home == X_NONE)
            continue;
        if (load)
            x64_load(&x->a, 8, home, x64_slot(gpr));
        else
            x64_store(&x->a, 8, x64_slot(gpr), home);
    }
}

/* If it is live: DD /extension. Flags do not matter any more, or not yet. */
static void move_x87(struct x64_unit *x, unsigned extension)
{
    enum { CONDITION_E = 4 };
    struct x64_asm *a = &x->a;
    x64_rm(a, 0x80, 1, 7, FRAME_FIELD(x87_live)); /* cmp byte, 0 */
    x64_imm(a, 0, 1);
    uint8_t *dead = x64_jcc32(a, CONDITION_E);
    x64_rm(a, 0xDD, 4, extension, FRAME_FIELD(x87_image));
    x64_here32(a, dead);
}

/* push and pop */
static void push_reg(struct x64_asm *a, unsigned reg)
{
    x64_o(a, 0x50, 4, reg);
}

static void pop_reg(struct x64_asm *a, unsigned reg)
{
    x64_o(a, 0x58, 4, reg);
}

/* ---- Flags, by way of RAX ---- */

static void save_flags(struct x64_asm *a)
{
    x64_byte(a, 0x9F);                    /* lahf */
    x64_rr(a, OP_0F | 0x90, 4, 0, X_RAX); /* seto al */
    x64_store(a, 2, FRAME_FIELD(flags), X_RAX);
}

/* OF: 1 + 7F overflows; then the others from AH. */
static void restore_flags(struct x64_asm *a)
{
    x64_rm(a, OP_0F | 0xB7, 4, X_RAX, FRAME_FIELD(flags)); /* movzx eax, word */
    x64_byte(a, 0x04);                                     /* add al, 7F */
    x64_byte(a, 0x7F);
    x64_byte(a, 0x9E); /* sahf */
}

/* ---- Vector registers ---- */

enum { VECTORS = ARRAY_LEN(((struct cpu_state *)0)->vec) };

static struct x64_mem vector_field(unsigned n, size_t offset)
{
    return x64_cpu_field(offsetof(struct cpu, s.vec) + n * sizeof(struct vector) + offset);
}

static void move_lower(struct x64_unit *x, bool load)
{
    for (unsigned n = 0; n < VECTORS; n++)
        x64_rm(&x->a, OP_0F | (load ? 0x10 : 0x11), 4, n, vector_field(n, 0)); /* movups */
}

static void move_whole(struct x64_unit *x, bool load)
{
    const struct x64_vex vmovups = {.op = OP_0F | (load ? 0x10 : 0x11), .is_wide = true};
    for (unsigned n = 0; n < VECTORS; n++)
        x64_vex_rm(&x->a, vmovups, n, vector_field(n, 0));
    if (!load)
        x64_vzero(&x->a, false);
}

/* vinsertf128 ymm, ymm, [upper half], 1 */
static void load_uppers(struct x64_unit *x)
{
    for (unsigned n = 0; n < VECTORS; n++) {
        const struct x64_vex insert = {.op = OP_66 | OP_0F3A | 0x18, .vvvv = (uint8_t)n, .is_wide = true};
        x64_vex_rm(&x->a, insert, n, vector_field(n, offsetof(struct vector, q[2])));
        x64_byte(&x->a, 1);
    }
}

/* movzx ecx, away; do `what` if it is zero, else `otherwise`, which may be NULL */
static void if_here(struct x64_unit *x, struct x64_mem away, void (*what)(struct x64_unit *x),
                    void (*otherwise)(struct x64_unit *x))
{
    struct x64_asm *a = &x->a;
    x64_rm(a, OP_0F | 0xB6, 4, X_TEST, away);
    uint8_t *here = x64_jrcxz8(a);
    uint8_t *past = x64_jmp32(a), *end = NULL;
    x64_here8(a, here);
    what(x);
    if (otherwise != NULL)
        end = x64_jmp32(a);
    x64_here32(a, past);
    if (otherwise != NULL) {
        otherwise(x);
        x64_here32(a, end);
    }
}

static void load_lower(struct x64_unit *x)
{
    move_lower(x, true);
}

static void store_lower(struct x64_unit *x)
{
    move_lower(x, false);
}

static void load_whole(struct x64_unit *x)
{
    move_whole(x, true);
}

static void store_whole(struct x64_unit *x)
{
    move_whole(x, false);
}

/* The lower halves, and the upper ones if these are or will be in the host. */
static void move_vectors(struct x64_unit *x, bool load)
{
    if (x64_host_has_avx(x->t))
        if_here(x, FRAME_FIELD(uppers_away), load ? load_whole : store_whole,
                load ? load_lower : store_lower);
    else
        move_lower(x, load);
}

static void load_mxcsr(struct x64_asm *a, struct x64_mem mem)
{
    x64_rm(a, OP_0F | 0xAE, 4, 2, mem);
}

static void store_mxcsr(struct x64_asm *a, struct x64_mem mem)
{
    x64_rm(a, OP_0F | 0xAE, 4, 3, mem);
}

/* Around a call: integer code cares as little for MXCSR as it changes it. */
static void save_vectors(struct x64_unit *x)
{
    move_vectors(x, false);
}

static void restore_vectors(struct x64_unit *x)
{
    move_vectors(x, true);
}

/* LDMXCSR takes longer than all the rest together, so only if it changes something. Leaves flags alone; uses
 * X_TEST and X_T0. */
static void load_vectors(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    move_vectors(x, true);
    store_mxcsr(a, FRAME_FIELD(host_mxcsr));
    x64_load(a, 4, X_TEST, FRAME_FIELD(host_mxcsr));
    x64_load(a, 4, X_T0, FRAME_FIELD(minus_mxcsr));
    x64_lea(a, 4, X_TEST, x64_indexed(X_TEST, X_T0, 0, 0));
    uint8_t *same = x64_jrcxz8(a);
    load_mxcsr(a, FRAME_FIELD(mxcsr));
    x64_here8(a, same);
}

/* C code may find any exception flags, but wants its rounding and masks. */
static void store_vectors(struct x64_unit *x)
{
    enum { FLAG_BITS = 6 };
    struct x64_asm *a = &x->a;
    move_vectors(x, false);
    store_mxcsr(a, FRAME_FIELD(mxcsr));
    x64_load(a, 4, X_TEST, FRAME_FIELD(mxcsr));
    x64_rm(a, 0x33, 4, X_TEST, FRAME_FIELD(host_mxcsr)); /* xor */
    x64_rr(a, 0xC1, 4, 5, X_TEST);                       /* shr */
    x64_imm(a, FLAG_BITS, 1);
    uint8_t *same = x64_jrcxz8(a);
    load_mxcsr(a, FRAME_FIELD(host_mxcsr));
    x64_here8(a, same);
}

/* mov byte, 0 */
static void clear_byte(struct x64_unit *x, struct x64_mem mem)
{
    x64_rm(&x->a, 0xC6, 1, 0, mem);
    x64_byte(&x->a, 0);
}

/* For units: come back to X_T1. */
static void make_load_vectors(struct x64_unit *x)
{
    load_vectors(x);
    clear_byte(x, FRAME_FIELD(vectors_away));
    x64_jmp_reg(&x->a, X_T1);
}

static void make_load_wide(struct x64_unit *x)
{
    clear_byte(x, FRAME_FIELD(uppers_away));
    if_here(x, FRAME_FIELD(vectors_away), load_uppers, load_vectors);
    clear_byte(x, FRAME_FIELD(vectors_away));
    x64_jmp_reg(&x->a, X_T1);
}

/* ---- Calls ---- */

/* For units: call the C function whose address is in X_TEST with struct cpu and X_T0, come back to X_T1 with
 * the result in X_TEST. To the guest's registers it is as if nothing had happened; x87 state stays where it
 * is, so the function must not use the x87 unit. */
static void make_call(struct x64_unit *x)
{
    static const uint8_t gprs[] = {RAX, RDX, RSI, RDI, R8, R9}; /* those of them that C code may change */
    struct x64_asm *a = &x->a;
    for (unsigned i = 0; i < ARRAY_LEN(gprs); i++)
        x64_store(a, 8, x64_slot(gprs[i]), x64_home(gprs[i]));
    save_flags(a);
    x64_store(a, 8, FRAME_FIELD(target), X_T1);
    x64_store(a, 8, FRAME_FIELD(exit), X_TEST);
    if_here(x, FRAME_FIELD(vectors_away), save_vectors, NULL);
    x64_load(a, 8, X_RAX, FRAME_FIELD(exit));
    x64_mov(a, 8, X_RSI, X_T0);
    x64_lea(a, 8, X_RDI, x64_at(X_FRAME, -FRAME_BIAS));
    x64_mov(a, 8, X_RDX, X_FRAME);
    x64_load(a, 8, X_RSP, FRAME_FIELD(host_stack));
    push_reg(a, X_RDX);           /* which makes it a multiple of 16 */
    x64_rr(a, 0xFF, 4, 2, X_RAX); /* call rax */
    pop_reg(a, X_FRAME);
    x64_store(a, 8, FRAME_FIELD(exit), X_RAX);
    if_here(x, FRAME_FIELD(vectors_away), restore_vectors, NULL);
    restore_flags(a);
    x64_load(a, 8, X_TEST, FRAME_FIELD(exit));
    for (unsigned i = 0; i < ARRAY_LEN(gprs); i++)
        x64_load(a, 8, x64_home(gprs[i]), x64_slot(gprs[i]));
    x64_jmp_mem(a, FRAME_FIELD(target));
}

/* For stubs: translator_interpret() of the site in X_TEST, and on from where that says; or, if the host's x87
 * unit is in use, to `leave`. All registers come from struct cpu again: the instruction may be any. */
static void make_interpret(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    x64_mov(a, 4, X_T0, X_TEST);
    x64_rm(a, OP_0F | 0xB6, 4, X_TEST, FRAME_FIELD(x87_live)); /* movzx ecx, byte */
    uint8_t *free = x64_jrcxz8(a);
    x64_mov(a, 4, X_TEST, X_T0);
    uint8_t *jump = x64_jmp32(a);
    x64_aim32(a, jump, a->start + x->t->leave);
    x64_here8(a, free);
    x64_store(a, 8, x64_slot(RAX), X_RAX);
    save_flags(a);
    move_registers(x, false, true);
    if_here(x, FRAME_FIELD(vectors_away), store_vectors, NULL);
    x64_mov(a, 8, X_RSI, X_T0);
    x64_lea(a, 8, X_RDI, x64_at(X_FRAME, -FRAME_BIAS));
    x64_mov(a, 8, X_RBX, X_FRAME);
    x64_load(a, 8, X_RSP, FRAME_FIELD(host_stack)); /* a multiple of 16 less 8: see make_enter() */
    push_reg(a, X_RDX);
    x64_mov_imm(a, X_RAX, (uintptr_t)translator_interpret);
    x64_rr(a, 0xFF, 4, 2, X_RAX); /* call rax */
    x64_mov(a, 8, X_FRAME, X_RBX);
    x64_store(a, 8, FRAME_FIELD(target), X_RAX);
    if_here(x, FRAME_FIELD(vectors_away), load_vectors, NULL);
    restore_flags(a);
    move_registers(x, true, false);
    x64_jmp_mem(a, FRAME_FIELD(target));
}

/* ---- Thunks ---- */

/* SysV: the first argument, struct cpu, in RDI; the second, where to go, in RSI. */
static void make_enter(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    for (unsigned i = 0; i < ARRAY_LEN(saved); i++)
        push_reg(a, saved[i]);
    x64_mov(a, 8, X_RAX, X_RSP);
    x64_lea(a, 8, X_FRAME, x64_at(X_RDI, FRAME_BIAS));
    x64_store(a, 8, FRAME_FIELD(host_stack), X_RAX);
    x64_store(a, 8, FRAME_FIELD(target), X_RSI);
    move_x87(x, 4); /* frstor */
    if_here(x, FRAME_FIELD(vectors_away), load_vectors, NULL);
    restore_flags(a);
    move_registers(x, true, false);
    x64_jmp_mem(a, FRAME_FIELD(target));
}

static void make_leave(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    x64_store(a, 8, x64_slot(RAX), X_RAX);
    save_flags(a);
    x64_store(a, 8, FRAME_FIELD(exit), X_TEST);
    move_registers(x, false, true);
    move_x87(x, 6); /* fnsave, which leaves the unit as C expects it: FNINIT's state */
    if_here(x, FRAME_FIELD(vectors_away), store_vectors, NULL);
    x64_load(a, 8, X_RSP, FRAME_FIELD(host_stack));
    for (unsigned i = ARRAY_LEN(saved); i-- > 0;)
        pop_reg(a, saved[i]);
    x64_byte(a, 0xC3); /* ret */
}

/* Where translator_interpret() sends host code that is to leave. */
static void make_done(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    x64_mov_imm(a, X_TEST, SITE_DONE);
    uint8_t *jump = x64_jmp32(a);
    x64_aim32(a, jump, a->start + x->t->leave);
}

static void find_host_features(struct translator *t)
{
    static const char *const names[] = {
#define FEATURE(name, text) text,
#include "cpu/feature.def"
#undef FEATURE
    };
    for (unsigned n = 0; n < ARRAY_LEN(names); n++)
        if (host_cpu_has(names[n]))
            t->host_features |= UINT64_C(1) << n;
}

bool x64_host_has_avx(const struct translator *t)
{
    return (t->host_features >> FEAT_AVX & 1) != 0;
}

bool x64_host_has(const struct translator *t, const struct insn *insn)
{
    const struct insn_row *row = &insn_rows[insn->row];
    uint64_t wanted = UINT64_C(1) << row->feature;
    if ((row->attr & ATTR_AVX) != 0)
        wanted |= UINT64_C(1) << FEAT_AVX;
    return (t->host_features & wanted) == wanted;
}

bool x64_make_thunks(struct translator *t)
{
    uint8_t *start = t->code.write;
    find_host_features(t);
    struct x64_unit x = {.t = t, .a = {.start = start, .at = start, .end = start + t->code.bytes}};
    make_enter(&x);
    t->leave = (uint32_t)(x.a.at - start);
    make_leave(&x);
    t->load_vectors = (uint32_t)(x.a.at - start);
    make_load_vectors(&x);
    t->call = (uint32_t)(x.a.at - start);
    make_call(&x);
    t->interpret = (uint32_t)(x.a.at - start);
    make_interpret(&x);
    t->done = (uint32_t)(x.a.at - start);
    make_done(&x);
    x64_make_look_ups(&x);
    t->load_wide = (uint32_t)(x.a.at - start);
    if (x64_host_has_avx(t))
        make_load_wide(&x);
    x64_reserve_vector_probe(t, &x.a);
    t->enter = (enter_fn *)(uintptr_t)t->code.execute;
    t->used = t->thunks_end = ((size_t)(x.a.at - start) + 63) & ~(size_t)63;
    x64_probe_flags(t);
    t->count[COUNT_X87_DIFFERS] = x64_x87_differences(t);
    return !x.a.full;
}
