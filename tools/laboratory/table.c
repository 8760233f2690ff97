/* Printing tables (table.h): texts to the left, numbers to the right, as wide as they need. */
#include "tools/laboratory/table.h"

#include "base/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELL = 256 };

json_t *table_create(const char *title)
{
    return json_pack("{s:s, s:[], s:[]}", "title", title, "columns", "rows");
}

void table_column(json_t *table, const char *name, const char *unit, unsigned digits)
{
    json_array_append_new(json_object_get(table, "columns"),
                          json_pack("{s:s, s:s, s:i}", "name", name, "unit", unit, "digits", (int)digits));
}

void table_cell(json_t *table, bool first, json_t *cell)
{
    json_t *rows = json_object_get(table, "rows");
    if (first)
        json_array_append_new(rows, json_array());
    json_array_append_new(json_array_get(rows, json_array_size(rows) - 1), cell ? cell : json_null());
}

void table_origin(json_t *table, const char *label, const char *metric)
{
    const json_t *rows = json_object_get(table, "rows");
    json_t *origins = json_object_get(table, "origins");
    size_t row = json_array_size(rows) - 1, column = json_array_size(json_array_get(rows, row)) - 1;
    if (origins == NULL) {
        origins = json_array();
        json_object_set_new(table, "origins", origins);
    }
    while (json_array_size(origins) <= row)
        json_array_append_new(origins, json_array());
    json_t *list = json_array_get(origins, row);
    while (json_array_size(list) < column)
        json_array_append_new(list, json_null());
    json_array_append_new(list, json_pack("[s, s]", label, metric));
}

static void format_cell(const json_t *cell, const json_t *column, char text[CELL])
{
    int digits = (int)json_integer_value(json_object_get(column, "digits"));
    if (json_is_integer(cell))
        snprintf(text, CELL, "%" JSON_INTEGER_FORMAT, json_integer_value(cell));
    else if (json_is_real(cell))
        snprintf(text, CELL, "%.*f", digits, json_real_value(cell));
    else
        snprintf(text, CELL, "%s", json_is_string(cell) ? json_string_value(cell) : "-");
}

static void format_head(const json_t *column, char text[CELL])
{
    const char *unit = json_string_value(json_object_get(column, "unit")),
               *name = json_string_value(json_object_get(column, "name"));
    if (unit != NULL && *unit != '\0')
        snprintf(text, CELL, "%s (%s)", name ? name : "", unit);
    else
        snprintf(text, CELL, "%s", name ? name : "");
}

/* A column with texts and no numbers? Those are set to the left. */
static bool is_text_column(const json_t *rows, size_t column)
{
    bool text = false;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *cell = json_array_get(json_array_get(rows, i), column);
        if (json_is_number(cell))
            return false;
        text |= json_is_string(cell);
    }
    return text;
}

static size_t column_width(const json_t *table, size_t column)
{
    const json_t *rows = json_object_get(table, "rows"),
                 *head = json_array_get(json_object_get(table, "columns"), column);
    char text[CELL];
    format_head(head, text);
    size_t width = strlen(text);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        format_cell(json_array_get(json_array_get(rows, i), column), head, text);
        size_t length = strlen(text);
        width = length > width ? length : width;
    }
    return width;
}

static void print_cell(const char *text, size_t width, bool left, bool last, FILE *out)
{
    if (left)
        fprintf(out, "  %-*s", last ? 0 : (int)width, text);
    else
        fprintf(out, "  %*s", (int)width, text);
}

void table_text(const json_t *table, FILE *out)
{
    const json_t *columns = json_object_get(table, "columns"), *rows = json_object_get(table, "rows");
    const char *title = json_string_value(json_object_get(table, "title"));
    size_t count = json_array_size(columns);
    size_t *width = xcalloc(count + 1, sizeof *width);
    bool *left = xcalloc(count + 1, sizeof *left);
    char text[CELL];
    for (size_t c = 0; c < count; c++) {
        width[c] = column_width(table, c);
        left[c] = is_text_column(rows, c);
    }
    if (title != NULL && *title != '\0')
        fprintf(out, "%s\n", title);
    for (size_t c = 0; c < count; c++) {
        format_head(json_array_get(columns, c), text);
        print_cell(text, width[c], left[c], c + 1 == count, out);
    }
    fputc('\n', out);
    for (size_t r = 0; r < json_array_size(rows); r++) {
        for (size_t c = 0; c < count; c++) {
            format_cell(json_array_get(json_array_get(rows, r), c), json_array_get(columns, c), text);
            print_cell(text, width[c], left[c], c + 1 == count, out);
        }
        fputc('\n', out);
    }
    free(width);
    free(left);
}

/* RFC 4180: quotes around what has a comma, a quote or a line break. */
static void csv_text(const char *text, FILE *out)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void csv_cell(const json_t *cell, FILE *out)
{
    if (json_is_integer(cell))
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(cell));
    else if (json_is_real(cell))
        fprintf(out, "%.12g", json_real_value(cell));
    else if (json_is_string(cell))
        csv_text(json_string_value(cell), out);
}

void table_csv(const json_t *table, FILE *out)
{
    const json_t *columns = json_object_get(table, "columns"), *rows = json_object_get(table, "rows");
    char text[CELL];
    for (size_t c = 0; c < json_array_size(columns); c++) {
        format_head(json_array_get(columns, c), text);
        fputs(c ? "," : "", out);
        csv_text(text, out);
    }
    fputc('\n', out);
    for (size_t r = 0; r < json_array_size(rows); r++) {
        const json_t *row = json_array_get(rows, r);
        for (size_t c = 0; c < json_array_size(row); c++) {
            fputs(c ? "," : "", out);
            csv_cell(json_array_get(row, c), out);
        }
        fputc('\n', out);
    }
}
