/* Self-contained HTML pages: one file with style, script and data, which asks no server for anything.
 *
 * A page is made of the files of this folder when the program is built (embed.cmake); data is what comes in
 * at run time. It is JSON inside a <script> element that browsers do not execute, so the one thing that must
 * never stand in it is '<': page_write spells it as an escape. The page's policy (Content-Security-Policy)
 * allows the scripts of the build, by hash, and no other. */
#ifndef CROSSPAGE_TOOLS_HTML_PAGE_H
#define CROSSPAGE_TOOLS_HTML_PAGE_H

#include "base/types.h"

#include <jansson.h>
#include <stdio.h>

struct page {
    const char *before, *after; /* the data */
    size_t before_size, after_size;
};

/* Generated. */
extern const struct page page_trace, page_experiments;

void page_write(const struct page *page, const json_t *data, FILE *out);

#endif
