/* The dispatcher: enters host code, and acts on the site by which it came back.
 *
 * Outside host code struct cpu is the whole truth, as it is for the interpreter. window_open() turns clock,
 * limit and instruction count into the budget, window_read() turns it back.
 *
 * Invariant: host code is entered only with limit - clock > 0 after the cost of what is already paid, so a
 * unit that runs ends below the limit, exactly as the interpreter's blocks do (cpu/run.c). */
#include "binxlate/priv.h"

#include "cpu/flags.h"
#include "cpu/probe.h"
#include "cpu/sse.h"

/* ---- Time ---- */

/* The clock and s.instructions are what host code has paid for. */
static void window_open(struct translator *t)
{
    struct cpu *cpu = t->cpu;
    cycle_t left = cpu->limit - cpu->s.clock;
    if (left >= WINDOW_MAX)
        left = WINDOW_MAX - 1;
    t->frame->window_limit = cpu->s.clock + left;
    t->window_instructions = cpu->s.instructions - BUDGET_COUNT;
    t->frame->budget = -(int64_t)(left << BUDGET_SHIFT) + BUDGET_COUNT;
    t->frame->sti_budget = cpu->s.intr_shadow != 0 ? t->frame->budget : 0;
}

static uint64_t instructions_at(const struct translator *t, int64_t budget)
{
    return t->window_instructions + ((uint64_t)budget & (((uint64_t)1 << BUDGET_SHIFT) - 1));
}

/* What host code has paid for. */
static void window_read(struct translator *t)
{
    int64_t budget = t->frame->budget;
    t->cpu->s.clock = t->frame->window_limit + (uint64_t)(budget >> BUDGET_SHIFT);
    t->cpu->s.instructions = instructions_at(t, budget);
}

/* The shadow of an STI that host code did, or was entered with, covers one instruction. If that is the
 * present one: the shadow's bits; else it is over. At the boundary where host code was left, before anything
 * else is done. */
static uint8_t end_shadow(struct translator *t)
{
    struct cpu *cpu = t->cpu;
    if (LIKELY(t->frame->sti_budget == 0))
        return 0;
    if (instructions_at(t, t->frame->sti_budget) != cpu->s.instructions)
        cpu->s.intr_shadow = 0;
    t->frame->sti_budget = 0;
    return cpu->s.intr_shadow;
}

/* ---- State ---- */

static void flags_to_host(struct translator *t)
{
    uint64_t flags = flags_read(t->cpu);
    t->frame->flags = (uint16_t)((flags & 0xFF) << 8 | (flags & FLAG_OF ? 1 : 0));
}

static void flags_from_host(struct translator *t)
{
    const uint64_t low = FLAGS_ARITH & 0xFF;
    uint64_t flags = (t->frame->flags >> 8 & low) | (t->frame->flags & 1 ? FLAG_OF : 0);
    flags_replace(t->cpu, (t->cpu->s.rflags & ~(uint64_t)FLAGS_ARITH) | flags);
}

/* MXCSR in host code: no exception is taken. Units of MODE_SIMD_TRAPS leave to the interpreter whatever could
 * raise one, in all others the guest has masked them. */
static void vectors_to_host(struct translator *t, const struct translation_unit *unit)
{
    bool load = unit != NULL && unit->vectors;
    t->frame->mxcsr = (uint16_t)t->cpu->s.mxcsr | MXCSR_FLAGS << MXCSR_MASK_SHIFT;
    t->frame->minus_mxcsr = 0 - t->frame->mxcsr;
    t->frame->vectors_away = !load;
    t->frame->uppers_away = !load || !unit->wide;
}

/* The registers have been stored by host code; exception flags are sticky. */
static void vectors_from_host(struct translator *t)
{
    if (!t->frame->vectors_away)
        t->cpu->s.mxcsr |= t->frame->mxcsr & MXCSR_FLAGS;
}

/* Where host code goes on: in `unit`, or where the jump cache said (NULL). */
struct place {
    const struct translation_unit *unit;
    uint32_t at;
};

/* What host code keeps of struct cpu in the frame. */
static void frame_refresh(struct translator *t)
{
    struct cpu *cpu = t->cpu;
    unsigned flat = cpu->flat & cpu->flat_write;
    t->frame->not_flat[0] = (flat >> FS & 1) == 0;
    t->frame->not_flat[1] = (flat >> GS & 1) == 0;
    t->frame->backward = (cpu->s.rflags & FLAG_DF) != 0;
    near_refresh(t);
    if (cpu->timing != NULL)
        timing_refresh(cpu);
    flags_to_host(t);
}

/* The jump cache's salt is the present one. */
static void enter(struct translator *t, const struct place *to)
{
    struct cpu *cpu = t->cpu;
    frame_refresh(t);
    if (to->unit != NULL && to->unit->x87 && t->host->x87_usable(cpu)) {
        t->host->x87_load(t);
        t->count[COUNT_X87]++;
    }
    vectors_to_host(t, to->unit);
    t->count[COUNT_ENTRIES]++;
    t->enter(cpu, t->code.execute + to->at);
    if (t->frame->x87_live)
        t->host->x87_store(t);
    flags_from_host(t);
    vectors_from_host(t);
    window_read(t);
    code_page_forget(cpu);
}

/* ---- Units ---- */

/* Does the code segment end where offsets end? Then jumps need no look at its limit. With modelled caches it
 * also has to begin at 0, so that an offset is an address. */
static bool code_open(const struct cpu *cpu)
{
    bool code16 = (cpu->mode & MODE_CODE_MASK) == MODE_CODE16;
    if (cpu->timing != NULL && cpu->seg_base[CS] != 0)
        return false;
    return cpu->long64 || cpu->code_bound == (code16 ? UINT16_MAX : UINT32_MAX);
}

static bool can_translate(const struct translator *t, const struct block *block, uint64_t rip)
{
    const struct cpu *cpu = t->cpu;
    unsigned code = cpu->mode & MODE_CODE_MASK;
    if (block->cost > UNIT_COST_MAX || (code == MODE_CODE16 && !path_on(t, PATH_CODE16)))
        return false;
    if (block_crosses(block) && !path_on(t, PATH_CROSS))
        return false;
    return code_open(cpu) && (code == MODE_CODE64 || rip + block->bytes <= cpu->code_bound);
}

/* Of `route`, if that is not NULL, which begins with `block`. */
static struct translation_unit *translate(struct translator *t, struct block *block, uint64_t rip,
                                          struct route *route)
{
    const struct block *body = route != NULL ? route->body : block;
    for (unsigned attempt = 0; attempt < 2; attempt++) {
        struct translation_unit *unit = unit_add(t, block, rip, route);
        if (unit != NULL) {
            size_t used = t->used;
            host_code_reach(&t->code, used + UNIT_BYTES);
            if (t->host->translate(t, unit)) {
                t->count[COUNT_UNITS]++;
                t->count[COUNT_INSNS] += body->count;
                t->count[COUNT_GUEST_BYTES] += body->bytes;
                t->count[COUNT_HOST_BYTES] += t->used - used;
                return unit;
            }
            unit_drop_last(t, unit);
        }
        code_next_region(t);
    }
    return NULL;
}

/* The translation of `block`, which is at rip; NULL: it has none (yet). */
static struct translation_unit *unit_of(struct translator *t, struct block *block)
{
    struct cpu *cpu = t->cpu;
    struct translation_unit *unit = unit_at(block, cpu->s.rip);
    if (unit != NULL)
        return unit;
    if (UNLIKELY(block->probed))
        return NULL; /* the run loop has to see it */
    if (block->unit == NULL && !block_is_warm(block, t->engine.threshold)) {
        block->heat++;
        return NULL;
    }
    if (!can_translate(t, block, cpu->s.rip)) {
        block->heat = 0;
        return NULL;
    }
    return translate(t, block, cpu->s.rip, NULL);
}

void unit_make_route(struct translator *t, struct block *block, uint64_t rip, struct route *route)
{
    struct translation_unit *unit = unit_at(block, rip);
    if (!can_translate(t, block, rip)) {
        route_free(route);
        return;
    }
    if (unit != NULL)
        unit_forget(t, unit);
    if (translate(t, block, rip, route) == NULL)
        route_free(route);
    else
        t->count[COUNT_ROUTES]++;
}

/* -d exec, as the run loop logs what it runs. Every block comes by here then (translator_create). */
static void log_unit(struct translator *t, const struct translation_unit *unit)
{
    if (log_wants(t->cpu->log, LOG_EXEC) && t->cpu->s.clock + unit->cost < t->cpu->limit)
        block_log_exec(t->cpu, unit->block);
}

/* ---- Sites ---- */

enum where {
    WHERE_FOUND,
    WHERE_BOUNDARY, /* at a boundary with checks to make */
    WHERE_LOOKUP,   /* for the run loop, see struct cpu_engine */
    WHERE_LEAVE,
};

/* One instruction in a shadow, as the run loop would step it. */
static enum where step_in_shadow(struct cpu *cpu, const struct block *block, uint8_t shadow)
{
    const struct insn *insn = &block->insn[0];
    if (UNLIKELY(block->probed) && !probe_arrived(cpu))
        return WHERE_BOUNDARY;
    enum exec result = insn_execute(cpu, insn);
    insn_finish(cpu, insn, result);
    if (result != EXEC_FAULT)
        cpu->s.intr_shadow &= (uint8_t)~shadow;
    return WHERE_BOUNDARY;
}

/* A linked jump to an instruction across pages looks into the jump cache first. */
static bool can_link(const struct translator *t, const struct block *block)
{
    return path_on(t, PATH_LINK) && (!block_crosses(block) || path_on(t, PATH_CACHE));
}

/* Make the jump of a site go to `unit`, which is at rip and whose code is mapped now; the salt is the present
 * one. */
static bool link_site(struct translator *t, uint32_t n, enum site_kind kind, struct translation_unit *unit)
{
    if (!can_link(t, unit->block))
        return false;
    if (kind == SITE_LINK)
        site_link(t, n, unit);
    else if (kind == SITE_PAGE && t->pages_epoch != PAGES_APART)
        site_link_pages(t, n, unit);
    else
        return false;
    return true;
}

/* The unit at rip, to which site `n` leads; the next time it is found without this. */
static enum where follow(struct translator *t, uint32_t n, enum site_kind kind, struct place *to)
{
    struct cpu *cpu = t->cpu;
    uint64_t regions = t->count[COUNT_REGIONS] + t->count[COUNT_FLUSHES], epoch = tlb_code_epoch(&cpu->tlb);
    uint8_t shadow = cpu->s.intr_shadow;
    struct block *block = next_block(cpu);
    if (block == NULL) {
        cpu->s.intr_shadow &= (uint8_t)~shadow;
        return WHERE_BOUNDARY;
    }
    struct translation_unit *unit = unit_of(t, block);
    if (unit == NULL) {
        t->count[COUNT_COLD]++;
        return shadow != 0 ? step_in_shadow(cpu, block, shadow) : WHERE_LOOKUP;
    }
    jump_cache_salt(t);
    /* The walk for an instruction's second page may have dropped its first from the TLB. */
    bool mapped = !block_crosses(block) || tlb_code_epoch(&cpu->tlb) == epoch;
    bool there = t->count[COUNT_REGIONS] + t->count[COUNT_FLUSHES] == regions; /* the site */
    bool linked = there && (mapped || kind == SITE_LINK) && link_site(t, n, kind, unit);
    if (!linked && kind != SITE_LINK && path_on(t, PATH_CACHE) && mapped) {
        jump_cache_add(t, unit, kind != SITE_INSN && kind != SITE_MEMORY);
        t->count[COUNT_CACHE_MISSES]++;
    }
    *to = (struct place){unit, unit->entry};
    /* Fetching may have taken time, or raised an interrupt. */
    if (LIKELY(cpu->s.clock < cpu->limit)) {
        log_unit(t, unit);
        return WHERE_FOUND;
    }
    return shadow != 0 ? step_in_shadow(cpu, block, shadow) : WHERE_LOOKUP;
}

/* The same after the checks, which are made as the run loop makes them. */
static enum where pass_boundary(struct translator *t, struct place *to)
{
    struct cpu *cpu = t->cpu;
    enum cpu_stop stop;
    if (!boundary_pass(cpu, &stop))
        return WHERE_LEAVE;
    if (!code_open(cpu))
        return WHERE_LOOKUP;
    jump_cache_salt(t);
    to->unit = NULL;
    return jump_cache_find(t, &to->at) ? WHERE_FOUND : follow(t, 0, SITE_INSN, to);
}

bool insn_is_near_branch(const struct insn *insn)
{
    return insn->exec == exec_ret || insn->exec == exec_call_indirect || insn->exec == exec_jmp_indirect ||
           insn->exec == exec_call || insn->exec == exec_jmp || insn->exec == exec_jcc;
}

/* An instruction may have unmasked an x87 exception. */
static bool can_resume(const struct translator *t, const struct translation_unit *unit)
{
    return !unit->x87 || t->host->x87_usable(t->cpu);
}

/* Goes up when a line of code that a unit has fetched has to be fetched again. */
static uint64_t disturbed(const struct cpu *cpu)
{
    return cpu->timing != NULL ? cpu->timing->disturbed : 0;
}

enum after { AFTER_RESUME, AFTER_JUMP, AFTER_LEAVE };

/* The interpreter does the instruction of a site, see run_reference() in cpu/run.c. */
static enum after interpret(struct translator *t, const struct site *site)
{
    struct cpu *cpu = t->cpu;
    const struct insn *insn = site->insn;
    uint64_t back_cost = site->back_cost, back_count = site->back_count;
    unsigned mode = cpu->mode;
    uint64_t epoch = tlb_code_epoch(&cpu->tlb), before = disturbed(cpu);
    cpu->s.rip = site->unit->origin + insn->rip_offset;
    cpu->s.clock -= site->rest_cost;
    cpu->s.instructions -= site->rest_count;
    uint8_t shadow = end_shadow(t);
    t->count[site->kind == SITE_MEMORY ? COUNT_SLOW_MEMORY : COUNT_SLOW]++;
    t->slow_rows[insn->row]++;
    enum exec result = insn_execute(cpu, insn);
    if (result != EXEC_FAULT)
        cpu->s.intr_shadow &= (uint8_t)~shadow;
    if (LIKELY(result == EXEC_NEXT && cpu->s.clock + back_cost < cpu->limit && cpu->mode == mode &&
               tlb_code_epoch(&cpu->tlb) == epoch && disturbed(cpu) == before && can_resume(t, site->unit))) {
        cpu->s.clock += back_cost;
        cpu->s.instructions += back_count;
        return AFTER_RESUME;
    }
    insn_finish(cpu, insn, result);
    bool plain = result == EXEC_JUMP && insn_is_near_branch(insn) && cpu->s.clock < cpu->limit &&
                 tlb_code_epoch(&cpu->tlb) == epoch;
    return plain ? AFTER_JUMP : AFTER_LEAVE;
}

/* If the miss of a near page brought us here: the access may be better off without. */
static void look_at_near(struct translator *t, const struct site *site)
{
    struct block *block = site->unit->block;
    unsigned position = site->insn->position;
    if (t->frame->near_credit != 0 || !near_sampled(t, site->insn) || block == NULL)
        return;
    if (site->unit->route != NULL)
        block = route_block(site->unit->route, site->insn, &position);
    block->far |= UINT64_C(1) << position;
    t->engine.forget_block(t, block);
    t->count[COUNT_FAR]++;
}

/* Code pages move so often that the jump is better off with a look into the jump cache. */
static void look_at_page(struct translator *t, const struct site *site)
{
    struct block *block = site->unit->block;
    if (pages_are_steady(t) || block == NULL)
        return;
    t->engine.forget_block(t, block);
    t->count[COUNT_APART]++;
}

/* A branch may have taken longer than its unit had paid for (timed.c), up to the limit. */
static bool is_late(const struct cpu *cpu)
{
    return cpu->s.clock >= cpu->limit;
}

/* Where host code goes on at this boundary: mostly there is nothing to do, and it leads to where it led
 * before. Otherwise the dispatcher goes on from there. */
static uint32_t place_behind(struct translator *t)
{
    uint32_t at;
    if (!boundary_is_plain(t->cpu) || !code_open(t->cpu))
        return t->done;
    jump_cache_salt(t);
    return jump_cache_find(t, &at) ? at : t->done;
}

/* What has no place in the frame but host registers is in struct cpu. */
uint64_t translator_interpret(struct cpu *cpu, uint64_t n)
{
    struct translator *t = cpu->engine->ctx;
    const struct site *site = site_at(t, (uint32_t)n);
    const struct translation_unit *resumed = site->unit;
    uint32_t at = site->resume;
    vectors_from_host(t);
    site->unit->seen = true;
    flags_from_host(t);
    window_read(t);
    code_page_forget(cpu);
    cycle_t paid = cpu->s.clock, limit = cpu->limit;
    uint64_t instructions = cpu->s.instructions;
    t->count[COUNT_CALLS]++;
    look_at_near(t, site);
    if (interpret(t, site) != AFTER_RESUME) {
        at = place_behind(t);
        resumed = NULL;
    }
    vectors_to_host(t, resumed);
    if (cpu->s.clock != paid || cpu->s.instructions != instructions || cpu->limit != limit)
        window_open(t); /* else the budget is right */
    frame_refresh(t);
    return (uintptr_t)(t->code.execute + at);
}

/* Act on the site by which host code was left. */
static enum where act(struct translator *t, uint32_t n, struct place *to)
{
    if (n == SITE_DONE)
        return WHERE_BOUNDARY;
    struct cpu *cpu = t->cpu;
    const struct site *site = site_at(t, n);
    enum site_kind kind = site->kind;
    site->unit->seen = true;
    enum after after = AFTER_JUMP;
    switch (kind) {
    case SITE_BUDGET:
        cpu->s.rip = site->target;
        cpu->s.clock -= site->unit->cost;
        cpu->s.instructions -= site->unit->count;
        t->count[COUNT_BUDGET]++;
        hot_sample(t, site->unit);
        return end_shadow(t) != 0 || is_late(cpu) ? WHERE_BOUNDARY : WHERE_LOOKUP;
    case SITE_X87:
        cpu->s.rip = site->target;
        *to = (struct place){site->unit, site->unit->entry};
        if (end_shadow(t) != 0 || is_late(cpu))
            return WHERE_BOUNDARY;
        return t->host->x87_usable(cpu) ? WHERE_FOUND : WHERE_LOOKUP;
    case SITE_LINK:
    case SITE_JUMP:
    case SITE_PAGE:
        if (kind == SITE_PAGE)
            look_at_page(t, site);
        cpu->s.rip = site->target;
        (void)end_shadow(t);
        break;
    case SITE_INSN:
    case SITE_MEMORY:
        look_at_near(t, site);
        *to = (struct place){site->unit, site->resume};
        after = interpret(t, site);
        break;
    }
    if (after == AFTER_RESUME)
        return WHERE_FOUND;
    if (is_late(cpu))
        return WHERE_BOUNDARY;
    return after == AFTER_JUMP ? follow(t, n, kind, to) : WHERE_BOUNDARY;
}

unsigned translator_run(void *ctx, struct block *block)
{
    struct translator *t = ctx;
    struct cpu *cpu = t->cpu;
    if (!code_open(cpu) || (UNLIKELY(t->record.on) && hot_record(t, block)))
        return RUN_DECLINED;
    struct translation_unit *unit = unit_of(t, block);
    if (unit == NULL || cpu->s.clock + unit->cost >= cpu->limit || !can_resume(t, unit))
        return RUN_DECLINED;
    struct place to = {unit, unit->entry};
    enum where where;
    jump_cache_salt(t);
    log_unit(t, unit);
    do {
        window_open(t);
        enter(t, &to);
        where = act(t, (uint32_t)t->frame->exit, &to);
        while (where == WHERE_BOUNDARY)
            where = pass_boundary(t, &to);
    } while (where == WHERE_FOUND);
    t->count[COUNT_LEAVES]++;
    return where == WHERE_LEAVE ? RUN_LEAVE : RUN_LOOKUP;
}
