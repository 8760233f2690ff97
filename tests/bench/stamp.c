/* Prefixes every line of standard input with the host's monotonic time in seconds: times inside a guest are
 * simulated, so work in a guest is timed from outside, at its serial output lines. */
#include <stdio.h>
#include <time.h>

int main(void)
{
    char line[4096];
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        printf("%.6f %s", (double)now.tv_sec + (double)now.tv_nsec * 1e-9, line);
        fflush(stdout);
    }
    return 0;
}
