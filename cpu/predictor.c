/* The branch target buffer and the return stack (predictor.h). */
#include "cpu/predictor.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum {
    HISTORY_MASK = 15,
    COUNTER_MAX = 3,
    COUNTER_TAKEN = 2, /* from here on: taken */
    SET_SHIFT = 4,     /* branches of one 16-byte fetch block share a set */
};
#define COUNTERS_WEAK   0xAAAAAAAAu /* 2 for each history */
#define COUNTERS_STRONG 0xFFFFFFFFu

/* ---- Life ---- */

static bool is_power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

enum status predictor_check(const struct predictor_config *config, struct error *err)
{
    if (!is_power_of_two(config->sets) || config->sets > PREDICTOR_SETS_MAX || config->ways < 1 ||
        config->ways > PREDICTOR_WAYS_MAX)
        return status_fail(
            err, STATUS_BAD_INPUT,
            "the branch target buffer needs a power of two of sets, at most %d, and 1 to %d ways",
            PREDICTOR_SETS_MAX, PREDICTOR_WAYS_MAX);
    if (!is_power_of_two(config->returns) || config->returns > RETURN_STACK_MAX)
        return status_fail(err, STATUS_BAD_INPUT,
                           "the return stack has a power of two of entries, at most %d", RETURN_STACK_MAX);
    return STATUS_OK;
}

static size_t entries(const struct predictor *predictor)
{
    return (size_t)predictor->config.sets * predictor->config.ways;
}

void predictor_init(struct predictor *predictor, const struct predictor_config *config)
{
    *predictor = (struct predictor){.config = *config};
    predictor->entry = xcalloc(entries(predictor), sizeof *predictor->entry);
}

void predictor_destroy(struct predictor *predictor)
{
    free(predictor->entry);
    predictor->entry = NULL;
}

void predictor_clear(struct predictor *predictor)
{
    memset(predictor->entry, 0, entries(predictor) * sizeof *predictor->entry);
    memset(predictor->return_stack, 0, sizeof predictor->return_stack);
    predictor->top = 0;
}

/* ---- The buffer ---- */

static struct predictor_entry *set_of(const struct predictor *predictor, uint64_t address)
{
    size_t set = address >> SET_SHIFT & (predictor->config.sets - 1);
    return predictor->entry + set * predictor->config.ways;
}

/* To the front of its set, over the entries before it. */
static void to_front(struct predictor_entry *set, unsigned way)
{
    struct predictor_entry entry = set[way];
    memmove(set + 1, set, way * sizeof *set);
    set[0] = entry;
}

/* The entry of a branch, now first in its set; NULL: none. */
static struct predictor_entry *look_up(const struct predictor *predictor, uint64_t address)
{
    struct predictor_entry *set = set_of(predictor, address);
    if (LIKELY(set->address == address + 1))
        return set;
    for (unsigned way = 1; way < predictor->config.ways; way++)
        if (set[way].address == address + 1) {
            to_front(set, way);
            return set;
        }
    return NULL;
}

static void enter(const struct predictor *predictor, const struct branch *branch, uint32_t counters)
{
    struct predictor_entry *set = set_of(predictor, branch->address);
    to_front(set, predictor->config.ways - 1);
    set[0] = (struct predictor_entry){.address = branch->address + 1,
                                      .target = branch->target,
                                      .counters = counters,
                                      .history = HISTORY_MASK};
}

static unsigned counter_of(const struct predictor_entry *entry)
{
    return entry->counters >> 2 * entry->history & COUNTER_MAX;
}

static void learn(struct predictor_entry *entry, bool taken)
{
    unsigned counter = counter_of(entry), shift = 2 * entry->history;
    if (taken && counter < COUNTER_MAX)
        entry->counters += 1u << shift;
    else if (!taken && counter > 0)
        entry->counters -= 1u << shift;
    entry->history = (entry->history << 1 | taken) & HISTORY_MASK;
}

static uint32_t mispredicted(const struct predictor *predictor, uint64_t *count)
{
    ++*count;
    return predictor->config.mispredicted;
}

static uint32_t decoded(struct predictor *predictor)
{
    predictor->count.decoded++;
    return predictor->config.decoded;
}

static uint32_t conditional(struct predictor *predictor, const struct branch *branch)
{
    struct predictor_entry *entry = look_up(predictor, branch->address);
    if (entry != NULL) {
        bool guess = counter_of(entry) >= COUNTER_TAKEN;
        learn(entry, branch->taken);
        return guess == branch->taken ? 0 : mispredicted(predictor, &predictor->count.mispredicted);
    }
    if (branch->taken)
        enter(predictor, branch, COUNTERS_WEAK);
    if (branch->backward != branch->taken)
        return mispredicted(predictor, &predictor->count.mispredicted);
    return branch->taken ? decoded(predictor) : 0;
}

static uint32_t direct(struct predictor *predictor, const struct branch *branch)
{
    if (look_up(predictor, branch->address) != NULL)
        return 0;
    enter(predictor, branch, COUNTERS_STRONG);
    return decoded(predictor);
}

static uint32_t indirect(struct predictor *predictor, const struct branch *branch)
{
    struct predictor_entry *entry = look_up(predictor, branch->address);
    if (entry == NULL) {
        enter(predictor, branch, COUNTERS_STRONG);
        return mispredicted(predictor, &predictor->count.indirect);
    }
    if (entry->target == branch->target)
        return 0;
    entry->target = branch->target;
    return mispredicted(predictor, &predictor->count.indirect);
}

/* ---- The return stack ---- */

static uint64_t *stack_slot(struct predictor *predictor, uint64_t place)
{
    return &predictor->return_stack[place & (predictor->config.returns - 1)];
}

static void push(struct predictor *predictor, uint64_t address)
{
    *stack_slot(predictor, predictor->top++) = address;
}

static uint32_t pop(struct predictor *predictor, uint64_t target)
{
    uint64_t guess = *stack_slot(predictor, --predictor->top);
    return guess == target ? 0 : mispredicted(predictor, &predictor->count.returns);
}

/* ---- Interface ---- */

static uint32_t execute(struct predictor *predictor, const struct branch *branch)
{
    switch (branch->kind) {
    case BRANCH_CONDITIONAL: return conditional(predictor, branch);
    case BRANCH_DIRECT: return direct(predictor, branch);
    case BRANCH_INDIRECT: return indirect(predictor, branch);
    case BRANCH_RETURN: return pop(predictor, branch->target);
    case BRANCH_CALL: push(predictor, branch->next); return direct(predictor, branch);
    case BRANCH_CALL_INDIRECT: push(predictor, branch->next); return indirect(predictor, branch);
    }
    return 0;
}

static bool is_certain(const struct predictor_entry *entry, bool taken)
{
    return entry->history == (taken ? HISTORY_MASK : 0) && counter_of(entry) == (taken ? COUNTER_MAX : 0);
}

/* Of a branch that was just executed: it is first in its set, or not there. */
static unsigned quiet_now(const struct predictor_entry *first, const struct branch *branch)
{
    if (first->address != branch->address + 1)
        return branch->kind == BRANCH_CONDITIONAL ? QUIET_FORWARD : 0;
    if (is_certain(first, true))
        return QUIET_TAKEN;
    return is_certain(first, false) ? QUIET_FORWARD | QUIET_BACKWARD : 0;
}

struct predicted predictor_branch(struct predictor *predictor, const struct branch *branch)
{
    const struct predictor_entry *first = set_of(predictor, branch->address);
    uint64_t before = first->address;
    uint32_t cycles = execute(predictor, branch);
    return (struct predicted){.cycles = cycles,
                              .quiet = quiet_now(first, branch),
                              .displaced = before != first->address ? before - 1 : UINT64_MAX};
}

bool predictor_is_quiet(const struct predictor *predictor, uint64_t address, bool taken, bool backward)
{
    const struct predictor_entry *set = set_of(predictor, address);
    if (set[0].address == address + 1)
        return is_certain(set, taken);
    for (unsigned way = 1; way < predictor->config.ways; way++)
        if (set[way].address == address + 1)
            return false;
    return !taken && !backward;
}

uint64_t predictor_hash(const struct predictor *predictor, uint64_t seed)
{
    seed = hash_bytes(predictor->entry, entries(predictor) * sizeof *predictor->entry, seed);
    seed = hash_bytes(predictor->return_stack, sizeof predictor->return_stack, seed ^ predictor->top);
    return hash_bytes(&predictor->count, sizeof predictor->count, seed);
}

bool predictor_equal(const struct predictor *a, const struct predictor *b)
{
    return entries(a) == entries(b) && memcmp(a->entry, b->entry, entries(a) * sizeof *a->entry) == 0 &&
           memcmp(a->return_stack, b->return_stack, sizeof a->return_stack) == 0 && a->top == b->top &&
           memcmp(&a->count, &b->count, sizeof a->count) == 0;
}
