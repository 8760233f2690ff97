/* Kernels of the operating system: entries and exits, page tables, processes, switches between them. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };

uint32_t kernel_getppid(uint32_t count)
{
    enum { CALLS = 1000 };
    uint32_t same = 0;
    long parent = syscall(SYS_getppid);
    for (uint32_t i = 0; i < count * CALLS; i++)
        same += syscall(SYS_getppid) == parent;
    return same;
}

/* Small pages whatever the kernel prefers: a fault for each. */
static uint8_t *map(size_t size)
{
    uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        kernel_fail("mmap");
    return memory;
}

uint32_t kernel_fault(uint32_t count)
{
    enum { PAGES = 256 };
    uint32_t sum = 0;
    for (uint32_t round = 0; round < count; round++) {
        uint8_t *memory = map(PAGES * PAGE);
        madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE); /* a kernel without huge pages refuses: fine */
        for (uint32_t i = 0; i < PAGES; i++) {
            sum += memory[i * PAGE];
            memory[i * PAGE] = (uint8_t)i;
        }
        sum += memory[(round % PAGES) * PAGE];
        kernel_check(munmap(memory, PAGES * PAGE), "munmap");
    }
    return sum;
}

uint32_t kernel_mmap(uint32_t count)
{
    enum { CALLS = 100, PAGES = 16 };
    uint32_t maps = 0;
    for (uint32_t i = 0; i < count * CALLS; i++) {
        uint8_t *memory = map(PAGES * PAGE);
        kernel_check(munmap(memory, PAGES * PAGE), "munmap");
        maps++;
    }
    return maps;
}

/* The exit status of a child; a child that did not exit fails the kernel. */
static uint32_t wait_for(pid_t child)
{
    int status;
    kernel_check(waitpid(child, &status, 0), "waitpid");
    if (!WIFEXITED(status))
        kernel_fail("child died");
    return (uint32_t)WEXITSTATUS(status);
}

uint32_t kernel_fork(uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        pid_t child = fork();
        kernel_check(child, "fork");
        if (child == 0)
            _exit(i & 0x7F);
        sum = sum * 31 + wait_for(child);
    }
    return sum;
}

/* `bench exit N` ends at once with status N. */
uint32_t kernel_exec(uint32_t count)
{
    char number[] = "00", *const environment[] = {NULL};
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        number[0] = (char)('0' + i / 10 % 10);
        number[1] = (char)('0' + i % 10);
        pid_t child = fork();
        kernel_check(child, "fork");
        if (child == 0) {
            execle(BENCH_PATH, BENCH_PATH, "exit", number, (char *)NULL, environment);
            _exit(127);
        }
        uint32_t status = wait_for(child);
        if (status != i % 100) {
            errno = 0;
            kernel_fail("exec of " BENCH_PATH);
        }
        sum = sum * 31 + status;
    }
    return sum;
}

/* The other process adds one to what it gets and sends it back, until the pipe is closed. */
static _Noreturn void echo(int in, int out)
{
    uint8_t byte;
    while (read(in, &byte, 1) == 1) {
        byte++;
        if (write(out, &byte, 1) != 1)
            _exit(1);
    }
    _exit(0);
}

uint32_t kernel_pipe(uint32_t count)
{
    enum { TRIPS = 100 };
    int there[2], back[2];
    uint8_t byte = 0;
    uint32_t sum = 0;
    kernel_check(pipe(there), "pipe");
    kernel_check(pipe(back), "pipe");
    pid_t child = fork();
    kernel_check(child, "fork");
    if (child == 0) {
        close(there[1]);
        close(back[0]);
        echo(there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    for (uint32_t i = 0; i < count * TRIPS; i++) {
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            kernel_fail("pipe");
        sum = sum * 31 + byte;
    }
    close(there[1]);
    close(back[0]);
    return sum * 31 + wait_for(child);
}

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    signals++;
}

uint32_t kernel_signal(uint32_t count)
{
    enum { SIGNALS = 100 };
    struct sigaction action = {.sa_handler = on_signal};
    kernel_check(sigaction(SIGUSR1, &action, NULL), "sigaction");
    pid_t self = getpid();
    signals = 0;
    for (uint32_t i = 0; i < count * SIGNALS; i++)
        kernel_check(kill(self, SIGUSR1), "kill");
    return (uint32_t)signals;
}

static int file_open(const char *name, int flags)
{
    int file = open(name, flags, 0600);
    kernel_check(file, name);
    return file;
}

/* /tmp is in memory: in the guest it is tmpfs, natively the whole tree lies in one. */
uint32_t kernel_filecopy(uint32_t count)
{
    enum { SIZE = 1 << 20, PIECE = 16 << 10 };
    static const char from_name[] = "/tmp/bench-from", to_name[] = "/tmp/bench-to";
    uint8_t *data = memory_get(SIZE);
    uint32_t seed = 1, sum;
    for (uint32_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(random_next(&seed) >> 24);
    int from = file_open(from_name, O_RDWR | O_CREAT | O_TRUNC);
    if (write(from, data, SIZE) != SIZE)
        kernel_fail(from_name);
    for (uint32_t round = 0; round < count; round++) {
        int to = file_open(to_name, O_WRONLY | O_CREAT | O_TRUNC);
        kernel_check(lseek(from, 0, SEEK_SET), from_name);
        for (ssize_t got; (got = read(from, data, PIECE)) != 0;)
            if (got < 0 || write(to, data, (size_t)got) != got)
                kernel_fail(to_name);
        close(to);
    }
    int to = file_open(to_name, O_RDONLY);
    if (read(to, data, SIZE) != SIZE)
        kernel_fail(to_name);
    sum = hash(HASH_START, data, SIZE);
    close(to);
    close(from);
    unlink(from_name);
    unlink(to_name);
    free(data);
    return sum;
}
