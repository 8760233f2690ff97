/* Our own bugs abort with expression, file and line; checks stay on in release builds. Nothing a guest, an
 * image or a user does may reach one. */
#ifndef CROSSPAGE_BASE_CHECK_H
#define CROSSPAGE_BASE_CHECK_H

#include "base/types.h"

_Noreturn void check_failed(const char *expression, const char *file, int line);

#define CHECK(expr) (LIKELY(expr) ? (void)0 : check_failed(#expr, __FILE__, __LINE__))

/* A check for hot code: only in debug builds. */
#ifdef CROSSPAGE_DEBUG
#define DCHECK(expr) CHECK(expr)
#else
#define DCHECK(expr) ((void)0)
#endif

/* Allocation that never returns NULL: running out of host memory is not survivable here. Zeroed. */
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *old, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));

#endif
