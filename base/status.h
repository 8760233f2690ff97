/* Host failures: no file, no memory, a bad option or image. Guest faults are not errors (see cpu/exec.h),
 * and our own bugs abort (see base/check.h).
 *
 * A function that can fail returns `enum status` and writes one line for the user into *err: what failed,
 * on which input, why. Only tools/ prints it. */
#ifndef CROSSPAGE_BASE_STATUS_H
#define CROSSPAGE_BASE_STATUS_H

#include "base/types.h"

enum status {
    STATUS_OK = 0,
    STATUS_BAD_INPUT, /* the user's file or option is wrong */
    STATUS_NO_FILE,   /* cannot be opened, read or written */
    STATUS_NO_MEMORY,
    STATUS_HOST, /* another refusal of the host operating system */
};

struct error {
    char text[512];
};

/* Fill in the message and return `code`, so that `return status_fail(err, ...)` reads as one step. `err` may
 * be NULL. */
enum status status_fail(struct error *err, enum status code, const char *format, ...) PRINTF(3, 4);

/* Return from the calling function when `expr` fails, passing the status up. */
#define TRY(expr)                                                                                            \
    do {                                                                                                     \
        enum status try_status_ = (expr);                                                                    \
        if (try_status_ != STATUS_OK)                                                                        \
            return try_status_;                                                                              \
    } while (0)

#endif
