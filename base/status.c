/* Errors for the user: one line, cut to the size of struct error. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

enum status status_fail(struct error *err, enum status code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return code;
}
