/* The transfer in the shape of the paper's Table 2 (Sugerman 2001), which counts the time of a halted guest
 * as VMM time and tells idling from what interrupted it.
 *
 * The time inside HLT is that of the visits with this exit. In it, idle steps are "Guest idle"; what the host
 * does in its own world keeps its rows, as in Table 1, where handling host IRQs is no VMM time either; all
 * the rest, world switches included, is "Host IRQ processing while guest idle". This holds for a guest that
 * halts in the VMM (option halt=spin, which is how the paper measured) and for one whose VMApp blocks in
 * select().
 *
 * Every tick of the transfer is in exactly one row, so the rows of the upper half and VMM time add up to it.
 */
#include "tools/table2.h"

#include "base/check.h"
#include "tools/published.h"
#include "vmm/exit.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *id, *name;
    enum { HALF_TOTAL, HALF_VMM } half;
} table2_rows[TABLE2_COUNT] = {
#define TABLE2(row, name, half) [TABLE2_##row] = {#row, name, HALF_##half},
#define TABLE2_CATEGORY(row, category)
#include "tools/table2.def"
#undef TABLE2
#undef TABLE2_CATEGORY
};

static const uint8_t row_of_category[CATEGORY_COUNT] = {
#define TABLE2(row, name, half)
#define TABLE2_CATEGORY(row, category) [CATEGORY_##category] = TABLE2_##row,
#include "tools/table2.def"
#undef TABLE2
#undef TABLE2_CATEGORY
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
        return TABLE2_IDLE;
    return table2_rows[row].half == HALF_TOTAL ? row : TABLE2_IDLE_IRQ;
}

void table2_cells(const struct report *report, tick_t from, tick_t to, uint64_t *cells)
{
    unsigned steps = report->receipts.step_count;
    uint64_t *ticks = xcalloc(steps, sizeof *ticks), *halted = xcalloc(steps, sizeof *halted);
    analysis_sum(&report->analysis, from, to, ticks);
    sum_halted(report, from, to, halted);
    for (unsigned i = 0; i < steps; i++) {
        cells[row_of_category[category_of(report, i)] * steps + i] += ticks[i] - halted[i];
        cells[halted_row(report, i) * steps + i] += halted[i];
    }
    free(ticks);
    free(halted);
}

void table2_make(const struct report *report, tick_t from, tick_t to, struct table2 *table)
{
    unsigned steps = report->receipts.step_count;
    uint64_t *cells = xcalloc((size_t)TABLE2_COUNT * steps, sizeof *cells),
             *counts = xcalloc(steps, sizeof *counts);
    *table = (struct table2){.length = to - from};
    table2_cells(report, from, to, cells);
    analysis_count(&report->analysis, from, to, counts);
    for (unsigned row = 0; row < TABLE2_COUNT; row++)
        for (unsigned i = 0; i < steps; i++) {
            table->ticks[row] += cells[row * steps + i];
            /* an event of a row is its most frequent step */
            if (row == row_of_category[category_of(report, i)] && counts[i] > table->counts[row])
                table->counts[row] = counts[i];
        }
    for (unsigned row = 0; row < TABLE2_COUNT; row++)
        if (table2_is_vmm((enum table2_row)row))
            table->vmm += table->ticks[row];
    free(cells);
    free(counts);
}

bool table2_is_vmm(enum table2_row row)
{
    return table2_rows[row].half == HALF_VMM;
}

const char *table2_row_name(enum table2_row row)
{
    return table2_rows[row].name;
}

double table2_percent(const struct table2 *table, enum table2_row row)
{
    uint64_t whole = table2_rows[row].half == HALF_VMM ? table->vmm : table->length;
    return whole ? 100.0 * (double)table->ticks[row] / (double)whole : 0;
}

const char *table2_row_id(enum table2_row row)
{
    return table2_rows[row].id;
}

const struct published *table2_published(const char *group, enum table2_row row)
{
    char metric[64];
    snprintf(metric, sizeof metric, "%s.%s", group, table2_rows[row].id);
    return published_find("Table 2", metric);
}

static void print_row(const struct report *report, const struct table2 *table, enum table2_row row,
                      bool compare, FILE *out)
{
    const struct published *percent = table2_published("table2_percent", row),
                           *us = table2_published("table2_us", row);
    if (table->ticks[row] == 0 && percent == NULL)
        return;
    fprintf(out, "  %-42s %6.2f %%", table2_rows[row].name, table2_percent(table, row));
    if (table->counts[row] != 0 && us != NULL)
        fprintf(out, " %9.2f us", report_us(report, table->ticks[row]) / (double)table->counts[row]);
    else
        fprintf(out, " %12s", "");
    if (compare && percent != NULL)
        fprintf(out, "   %5.1f %%", percent->value);
    if (compare && us != NULL)
        fprintf(out, " %6.2f us", us->value);
    fputc('\n', out);
}

void table2_text(const struct report *report, const struct table2 *table, bool compare, FILE *out)
{
    fprintf(out, "\nTransfer in the shape of Table 2: share of all time, average per event   %s\n",
            compare ? "published (Sugerman 2001, Table 2)" : "");
    fprintf(out, "  %-42s %6.2f %%", "VMM time",
            table->length ? 100.0 * (double)table->vmm / (double)table->length : 0);
    if (compare)
        fprintf(out, " %12s   %5.1f %%", "", published_find("Table 2", "table2_vmm_percent")->value);
    fputc('\n', out);
    for (unsigned row = 0; row < TABLE2_COUNT; row++)
        if (table2_rows[row].half == HALF_TOTAL)
            print_row(report, table, row, compare, out);
    fputs("Inside VMM time: share of VMM time\n", out);
    for (unsigned row = 0; row < TABLE2_COUNT; row++)
        if (table2_rows[row].half == HALF_VMM)
            print_row(report, table, row, compare, out);
}
