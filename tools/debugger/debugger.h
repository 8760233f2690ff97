/* Looking into a running guest from outside: `-gdb`, `-S`, `-monitor`. docs/debugging.md is for users.
 *
 *                          +---- running ----+    a caller, a byte of his: the CPU is asked to pause; at the
 * pause all |                 |    that came is read, and most times the guest goes on at once breakpoint,
 * watch,   v                 | continue, step, detach; the caller is gone step, Ctrl-C, stop   +---- stopped
 * ----+    the pause lasts: this process waits for callers
 *
 * A pause (cpu/pause.h) is the only place where anything of the guest is read or written, so that all of it
 * is what an instruction boundary shows. A halted guest has no next instruction; it is paused in the event
 * that looks for callers. */
#ifndef CROSSPAGE_TOOLS_DEBUGGER_DEBUGGER_H
#define CROSSPAGE_TOOLS_DEBUGGER_DEBUGGER_H

#include "hostworld/lab.h"
#include "hostworld/run_io.h"

struct debugger_options {
    const char *gdb;     /* link.h, or NULL */
    const char *monitor; /* link.h, "none" or NULL */
    bool start_stopped;  /* -S */
};

struct debugger;

/* Opens what is to be called at; *debugger is NULL when the options want none. */
enum status debugger_create(struct debugger **debugger, const struct debugger_options *options,
                            struct error *err) MUST_CHECK;
void debugger_destroy(struct debugger *debugger);
/* How to call: line `index`, false when there are no more. */
enum { DEBUGGER_NOTICE = 200 };
bool debugger_notice(const struct debugger *debugger, unsigned index, char text[DEBUGGER_NOTICE]);
bool debugger_uses_stdio(const struct debugger *debugger);
bool debugger_wants_monitor(const struct debugger_options *options);

/* The guest, before it runs. `log` is told of changes; `io` knows when the user ends the run while the guest
 * is stopped. */
void debugger_attach(struct debugger *debugger, struct lab *lab, struct log *log, struct run_io *io);
/* From the lab's poll: are there callers? */
void debugger_poll(struct debugger *debugger);
/* The run is over; with this exit status. */
void debugger_ended(struct debugger *debugger, int exit_status);

#endif
