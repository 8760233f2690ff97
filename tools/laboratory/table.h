/* Tables of results, as JSON: {"title", "columns": [{"name", "unit", "digits"}], "rows": [[cell, ...]]}. A
 * cell is a number, a text or null (not known). Text, CSV and HTML are made from that. */
#ifndef CROSSPAGE_TOOLS_LABORATORY_TABLE_H
#define CROSSPAGE_TOOLS_LABORATORY_TABLE_H

#include "base/types.h"

#include <jansson.h>
#include <stdio.h>

json_t *table_create(const char *title);
/* digits: of numbers, behind the point. */
void table_column(json_t *table, const char *name, const char *unit, unsigned digits);
/* Takes the cell over; NULL is an unknown one. `first` begins a new row. */
void table_cell(json_t *table, bool first, json_t *cell);

/* The cell added last is this run's metric: a reader may ask what is behind it. Member "origins" of the
 * table: for each row a list of [label, metric], or null. */
void table_origin(json_t *table, const char *label, const char *metric);

void table_text(const json_t *table, FILE *out);
void table_csv(const json_t *table, FILE *out);

#endif
