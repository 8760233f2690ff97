/* One log line: stamp, text. Guest errors and unmodelled features are written until guest_limit is used up.
 */
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>

void log_line(struct log *log, enum log_category category, const char *format, ...)
{
    if (!log_wants(log, category) || log->file == NULL)
        return;
    if (category & (LOG_GUEST_ERROR | LOG_UNIMP)) {
        if (log->guest_limit == 0)
            return;
        log->guest_limit--;
    }
    if (log->who != NULL)
        fprintf(log->file, "%s ", log->who);
    if (log->stamp != NULL)
        fprintf(log->file, "[%" PRIu64 "] ", *log->stamp);
    va_list args;
    va_start(args, format);
    vfprintf(log->file, format, args);
    va_end(args);
    fputc('\n', log->file);
}
