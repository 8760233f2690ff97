/* The other end of a gdb's `target remote`: gdb's remote serial protocol ("Debugging with GDB", appendix E),
 * for one thread, in all-stop mode. Here is the connection and what the commands do; gdb_query.c has the
 * questions, gdb_break.c breakpoints and watchpoints.
 *
 * Signals that a gdb wants to hand on are ignored, there is nobody to hand them to.
 *
 * Left out: file transfer, tracepoints, non-stop mode, several threads, reverse execution. */
#include "tools/debugger/gdb_priv.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INTERRUPT = 0x03 };

/* ---- Replies ---- */

void gdb_send(struct gdb_stub *stub)
{
    char *wire = xcalloc(1, PACKET_WIRE);
    size_t size = packet_finish(&stub->reply, wire);
    link_put(stub->link, wire, size);
    free(wire);
}

void gdb_begin(struct gdb_stub *stub)
{
    stub->reply.size = 0;
    stub->reply.overflow = false;
}

void gdb_error(struct gdb_stub *stub)
{
    gdb_begin(stub);
    packet_text(&stub->reply, "E01");
}

static void ok(struct gdb_stub *stub)
{
    packet_text(&stub->reply, "OK");
}

void gdb_ok_or_error(struct gdb_stub *stub, bool good)
{
    if (good)
        ok(stub);
    else
        gdb_error(stub);
}

/* Signal 5 is SIGTRAP, 2 SIGINT, by gdb's numbers. */
static void stop_reply(struct gdb_stub *stub)
{
    const struct pause *pause = &stub->pause;
    static const char *const watches[] = {[1 << ACCESS_READ] = "rwatch",
                                          [1 << ACCESS_WRITE] = "watch",
                                          [1 << ACCESS_READ | 1 << ACCESS_WRITE] = "awatch"};
    packet_text(&stub->reply, pause->reason == PAUSE_ASKED && stub->interrupted ? "T02" : "T05");
    packet_text(&stub->reply, "thread:01;");
    if (pause->reason == PAUSE_BREAK && stub->tells_breaks)
        packet_text(&stub->reply, gdb_break_is_hardware(stub) ? "hwbreak:;" : "swbreak:;");
    if (pause->reason == PAUSE_WATCH) {
        packet_text(&stub->reply, watches[pause->watch.accesses]);
        packet_text(&stub->reply, ":");
        packet_hex_number(&stub->reply, pause->watch.first);
        packet_text(&stub->reply, ";");
    }
}

/* ---- Registers ---- */

static void read_registers(struct gdb_stub *stub)
{
    uint8_t bytes[GDB_REGISTER_BYTES];
    for (unsigned i = 0; i < stub->list.count; i++) {
        gdb_register_get(&stub->list, &stub->list.reg[i], stub->debugger->cpu, bytes);
        packet_hex(&stub->reply, bytes, stub->list.reg[i].bytes);
    }
}

static void set_register(struct gdb_stub *stub, const struct gdb_register *reg,
                         const uint8_t bytes[GDB_REGISTER_BYTES])
{
    uint64_t value = 0;
    gdb_register_set(&stub->list, reg, stub->debugger->cpu, bytes);
    memcpy(&value, bytes, reg->bytes < 8 ? reg->bytes : 8);
    debugger_note_change(stub->debugger, "register %s = 0x%" PRIx64 "%s", reg->name, value,
                         reg->bytes > 8 ? " (low half)" : "");
}

/* 'G': all or none. gdb may leave out registers at the end. */
static void write_registers(struct gdb_stub *stub, const char *at)
{
    uint8_t bytes[GDB_REGISTERS_MAX][GDB_REGISTER_BYTES];
    unsigned count = 0;
    for (; count < stub->list.count && *at != '\0'; count++) {
        const struct gdb_register *reg = &stub->list.reg[count];
        if (!packet_bytes(&at, bytes[count], reg->bytes) ||
            gdb_register_check(&stub->list, reg, stub->debugger->cpu, bytes[count]) == REGISTER_REFUSED) {
            gdb_error(stub);
            return;
        }
    }
    for (unsigned i = 0; i < count; i++)
        if (gdb_register_check(&stub->list, &stub->list.reg[i], stub->debugger->cpu, bytes[i]) ==
            REGISTER_CHANGED)
            set_register(stub, &stub->list.reg[i], bytes[i]);
    gdb_ok_or_error(stub, *at == '\0');
}

static const struct gdb_register *find_register(const struct gdb_stub *stub, const char **at)
{
    uint64_t number;
    return packet_number(at, &number) && number < stub->list.count ? &stub->list.reg[number] : NULL;
}

static const struct gdb_register *program_counter(const struct gdb_stub *stub)
{
    const struct gdb_register *reg = stub->list.reg;
    while (reg->kind != GDB_RIP)
        reg++;
    return reg;
}

static void read_register(struct gdb_stub *stub, const char *at)
{
    uint8_t bytes[GDB_REGISTER_BYTES];
    const struct gdb_register *reg = find_register(stub, &at);
    if (reg == NULL) {
        gdb_error(stub);
        return;
    }
    gdb_register_get(&stub->list, reg, stub->debugger->cpu, bytes);
    packet_hex(&stub->reply, bytes, reg->bytes);
}

static void write_register(struct gdb_stub *stub, const char *at)
{
    uint8_t bytes[GDB_REGISTER_BYTES] = {0};
    const struct gdb_register *reg = find_register(stub, &at);
    if (reg == NULL || *at++ != '=' || !packet_bytes(&at, bytes, reg->bytes) || *at != '\0') {
        gdb_error(stub);
        return;
    }
    enum register_set set = gdb_register_check(&stub->list, reg, stub->debugger->cpu, bytes);
    if (set == REGISTER_CHANGED)
        set_register(stub, reg, bytes);
    gdb_ok_or_error(stub, set != REGISTER_REFUSED);
}

/* ---- Memory ---- */

bool gdb_parse_range(const char **at, uint64_t *address, uint64_t *size)
{
    if (!packet_number(at, address) || **at != ',')
        return false;
    ++*at;
    return packet_number(at, size);
}

static void read_memory(struct gdb_stub *stub, const char *at)
{
    uint8_t bytes[PACKET_MAX / 2];
    uint64_t address, size;
    if (!gdb_parse_range(&at, &address, &size) || *at != '\0') {
        gdb_error(stub);
        return;
    }
    if (size > sizeof bytes)
        size = sizeof bytes;
    while (size > 0 && !debugger_read(stub->debugger, address, bytes, size)) {
        /* As much as there is: up to the page that is missing. */
        uint64_t end = (address + size - 1) & ~PAGE_MASK;
        size = end > address ? end - address : 0;
        if (size == 0) {
            gdb_error(stub);
            return;
        }
    }
    packet_hex(&stub->reply, bytes, size);
}

/* The bytes of an 'X', in place; false: not that many. */
static bool unescape(const char *from, const char *end, uint8_t *to, uint64_t size)
{
    uint64_t have = 0;
    while (from < end) {
        uint8_t byte = (uint8_t)*from++;
        if (byte == '}' && from == end)
            return false;
        if (byte == '}')
            byte = (uint8_t)(*from++ ^ 0x20);
        if (have == size)
            return false;
        to[have++] = byte;
    }
    return have == size;
}

static void write_memory(struct gdb_stub *stub, const char *at, bool binary)
{
    uint8_t bytes[PACKET_MAX];
    uint64_t address, size;
    const char *end = stub->reader.data + stub->reader.size;
    bool good = gdb_parse_range(&at, &address, &size) && *at++ == ':' && size <= sizeof bytes;
    if (good && binary)
        good = unescape(at, end, bytes, size);
    else if (good)
        good = packet_bytes(&at, bytes, size) && at == end;
    if (good && size > 0)
        good = debugger_write(stub->debugger, address, bytes, size);
    gdb_ok_or_error(stub, good);
}

/* ---- Going on ---- */

static void resume(struct gdb_stub *stub, bool step)
{
    stub->answer_due = true;
    stub->silent = true;
    debugger_continue(stub->debugger, step);
}

/* 'c', 's', with an address from which to go on; 'C', 'S' with a signal before it. */
static void go_on(struct gdb_stub *stub, const char *at, bool step, bool signal)
{
    uint64_t value;
    uint8_t bytes[GDB_REGISTER_BYTES] = {0};
    if (signal && (!packet_number(&at, &value) || (*at != '\0' && *at++ != ';'))) {
        gdb_error(stub);
        return;
    }
    if (*at != '\0') {
        const struct gdb_register *rip = program_counter(stub);
        if (!packet_number(&at, &value)) {
            gdb_error(stub);
            return;
        }
        memcpy(bytes, &value, sizeof value);
        enum register_set set = gdb_register_check(&stub->list, rip, stub->debugger->cpu, bytes);
        if (set == REGISTER_REFUSED) {
            gdb_error(stub);
            return;
        }
        if (set == REGISTER_CHANGED)
            set_register(stub, rip, bytes);
    }
    resume(stub, step);
}

/* vCont;ACTION[:THREAD]...: the first is for our only thread. */
static void continue_by_thread(struct gdb_stub *stub, const char *at)
{
    switch (*at) {
    case 'c':
    case 'C': resume(stub, false); return;
    case 's':
    case 'S': resume(stub, true); return;
    default: gdb_error(stub);
    }
}

static void detach(struct gdb_stub *stub)
{
    gdb_breaks_forget(stub);
    stub->answer_due = false;
    debugger_continue(stub->debugger, false);
}

/* ---- Packets ---- */

static void obey_long(struct gdb_stub *stub, const char *text)
{
    if (strncmp(text, "vCont;", 6) == 0)
        continue_by_thread(stub, text + 6);
    else if (strcmp(text, "vCont?") == 0)
        packet_text(&stub->reply, "vCont;c;C;s;S");
    else if (strncmp(text, "vKill", 5) == 0) {
        ok(stub);
        debugger_quit(stub->debugger);
    }
}

static void obey(struct gdb_stub *stub)
{
    const char *text = stub->reader.data, *rest = text + 1;
    switch (text[0]) {
    case '?': stop_reply(stub); break;
    case 'g': read_registers(stub); break;
    case 'G': write_registers(stub, rest); break;
    case 'p': read_register(stub, rest); break;
    case 'P': write_register(stub, rest); break;
    case 'm': read_memory(stub, rest); break;
    case 'M': write_memory(stub, rest, false); break;
    case 'X': write_memory(stub, rest, true); break;
    case 'c': go_on(stub, rest, false, false); break;
    case 's': go_on(stub, rest, true, false); break;
    case 'C': go_on(stub, rest, false, true); break;
    case 'S': go_on(stub, rest, true, true); break;
    case 'Z': gdb_break(stub, rest, true); break;
    case 'z': gdb_break(stub, rest, false); break;
    case 'H':
    case 'T': ok(stub); break;
    case 'D':
        ok(stub);
        detach(stub);
        break;
    case 'k':
        stub->silent = true;
        debugger_quit(stub->debugger);
        break;
    case 'v': obey_long(stub, text); break;
    case 'q':
    case 'Q': gdb_query(stub, text); break;
    }
}

static void take_packet(struct gdb_stub *stub)
{
    bool acknowledge = !stub->no_ack;
    gdb_begin(stub);
    stub->silent = false;
    if (acknowledge)
        link_put(stub->link, "+", 1);
    obey(stub);
    if (stub->reply.overflow)
        gdb_error(stub);
    if (!stub->silent)
        gdb_send(stub);
}

/* A new caller, or none any more. */
static void caller_changed(struct gdb_stub *stub)
{
    struct debugger *debugger = stub->debugger;
    stub->callers = link_callers(stub->link);
    stub->connected = link_connected(stub->link);
    stub->reader.state = READ_IDLE;
    stub->no_ack = stub->tells_breaks = stub->interrupted = stub->answer_due = false;
    gdb_breaks_forget(stub);
    debugger->stop_asked = stub->connected || (debugger->stop_asked && debugger->held);
    if (!stub->connected && debugger->stopped && !debugger->held)
        debugger_continue(debugger, false);
}

static void take_byte(struct gdb_stub *stub, uint8_t byte)
{
    switch (packet_take(&stub->reader, byte)) {
    case PACKET_NOTHING: break;
    case PACKET_READY: take_packet(stub); break;
    case PACKET_BAD:
        if (!stub->no_ack)
            link_put(stub->link, "-", 1);
        break;
    case PACKET_AGAIN:
        if (!stub->no_ack && stub->reply.size != 0)
            gdb_send(stub);
        break;
    case PACKET_INTERRUPT: break; /* it stands still */
    }
}

void gdb_input(struct gdb_stub *stub)
{
    struct debugger *debugger = stub->debugger;
    uint8_t byte;
    (void)link_poll(stub->link);
    if (stub->callers != link_callers(stub->link) || stub->connected != link_connected(stub->link))
        caller_changed(stub);
    while (!debugger->stopped && !debugger->stop_asked && link_peek(stub->link, &byte)) {
        /* What comes while the guest runs is Ctrl-C; a packet that comes instead waits until it stands still.
         */
        if (byte != '+' && byte != '-') {
            debugger->stop_asked = stub->interrupted = true;
            if (byte != INTERRUPT)
                return;
        }
        (void)link_get(stub->link, &byte);
    }
    while (debugger->stopped && link_get(stub->link, &byte))
        take_byte(stub, byte);
}

void gdb_stopped(struct gdb_stub *stub, const struct pause *pause)
{
    stub->pause = *pause;
    if (!stub->answer_due)
        return;
    stub->answer_due = false;
    gdb_begin(stub);
    stop_reply(stub);
    stub->interrupted = false;
    gdb_send(stub);
}

void gdb_ended(struct gdb_stub *stub, int exit_status)
{
    const uint8_t byte = (uint8_t)exit_status;
    if (!link_connected(stub->link) || !stub->answer_due)
        return;
    gdb_begin(stub);
    packet_text(&stub->reply, "W");
    packet_hex(&stub->reply, &byte, 1);
    gdb_send(stub);
}

/* ---- Life ---- */

enum status gdb_open(struct gdb_stub **out, const char *spec, struct debugger *debugger, struct error *err)
{
    struct gdb_stub *stub = *out = xcalloc(1, sizeof *stub);
    stub->debugger = debugger;
    return link_open(&stub->link, spec, err);
}

void gdb_attach(struct gdb_stub *stub)
{
    gdb_registers_list(&stub->list, stub->debugger->cpu);
    stub->xml = gdb_target_xml(&stub->list);
}

struct link *gdb_link(const struct gdb_stub *stub)
{
    return stub->link;
}

void gdb_close(struct gdb_stub *stub)
{
    if (stub == NULL)
        return;
    link_close(stub->link);
    free(stub->xml);
    free(stub);
}
