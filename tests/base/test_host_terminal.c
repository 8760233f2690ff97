/* The terminal after a run that ended as it should not: an internal error while the terminal is raw. */
#define _GNU_SOURCE
#include "base/check.h"
#include "base/host_stream.h"

#include <criterion/criterion.h>

#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { COOKED = ICANON | ECHO | ISIG | IEXTEN };

/* A child with a terminal of its own; it tells through the pipe when it is raw, then goes on to its end. */
static struct termios mode_after(bool abort_while_raw, struct termios *raw)
{
    struct termios mode = {0};
    int ready[2], go[2], master, status;
    char byte;
    cr_assert(pipe(ready) == 0 && pipe(go) == 0);
    pid_t child = forkpty(&master, NULL, NULL, NULL);
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct host_terminal *terminal = host_terminal_raw();
        (void)!write(ready[1], "r", 1);
        (void)!read(go[0], &byte, 1);
        CHECK(!abort_while_raw);
        host_terminal_restore(terminal);
        _exit(0);
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(tcgetattr(master, raw), 0);
    cr_assert_eq(write(go[1], "g", 1), 1);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(abort_while_raw ? WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT : WIFEXITED(status));
    cr_assert_eq(tcgetattr(master, &mode), 0);
    close(master);
    return mode;
}

Test(host_terminal, is_not_raw_after_the_end)
{
    for (unsigned abort_while_raw = 0; abort_while_raw < 2; abort_while_raw++) {
        struct termios raw, mode = mode_after(abort_while_raw != 0, &raw);
        cr_expect_eq(raw.c_lflag & COOKED, 0, "raw while it runs");
        cr_expect_eq(mode.c_lflag & COOKED, COOKED, "after %s", abort_while_raw ? "an abort" : "the end");
        cr_expect(mode.c_iflag & ICRNL);
        cr_expect(mode.c_oflag & OPOST);
    }
}
