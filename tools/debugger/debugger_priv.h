/* What the files of tools/debugger/ share. */
#ifndef CROSSPAGE_TOOLS_DEBUGGER_DEBUGGER_PRIV_H
#define CROSSPAGE_TOOLS_DEBUGGER_DEBUGGER_PRIV_H

#include "cpu/pause.h"
#include "tools/debugger/debugger.h"
#include "tools/debugger/link.h"

struct debugger {
    struct lab *lab;
    struct cpu *cpu;
    struct log *log;
    struct run_io *io;
    struct gdb_stub *gdb;    /* NULL: none */
    struct monitor *monitor; /* the same */
    bool stopped;
    bool stop_asked; /* stop at the next pause */
    bool held;       /* by the monitor's word, or until it says so */
    bool changed;    /* in this pause: the guest's state, or that the run is to end */
};

/* At a pause. */
void debugger_continue(struct debugger *debugger, bool step);
/* End the run. */
void debugger_quit(struct debugger *debugger);
/* Somebody changed what the guest will see: a line of log. */
void debugger_note_change(struct debugger *debugger, const char *format, ...) PRINTF(2, 3);
/* By linear address, through the guest's page tables, without touching A and D bits or devices. False: not
 * all of it is RAM that is mapped. */
bool debugger_physical(struct cpu *cpu, uint64_t linear, gpa_t *addr) MUST_CHECK;
bool debugger_read(struct debugger *debugger, uint64_t linear, void *to, size_t size) MUST_CHECK;
bool debugger_write(struct debugger *debugger, uint64_t linear, const void *from, size_t size) MUST_CHECK;

/* ---- gdb (gdb_stub.c) ---- */

enum status gdb_open(struct gdb_stub **stub, const char *spec, struct debugger *debugger,
                     struct error *err) MUST_CHECK;
void gdb_close(struct gdb_stub *stub);
struct link *gdb_link(const struct gdb_stub *stub);
/* Before the guest runs. */
void gdb_attach(struct gdb_stub *stub);
/* At a pause: what has come. */
void gdb_input(struct gdb_stub *stub);
/* The guest has stopped. */
void gdb_stopped(struct gdb_stub *stub, const struct pause *pause);
void gdb_ended(struct gdb_stub *stub, int exit_status);

#endif
