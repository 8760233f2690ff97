/* The grammar of -vary (sweep.h). Values of a range are computed in binary floating point from the start, not
 * by adding up, and written with six decimals at most, so that 0:1:0.1 has eleven values and 0.3 is "0.3". */
#include "tools/laboratory/sweep.h"

#include "base/check.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRODUCT_MAX = 100000 };

static const double LARGEST = 1e15; /* of a range: larger numbers have gaps */

struct amount {
    double number;
    char unit[16];
};

static enum status add(struct sweep *sweep, const char *value, size_t length, struct error *err)
{
    if (length == 0 || length >= SETTING_VALUE)
        return status_fail(err, STATUS_BAD_INPUT, "%s: a value is %s", sweep->name,
                           length ? "too long" : "missing");
    if (sweep->count == SWEEP_VALUES_MAX)
        return status_fail(err, STATUS_BAD_INPUT, "%s: more than %d values", sweep->name, SWEEP_VALUES_MAX);
    if ((sweep->count & (sweep->count - 1)) == 0)
        sweep->value = xrealloc(sweep->value, (sweep->count ? 2u * sweep->count : 1) * sizeof *sweep->value);
    memcpy(sweep->value[sweep->count], value, length);
    sweep->value[sweep->count++][length] = '\0';
    return STATUS_OK;
}

static enum status parse_list(struct sweep *sweep, const char *text, struct error *err)
{
    for (;;) {
        size_t length = strcspn(text, ",");
        TRY(add(sweep, text, length, err));
        if (text[length] == '\0')
            return STATUS_OK;
        text += length + 1;
    }
}

/* A number and its unit, up to a colon or the end. */
static bool parse_amount(const char **text, struct amount *amount)
{
    char *end;
    const char *p = *text;
    if (!isdigit((unsigned char)p[*p == '-' || *p == '+']) && p[*p == '-' || *p == '+'] != '.')
        return false; /* strtod would take "inf" and "nan", too */
    amount->number = strtod(p, &end);
    size_t length = strcspn(end, ":");
    if (end == p || length >= sizeof amount->unit || !isfinite(amount->number))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalpha((unsigned char)end[i]) && end[i] != '%')
            return false;
    memcpy(amount->unit, end, length);
    amount->unit[length] = '\0';
    *text = end + length;
    return true;
}

struct range {
    struct amount from, to, step;
    bool factor; /* multiply by step */
};

static bool parse_parts(const char *text, struct range *range)
{
    if (!parse_amount(&text, &range->from) || *text++ != ':' || !parse_amount(&text, &range->to) ||
        *text++ != ':')
        return false;
    range->factor = *text == '*';
    text += range->factor;
    return parse_amount(&text, &range->step) && *text == '\0';
}

static enum status common_unit(const struct sweep *sweep, const struct range *range, const char **unit,
                               struct error *err)
{
    const struct amount *amounts[] = {&range->from, &range->to, &range->step};
    *unit = "";
    for (unsigned i = 0; i < ARRAY_LEN(amounts); i++) {
        if (*amounts[i]->unit == '\0')
            continue;
        if (range->factor && i == 2)
            return status_fail(err, STATUS_BAD_INPUT, "%s: a factor has no unit", sweep->name);
        if (**unit != '\0' && strcmp(*unit, amounts[i]->unit) != 0)
            return status_fail(err, STATUS_BAD_INPUT, "%s: '%s' and '%s' are different units", sweep->name,
                               *unit, amounts[i]->unit);
        *unit = amounts[i]->unit;
    }
    return STATUS_OK;
}

/* How many values the range has; 0: it never gets to its end. */
static double range_count(const struct range *range)
{
    const double slack = 1e-9; /* of a step: 0:1:0.1 has its end */
    double from = range->from.number, to = range->to.number, step = range->step.number;
    if (from == to)
        return 1;
    if (!range->factor)
        return (to - from) * step > 0 ? floor((to - from) / step + slack) + 1 : 0;
    if (from <= 0 || to <= 0 || step <= 0 || (to - from) * (step - 1) <= 0)
        return 0;
    return floor(log(to / from) / log(step) + slack) + 1;
}

/* At most six decimals, as costs take them, and no zeros at the end. */
static int format_value(char word[SETTING_VALUE], double value, const char *unit)
{
    char number[SETTING_VALUE - sizeof((struct amount *)0)->unit];
    snprintf(number, sizeof number, "%.6f", value);
    size_t length = strlen(number);
    while (number[length - 1] == '0')
        number[--length] = '\0';
    if (number[length - 1] == '.')
        number[--length] = '\0';
    return snprintf(word, SETTING_VALUE, "%s%s", strcmp(number, "-0") == 0 ? "0" : number, unit);
}

static enum status parse_range(struct sweep *sweep, const char *text, struct error *err)
{
    struct range range;
    const char *unit;
    if (!parse_parts(text, &range))
        return status_fail(err, STATUS_BAD_INPUT, "%s: '%s' is no range (from:to:step or from:to:*factor)",
                           sweep->name, text);
    TRY(common_unit(sweep, &range, &unit, err));
    double from = range.from.number, step = range.step.number, count = range_count(&range);
    if (count == 0 || fabs(from) > LARGEST || fabs(range.to.number) > LARGEST)
        return status_fail(err, STATUS_BAD_INPUT, "%s: '%s' never gets to its end", sweep->name, text);
    if (count > SWEEP_VALUES_MAX)
        return status_fail(err, STATUS_BAD_INPUT, "%s: more than %d values", sweep->name, SWEEP_VALUES_MAX);
    for (unsigned i = 0; i < (unsigned)count; i++) {
        char word[SETTING_VALUE];
        int length = format_value(word, range.factor ? from * pow(step, i) : from + step * i, unit);
        TRY(add(sweep, word, (size_t)length, err));
    }
    return STATUS_OK;
}

enum status sweep_parse(struct sweep *sweep, const char *text, struct error *err)
{
    const char *equals = strchr(text, '=');
    *sweep = (struct sweep){0};
    if (equals == NULL || equals == text || (size_t)(equals - text) >= SETTING_NAME)
        return status_fail(err, STATUS_BAD_INPUT, "'%s': expected name=a,b,c or name=from:to:step", text);
    memcpy(sweep->name, text, (size_t)(equals - text));
    enum status status = strchr(equals, ':') != NULL ? parse_range(sweep, equals + 1, err)
                                                     : parse_list(sweep, equals + 1, err);
    if (status != STATUS_OK)
        sweep_free(sweep);
    return status;
}

void sweep_free(struct sweep *sweep)
{
    free(sweep->value);
    *sweep = (struct sweep){0};
}

enum status sweep_product(const struct sweep *sweeps, unsigned count, size_t *product, struct error *err)
{
    *product = 1;
    for (unsigned i = 0; i < count; i++) {
        *product *= sweeps[i].count;
        if (*product > PRODUCT_MAX)
            return status_fail(err, STATUS_BAD_INPUT, "more than %d combinations", PRODUCT_MAX);
    }
    return STATUS_OK;
}

void sweep_choose(const struct sweep *sweeps, unsigned count, size_t index, unsigned *choice)
{
    for (unsigned i = count; i-- > 0;) {
        choice[i] = (unsigned)(index % sweeps[i].count);
        index /= sweeps[i].count;
    }
}
