/* Plots by their kind, and what the kinds share. */
#include "tools/picture/plot.h"

#include "tools/picture/plot_priv.h"

#include <math.h>
#include <string.h>

struct axis axis_make(double low, double high, unsigned ticks, double from, double to)
{
    double range = high > low ? high - low : 1, raw = range / ticks;
    double power = pow(10, floor(log10(raw)));
    double step = raw <= power * 1.0001 ? power
                  : raw <= 2 * power    ? 2 * power
                  : raw <= 5 * power    ? 5 * power
                                        : 10 * power;
    return (struct axis){.low = floor(low / step + 1e-9) * step,
                         .high = ceil(high / step - 1e-9) * step,
                         .step = step,
                         .from = from,
                         .to = to};
}

double axis_at(const struct axis *axis, double value)
{
    double low = axis->low, high = axis->high;
    if (axis->logarithmic) {
        value = log2(value);
        low = log2(low);
        high = log2(high);
    }
    return axis->from + (axis->to - axis->from) * (high > low ? (value - low) / (high - low) : 0.5);
}

const char *axis_text(const struct axis *axis, double value, char text[32])
{
    double digits = axis->step > 0 ? -floor(log10(axis->step) + 1e-9) : 0;
    snprintf(text, 32, "%.*f", digits > 0 ? (int)digits : 0, value);
    return text;
}

const char *plot_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

double plot_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

void plot_title(const json_t *plot, char *title, size_t size)
{
    const char *unit = svg_unit(plot_text(plot, "unit"));
    bool known = *unit == '\0' || strcmp(plot_text(plot, "kind"), "tornado") == 0; /* it says so already */
    snprintf(title, size, "%s%s%s", plot_text(plot, "title"), known ? "" : ", ", known ? "" : unit);
}

char *plot_svg(const json_t *plot)
{
    static const struct {
        const char *kind;
        char *(*draw)(const json_t *plot);
    } kinds[] = {{"lines", plot_lines},
                 {"bars", plot_bars},
                 {"stack", plot_stack},
                 {"timeline", plot_timeline},
                 {"tornado", plot_tornado}};
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].kind, plot_text(plot, "kind")) == 0)
            return kinds[i].draw(plot);
    return NULL;
}
