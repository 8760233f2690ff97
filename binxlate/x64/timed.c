/* Modelled caches in translated code: the three questions to the filter (cpu/timing.h), without touching
 * flags.
 *
 * data, in place of the soft TLB's map:      code, before the first byte of a line, and a branch:
 *   rorx  t1, address, line_shift              mov   t0, address
 *   movzx t1d, t1b                             mov   rcx, [key]          minus the address
 *   mov   rcx, [t1*8 + key]                    lea   rcx, [rcx + t0]
 *   mov   t1, [t1*8 + addend]                  jrcxz known
 *   lea   rcx, [rcx + address + size-1]        ... call (binxlate/timed.c)
 *   pext  rcx, rcx, [mask]                     known:
 *   jrcxz hit
 *   jmp   miss                               miss, behind the unit: call, and to the slow path if it says so
 *   hit: [address + t1]
 *
 * In 32-bit code addresses are 32 bits wide and keys are minus them in 64, which is zero in sum all the same.
 * Code segments have base 0 here (dispatch.c). */
#include "binxlate/x64/x64.h"

bool x64_timed(const struct x64_unit *x)
{
    return x->t->cpu->timing != NULL;
}

static unsigned line_shift(const struct x64_unit *x)
{
    return x->t->cpu->timing->hierarchy.config.line_shift;
}

/* To X_TEST: zero, if the filter has `key` for the address in X_T0. */
static void look_up(struct x64_unit *x, struct x64_mem key, uint64_t address)
{
    struct x64_asm *a = &x->a;
    x64_mov_imm(a, X_T0, address);
    x64_load(a, 8, X_TEST, key);
    x64_lea(a, 8, X_TEST, x64_indexed(X_TEST, X_T0, 0, 0));
}

static void store_what(struct x64_unit *x, uint32_t what)
{
    x64_rm(&x->a, 0xC7, 4, 0, FRAME_FIELD(timed_what));
    x64_imm(&x->a, what, 4);
}

/* ---- Fetching ---- */

static void fetch_line(struct x64_unit *x, uint64_t line)
{
    struct x64_asm *a = &x->a;
    size_t slot = (line >> line_shift(x) & (FILTER_LINES - 1)) * sizeof(uint64_t);
    look_up(x, x64_cpu_field(offsetof(struct cpu, filter.code_key) + slot), line);
    uint8_t *known = x64_jrcxz8(a);
    x64_call(x, timed_fetch);
    x64_slow_unless_zero(x);
    x64_here8(a, known);
}

/* The lines that the present instruction's bytes are the first of in this unit to lie in. The others were
 * touched in the unit, and whatever takes that back ends it (see interpret() in dispatch.c). */
void x64_fetch(struct x64_unit *x)
{
    unsigned shift = line_shift(x);
    const struct insn *insn = x->insn;
    uint64_t mask = x->code == 8 ? UINT64_MAX : UINT32_MAX, start = x64_rip(x, insn);
    uint64_t first = start >> shift, last = (start + (insn->length > 0 ? insn->length - 1u : 0)) >> shift;
    if (insn->position > 0 && (start - 1) >> shift == first)
        first++;
    for (; first <= last; first++)
        fetch_line(x, (first << shift) & mask);
}

/* ---- Data ---- */

static struct x64_mem lines_field(const struct x64_unit *x, size_t member, unsigned index)
{
    size_t lines = offsetof(struct cpu, filter.data) + (x64_is_user(x) ? sizeof(struct filter_lines) : 0);
    struct x64_mem mem = x64_cpu_field(lines + member);
    mem.index = (uint8_t)index;
    mem.scale = 3;
    return mem;
}

/* A misaligned operand that has to be aligned is taken for a miss, and found out by the interpreter. */
struct x64_mem x64_timed_probe(struct x64_unit *x, unsigned address, unsigned size, enum access access,
                               bool aligned)
{
    struct x64_asm *a = &x->a;
    bool write = access != ACCESS_READ;
    size_t key = write ? offsetof(struct filter_lines, write_key) : offsetof(struct filter_lines, read_key);
    size_t mask = (aligned ? (size_t)__builtin_ctz(size) : 0) * sizeof(uint64_t);
    struct x64_near *near = &x->near[x->nears++];
    CHECK(x->nears <= ARRAY_LEN(x->near));
    *near = (struct x64_near){.insn = x->insn,
                              .address = (uint8_t)address,
                              .size = (uint8_t)size,
                              .write = write,
                              .aligned = aligned};
    x64_rorx(a, 8, X_T1, address, line_shift(x));
    x64_rr(a, OP_0F | 0xB6, 4, X_T1, X_T1); /* movzx t1d, t1b */
    x64_load(a, 8, X_TEST, lines_field(x, key, X_T1));
    x64_load(a, 8, X_T1, lines_field(x, offsetof(struct filter_lines, addend), X_T1));
    x64_lea(a, 8, X_TEST, x64_indexed(X_TEST, address, 0, aligned ? 0 : (int32_t)size - 1));
    x64_pext_mem(a, 8, X_TEST, X_TEST, x64_frame_field(offsetof(struct xlat_frame, line_mask) + mask));
    uint8_t *hit = x64_jrcxz8(a);
    near->miss = x64_jmp32(a);
    x64_here8(a, hit);
    near->hit = a->at;
    x->memory = true;
    return x64_indexed(address, X_T1, 0, 0);
}

void x64_emit_timed_miss(struct x64_unit *x, const struct x64_near *near)
{
    struct x64_asm *a = &x->a;
    x64_here32(a, near->miss);
    x64_store(a, 8, FRAME_FIELD(timed_keep), X_T0);
    x64_mov(a, 8, X_T0, near->address);
    store_what(x, near->size | (near->write ? TIMED_STORE : 0u) | (near->aligned ? TIMED_ALIGNED : 0u));
    x64_call(x, timed_data);
    x64_load(a, 8, X_T0, FRAME_FIELD(timed_keep));
    x64_mov(a, 8, X_T1, X_TEST);
    uint8_t *slow = x64_jrcxz8(a);
    x64_aim32(a, x64_jmp32(a), near->hit);
    x64_here8(a, slow);
    x64_stub_add(x, x64_jmp32(a), near->site, near->note);
}

/* ---- Branches ---- */

static uint32_t what_of(const struct x64_unit *x, enum branch_kind kind, bool taken)
{
    bool backward = (int64_t)x->insn->imm < 0;
    return (uint32_t)kind | (taken ? TIMED_TAKEN : 0u) | (backward ? TIMED_BACKWARD : 0u) |
           (uint32_t)x->insn->length << TIMED_LENGTH_SHIFT;
}

static uint64_t branch_address(const struct x64_unit *x)
{
    uint64_t at = x64_rip(x, x->insn);
    return x->code == 8 ? at : (uint32_t)at;
}

static struct x64_mem quiet_key(const struct x64_unit *x, bool taken)
{
    size_t slot = filter_branch(branch_address(x)) * sizeof(uint64_t);
    size_t passed = offsetof(struct cpu, filter.passed_key) +
                    ((int64_t)x->insn->imm < 0 ? FILTER_BRANCHES * sizeof(uint64_t) : 0);
    return x64_cpu_field((taken ? offsetof(struct cpu, filter.taken_key) : passed) + slot);
}

void x64_predict(struct x64_unit *x, enum branch_kind kind, bool taken, uint64_t target)
{
    struct x64_asm *a = &x->a;
    uint8_t *quiet = NULL;
    if (!x64_timed(x))
        return;
    if (kind == BRANCH_CALL) { /* which always changes the stack of returns */
        x64_mov_imm(a, X_T0, branch_address(x));
    } else {
        look_up(x, quiet_key(x, taken), branch_address(x));
        quiet = x64_jrcxz8(a);
    }
    x64_store(a, 8, FRAME_FIELD(timed_address), X_T0);
    store_what(x, what_of(x, kind, taken));
    x64_mov_imm(a, X_T0, target);
    x64_call(x, timed_branch);
    if (quiet != NULL)
        x64_here8(a, quiet);
}

void x64_predict_indirect(struct x64_unit *x, enum branch_kind kind)
{
    struct x64_asm *a = &x->a;
    if (!x64_timed(x))
        return;
    x64_store(a, 8, FRAME_FIELD(timed_keep), X_T1);
    x64_mov_imm(a, X_TEST, branch_address(x));
    x64_store(a, 8, FRAME_FIELD(timed_address), X_TEST);
    store_what(x, what_of(x, kind, true));
    x64_call(x, timed_branch);
    x64_load(a, 8, X_T1, FRAME_FIELD(timed_keep));
}
