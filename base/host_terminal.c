/* The terminal in raw mode, and ending signals turned into a question that the run loop asks: a handler would
 * need file-scope state to find the terminal. */
#define _GNU_SOURCE
#include "base/host_stream.h"

#include "base/check.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

struct host_terminal {
    struct termios before;
    sigset_t blocked_before;
};

/* What a user or a closing terminal ends a program with. */
static sigset_t ending_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return set;
}

/* Our own messages still end their lines. Other programs' raw modes leave OPOST out, which tells them from
 * ours. */
static void make_raw(struct termios *mode)
{
    cfmakeraw(mode);
    mode->c_oflag |= OPOST;
}

void host_terminal_rescue(void)
{
    struct termios mode;
    const tcflag_t cooked = ICANON | ECHO | ISIG | IEXTEN;
    if (tcgetpgrp(STDIN_FILENO) != getpgrp()) /* not ours, or no terminal; and changing it would stop us */
        return;
    if (tcgetattr(STDIN_FILENO, &mode) != 0 || (mode.c_lflag & cooked) != 0 || !(mode.c_oflag & OPOST))
        return;
    mode.c_lflag |= cooked;
    mode.c_iflag |= ICRNL | IXON | BRKINT;
    tcsetattr(STDIN_FILENO, TCSANOW, &mode);
}

struct host_terminal *host_terminal_raw(void)
{
    struct termios mode;
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &mode) != 0)
        return NULL;
    struct host_terminal *terminal = xcalloc(1, sizeof *terminal);
    terminal->before = mode;
    sigset_t ending = ending_signals();
    pthread_sigmask(SIG_BLOCK, &ending, &terminal->blocked_before);
    make_raw(&mode);
    tcsetattr(STDIN_FILENO, TCSANOW, &mode);
    return terminal;
}

void host_terminal_restore(struct host_terminal *terminal)
{
    if (terminal == NULL)
        return;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->before);
    /* Take back what was asked while it was held, then let signals through again. */
    sigset_t ending = ending_signals();
    const struct timespec now = {0, 0};
    while (sigtimedwait(&ending, NULL, &now) > 0)
        continue;
    pthread_sigmask(SIG_SETMASK, &terminal->blocked_before, NULL);
    free(terminal);
}

bool host_terminal_interrupted(const struct host_terminal *terminal)
{
    sigset_t pending;
    if (terminal == NULL || sigpending(&pending) != 0)
        return false;
    return sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) || sigismember(&pending, SIGHUP);
}
