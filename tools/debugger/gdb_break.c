/* Breakpoints and watchpoints of a gdb, by way of cpu/pause.h: no byte of guest memory is replaced, and the
 * guest's debug registers stay the guest's. So "software" and "hardware" are only names, which gdb gives each
 * and wants to hear again when the guest stops there; the CPU has an address once, for both. */
#include "tools/debugger/gdb_priv.h"

enum { BREAK_SOFTWARE, BREAK_HARDWARE, WATCH_WRITE, WATCH_READ, WATCH_ACCESS };
_Static_assert((int)WATCH_WRITE == (int)GDB_BREAK_KINDS, "the kinds of breakpoint");

static unsigned find(const struct gdb_stub *stub, unsigned kind, uint64_t address)
{
    unsigned n = 0;
    while (n < stub->break_count[kind] && stub->breaks[kind][n] != address)
        n++;
    return n;
}

static bool has(const struct gdb_stub *stub, unsigned kind, uint64_t address)
{
    return find(stub, kind, address) < stub->break_count[kind];
}

static bool insert_break(struct gdb_stub *stub, unsigned kind, uint64_t address)
{
    if (has(stub, kind, address))
        return true;
    if (stub->break_count[kind] == GDB_BREAKS || !cpu_pause_add_break(stub->debugger->cpu, address))
        return false;
    stub->breaks[kind][stub->break_count[kind]++] = address;
    return true;
}

static void remove_break(struct gdb_stub *stub, unsigned kind, uint64_t address)
{
    if (!has(stub, kind, address))
        return;
    stub->breaks[kind][find(stub, kind, address)] = stub->breaks[kind][stub->break_count[kind] - 1];
    stub->break_count[kind]--;
    if (!has(stub, kind ^ 1, address))
        cpu_pause_remove_break(stub->debugger->cpu, address);
}

bool gdb_break_is_hardware(const struct gdb_stub *stub)
{
    return has(stub, BREAK_HARDWARE, cpu_pc(stub->debugger->cpu));
}

void gdb_breaks_forget(struct gdb_stub *stub)
{
    for (unsigned kind = 0; kind < GDB_BREAK_KINDS; kind++)
        stub->break_count[kind] = 0;
    cpu_pause_remove_all(stub->debugger->cpu);
}

static bool change_watch(struct gdb_stub *stub, unsigned type, uint64_t address, uint64_t size, bool insert)
{
    static const unsigned accesses[] = {[WATCH_WRITE] = 1 << ACCESS_WRITE,
                                        [WATCH_READ] = 1 << ACCESS_READ,
                                        [WATCH_ACCESS] = 1 << ACCESS_READ | 1 << ACCESS_WRITE};
    struct pause_watch watch = {.first = address, .last = address + size - 1, .accesses = accesses[type]};
    if (size == 0 || watch.last < watch.first)
        return false;
    if (insert)
        return cpu_pause_add_watch(stub->debugger->cpu, &watch);
    cpu_pause_remove_watch(stub->debugger->cpu, &watch);
    return true;
}

void gdb_break(struct gdb_stub *stub, const char *at, bool insert)
{
    uint64_t type, address, kind;
    if (!packet_number(&at, &type) || *at++ != ',' || !gdb_parse_range(&at, &address, &kind)) {
        gdb_error(stub);
        return;
    }
    if (type > WATCH_ACCESS)
        return; /* an empty reply: a kind that we do not have */
    bool good = true;
    if (type >= WATCH_WRITE)
        good = change_watch(stub, (unsigned)type, address, kind, insert);
    else if (insert)
        good = insert_break(stub, (unsigned)type, address);
    else
        remove_break(stub, (unsigned)type, address);
    gdb_ok_or_error(stub, good);
}
