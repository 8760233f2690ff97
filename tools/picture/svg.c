/* Writing SVG (svg.h). */
#include "tools/picture/svg.h"

#include "base/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- Style ---- */

static const char *const light[SVG_COLOURS] = {"#1f5fa8", "#cb4b4b", "#2f8272", "#d9982a", "#8a6fbc",
                                               "#5a6676", "#d27ba4", "#5f9f52", "#86b0de", "#a86432",
                                               "#b58acb", "#9cc27f", "#b0b6be", "#3d4a5c"};
static const char *const dark[SVG_COLOURS] = {"#6aa5ea", "#e0716c", "#4cb09d", "#e0ad45", "#a68fd8",
                                              "#97a3b3", "#dd8bb1", "#7cc06e", "#93bde9", "#c98a58",
                                              "#c39ad8", "#a3c98a", "#6b7480", "#c3cdd9"};

static void add_palette(struct svg *svg, const char *const *palette)
{
    for (unsigned i = 0; i < SVG_COLOURS; i++)
        svg_add(svg, ".cp .f%u{fill:%s}.cp .s%u{stroke:%s}", i, palette[i], i, palette[i]);
}

static void add_style(struct svg *svg)
{
    svg_add(svg,
            "<style>.cp .back{fill:#fff}.cp text{fill:#1b232e}.cp .soft{fill:#5a6676}"
            ".cp .title{font-size:15px;font-weight:bold}.cp .in{fill:#fff}.cp .on{fill:#1b232e}"
            ".cp .grid{stroke:#e1e5ea}.cp .axis{stroke:#8b95a1}.cp .ink{stroke:#1b232e;fill:none}"
            ".cp .line{fill:none;stroke-width:2;stroke-linejoin:round}.cp .open{fill:#fff;stroke-width:1.8}"
            ".cp .dash{stroke-dasharray:4 3}.cp .pale{opacity:.45}");
    add_palette(svg, light);
    svg_add(
        svg,
        "@media screen and (prefers-color-scheme:dark){.cp .back,.cp .open{fill:#12161c}"
        ".cp text{fill:#dfe5ec}.cp .soft{fill:#97a3b3}.cp .in,.cp .on{fill:#12161c}.cp .grid{stroke:#2a323e}"
        ".cp .axis{stroke:#6b7684}.cp .ink{stroke:#dfe5ec}");
    add_palette(svg, dark);
    svg_add(svg, "}</style>\n");
}

/* ---- The picture ---- */

void svg_begin(struct svg *svg, double width, double height, const char *title)
{
    *svg = (struct svg){0};
    svg->out = open_memstream(&svg->text, &svg->size);
    CHECK(svg->out != NULL);
    svg_add(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"cp\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
        "height=\"%.0f\" font-family=\"DejaVu Sans, Verdana, sans-serif\" font-size=\"12\" role=\"img\">\n<title>",
        width, height, width, height);
    svg_escaped(svg, title);
    svg_add(svg, "</title>\n");
    add_style(svg);
    svg_box(svg, 0, 0, width, height, "back");
    svg_text(svg, 12, 24, SVG_START, "title", "%s", title);
}

char *svg_end(struct svg *svg)
{
    svg_add(svg, "</svg>\n");
    CHECK(fclose(svg->out) == 0);
    return svg->text;
}

void svg_add(struct svg *svg, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(svg->out, format, arguments);
    va_end(arguments);
}

void svg_escaped(struct svg *svg, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '&': fputs("&amp;", svg->out); break;
        case '<': fputs("&lt;", svg->out); break;
        case '>': fputs("&gt;", svg->out); break;
        case '"': fputs("&quot;", svg->out); break;
        default: /* XML has no other control characters */
            fputc((unsigned char)*text < ' ' ? ' ' : *text, svg->out);
        }
}

static void add_formatted(struct svg *svg, const char *format, va_list arguments)
{
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    svg_escaped(svg, text);
}

void svg_text(struct svg *svg, double x, double y, enum svg_anchor anchor, const char *class,
              const char *format, ...)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    va_list arguments;
    va_start(arguments, format);
    svg_add(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchors[anchor],
            class);
    add_formatted(svg, format, arguments);
    svg_add(svg, "</text>\n");
    va_end(arguments);
}

void svg_line(struct svg *svg, double x1, double y1, double x2, double y2, const char *class)
{
    svg_add(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2, y2,
            class);
}

void svg_box(struct svg *svg, double x, double y, double width, double height, const char *class)
{
    svg_add(svg, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"/>\n", x, y,
            fmax(width, 0), height, class);
}

void svg_mark(struct svg *svg, const char *run, const char *metric, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    svg_add(svg, "<g");
    if (run != NULL) {
        svg_add(svg, " data-run=\"");
        svg_escaped(svg, run);
        svg_add(svg, "\" data-metric=\"");
        svg_escaped(svg, metric);
        svg_add(svg, "\"");
    }
    svg_add(svg, "><title>");
    add_formatted(svg, format, arguments);
    svg_add(svg, "</title>");
    va_end(arguments);
}

void svg_mark_end(struct svg *svg)
{
    svg_add(svg, "</g>\n");
}

double svg_text_width(const char *text)
{
    return 7.1 * (double)strlen(text);
}

const char *svg_on(unsigned colour)
{
    static const bool pale[SVG_COLOURS] = {
        [3] = true, [6] = true, [8] = true, [10] = true, [11] = true, [12] = true};
    return pale[colour % SVG_COLOURS] ? "on" : "in";
}

const char *svg_unit(const char *unit)
{
    return strcmp(unit, "us") == 0 ? "\xc2\xb5s" : unit;
}

const char *svg_number(double value, char text[32])
{
    double size = fabs(value);
    int digits = size >= 1000 ? 0 : size >= 10 ? 1 : size >= 0.1 || size == 0 ? 2 : 4;
    snprintf(text, 32, "%.*f", digits, value);
    return text;
}
