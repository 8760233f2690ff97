/* The benchmark program. Each kernel prints two lines, which something outside times by the host's clock,
 * because time inside a guest is simulated:
 *
 *     BENCH name start
 *     BENCH name end checksum       or:  BENCH name fail reason,  BENCH name skip reason
 *
 * As a program of the host it adds the CPU time in seconds that the kernel and its children took:
 * "cpu=0.123456". The work begins when the newline of the first has been sent, after all that precedes it,
 * and ends before the first character of the second. Each kernel is a process of its own, so that one may
 * crash and the rest go on.
 *
 *     bench list                       the table of kernels: name, set, count
 *     bench run [-r ROOT] NAME:COUNT[@STACK],...   these kernels; with -r, after chroot to ROOT
 *     bench exit N                     does nothing (for the kernel "exec")
 *
 * A kernel's stack begins STACK bytes lower than it would. Where the stack is (the environment alone moves
 * it) decides what lies in one page or cache line, and so how fast some kernels are.
 *
 * As the first process of a guest: prints "BENCH boot end 00000000" at once, runs what bench.run= on the
 * kernel's command line says, and powers off. */
#define _GNU_SOURCE
#include "bench.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { NEEDS_SSE2 = 1, NEEDS_SSE42 = 2, NEEDS_AVX2 = 4, NEEDS_AES = 8, NEEDS_SHA = 16, LINE = 4096 };

struct kernel {
    const char *name, *set;
    uint32_t (*run)(uint32_t count);
    uint32_t count;
    unsigned needs;
};

static const struct kernel kernels[] = {
#define KERNEL(name, set, function, count, needs) {name, #set, kernel_##function, count, needs},
#include "kernels.def"
#undef KERNEL
};

enum { KERNELS = sizeof kernels / sizeof *kernels };

struct job {
    const struct kernel *kernel;
    uint32_t count, stack;
};

/* ---- Lines ---- */

static void put(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(1);
}

/* Until the serial line has sent everything; standard output may also be a pipe, which has nothing to wait
 * for. */
static void settle(void)
{
    (void)tcdrain(STDOUT_FILENO);
}

static void report(const char *name, const char *what, const char *detail)
{
    char line[256];
    snprintf(line, sizeof line, "BENCH %s %s %s\n", name, what, detail);
    put(line);
    settle();
}

/* ---- Help for kernels ---- */

static const char *current; /* name of this process's kernel */

_Noreturn void kernel_fail(const char *what)
{
    char text[128];
    int code = errno;
    snprintf(text, sizeof text, "%s%s%s", what, code != 0 ? ": " : "", code != 0 ? strerror(code) : "");
    report(current, "fail", text);
    _exit(0);
}

void kernel_check(int64_t result, const char *what)
{
    if (result < 0)
        kernel_fail(what);
}

void *memory_get(size_t size)
{
    void *memory = calloc(size, 1);
    if (memory == NULL)
        kernel_fail("no memory");
    return memory;
}

/* ---- Running kernels ---- */

static bool has_sha(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) != 0 && __builtin_cpu_supports("ssse3") &&
           __builtin_cpu_supports("sse4.1");
}

static bool cpu_has(unsigned needs)
{
    return (!(needs & NEEDS_SSE2) || __builtin_cpu_supports("sse2")) &&
           (!(needs & NEEDS_SSE42) || __builtin_cpu_supports("sse4.2")) &&
           (!(needs & NEEDS_AVX2) || (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))) &&
           (!(needs & NEEDS_AES) || __builtin_cpu_supports("aes")) && (!(needs & NEEDS_SHA) || has_sha());
}

/* Of this process and its children so far. */
static double cpu_seconds(void)
{
    double seconds = 0;
    for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++) {
        struct rusage usage;
        getrusage(who, &usage);
        seconds += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
    return seconds;
}

static _Noreturn __attribute__((noinline)) void kernel_process(const struct kernel *kernel, uint32_t count)
{
    char line[128], cpu[32] = "";
    bool in_guest = getppid() == 1;
    double before = in_guest ? 0 : cpu_seconds();
    current = kernel->name;
    snprintf(line, sizeof line, "BENCH %s start", kernel->name);
    put(line);
    settle();
    put("\n");
    uint32_t sum = kernel->run(count);
    if (!in_guest)
        snprintf(cpu, sizeof cpu, " cpu=%.6f", cpu_seconds() - before);
    snprintf(line, sizeof line, "BENCH %s end %08x%s\n", kernel->name, (unsigned)sum, cpu);
    put(line);
    settle();
    _exit(0);
}

static _Noreturn void kernel_process_lower(const struct job *job)
{
    volatile char *space = __builtin_alloca(job->stack + 1);
    space[0] = 0; /* so that the compiler keeps it */
    kernel_process(job->kernel, job->count);
}

static void kernel_run(const struct job *job)
{
    const struct kernel *kernel = job->kernel;
    if (!cpu_has(kernel->needs)) {
        report(kernel->name, "skip", "this CPU lacks the instructions");
        return;
    }
    pid_t child = fork();
    if (child == 0)
        kernel_process_lower(job);
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        report(kernel->name, "fail", "no process");
        return;
    }
    if (status == 0)
        return;
    char text[64];
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "died by signal %d", WTERMSIG(status));
    else
        snprintf(text, sizeof text, "ended with status %d", WEXITSTATUS(status));
    report(kernel->name, "fail", text);
}

/* NAME:COUNT[@STACK],... ; false if it is not that. */
static bool run_list(char *list)
{
    for (char *item = strtok(list, ","); item != NULL; item = strtok(NULL, ",")) {
        char *colon = strchr(item, ':'), *end;
        if (colon == NULL)
            return false;
        *colon = '\0';
        unsigned long count = strtoul(colon + 1, &end, 10), stack = 0;
        if (*end == '@')
            stack = strtoul(end + 1, &end, 10);
        const struct kernel *kernel = kernels;
        while (kernel < kernels + KERNELS && strcmp(kernel->name, item) != 0)
            kernel++;
        if (kernel == kernels + KERNELS || *end != '\0' || count == 0 || count > 100000000 || stack > 65536)
            return false;
        kernel_run(&(struct job){kernel, (uint32_t)count, (uint32_t)stack});
    }
    return true;
}

/* ---- As a guest's first process ---- */

/* The value of bench.run= in the kernel's command line; empty without it. */
static void read_command_line(char *value, size_t size)
{
    char text[LINE] = "";
    int file = open("/proc/cmdline", O_RDONLY);
    ssize_t got = file < 0 ? -1 : read(file, text, sizeof text - 1);
    close(file);
    const char *at = got < 0 ? NULL : strstr(text, "bench.run=");
    size_t length = at == NULL ? 0 : strcspn(at += strlen("bench.run="), " \n");
    snprintf(value, size, "%.*s", (int)length, at == NULL ? "" : at);
}

static _Noreturn void first_process(void)
{
    char list[LINE];
    report("boot", "end", "00000000");
    mkdir("/proc", 0755);
    mkdir("/tmp", 0755);
    if (mount("proc", "/proc", "proc", 0, NULL) != 0 || mount("tmp", "/tmp", "tmpfs", 0, NULL) != 0)
        report("boot", "fail", "cannot mount /proc and /tmp");
    read_command_line(list, sizeof list);
    if (!run_list(list))
        report("run", "fail", "bad list of kernels");
    report("run", "end", "00000000");
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

/* ---- As a program ---- */

/* chroot needs a privilege; who has none may make a user namespace and have it there. */
static bool change_root(const char *root)
{
    if (chroot(root) != 0 && (errno != EPERM || unshare(CLONE_NEWUSER) != 0 || chroot(root) != 0))
        return false;
    return chdir("/") == 0;
}

static int usage(void)
{
    fputs("usage: bench list | bench run [-r ROOT] NAME:COUNT[@STACK],... | bench exit N\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    if (getpid() == 1)
        first_process();
    if (argc == 3 && strcmp(argv[1], "exit") == 0)
        return atoi(argv[2]);
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (const struct kernel *kernel = kernels; kernel < kernels + KERNELS; kernel++)
            printf("%s %s %u\n", kernel->name, kernel->set, (unsigned)kernel->count);
        return 0;
    }
    if (argc != 3 && argc != 5)
        return usage();
    if (strcmp(argv[1], "run") != 0 || (argc == 5 && strcmp(argv[2], "-r") != 0))
        return usage();
    if (argc == 5 && !change_root(argv[3])) {
        fprintf(stderr, "bench: cannot chroot to %s: %s\n", argv[3], strerror(errno));
        return 1;
    }
    if (!run_list(argv[argc - 1]))
        return usage();
    report("run", "end", "00000000");
    return 0;
}
