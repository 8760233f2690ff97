/* The progress line (progress.h): rate-limited, erased at the end so that it never mixes with results. */
#include "tools/progress.h"

#include "base/host_clock.h"

#include <stdio.h>
#include <unistd.h>

void progress_start(struct progress *progress, bool console_in_use)
{
    double now = host_clock_seconds();
    *progress = (struct progress){
        .enabled = !console_in_use && isatty(STDERR_FILENO) == 1, .started = now, .shown = now};
}

void progress_update(struct progress *progress, double simulated_seconds, uint64_t instructions)
{
    if (!progress->enabled)
        return;
    double now = host_clock_seconds();
    if (now - progress->shown < 0.5)
        return;
    double mips = (double)(instructions - progress->instructions) / (now - progress->shown) * 1e-6;
    fprintf(stderr, "\r%8.3f s simulated, %.0f s host, %.0f MIPS ", simulated_seconds,
            now - progress->started, mips);
    progress->shown = now;
    progress->instructions = instructions;
}

void progress_end(struct progress *progress)
{
    if (progress->enabled)
        fputs("\r\033[K", stderr);
}
