/* The gdb stub, inside. */
#ifndef CROSSPAGE_TOOLS_DEBUGGER_GDB_PRIV_H
#define CROSSPAGE_TOOLS_DEBUGGER_GDB_PRIV_H

#include "tools/debugger/debugger_priv.h"
#include "tools/debugger/packet.h"
#include "tools/debugger/registers.h"

enum { GDB_BREAK_KINDS = 2, GDB_BREAKS = PAUSE_BREAKS / GDB_BREAK_KINDS };

struct gdb_stub {
    struct debugger *debugger;
    struct link *link;
    struct gdb_registers list;
    char *xml;
    struct packet_reader reader;
    struct packet_writer reply; /* kept until the next: the other side may ask for it again */
    struct pause pause;         /* why the guest stands still */
    uint64_t breaks[GDB_BREAK_KINDS][GDB_BREAKS]; /* software and hardware, as gdb calls them */
    unsigned break_count[GDB_BREAK_KINDS];
    unsigned callers;
    bool connected;
    bool no_ack;       /* both sides leave '+' and '-' out */
    bool tells_breaks; /* gdb wants to know that a stop is a breakpoint's */
    bool interrupted;  /* by Ctrl-C */
    bool answer_due;   /* the guest runs because gdb said so: it waits for a stop reply */
    bool silent;       /* the packet being obeyed has no reply now */
};

/* A new reply; and its way out. */
void gdb_begin(struct gdb_stub *stub);
void gdb_send(struct gdb_stub *stub);
/* In place of whatever reply has been begun. */
void gdb_error(struct gdb_stub *stub);
void gdb_ok_or_error(struct gdb_stub *stub, bool good);
/* "ADDR,LENGTH" */
bool gdb_parse_range(const char **at, uint64_t *address, uint64_t *size);

/* ---- Breakpoints (gdb_break.c) ---- */

/* 'Z' and 'z': TYPE,ADDR,KIND; the kind is the length of a watch, and of no interest otherwise. */
void gdb_break(struct gdb_stub *stub, const char *at, bool insert);
/* Is the one that the guest stands at of the hardware kind? */
bool gdb_break_is_hardware(const struct gdb_stub *stub);
/* All of them, and the watchpoints. */
void gdb_breaks_forget(struct gdb_stub *stub);

/* ---- Questions (gdb_query.c) ---- */

/* q... and Q... */
void gdb_query(struct gdb_stub *stub, const char *text);

#endif
