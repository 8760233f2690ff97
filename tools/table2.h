/* A transfer in the shape of the paper's Table 2 (report_table2.c). */
#ifndef CROSSPAGE_TOOLS_TABLE2_H
#define CROSSPAGE_TOOLS_TABLE2_H

#include "tools/published.h"
#include "tools/report.h"

enum table2_row {
#define TABLE2(row, name, half) TABLE2_##row,
#define TABLE2_CATEGORY(row, category)
#include "tools/table2.def"
#undef TABLE2
#undef TABLE2_CATEGORY
    TABLE2_COUNT
};

struct table2 {
    tick_t length, vmm; /* of the transfer; all rows of the lower half */
    uint64_t ticks[TABLE2_COUNT], counts[TABLE2_COUNT];
};

/* Of the transfer in [from, to). */
void table2_make(const struct report *report, tick_t from, tick_t to, struct table2 *table);
/* The same cell by cell: ticks of each step in each row, added to cells[TABLE2_COUNT][step count]. */
void table2_cells(const struct report *report, tick_t from, tick_t to, uint64_t *cells);
/* Of all time or of VMM time, by the half of the table. */
double table2_percent(const struct table2 *table, enum table2_row row);
const char *table2_row_id(enum table2_row row);
const char *table2_row_name(enum table2_row row);
bool table2_is_vmm(enum table2_row row);
/* `group`: table2_percent or table2_us. NULL: the paper has no such figure. */
const struct published *table2_published(const char *group, enum table2_row row);
/* `compare`: with the published figures. */
void table2_text(const struct report *report, const struct table2 *table, bool compare, FILE *out);

#endif
