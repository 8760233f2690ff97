/* The cache model's configuration, by the values of vmm/timing.def. */
#include "vmm/timing.h"

#include "base/check.h"

#include <stdlib.h>

/* A level: where its size and ways are given; of a cache in bytes. */
static const struct {
    enum timing_id size, ways;
} levels[LEVEL_COUNT] = {
    [LEVEL_L1I] = {TIMING_ID_L1I_SIZE, TIMING_ID_L1I_WAYS},
    [LEVEL_L1D] = {TIMING_ID_L1D_SIZE, TIMING_ID_L1D_WAYS},
    [LEVEL_L2] = {TIMING_ID_L2_SIZE, TIMING_ID_L2_WAYS},
    [LEVEL_ITLB] = {TIMING_ID_ITLB_ENTRIES, TIMING_ID_ITLB_WAYS},
    [LEVEL_ITLB_LARGE] = {TIMING_ID_ITLB_LARGE_ENTRIES, TIMING_ID_ITLB_LARGE_WAYS},
    [LEVEL_DTLB] = {TIMING_ID_DTLB_ENTRIES, TIMING_ID_DTLB_WAYS},
    [LEVEL_DTLB_LARGE] = {TIMING_ID_DTLB_LARGE_ENTRIES, TIMING_ID_DTLB_LARGE_WAYS},
};

/* Whole counts and, rounded up, whole cycles; both below 2^31. */
static uint32_t amount(const struct cost_table *table, enum timing_id id)
{
    uint64_t whole = (table->timing[id].milli_cycles + 999) / 1000;
    return (uint32_t)(whole < INT32_MAX ? whole : INT32_MAX);
}

/* Sets of a level; 0 if it does not come out even. */
static uint32_t sets_of(uint32_t size, uint32_t unit, uint32_t ways)
{
    uint64_t set = (uint64_t)unit * ways;
    return set != 0 && size % set == 0 ? (uint32_t)(size / set) : 0;
}

static enum status check_given(const struct cost_table *table, struct error *err)
{
    for (unsigned id = 0; id < TIMING_COUNT; id++)
        if (!table->timing_given[id])
            return status_fail(err, STATUS_BAD_INPUT,
                               "-timing cache: profile '%.60s' does not give '%s' (section [cache])",
                               table->profile, timing_name((enum timing_id)id));
    return STATUS_OK;
}

static void fill_penalties(const struct cost_table *table, struct hierarchy_config *config)
{
    config->from_l2[TOUCH_FETCH] = amount(table, TIMING_ID_L2_FETCH);
    config->from_l2[TOUCH_LOAD] = amount(table, TIMING_ID_L2_LOAD);
    config->from_l2[TOUCH_STORE] = amount(table, TIMING_ID_L2_STORE);
    config->from_memory[TOUCH_FETCH] = amount(table, TIMING_ID_MEMORY_FETCH);
    config->from_memory[TOUCH_LOAD] = amount(table, TIMING_ID_MEMORY_LOAD);
    config->from_memory[TOUCH_STORE] = amount(table, TIMING_ID_MEMORY_STORE);
    config->walk[TOUCH_FETCH] = amount(table, TIMING_ID_WALK_FETCH);
    config->walk[TOUCH_LOAD] = config->walk[TOUCH_STORE] = amount(table, TIMING_ID_WALK_DATA);
}

enum status timing_from_costs(const struct cost_table *table, struct timing_config *config, struct error *err)
{
    enum { PENALTY_MAX = 100000, FOOTPRINT_MAX = 10000 };
    struct hierarchy_config *hierarchy = &config->hierarchy;
    uint32_t line = amount(table, TIMING_ID_LINE), ways = amount(table, TIMING_ID_BTB_WAYS);
    TRY(check_given(table, err));
    if (line == 0 || (line & (line - 1)) != 0)
        return status_fail(err, STATUS_BAD_INPUT, "cache.line: not a power of two");
    hierarchy->line_shift = (uint32_t)__builtin_ctz(line);
    for (unsigned n = 0; n < LEVEL_COUNT; n++) {
        hierarchy->level[n].ways = amount(table, levels[n].ways);
        hierarchy->level[n].sets =
            sets_of(amount(table, levels[n].size), n < LEVEL_ITLB ? line : 1, hierarchy->level[n].ways);
    }
    for (unsigned id = TIMING_ID_SWITCH_CODE_LINES; id < TIMING_COUNT; id++)
        if (amount(table, (enum timing_id)id) > FOOTPRINT_MAX)
            return status_fail(err, STATUS_BAD_INPUT, "%s: more than %d", timing_name((enum timing_id)id),
                               FOOTPRINT_MAX);
    for (unsigned id = TIMING_ID_L2_FETCH; id <= TIMING_ID_DECODED; id++)
        if (amount(table, (enum timing_id)id) > PENALTY_MAX)
            return status_fail(err, STATUS_BAD_INPUT, "%s: more than %d cycles",
                               timing_name((enum timing_id)id), PENALTY_MAX);
    fill_penalties(table, hierarchy);
    config->predictor = (struct predictor_config){
        .sets = sets_of(amount(table, TIMING_ID_BTB_ENTRIES), 1, ways),
        .ways = ways,
        .returns = amount(table, TIMING_ID_RETURNS),
        .mispredicted = amount(table, TIMING_ID_MISPREDICTED),
        .decoded = amount(table, TIMING_ID_DECODED),
    };
    TRY(hierarchy_check(hierarchy, err));
    return predictor_check(&config->predictor, err);
}

void timing_cost_cpu(const struct cost_table *table, unsigned kernel_milli,
                     uint16_t cost[2][COST_CLASS_COUNT])
{
    struct cost_table *other = xcalloc(1, sizeof *other);
    *other = *table;
    other->insn[COST_BRANCH] = table->timing[TIMING_ID_BRANCH];
    other->insn[COST_CR3] = table->timing[TIMING_ID_CR3];
    other->insn[COST_INVLPG] = table->timing[TIMING_ID_INVLPG];
    cost_table_cpu(other, kernel_milli, cost);
    free(other);
}

struct timing_footprint timing_footprint_of(const struct cost_table *table, enum timing_world world)
{
    uint32_t pages = amount(table, TIMING_ID_SWITCH_PAGES);
    switch (world) {
    case TIMING_WORLD_SWITCH:
        return (struct timing_footprint){.world = world,
                                         .code_lines = amount(table, TIMING_ID_SWITCH_CODE_LINES),
                                         .data_lines = amount(table, TIMING_ID_SWITCH_DATA_LINES),
                                         .code_pages = pages / 3,
                                         .data_pages = pages - pages / 3};
    case TIMING_WORLD_HOST:
        return (struct timing_footprint){.world = world,
                                         .code_lines = amount(table, TIMING_ID_HOST_CODE_LINES),
                                         .data_lines = amount(table, TIMING_ID_HOST_DATA_LINES),
                                         .code_pages = amount(table, TIMING_ID_HOST_CODE_PAGES),
                                         .data_pages = amount(table, TIMING_ID_HOST_DATA_PAGES)};
    case TIMING_WORLD_MONITOR: break;
    }
    return (struct timing_footprint){.world = world,
                                     .code_lines = amount(table, TIMING_ID_MONITOR_CODE_LINES),
                                     .data_lines = amount(table, TIMING_ID_MONITOR_DATA_LINES),
                                     .code_pages = amount(table, TIMING_ID_MONITOR_CODE_PAGES),
                                     .data_pages = amount(table, TIMING_ID_MONITOR_DATA_PAGES)};
}
