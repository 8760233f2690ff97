/* Adding up ways (ways.h). One call may send many packets, which are looked at in the order of their
 * accesses: what the stage of a call has is kept per depth, and goes on from there for the next packet. */
#include "tools/ways.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* What a stage had for the packet before. */
struct kept {
    size_t call;
    tick_t end;
    uint64_t *steps;
};

struct making {
    const struct analysis *analysis;
    struct ways *ways;
    unsigned steps;
    struct kept kept[WAY_MAX];
    uint32_t *function_of; /* by name: index + 1 */
    size_t *last_packet;   /* by name: packet that was counted last, + 1 */
};

/* Ticks per step of a stage, at this depth of the way. */
static const uint64_t *stage_steps(struct making *m, const struct way_stage *stage, unsigned depth)
{
    struct kept *kept = &m->kept[depth];
    if (kept->steps == NULL)
        kept->steps = xcalloc(m->steps, sizeof *kept->steps);
    if (kept->call != stage->call || kept->end > stage->end) {
        memset(kept->steps, 0, m->steps * sizeof *kept->steps);
        *kept = (struct kept){stage->call, stage->begin, kept->steps};
    }
    analysis_sum(m->analysis, kept->end, stage->end, kept->steps);
    kept->end = stage->end;
    return kept->steps;
}

static struct ways_function *function_of(struct making *m, uint32_t name)
{
    struct ways *ways = m->ways;
    if (m->function_of[name] == 0) {
        ways->function = xrealloc(ways->function, (ways->count + 1) * sizeof *ways->function);
        ways->function[ways->count++] = (struct ways_function){.name = name};
        m->function_of[name] = (uint32_t)ways->count;
    }
    return &ways->function[m->function_of[name] - 1];
}

/* False: the stage's spans are not its time. */
static bool add_stage(struct making *m, const struct way_stage *stage, unsigned depth, size_t packet)
{
    const uint64_t *steps = stage_steps(m, stage, depth);
    uint32_t name = calls_get(&m->analysis->calls, stage->call)->name;
    struct ways_function *function = function_of(m, name);
    uint64_t sum = 0;
    for (unsigned i = 0; i < m->steps; i++) {
        function->layers[trace_step(m->analysis->trace, i)->layer] += steps[i];
        sum += steps[i];
    }
    function->packets += m->last_packet[name] != packet + 1;
    m->last_packet[name] = packet + 1;
    function->stages++;
    function->depth += depth;
    function->ticks += sum;
    return sum == stage->end - stage->begin;
}

static void add_way(struct making *m, const struct receipt *receipt, size_t packet)
{
    struct way way;
    way_make(m->analysis, receipt, &way);
    if (way.count == 0)
        return;
    bool good = true;
    tick_t at = way.stage[0].begin;
    for (unsigned i = 0; i < way.count; i++) {
        good &= add_stage(m, &way.stage[i], i, packet) && way.stage[i].begin == at;
        at = way.stage[i].end;
    }
    m->ways->packets++;
    m->ways->ticks += way_length(&way);
    m->ways->bad += !(good && at == receipt->out);
}

static int by_depth(const void *x, const void *y)
{
    const struct ways_function *a = x, *b = y;
    double first = (double)a->depth / (double)a->stages, second = (double)b->depth / (double)b->stages;
    if (first != second)
        return first < second ? -1 : 1;
    return a->name < b->name ? -1 : a->name > b->name;
}

void ways_make(const struct analysis *analysis, const struct receipts *receipts, struct ways *ways)
{
    uint32_t names = trace_name_count(analysis->trace);
    struct making m = {.analysis = analysis,
                       .ways = ways,
                       .steps = trace_step_count(analysis->trace),
                       .function_of = xcalloc(names, sizeof *m.function_of),
                       .last_packet = xcalloc(names, sizeof *m.last_packet)};
    *ways = (struct ways){0};
    for (size_t i = 0; i < receipts->count; i++)
        add_way(&m, &receipts->receipt[i], i);
    if (ways->count)
        qsort(ways->function, ways->count, sizeof *ways->function, by_depth);
    for (unsigned i = 0; i < WAY_MAX; i++)
        free(m.kept[i].steps);
    free(m.function_of);
    free(m.last_packet);
}

void ways_free(struct ways *ways)
{
    free(ways->function);
    *ways = (struct ways){0};
}
