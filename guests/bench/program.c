/* Programs of Debian, run as they are: the checksum is over what they print or the file they make. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Everything that can be read, as a checksum. */
static uint32_t drain(int file, uint32_t sum)
{
    uint8_t buffer[16 << 10];
    ssize_t got;
    while ((got = read(file, buffer, sizeof buffer)) > 0)
        sum = hash(sum, buffer, (size_t)got);
    kernel_check(got, "read");
    return sum;
}

struct program {
    const char *command; /* path and arguments, separated by single spaces */
    const char *input;   /* file that is its standard input, or NULL */
    const char *product; /* file that it makes and that counts too, or NULL */
};

static _Noreturn void become(const struct program *program, int out)
{
    static char path[] = "PATH=/usr/bin:/bin", home[] = "HOME=/tmp";
    enum { WORDS = 8 };
    char *const environment[] = {path, home, NULL};
    char command[128], *argv[WORDS + 1] = {NULL};
    unsigned words = 0;
    snprintf(command, sizeof command, "%s", program->command);
    for (char *word = strtok(command, " "); word != NULL && words < WORDS; word = strtok(NULL, " "))
        argv[words++] = word;
    dup2(out, STDOUT_FILENO);
    if (program->input == NULL || dup2(open(program->input, O_RDONLY), STDIN_FILENO) == STDIN_FILENO)
        execve(argv[0], argv, environment);
    _exit(127);
}

static uint32_t run(const struct program *program)
{
    int out[2], status;
    kernel_check(pipe2(out, O_CLOEXEC), "pipe");
    pid_t child = fork();
    kernel_check(child, "fork");
    if (child == 0)
        become(program, out[1]);
    close(out[1]);
    uint32_t sum = drain(out[0], HASH_START);
    close(out[0]);
    kernel_check(waitpid(child, &status, 0), "waitpid");
    errno = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        kernel_fail(WIFEXITED(status) && WEXITSTATUS(status) == 127 ? "program not found" : "program failed");
    if (program->product != NULL) {
        int file = open(program->product, O_RDONLY);
        kernel_check(file, program->product);
        sum = drain(file, sum);
        close(file);
        unlink(program->product);
    }
    return sum;
}

/* The same each time: the sum tells how often too. */
static uint32_t repeat(const struct program *program, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum = sum * 31 + run(program);
    return sum;
}

uint32_t kernel_gzip(uint32_t count)
{
    return repeat(&(struct program){.command = "/bin/gzip -nc /bench/text"}, count);
}

uint32_t kernel_sqlite3(uint32_t count)
{
    return repeat(
        &(struct program){.command = "/usr/bin/sqlite3 -batch :memory:", .input = "/bench/query.sql"}, count);
}

uint32_t kernel_tcc(uint32_t count)
{
    return repeat(&(struct program){.command = "/usr/bin/tcc -c -o /tmp/program.o /bench/program.c",
                                    .product = "/tmp/program.o"},
                  count);
}
