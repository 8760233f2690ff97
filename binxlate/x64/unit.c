/* A translation unit: entry, instructions, ways out, stubs.
 *
 *            jmp stub            the unit does not fit before the limit
 *            jmp stub            it needs the x87 state
 *   guard:   for an instruction in two pages, where linked jumps come: is `entry` in the jump cache?
 *   entry:   no x87 state in the host, but x87 instructions here: to the second jump above
 *            budget += cost; if it is not negative any more, to the first
 *            instructions
 *   stubs:   mov ecx, site; jmp leave        one for each site; or jmp interpret
 *
 * What x64_note says is told to the frame in stubs and before the unit's ways out only.
 *
 * An instruction has one slow path at most, to which all its checks lead before it has changed anything: the
 * interpreter does the instruction, and host code goes on behind it. */
#include "binxlate/x64/x64.h"

#include "base/host_cpu.h"

enum {
    STUBS_MAX = 16 * BLOCK_MAX_INSNS + X64_NEARS_MAX + 8,
};

static const struct x64_note no_note = {.data = X87_NO_DATA};

/* ---- Guest registers ---- */

unsigned x64_home(unsigned gpr)
{
    static const uint8_t homes[GPR_COUNT] = {X_RAX, X_R14, X_RDX,  X_RBX,  X_R15, X_RBP, X_RSI,  X_RDI,
                                             X_R8,  X_R9,  X_NONE, X_NONE, X_R12, X_R13, X_NONE, X_NONE};
    return homes[gpr];
}

struct x64_mem x64_cpu_field(size_t offset)
{
    return x64_at(X_FRAME, (int32_t)offset - FRAME_BIAS);
}

struct x64_mem x64_frame_field(size_t offset)
{
    return x64_cpu_field(cpu_engine_offset() + offset);
}

struct x64_mem x64_slot(unsigned gpr)
{
    return x64_cpu_field(offsetof(struct cpu, s.gpr) + gpr * sizeof(uint64_t));
}

unsigned x64_use(struct x64_unit *x, unsigned gpr, unsigned scratch)
{
    unsigned home = x64_home(gpr);
    if (home != X_NONE)
        return home;
    x64_load(&x->a, 8, scratch, x64_slot(gpr));
    return scratch;
}

void x64_keep(struct x64_unit *x, unsigned gpr, unsigned host)
{
    unsigned home = x64_home(gpr);
    if (home == X_NONE)
        x64_store(&x->a, 8, x64_slot(gpr), host);
    else if (home != host)
        x64_mov(&x->a, 8, home, host);
}

uint64_t x64_offset(const struct x64_unit *x, uint64_t offset)
{
    return x->code == 8 ? offset : x->code == 4 ? (uint32_t)offset : (uint16_t)offset;
}

uint64_t x64_rip(const struct x64_unit *x, const struct insn *insn)
{
    return x->unit->origin + insn->rip_offset;
}

uint64_t x64_next_rip(const struct x64_unit *x)
{
    return x64_offset(x, x64_rip(x, x->insn) + x->insn->length);
}

/* ---- Ways out ---- */

void x64_stub_add(struct x64_unit *x, uint8_t *from, uint32_t site, struct x64_note note)
{
    CHECK(x->stubs < STUBS_MAX);
    x->stub[x->stubs++] = (struct stub){from, site, note};
}

void x64_leave_by(struct x64_unit *x, uint8_t *from, const struct site *site)
{
    x64_stub_add(x, from, site_add(x->t, site), x->stub_note);
}

void x64_slow_unless_zero(struct x64_unit *x)
{
    uint8_t *hit = x64_jrcxz8(&x->a);
    CHECK(x->slow_count < ARRAY_LEN(x->slow));
    x->slow[x->slow_count++] = x64_jmp32(&x->a);
    x64_here8(&x->a, hit);
}

void x64_slow_if_zero(struct x64_unit *x)
{
    uint8_t *zero = x64_jrcxz8(&x->a);
    uint8_t *other = x64_jmp8(&x->a);
    x64_here8(&x->a, zero);
    CHECK(x->slow_count < ARRAY_LEN(x->slow));
    x->slow[x->slow_count++] = x64_jmp32(&x->a);
    x64_here8(&x->a, other);
}

/* mov rcx, callee; lea t1, past; jmp call; past: */
void x64_call(struct x64_unit *x, x64_callee *callee)
{
    struct x64_asm *a = &x->a;
    x64_mov_imm(a, X_TEST, (uintptr_t)callee);
    uint8_t *back = x64_lea_rip(a, X_T1);
    uint8_t *jump = x64_jmp32(a);
    x64_aim32(a, jump, x->t->code.write + x->t->call);
    x64_here32(a, back);
}

static uint32_t offset_of(const struct x64_unit *x, const uint8_t *at)
{
    return (uint32_t)(at - x->t->code.write);
}

/* Is the target in the page where the unit ends? */
static bool same_page(const struct x64_unit *x, uint64_t target)
{
    uint64_t base = x->t->cpu->seg_base[CS];
    uint64_t here = x->unit->rip + (block_crosses(x->block) ? x->block->bytes - 1u : 0);
    return ((base + target) & ~PAGE_MASK) == ((base + here) & ~PAGE_MASK);
}

static struct x64_mem places_field(const struct x64_unit *x, size_t member)
{
    size_t set = jump_set(x->block->mode) * sizeof(struct jump_places);
    return x64_frame_field(offsetof(struct xlat_frame, places) + set + member);
}

/* To where this slot of the jump cache says, if it has the target under this salt. */
static void jump_by_slot(struct x64_unit *x, uint64_t target, uint64_t slot, struct x64_mem salt)
{
    struct x64_asm *a = &x->a;
    uint64_t name = jump_name(x->block->mode, target);
    slot *= sizeof(struct jump_slot);
    x64_load(a, 8, X_T0, x64_frame_field(offsetof(struct xlat_frame, direct[0].key) + slot));
    x64_load(a, 8, X_T1, salt);
    if (name == (uint64_t)(int32_t)name) {
        x64_lea(a, 8, X_TEST, x64_indexed(X_T0, X_T1, 0, (int32_t)name));
    } else {
        x64_mov_imm(a, X_TEST, name);
        x64_lea(a, 8, X_T0, x64_indexed(X_T0, X_T1, 0, 0));
        x64_lea(a, 8, X_TEST, x64_indexed(X_TEST, X_T0, 0, 0));
    }
    uint8_t *hit = x64_jrcxz8(a);
    struct site site = {.kind = SITE_JUMP, .unit = x->unit, .target = target};
    x64_leave_by(x, x64_jmp32(a), &site);
    x64_here8(a, hit);
    x64_jmp_mem(a, x64_frame_field(offsetof(struct xlat_frame, direct[0].host) + slot));
}

/* To another page. */
static void jump_by_cache(struct x64_unit *x, uint64_t target)
{
    uint64_t name = jump_name(x->block->mode, target);
    size_t salt = offsetof(struct jump_places, salt) + jump_place(name) * sizeof(uint64_t);
    jump_by_slot(x, target, jump_slot(name), places_field(x, salt));
}

/* To the unit's own entry, if both its pages are mapped as they were. */
static void emit_guard(struct x64_unit *x)
{
    uint64_t name = jump_name(x->block->mode, x->unit->rip);
    struct x64_mem salt = places_field(x, offsetof(struct jump_places, crossing_salt));
    jump_by_slot(x, x->unit->rip, jump_crossing_slot(name), salt);
}

/* Code that runs over the end of the canonical addresses goes to one that is none. */
static bool by_cache(const struct x64_unit *x, uint64_t target)
{
    return !same_page(x, target) && path_on(x->t, PATH_CACHE) && (x->code == 4 || is_canonical(target));
}

/* The supervisor's code pages seldom move, so its jumps between them are linked until one does. Not by other
 * names than linear addresses. */
static bool by_page(const struct x64_unit *x, uint64_t target)
{
    return by_cache(x, target) && path_on(x->t, PATH_LINK) && path_on(x->t, PATH_PAGES) && !x64_is_user(x) &&
           pages_are_steady(x->t) && x->code != 2 && x->t->cpu->seg_base[CS] == 0;
}

static bool by_jump(const struct x64_unit *x, uint64_t target)
{
    return by_page(x, target) || !by_cache(x, target);
}

void x64_goto_from(struct x64_unit *x, uint8_t *from, uint64_t target)
{
    if (by_jump(x, target)) {
        enum site_kind other = by_page(x, target) ? SITE_PAGE : SITE_JUMP;
        struct site site = {.kind = same_page(x, target) ? SITE_LINK : other,
                            .unit = x->unit,
                            .target = target,
                            .patch = offset_of(x, from),
                            .next = SITE_NONE};
        x64_leave_by(x, from, &site);
        return;
    }
    x64_here32(&x->a, from);
    jump_by_cache(x, target);
}

void x64_goto(struct x64_unit *x, uint64_t target)
{
    if (by_jump(x, target))
        x64_goto_from(x, x64_jmp32(&x->a), target);
    else
        jump_by_cache(x, target);
}

/* ---- Instructions ---- */

enum { ALWAYS = 31 };
_Static_assert((unsigned)PATH_COUNT < (unsigned)ALWAYS, "no path has this bit");

static const struct {
    const struct x64_lowering *rows;
    unsigned path; /* without which they are the interpreter's */
} families[] = {
    {x64_lower_integer, ALWAYS},     {x64_lower_branch, ALWAYS},      {x64_lower_stack, ALWAYS},
    {x64_lower_string, PATH_STRING}, {x64_lower_divide, PATH_DIVIDE}, {x64_lower_atomic, ALWAYS},
    {x64_lower_system, PATH_SYSTEM}, {x64_lower_integer_sse, ALWAYS}, {x64_lower_bmi, PATH_BMI},
};

static x64_lower_fn *find_in(const struct x64_lowering *family, const struct insn *insn)
{
    for (const struct x64_lowering *entry = family; entry->exec != NULL; entry++)
        if (entry->exec == insn->exec)
            return entry->lower;
    return NULL;
}

bool x64_x87_has(const struct insn *insn)
{
    return find_in(x64_lower_x87, insn) != NULL;
}

static bool is_mmx(const struct insn *insn)
{
    return (insn_attr(insn) & ATTR_MMX) != 0;
}

static x64_lower_fn *find_lowering(const struct x64_unit *x, const struct insn *insn)
{
    x64_lower_fn *lower = NULL;
    /* Faults found by the decoder, and guarded instructions, have another exec than their row's. */
    if (insn->row == 0 || insn->exec != insn_rows[insn->row].exec || x64_unlike(x->t, insn))
        return NULL;
    for (unsigned f = 0; f < ARRAY_LEN(families) && lower == NULL; f++)
        if (path_on(x->t, families[f].path))
            lower = find_in(families[f].rows, insn);
    if (lower == NULL && x->unit->x87)
        lower = is_mmx(insn) ? x64_lower_mmx : find_in(x64_lower_x87, insn);
    if (lower == NULL && (insn_attr(insn) & ATTR_SSE) != 0)
        lower = x64_lower_sse;
    if (lower == NULL && (insn_attr(insn) & ATTR_AVX) != 0)
        lower = x64_lower_avx;
    return lower;
}

/* FWAIT alone is not worth it. The pointers that 16-bit and real-mode code leaves behind are the
 * interpreter's.
 */
static bool wants_x87(const struct x64_unit *x)
{
    bool wants = false;
    if (x->code == 2 || (x->block->mode & MODE_REAL) != 0)
        return false;
    for (unsigned i = 0; i < x->block->count; i++) {
        const struct insn *insn = &x->block->insn[i];
        wants |= (insn->exec != exec_fwait && x64_x87_has(insn)) || is_mmx(insn);
    }
    return wants && path_on(x->t, PATH_X87) && x->t->count[COUNT_X87_DIFFERS] == 0;
}

/* The present instruction's slow path: all its checks lead to one site, which comes back here. */
static void finish_slow(struct x64_unit *x)
{
    if (x->slow_count == 0 && x->nears == x->nears_placed && !x->called)
        return;
    struct site site = {.kind = x->memory ? SITE_MEMORY : SITE_INSN,
                        .unit = x->unit,
                        .insn = x->insn,
                        .resume = offset_of(x, x->a.at),
                        .rest_cost = x->paid_cost - x->insn->clock_offset,
                        .rest_count = x->paid_count - x->insn->position};
    site.back_cost = site.rest_cost;
    site.back_count = site.rest_count;
    uint32_t index = site_add(x->t, &site);
    x64_near_site(x, index);
    for (unsigned i = 0; i < x->slow_count; i++)
        x64_stub_add(x, x->slow[i], index, x->stub_note);
}

/* Where a site leads: is the interpreter called, or host code left? A monitor may do anything to the CPU. A
 * branch that the jump cache lacks leaves, so that the dispatcher adds it. */
static uint32_t slow_target(const struct x64_unit *x, const struct site *site)
{
    bool slow = site->kind == SITE_INSN || site->kind == SITE_MEMORY;
    bool call = slow && path_on(x->t, PATH_CALL) && x->t->cpu->bus->exit == NULL && !x->unit->x87 &&
                !insn_is_near_branch(site->insn);
    return call ? x->t->interpret : x->t->leave;
}

/* mov ecx, site; jmp: to the thunk that does what the site wants */
static void go_to_site(struct x64_unit *x, uint32_t number, const struct site *site)
{
    x64_o(&x->a, 0xB8, 4, X_TEST);
    x64_imm(&x->a, number, 4);
    uint8_t *jump = x64_jmp32(&x->a);
    x64_aim32(&x->a, jump, x->t->code.write + slow_target(x, site));
}

/* The present instruction is always the interpreter's, by the site that finish_slow() adds. A note is told by
 * its stub. */
static void lower_slow(struct x64_unit *x)
{
    const struct site site = {.kind = SITE_INSN, .insn = x->insn};
    x->called = x->stub_note.insn == NULL && x->stub_note.data == X87_NO_DATA;
    if (x->called)
        go_to_site(x, x->t->sites, &site);
    else
        x->slow[x->slow_count++] = x64_jmp32(&x->a);
    x->note = no_note;
}

static void lower_insn(struct x64_unit *x)
{
    x64_lower_fn *lower = find_lowering(x, x->insn);
    x->slow_count = 0;
    x->memory = x->called = false;
    x->stub_note = x->note;
    if (lower != NULL && x64_timed(x))
        x64_fetch(x);
    if (lower == NULL || !lower(x))
        lower_slow(x);
    finish_slow(x);
}

/* Before the unit's ways out. */
void x64_flush_note(struct x64_unit *x)
{
    x64_x87_note(x, x->note);
    x->note = x->stub_note = no_note;
}

/* ---- The unit ---- */

static void emit_entry(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    struct x64_mem top = FRAME_FIELD(budget);
    top.disp += 6;
    struct site site = {.kind = SITE_BUDGET, .unit = x->unit, .target = x->unit->rip};
    uint8_t *spent, *absent;
    uint32_t guard = offset_of(x, a->at);
    if (block_crosses(x->block))
        emit_guard(x);
    spent = a->at;
    x64_leave_by(x, x64_jmp32(a), &site);
    site.kind = SITE_X87;
    absent = a->at;
    if (x->unit->x87)
        x64_leave_by(x, x64_jmp32(a), &site);
    x->unit->entry = offset_of(x, a->at);
    x->unit->guard = block_crosses(x->block) ? guard : x->unit->entry;
    if (x->unit->x87) {
        x64_rm(a, OP_0F | 0xB6, 4, X_TEST, FRAME_FIELD(x87_live)); /* movzx ecx, byte */
        x64_aim8(a, x64_jrcxz8(a), absent);
    }
    x64_load(a, 8, X_TEST, FRAME_FIELD(budget));
    x64_lea(a, 8, X_TEST, x64_at(X_TEST, (int32_t)(x->unit->cost << BUDGET_SHIFT | x->unit->count)));
    x64_store(a, 8, FRAME_FIELD(budget), X_TEST);
    x64_rm(a, OP_0F | 0xB7, 4, X_TEST, top); /* movzx ecx, word: zero when the budget is not negative */
    x64_aim8(a, x64_jrcxz8(a), spent);
}

static bool loops(const struct x64_unit *x)
{
    const struct insn *last = &x->block->insn[x->block->count - 1];
    if (x->unit->route != NULL)
        return x->unit->route->loops;
    return last->row != 0 && last->exec == exec_jcc && last->op_size == x->code &&
           x64_offset(x, x64_rip(x, last) + last->length + last->imm) == x->unit->rip;
}

/* How often to repeat a block or route that ends by jumping to itself: the budget is paid once for all
 * copies, its way through memory is longer than a small loop, and copies share checks. */
static unsigned copies_of(const struct x64_unit *x)
{
    enum { LOOP_INSNS = 120 };
    const struct block *block = x->block;
    if (!path_on(x->t, PATH_LOOP) || !loops(x))
        return 1;
    unsigned by_size = LOOP_INSNS / block->count, by_cost = UNIT_COST_MAX / 4 / block->cost;
    unsigned copies = by_size < by_cost ? by_size : by_cost;
    if (x->unit->route != NULL && x->unit->route->turns < copies)
        copies = x->unit->route->turns;
    return copies < 1 ? 1 : copies > LOOP_COPIES_MAX ? LOOP_COPIES_MAX : copies;
}

enum onward x64_onward(const struct x64_unit *x)
{
    const struct route *route = x->unit->route;
    if (x->insn->position + 1u == x->block->count && x->copy + 1 == x->copies)
        return ONWARD_NONE;
    return route != NULL ? (enum onward)route->onward[x->insn->position] : ONWARD_TAKEN;
}

uint64_t x64_onward_rip(const struct x64_unit *x)
{
    unsigned next = x->insn->position + 1u;
    return x64_offset(x, x64_rip(x, &x->block->insn[next == x->block->count ? 0 : next]));
}

void x64_leave_early(struct x64_unit *x, uint8_t *from, uint64_t target)
{
    CHECK(x->sides < SIDES_MAX);
    x->side[x->sides].from = from;
    x->side[x->sides].target = target;
    x->side[x->sides].note = x->note;
    x->side[x->sides].cost = x->paid_cost - x->insn->clock_offset - x->insn->cost;
    x->side[x->sides++].count = x->paid_count - x->insn->position - 1;
}

/* Cycles and instructions that are paid and will not be done. Uses X_TEST. */
static void take_back(struct x64_unit *x, uint32_t cost, uint32_t count)
{
    struct x64_asm *a = &x->a;
    x64_load(a, 8, X_TEST, FRAME_FIELD(budget));
    x64_lea(a, 8, X_TEST, x64_at(X_TEST, -(int32_t)(cost << BUDGET_SHIFT | count)));
    x64_store(a, 8, FRAME_FIELD(budget), X_TEST);
}

void x64_take_back_rest(struct x64_unit *x)
{
    uint32_t cost = x->paid_cost - x->insn->clock_offset - x->insn->cost;
    uint32_t count = x->paid_count - x->insn->position - 1;
    if (count != 0)
        take_back(x, cost, count);
}

static void emit_sides(struct x64_unit *x)
{
    for (unsigned i = 0; i < x->sides; i++) {
        x64_here32(&x->a, x->side[i].from);
        x64_x87_note(x, x->side[i].note);
        if (x->side[i].count != 0)
            take_back(x, x->side[i].cost, x->side[i].count);
        x64_goto(x, x->side[i].target);
    }
}

static void emit_stubs(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    for (unsigned i = 0; i < x->stubs; i++) {
        struct site *site = site_at(x->t, x->stub[i].site);
        site->stub = offset_of(x, a->at);
        x64_here32(a, x->stub[i].from);
        x64_x87_note(x, x->stub[i].note);
        go_to_site(x, x->stub[i].site, site);
    }
}

static void lower_at(struct x64_unit *x, unsigned position)
{
    x->insn = &x->block->insn[position];
    x64_log_insn(x);
    if (position + 1u == x->block->count && x->copy + 1 == x->copies)
        x64_flush_note(x);
    lower_insn(x);
}

/* After the last instruction, if that does not jump: the next one is the sentinel's. */
static void fall_off(struct x64_unit *x)
{
    if (x->done)
        return;
    x64_flush_note(x);
    x64_goto(x, x64_next_rip(x));
    x->done = true;
}

/* Failed checks, all in the first copy: the plain part is of one copy. */
static void emit_unshared(struct x64_unit *x, const uint32_t *start, unsigned copies)
{
    for (unsigned i = 0; i < x->unshared_count; i++) {
        uint8_t *from = x->unshared[i].from;
        if (copies > 1) {
            x64_here32(&x->a, from);
            take_back(x, (copies - 1) * x->block->cost, (copies - 1) * x->block->count);
            from = x64_jmp32(&x->a);
        }
        x64_aim32(&x->a, from, x->t->code.write + start[x->unshared[i].position]);
    }
}

/* The block once, without sharing, from the first check on (if it is repeated, all of it): where failed
 * checks go, and the sites from `first` on come back to. */
static void lower_plain(struct x64_unit *x, uint32_t first)
{
    uint32_t start[BLOCK_MAX_INSNS + 1], last = x->t->sites;
    bool vectors = x->unit->vectors, wide = x->unit->wide;
    unsigned count = x->block->count, copies = x->copies, from = copies > 1 ? 0 : x->shared_from;
    x->note = copies > 1 ? no_note : x->shared_note;
    x->sharing = x->done = false;
    x->unit->vectors = x->unit->wide = false; /* a failed check may come before vectors are loaded */
    x->copy = 0;
    x->copies = 1;
    x->paid_cost = x->block->cost;
    x->paid_count = count;
    for (unsigned i = from; i < count; i++) {
        start[i] = offset_of(x, x->a.at);
        lower_at(x, i);
    }
    start[count] = offset_of(x, x->a.at);
    fall_off(x);
    x->unit->vectors |= vectors;
    x->unit->wide |= wide;
    for (uint32_t n = first; n < last; n++) {
        struct site *site = site_at(x->t, n);
        if (site->kind != SITE_INSN && site->kind != SITE_MEMORY)
            continue;
        site->resume = start[site->insn->position + 1];
        site->back_cost = x->block->cost - site->insn->clock_offset;
        site->back_count = count - site->insn->position;
    }
    emit_unshared(x, start, copies);
}

static void lower_copies(struct x64_unit *x)
{
    uint32_t first = 0;
    for (; x->copy < x->copies; x->copy++) {
        x->paid_cost = (x->copies - x->copy) * x->block->cost;
        x->paid_count = (x->copies - x->copy) * x->block->count;
        for (unsigned i = 0; i < x->block->count; i++) {
            if (x->checked == 0) {
                first = x->t->sites;
                x->shared_note = x->note;
            }
            lower_at(x, i);
        }
        x->sharing &= x->checked != 0;
    }
    fall_off(x);
    if (x->checked != 0)
        lower_plain(x, first);
}

static unsigned code_size(unsigned mode)
{
    return 2u << (mode & MODE_CODE_MASK);
}
_Static_assert(MODE_CODE16 == 0 && MODE_CODE32 == 1 && MODE_CODE64 == 2, "sizes in bytes, as shifts");

static unsigned stack_size(unsigned mode)
{
    return (mode & MODE_CODE_MASK) == MODE_CODE64 ? 8 : mode & MODE_STACK16 ? 2 : 4;
}

bool x64_translate(struct translator *t, struct translation_unit *unit)
{
    struct stub stubs[STUBS_MAX];
    uint8_t *start = t->code.write + t->used;
    uint32_t sites = t->sites;
    struct x64_unit x = {.t = t,
                         .unit = unit,
                         .block = unit->route != NULL ? unit->route->body : unit->block,
                         .code = code_size(unit->block->mode),
                         .stack = stack_size(unit->block->mode),
                         .stub = stubs,
                         .note = no_note,
                         .stub_note = no_note,
                         .a = {.start = start, .at = start, .end = t->code.write + code_end(t)}};
    unit->x87 = wants_x87(&x);
    x.copies = copies_of(&x);
    x.sharing = path_on(t, PATH_SHARE) && x64_flat_stack(&x);
    if (x.sharing)
        share_find(x.block, x.copies, &x.share);
    unit->cost = x.copies * x.block->cost;
    unit->count = x.copies * x.block->count;
    x64_log_begin(&x);
    emit_entry(&x);
    lower_copies(&x);
    emit_sides(&x);
    x64_emit_near_misses(&x);
    emit_stubs(&x);
    x64_log_end(&x, start);
    if (x.a.full) {
        t->sites = sites;
        return false;
    }
    t->used += ((size_t)(x.a.at - start) + 15) & ~(size_t)15;
    return true;
}

static bool x64_supported(void)
{
    return host_cpu_can_translate();
}

static void x64_aim(struct translator *t, uint32_t patch, uint32_t target)
{
    int32_t distance = (int32_t)(target - (patch + 4));
    memcpy(t->code.write + patch, &distance, 4);
}

const struct host_ops host_x64 = {
    .name = "x86-64",
    .supported = x64_supported,
    .make_thunks = x64_make_thunks,
    .translate = x64_translate,
    .aim = x64_aim,
    .x87_usable = x64_x87_usable,
    .x87_load = x64_x87_load,
    .x87_store = x64_x87_store,
};
