/* The end of a run because of a bug of ours, and allocation that cannot fail. See check.h for the rules. */
#include "base/check.h"

#include "base/host_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    host_terminal_rescue();
    fprintf(stderr, "crosspage: internal error: %s failed at %s:%d\n", expression, file, line);
    abort();
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    CHECK(p != NULL);
    return p;
}

void *xrealloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    CHECK(p != NULL);
    return p;
}

char *xstrdup(const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(xcalloc(n, 1), text, n);
}
