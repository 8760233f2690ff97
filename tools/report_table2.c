/* The transfer in the shape of the paper's Table 2 (Sugerman 2001), which counts the time of a halted guest
 * as VMM time and tells idling from what interrupted it.
 *
 * The time inside HLT is that of the visits with this exit. In it, idle steps are "Guest idle"; the transmit
 * and receive paths keep their own rows; all the rest, world switches and handlers included, is "Host IRQ
 * processing while guest idle". This holds for a guest that halts in the VMM (option halt=spin, which is how
 * the paper measured) and for one whose VMApp blocks in select().
 *
 * Every tick of the transfer is in exactly one row, so the rows of the upper half and VMM time add up to it.
 */
#include "tools/report.h"

#include "base/check.h"
#include "vmm/exit.h"

#include <stdlib.h>
#include <string.h>

enum table2_row {
#define TABLE2(row, name, half, percent, us) ROW_##row,
#define TABLE2_CATEGORY(row, category)
#include "tools/table2.def"
#undef TABLE2
#undef TABLE2_CATEGORY
    ROW_COUNT
};

enum half { HALF_TOTAL, HALF_VMM };

static const struct {
    const char *name;
    enum half half;
    double percent, us;
} published[ROW_COUNT] = {
#define TABLE2(row, name, half, percent, us) [ROW_##row] = {name, HALF_##half, percent, us},
#define TABLE2_CATEGORY(row, category)
#include "tools/table2.def"
#undef TABLE2
#undef TABLE2_CATEGORY
};

static const uint8_t row_of_category[CATEGORY_COUNT] = {
#define TABLE2(row, name, half, percent, us)
#define TABLE2_CATEGORY(row, category) [CATEGORY_##category] = ROW_##row,
#include "tools/table2.def"
#undef TABLE2
#undef TABLE2_CATEGORY
};

struct rows {
    uint64_t ticks[ROW_COUNT], counts[ROW_COUNT];
};

static enum category category_of(const struct report *report, unsigned step)
{
    return trace_step(report->analysis.trace, step)->category;
}

static bool is_halt(const struct report *report, unsigned exit)
{
    return strcmp(trace_exit_name(report->analysis.trace, exit), vm_exit_names[CPU_EXIT_HLT]) == 0;
}

/* Ticks per step inside HLT. */
static void sum_halted(const struct report *report, tick_t from, tick_t to, uint64_t *halted)
{
    const struct analysis *a = &report->analysis;
    for (size_t i = 0; i < a->visit_count && a->visits[i].begin < to; i++) {
        const struct visit *visit = &a->visits[i];
        if (visit->end > from && is_halt(report, visit->exit))
            analysis_sum(a, visit->begin > from ? visit->begin : from, visit->end < to ? visit->end : to,
                         halted);
    }
}

static enum table2_row halted_row(const struct report *report, unsigned step)
{
    enum table2_row row = row_of_category[category_of(report, step)];
    if (trace_step(report->analysis.trace, step)->layer == LAYER_IDLE)
        return ROW_IDLE;
    return row == ROW_VMNET_TX || row == ROW_VMNET_RX || row == ROW_LANCE_TX ? row : ROW_IDLE_IRQ;
}

static void make_rows(const struct report *report, tick_t from, tick_t to, struct rows *rows)
{
    unsigned steps = report->receipts.step_count;
    uint64_t *ticks = xcalloc(steps, sizeof *ticks), *halted = xcalloc(steps, sizeof *halted),
             *counts = xcalloc(steps, sizeof *counts);
    memset(rows, 0, sizeof *rows);
    analysis_sum(&report->analysis, from, to, ticks);
    analysis_count(&report->analysis, from, to, counts);
    sum_halted(report, from, to, halted);
    for (unsigned i = 0; i < steps; i++) {
        enum table2_row row = row_of_category[category_of(report, i)];
        rows->ticks[row] += ticks[i] - halted[i];
        rows->ticks[halted_row(report, i)] += halted[i];
        if (counts[i] > rows->counts[row]) /* an event of a row is its most frequent step */
            rows->counts[row] = counts[i];
    }
    free(ticks);
    free(halted);
    free(counts);
}

static void print_row(const struct report *report, const struct rows *rows, enum table2_row row,
                      uint64_t whole, bool compare, FILE *out)
{
    if (rows->ticks[row] == 0 && published[row].percent == 0)
        return;
    fprintf(out, "  %-42s %6.2f %%", published[row].name,
            whole ? 100.0 * (double)rows->ticks[row] / (double)whole : 0);
    bool average = rows->counts[row] != 0 && published[row].us != 0;
    if (average)
        fprintf(out, " %9.2f us", report_us(report, rows->ticks[row]) / (double)rows->counts[row]);
    else
        fprintf(out, " %12s", "");
    if (compare && published[row].percent != 0)
        fprintf(out, "   %5.1f %%", published[row].percent);
    if (compare && published[row].us != 0)
        fprintf(out, " %6.2f us", published[row].us);
    fputc('\n', out);
}

void report_table2(const struct report *report, tick_t from, tick_t to, bool compare, FILE *out)
{
    struct rows rows;
    uint64_t vmm = 0;
    make_rows(report, from, to, &rows);
    for (unsigned row = 0; row < ROW_COUNT; row++)
        if (published[row].half == HALF_VMM)
            vmm += rows.ticks[row];
    fprintf(out, "\nTransfer in the shape of Table 2: share of all time, average per event   %s\n",
            compare ? "published (Sugerman 2001, Table 2)" : "");
    fprintf(out, "  %-42s %6.2f %% %12s%s\n", "VMM time",
            to > from ? 100.0 * (double)vmm / (double)(to - from) : 0, "", compare ? "    71.5 %" : "");
    for (unsigned row = 0; row < ROW_COUNT; row++)
        if (published[row].half == HALF_TOTAL)
            print_row(report, &rows, row, to - from, compare, out);
    fputs("Inside VMM time: share of VMM time\n", out);
    for (unsigned row = 0; row < ROW_COUNT; row++)
        if (published[row].half == HALF_VMM)
            print_row(report, &rows, row, vmm, compare, out);
}
