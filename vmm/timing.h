/* From a profile's section [cache] to the configuration of the cache model (cpu/timing.h). */
#ifndef CROSSPAGE_VMM_TIMING_H
#define CROSSPAGE_VMM_TIMING_H

#include "cpu/timing.h"
#include "vmm/cost.h"

/* All but config->machine. An error if the profile gives no or an impossible geometry. */
enum status timing_from_costs(const struct cost_table *table, struct timing_config *config,
                              struct error *err) MUST_CHECK;
/* Prices of instructions, in place of cost_table_cpu()'s. */
void timing_cost_cpu(const struct cost_table *table, unsigned kernel_milli,
                     uint16_t cost[2][COST_CLASS_COUNT]);

/* What other worlds touch, see vmm/timing.def. */
enum timing_world { TIMING_WORLD_SWITCH, TIMING_WORLD_HOST, TIMING_WORLD_MONITOR };
struct timing_footprint timing_footprint_of(const struct cost_table *table, enum timing_world world);

#endif
