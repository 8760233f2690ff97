/* Finding routes in what the interpreter ran (route.h). */
#include "binxlate/route.h"

#include "base/check.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEEN_LEAST = 2,   /* times, to say what comes next */
    OFTEN_PARTS = 5,  /* the route goes on where at least */
    OFTEN = 3,        /* so many of them agree */
    ROUTE_COST = 500, /* cycles */
    TURNS_FEW = 3,
};

static bool is_indirect(const struct insn *insn)
{
    return insn->exec == exec_ret || insn->exec == exec_jmp_indirect || insn->exec == exec_call_indirect;
}

/* The branch at the end of a block if host code can go on from it within a unit. */
static const struct insn *branch_of(const struct block *block)
{
    const struct insn *insn = &block->insn[block->count - 1];
    bool known = insn->row != 0 && insn->exec == insn_rows[insn->row].exec;
    bool plain =
        insn->exec == exec_jcc || insn->exec == exec_jmp || insn->exec == exec_call || is_indirect(insn);
    return known && plain && insn->op_size == 2u << (block->mode & MODE_CODE_MASK) ? insn : NULL;
}

static uint64_t cut(const struct block *block, uint64_t rip)
{
    return (block->mode & MODE_CODE_MASK) == MODE_CODE64 ? rip : (uint32_t)rip;
}

/* How the block at record `n` led to the one after it, if by such a branch within the page. */
static enum onward way_of(const struct route_record *record, unsigned n)
{
    const struct block *block = record->at[n].block;
    const struct insn *insn = branch_of(block);
    uint64_t rip = record->at[n].rip, to = record->at[n + 1].rip, next;
    if (insn == NULL || (rip ^ to) >> PAGE_SHIFT != 0)
        return ONWARD_NONE;
    if (is_indirect(insn))
        return record->indirect ? ONWARD_TAKEN : ONWARD_NONE;
    next = rip + insn->rip_offset + insn->length;
    if (to == cut(block, next + insn->imm))
        return ONWARD_TAKEN;
    return insn->exec == exec_jcc && to == cut(block, next) ? ONWARD_NEXT : ONWARD_NONE;
}

static bool same(const struct route_record *record, unsigned a, unsigned b)
{
    return record->at[a].block == record->at[b].block && record->at[a].rip == record->at[b].rip;
}

/* Which of the blocks that the block of record `n` led to by `way` more than all others together, if one did:
 * the record after it. */
static unsigned find_most(const struct route_record *record, unsigned n, enum onward way)
{
    unsigned most = 0, votes = 0;
    for (unsigned i = 0; i + 1 < record->count; i++) {
        if (!same(record, i, n) || way_of(record, i) != way)
            continue;
        if (votes == 0)
            most = i + 1;
        votes += votes == 0 || same(record, i + 1, most) ? 1 : -1u;
    }
    return most;
}

/* What mostly follows the block of record `n`: a record, and by which way; or ONWARD_NONE. */
static enum onward follow(const struct route_record *record, unsigned n, unsigned *next)
{
    unsigned total = 0, times[3] = {0};
    unsigned most[3] = {[ONWARD_NEXT] = find_most(record, n, ONWARD_NEXT),
                        [ONWARD_TAKEN] = find_most(record, n, ONWARD_TAKEN)};
    for (unsigned i = 0; i + 1 < record->count; i++)
        if (same(record, i, n)) {
            enum onward way = way_of(record, i);
            total++;
            times[way] += way != ONWARD_NONE && same(record, i + 1, most[way]);
        }
    enum onward way = times[ONWARD_TAKEN] > times[ONWARD_NEXT] ? ONWARD_TAKEN : ONWARD_NEXT;
    *next = most[way];
    /* The supervisor's functions have many callers: returns there must all agree. */
    const struct block *block = record->at[n].block;
    const struct insn *insn = branch_of(block);
    bool strict = insn != NULL && insn->exec == exec_ret && (block->mode >> MODE_CPL_SHIFT & 3) != 3;
    unsigned often = strict ? OFTEN_PARTS : OFTEN;
    return total >= SEEN_LEAST && times[way] * OFTEN_PARTS >= total * often ? way : ONWARD_NONE;
}

/* By a branch that loops are made of. */
static bool leads_back(const struct route_record *record, unsigned n)
{
    const struct insn *insn = branch_of(record->at[n].block);
    return way_of(record, n) != ONWARD_NONE && (insn->exec == exec_jcc || insn->exec == exec_jmp);
}

bool route_is_loop(const struct route_record *record, unsigned n)
{
    for (unsigned i = 0; i + 1 < record->count; i++)
        if (same(record, i + 1, n) && record->at[n].rip <= record->at[i].rip && leads_back(record, i))
            return true;
    return false;
}

struct draft {
    const struct route_record *record;
    unsigned at[ROUTE_BLOCKS]; /* records */
    enum onward way[ROUTE_BLOCKS];
    unsigned blocks, insns, cost;
    bool loops;
};

static bool is_usable(const struct block *block)
{
    return !block->stale && !block->probed && !block_crosses(block) && block->patience == 0 &&
           (block->mode & MODE_CODE_MASK) != MODE_CODE16;
}

static bool add(struct draft *draft, unsigned n)
{
    const struct block *block = draft->record->at[n].block, *head = draft->record->at[draft->at[0]].block;
    if (draft->blocks == ROUTE_BLOCKS || !is_usable(block))
        return false;
    if (draft->blocks > 0 && (block->mode != head->mode || (block->phys ^ head->phys) >> PAGE_SHIFT != 0))
        return false;
    for (unsigned i = 0; i < draft->blocks; i++)
        if (same(draft->record, draft->at[i], n))
            return false;
    if (draft->insns + block->count > BLOCK_MAX_INSNS || draft->cost + block->cost > ROUTE_COST)
        return false;
    draft->insns += block->count;
    draft->cost += block->cost;
    draft->way[draft->blocks] = ONWARD_NONE;
    draft->at[draft->blocks++] = n;
    return true;
}

/* Where a loop begins the route ends: it is a route by itself. */
static void go_on(struct draft *draft)
{
    for (;;) {
        unsigned last = draft->blocks - 1, next;
        enum onward way = follow(draft->record, draft->at[last], &next);
        if (way == ONWARD_NONE)
            return;
        draft->loops = same(draft->record, draft->at[0], next);
        if (draft->loops)
            draft->way[last] = way;
        if (draft->loops || route_is_loop(draft->record, next) || !add(draft, next))
            return;
        draft->way[last] = way;
    }
}

/* How many turns at most were made of a loop that the block of record `last` closes, if that is a few: a loop
 * that makes many now and then should be ready for them. */
static unsigned turns_of(const struct draft *draft, unsigned last, enum onward way)
{
    const struct route_record *record = draft->record;
    unsigned turns = 0, most = 0;
    for (unsigned i = 0; i < record->count; i++)
        if (same(record, i, draft->at[0])) {
            bool again = i > 0 && same(record, i - 1, last) && way_of(record, i - 1) == way;
            turns = again ? turns + 1 : 1;
            most = turns > most ? turns : most;
        }
    return most <= TURNS_FEW ? most : UINT_MAX;
}

/* Is it none? A block that jumps back to itself on a condition is repeated without a route, which only says
 * how often. */
static bool is_plain(struct draft *draft)
{
    const struct block *block = draft->record->at[draft->at[0]].block;
    uint64_t rip = draft->record->at[draft->at[0]].rip;
    const struct insn *insn = branch_of(block);
    if (draft->blocks > 1 || insn == NULL || insn->exec != exec_jcc)
        return draft->blocks == 1 && !draft->loops;
    draft->loops = cut(block, rip + insn->rip_offset + insn->length + insn->imm) == rip;
    draft->way[0] = ONWARD_TAKEN;
    return !draft->loops || turns_of(draft, draft->at[0], ONWARD_TAKEN) > TURNS_FEW;
}

static struct block *new_body(const struct block *head)
{
    size_t size = sizeof(struct block) + (BLOCK_MAX_INSNS + 1) * sizeof(struct insn);
    struct block *body = aligned_alloc(_Alignof(struct block), size);
    CHECK(body != NULL);
    memset(body, 0, size);
    body->mode = head->mode;
    body->tail = BLOCK_NO_TAIL;
    return body;
}

static void add_part(struct route *route, struct block *block, uint64_t rip, enum onward way)
{
    struct block *body = route->body;
    route->part[route->blocks].block = block;
    route->part[route->blocks++].position = body->count;
    for (unsigned i = 0; i < block->count; i++) {
        struct insn *insn = &body->insn[body->count + i];
        *insn = block->insn[i];
        insn->position = (uint8_t)(insn->position + body->count);
        insn->clock_offset = (uint16_t)(insn->clock_offset + body->cost);
        insn->rip_offset = (uint16_t)(insn->rip_offset + (rip - route->origin));
        insn->run = NULL;
    }
    body->far |= block->far << body->count;
    body->count = (uint8_t)(body->count + block->count);
    body->cost = (uint16_t)(body->cost + block->cost);
    body->bytes = (uint16_t)(body->bytes + block->bytes);
    route->onward[body->count - 1] = (uint8_t)way;
}

struct route *route_find(const struct route_record *record, unsigned n)
{
    struct draft draft = {.record = record};
    if (!add(&draft, n))
        return NULL;
    go_on(&draft);
    if (is_plain(&draft))
        return NULL;
    struct route *route = xcalloc(1, sizeof *route);
    unsigned last = draft.blocks - 1;
    route->loops = draft.loops;
    route->turns = draft.loops ? turns_of(&draft, draft.at[last], draft.way[last]) : 1;
    route->origin = UINT64_MAX;
    for (unsigned i = 0; i < draft.blocks; i++)
        if (record->at[draft.at[i]].rip < route->origin)
            route->origin = record->at[draft.at[i]].rip;
    route->body = new_body(record->at[n].block);
    route->body->phys = (record->at[n].block->phys & ~PAGE_MASK) | (route->origin & PAGE_MASK);
    for (unsigned i = 0; i < draft.blocks; i++)
        add_part(route, record->at[draft.at[i]].block, record->at[draft.at[i]].rip, draft.way[i]);
    return route;
}

void route_free(struct route *route)
{
    if (route == NULL)
        return;
    free(route->body);
    free(route);
}

struct block *route_block(const struct route *route, const struct insn *insn, unsigned *position)
{
    unsigned part = route->blocks - 1;
    while (insn->position < route->part[part].position)
        part--;
    *position = insn->position - route->part[part].position;
    return route->part[part].block;
}
