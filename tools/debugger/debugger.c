/* Running and stopped (debugger.h); whom to ask, and the ways to the guest's memory. */
#include "tools/debugger/debugger_priv.h"

#include "base/check.h"
#include "tools/debugger/monitor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status open_links(struct debugger *debugger, const struct debugger_options *options,
                              struct error *err)
{
    if (options->gdb != NULL)
        TRY(gdb_open(&debugger->gdb, options->gdb, debugger, err));
    if (debugger_wants_monitor(options))
        TRY(monitor_open(&debugger->monitor, options->monitor, debugger, err));
    return STATUS_OK;
}

bool debugger_wants_monitor(const struct debugger_options *options)
{
    return options->monitor != NULL && strcmp(options->monitor, "none") != 0;
}

enum status debugger_create(struct debugger **out, const struct debugger_options *options, struct error *err)
{
    *out = NULL;
    if (options->gdb == NULL && !debugger_wants_monitor(options))
        return STATUS_OK;
    struct debugger *debugger = xcalloc(1, sizeof *debugger);
    debugger->stop_asked = options->start_stopped;
    debugger->held = options->start_stopped && options->gdb == NULL;
    enum status status = open_links(debugger, options, err);
    if (status != STATUS_OK) {
        debugger_destroy(debugger);
        return status;
    }
    *out = debugger;
    return STATUS_OK;
}

void debugger_destroy(struct debugger *debugger)
{
    if (debugger == NULL)
        return;
    gdb_close(debugger->gdb);
    monitor_close(debugger->monitor);
    free(debugger);
}

/* Those there are; the number of them. */
enum { LINKS = 2 };
static unsigned links_of(const struct debugger *debugger, struct link *links[LINKS])
{
    unsigned count = 0;
    if (debugger->gdb != NULL)
        links[count++] = gdb_link(debugger->gdb);
    if (debugger->monitor != NULL)
        links[count++] = monitor_link(debugger->monitor);
    return count;
}

bool debugger_notice(const struct debugger *debugger, unsigned index, char text[DEBUGGER_NOTICE])
{
    if (debugger == NULL)
        return false;
    struct link *links[LINKS];
    unsigned count = links_of(debugger, links);
    for (unsigned i = 0; i < count; i++) {
        if (link_notice(links[i]) == NULL || index-- != 0)
            continue;
        bool gdb = debugger->gdb != NULL && links[i] == gdb_link(debugger->gdb);
        snprintf(text, DEBUGGER_NOTICE, "%s: %s", gdb ? "gdb" : "monitor", link_notice(links[i]));
        return true;
    }
    return false;
}

bool debugger_uses_stdio(const struct debugger *debugger)
{
    struct link *links[LINKS];
    unsigned count = debugger != NULL ? links_of(debugger, links) : 0;
    for (unsigned i = 0; i < count; i++)
        if (link_is_stdio(links[i]))
            return true;
    return false;
}

/* ---- Pauses ---- */

static void take_input(struct debugger *debugger)
{
    if (debugger->gdb != NULL)
        gdb_input(debugger->gdb);
    if (debugger->monitor != NULL)
        monitor_input(debugger->monitor);
}

/* Wait for callers, and for the user's wish to end the run. */
static void stay_stopped(struct debugger *debugger)
{
    enum { LOOK_MS = 200 };
    for (take_input(debugger); debugger->stopped; take_input(debugger)) {
        struct link *links[LINKS];
        struct host_wait waits[LINKS];
        unsigned count = links_of(debugger, links);
        for (unsigned i = 0; i < count; i++)
            waits[i] = link_wait(links[i]);
        host_stream_wait(waits, count, LOOK_MS);
        if (debugger->io != NULL && run_io_asks_end(debugger->io))
            debugger_quit(debugger);
    }
}

/* A stop that nobody is there to end is none. */
static bool is_stop(const struct debugger *debugger, const struct pause *pause)
{
    bool gdb = debugger->gdb != NULL && link_connected(gdb_link(debugger->gdb));
    return debugger->stop_asked || (pause->reason != PAUSE_ASKED && gdb);
}

static bool on_pause(void *ctx, const struct pause *pause)
{
    struct debugger *debugger = ctx;
    debugger->changed = false;
    if (pause->reason == PAUSE_ASKED)
        take_input(debugger);
    if (is_stop(debugger, pause)) {
        debugger->stop_asked = false;
        debugger->stopped = true;
        if (debugger->gdb != NULL)
            gdb_stopped(debugger->gdb, pause);
        stay_stopped(debugger);
    }
    return debugger->changed;
}

void debugger_attach(struct debugger *debugger, struct lab *lab, struct log *log, struct run_io *io)
{
    if (debugger == NULL)
        return;
    debugger->lab = lab;
    debugger->cpu = lab_host(lab)->cpu;
    debugger->log = log;
    debugger->io = io;
    cpu_pauses_create(debugger->cpu, on_pause, debugger);
    if (debugger->gdb != NULL)
        gdb_attach(debugger->gdb);
    cpu_pause_ask(debugger->cpu);
}

void debugger_poll(struct debugger *debugger)
{
    struct link *links[LINKS];
    bool wanted = debugger != NULL && debugger->stop_asked;
    unsigned count = debugger != NULL ? links_of(debugger, links) : 0;
    for (unsigned i = 0; i < count; i++)
        wanted |= link_poll(links[i]);
    if (!wanted)
        return;
    if (debugger->cpu->s.activity == ACTIVITY_RUNNING)
        cpu_pause_ask(debugger->cpu);
    else
        (void)on_pause(debugger, &(const struct pause){.reason = PAUSE_ASKED});
}

void debugger_ended(struct debugger *debugger, int exit_status)
{
    if (debugger != NULL && debugger->gdb != NULL)
        gdb_ended(debugger->gdb, exit_status);
}

void debugger_continue(struct debugger *debugger, bool step)
{
    debugger->stopped = debugger->held = false;
    if (step)
        cpu_pause_step(debugger->cpu);
}

void debugger_quit(struct debugger *debugger)
{
    debugger->stopped = false;
    debugger->changed = true;
    vm_ask_stop(lab_vm(debugger->lab));
}

/* ---- The guest ---- */

void debugger_note_change(struct debugger *debugger, const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    debugger->changed = true;
    log_line(debugger->log, LOG_OUTSIDE, "changed from outside at clock %" PRIu64 ": %s",
             debugger->cpu->s.clock, text);
}

/* Outside of long mode there is nothing above 4 GB; in it, nothing that is not canonical. */
static bool exists(const struct cpu *cpu, uint64_t linear)
{
    if (cpu->paging.mode == PAGING_4LEVEL)
        return (uint64_t)((int64_t)(linear << 16) >> 16) == linear;
    return linear <= UINT32_MAX;
}

bool debugger_physical(struct cpu *cpu, uint64_t linear, gpa_t *addr)
{
    struct translation t;
    uint32_t code;
    if (!exists(cpu, linear) ||
        !page_walk(cpu->memory, &cpu->paging, gva(linear), ACCESS_READ, false, true, false, &t, &code))
        return false;
    *addr = gpa(t.page.v | (linear & PAGE_MASK));
    return memory_frame(cpu->memory, *addr) != NULL;
}

static size_t piece(uint64_t linear, size_t size)
{
    size_t room = PAGE_SIZE - (size_t)(linear & PAGE_MASK);
    return size < room ? size : room;
}

bool debugger_read(struct debugger *debugger, uint64_t linear, void *to, size_t size)
{
    struct cpu *cpu = debugger->cpu;
    uint8_t *bytes = to;
    gpa_t addr;
    for (size_t done = 0; done < size;) {
        size_t part = piece(linear + done, size - done);
        if (!debugger_physical(cpu, linear + done, &addr) ||
            !memory_read(cpu->memory, addr, bytes + done, part))
            return false;
        done += part;
    }
    return true;
}

bool debugger_write(struct debugger *debugger, uint64_t linear, const void *from, size_t size)
{
    struct cpu *cpu = debugger->cpu;
    const uint8_t *bytes = from;
    gpa_t addr;
    for (size_t done = 0; done < size; done += piece(linear + done, size - done))
        if (!debugger_physical(cpu, linear + done, &addr))
            return false;
    for (size_t done = 0; done < size;) {
        size_t part = piece(linear + done, size - done);
        if (!debugger_physical(cpu, linear + done, &addr) ||
            !memory_write(cpu->memory, addr, bytes + done, part))
            return false;
        done += part;
    }
    debugger_note_change(debugger, "%zu bytes of memory at 0x%" PRIx64, size, linear);
    return true;
}
