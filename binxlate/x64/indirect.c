/* From an indirect jump, call or return to host code, without touching flags. First the recent targets
 * (binxlate/recent.c):
 *
 *   pdep  rcx, t0, [mask]                low bits of the target, doubled: a slot has two words
 *   mov   t1, [rcx*8 + host]
 *   mov   rcx, [rcx*8 + key]             minus the target
 *   lea   rcx, [rcx + t0]                zero: found
 *   jrcxz hit
 *   lea   t1, back; jmp look up          a routine, for each set of places
 * back:
 *   jrcxz hit
 *   jmp   slow
 * hit:
 *   commit
 *   jmp   t1
 *
 * The routine looks into the jump cache (binxlate/jump_cache.c) and puts what it found among the recent
 * targets:
 *
 *   shrx  rcx, t0, frame                 the target's page
 *   movzx t1d, cx                        its place
 *   movzx t1d, word [t1*8 + number]
 *   lea   t1d, [t1 + t0]
 *   lea   ecx, [rcx + t1]
 *   movzx ecx, cx                        the slot
 *   lea   ecx, [rcx + rcx]
 *   mov   t1, [rcx*8 + host]
 *   mov   rcx, [rcx*8 + key]             minus the target
 *   lea   rcx, [rcx + t0]                zero: found
 *
 * In a route (route.h) all this comes after a look whether the target is where the route goes on. */
#include "binxlate/x64/x64.h"

/* ---- The jump cache ---- */

/* The target in X_T0, with its sign in code of less than 64 bits. */
static void look_up(struct x64_unit *x, unsigned set)
{
    struct x64_asm *a = &x->a;
    struct x64_mem key = x64_frame_field(offsetof(struct xlat_frame, indirect[0].key));
    struct x64_mem host = x64_frame_field(offsetof(struct xlat_frame, indirect[0].host));
    struct x64_mem number =
        x64_frame_field(offsetof(struct xlat_frame, places) + set * sizeof(struct jump_places) +
                        offsetof(struct jump_places, salt) + JUMP_KEY_SHIFT / 8);
    number.index = X_T1;
    number.scale = 3;
    key.scale = host.scale = 3;
    key.index = host.index = X_TEST;
    x64_shrx(a, 8, X_TEST, X_T0, X_FRAME);
    x64_rr(a, OP_0F | 0xB7, 4, X_T1, X_TEST); /* movzx t1d, cx: the place */
    x64_rm(a, OP_0F | 0xB7, 4, X_T1, number); /* movzx t1d, word */
    x64_lea(a, 4, X_T1, x64_indexed(X_T1, X_T0, 0, 0));
    x64_lea(a, 4, X_TEST, x64_indexed(X_TEST, X_T1, 0, 0));
    x64_rr(a, OP_0F | 0xB7, 4, X_TEST, X_TEST);
    x64_lea(a, 4, X_TEST, x64_indexed(X_TEST, X_TEST, 0, 0));
    x64_load(a, 8, X_T1, host);
    x64_load(a, 8, X_TEST, key);
    x64_lea(a, 8, X_TEST, x64_indexed(X_TEST, X_T0, 0, 0));
}

static void widen_target(struct x64_asm *a)
{
    x64_rr(a, 0x63, 8, X_T0, X_T0); /* movsxd t0, t0d */
}

/* ---- Recent targets ---- */

static struct x64_mem recent_field(unsigned set, size_t member, unsigned index)
{
    struct x64_mem mem =
        x64_frame_field(offsetof(struct xlat_frame, recent) + set * sizeof(struct recent_targets) + member);
    mem.index = (uint8_t)index;
    mem.scale = 3;
    return mem;
}

static struct x64_mem recent_host(unsigned set)
{
    return recent_field(set, offsetof(struct recent_targets, slot[0].host), X_TEST);
}

static struct x64_mem recent_key(unsigned set)
{
    return recent_field(set, offsetof(struct recent_targets, slot[0].key), X_TEST);
}

static void slot_of_target(struct x64_asm *a, unsigned reg)
{
    x64_pdep_mem(a, 8, reg, X_T0, FRAME_FIELD(recent_mask));
}

/* With -d jit-stats: how often it goes this way. Uses X_TEST. */
static void count(struct x64_unit *x, enum translator_counter counter)
{
    struct x64_mem mem = x64_frame_field(offsetof(struct xlat_frame, counted) +
                                         (counter - COUNT_FIRST_IN_HOST) * sizeof(uint64_t));
    if (!log_wants(x->t->cpu->log, LOG_JIT_STATS))
        return;
    x64_load(&x->a, 8, X_TEST, mem);
    x64_lea(&x->a, 8, X_TEST, x64_at(X_TEST, 1));
    x64_store(&x->a, 8, mem, X_TEST);
}

/* neg t0 */
static void negate_target(struct x64_asm *a)
{
    x64_rr(a, 0xF7, 8, 2, X_T0); /* not */
    x64_lea(a, 8, X_T0, x64_at(X_T0, 1));
}

/* The target in X_T0, its host code in X_T1: both are kept, X_TEST is zero afterwards. */
static void fill(struct x64_unit *x, unsigned set)
{
    struct x64_asm *a = &x->a;
    struct x64_mem credit = recent_field(set, offsetof(struct recent_targets, credit), X_NONE);
    struct x64_mem noted = recent_field(set, offsetof(struct recent_targets, noted), X_TEST);
    noted.scale = 1;
    x64_load(a, 8, X_TEST, credit);
    uint8_t *none = x64_jrcxz8(a);
    x64_store(a, 2, noted, X_T0);
    x64_lea(a, 8, X_TEST, x64_at(X_TEST, -1));
    x64_store(a, 8, credit, X_TEST);
    x64_here8(a, none);
    slot_of_target(a, X_TEST);
    negate_target(a);
    x64_store(a, 8, recent_key(set), X_T0);
    x64_store(a, 8, recent_host(set), X_T1);
    negate_target(a);
    x64_mov_imm(a, X_TEST, 0);
}

/* For units: come back to X_T1 with the host code there, if X_TEST is zero. */
static void make_look_up(struct x64_unit *x, unsigned set)
{
    struct x64_asm *a = &x->a;
    bool wide = jump_set_is_code64(set);
    x64_store(a, 8, FRAME_FIELD(look_up_back), X_T1);
    count(x, COUNT_NOT_RECENT);
    if (!wide)
        widen_target(a);
    look_up(x, set);
    uint8_t *found = x64_jrcxz8(a);
    x64_jmp_mem(a, FRAME_FIELD(look_up_back));
    x64_here8(a, found);
    if (!wide)
        x64_mov(a, 4, X_T0, X_T0);
    fill(x, set);
    x64_jmp_mem(a, FRAME_FIELD(look_up_back));
}

void x64_make_look_ups(struct x64_unit *x)
{
    for (unsigned set = 0; set < JUMP_SETS; set++) {
        x->t->look_up[set] = (uint32_t)(x->a.at - x->a.start);
        make_look_up(x, set);
    }
}

static void call_look_up(struct x64_unit *x, unsigned set)
{
    struct x64_asm *a = &x->a;
    uint8_t *back = x64_lea_rip(a, X_T1);
    uint8_t *jump = x64_jmp32(a);
    x64_aim32(a, jump, x->t->code.write + x->t->look_up[set]);
    x64_here32(a, back);
}

/* ---- */

static void find_target(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    unsigned set = jump_set(x->block->mode);
    if (!path_on(x->t, PATH_RECENT)) {
        if (x->code == 4)
            widen_target(a);
        look_up(x, set);
        x64_slow_unless_zero(x);
        return;
    }
    slot_of_target(a, X_TEST);
    x64_load(a, 8, X_T1, recent_host(set));
    x64_load(a, 8, X_TEST, recent_key(set));
    x64_lea(a, 8, X_TEST, x64_indexed(X_TEST, X_T0, 0, 0));
    uint8_t *hit = x64_jrcxz8(a);
    call_look_up(x, set);
    x64_slow_unless_zero(x);
    x64_here8(a, hit);
}

void x64_goto_indirect(struct x64_unit *x, enum branch_kind kind, void (*commit)(struct x64_unit *x))
{
    find_target(x);
    count(x, COUNT_INDIRECT);
    x64_predict_indirect(x, kind);
    if (commit != NULL)
        commit(x);
    x64_jmp_reg(&x->a, X_T1);
}

/* lea rcx, [t0 - address] */
static void compare_target(struct x64_unit *x, uint64_t address)
{
    struct x64_asm *a = &x->a;
    uint64_t minus = 0 - address;
    if (x->code == 4 || minus == (uint64_t)(int32_t)minus) {
        x64_lea(a, x->code, X_TEST, x64_at(X_T0, (int32_t)minus));
    } else {
        x64_mov_imm(a, X_TEST, minus);
        x64_lea(a, 8, X_TEST, x64_indexed(X_TEST, X_T0, 0, 0));
    }
}

void x64_go_on_indirect(struct x64_unit *x, void (*commit)(struct x64_unit *x))
{
    struct x64_asm *a = &x->a;
    count(x, COUNT_INDIRECT);
    compare_target(x, x64_onward_rip(x));
    uint8_t *guessed = x64_jrcxz8(a);
    find_target(x);
    if (commit != NULL)
        commit(x);
    x64_take_back_rest(x);
    x64_jmp_reg(a, X_T1);
    x64_here8(a, guessed);
    count(x, COUNT_GUESSED);
    if (commit != NULL)
        commit(x);
}
