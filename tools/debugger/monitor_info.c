/* "info": registers, page tables, interrupt controllers, and where the time went. */
#include "tools/debugger/monitor.h"

#include "devices/apic.h"
#include "devices/i8259.h"

#include <inttypes.h>
#include <string.h>

static void info_registers(struct debugger *debugger, FILE *out)
{
    struct cpu *cpu = debugger->cpu;
    cpu_dump(cpu, out);
    fprintf(out, "fctrl %04x  fstat %04x  valid %02x  mxcsr %08x\n", cpu->s.x87.control, cpu->s.x87.status,
            cpu->s.x87.valid, cpu->s.mxcsr);
    for (unsigned n = 0; n < (cpu->long64 ? 16u : 8u); n++)
        fprintf(out, "xmm%-2u %016" PRIx64 " %016" PRIx64 "%s", n, cpu->s.vec[n].q[1], cpu->s.vec[n].q[0],
                n % 2 ? "\n" : "  ");
}

static void info_mem(struct debugger *debugger, FILE *out)
{
    monitor_pages_mem(debugger->cpu, out);
}

static void info_tlb(struct debugger *debugger, FILE *out)
{
    monitor_pages_tlb(debugger->cpu, out);
}

static struct device *find_device(struct debugger *debugger, const char *name)
{
    return board_find(vm_board(lab_vm(debugger->lab)), name);
}

static void info_pic(struct debugger *debugger, FILE *out)
{
    for (unsigned chip = 0; chip < 2; chip++) {
        struct i8259_registers now = i8259_registers(find_device(debugger, "i8259"), chip);
        fprintf(out, "pic%u: irr=%02x imr=%02x isr=%02x elcr=%02x irq_base=%02x\n", chip, now.irr, now.imr,
                now.isr, now.elcr, now.base);
    }
}

static void info_irq(struct debugger *debugger, FILE *out)
{
    const struct device *pic = find_device(debugger, "i8259");
    for (unsigned irq = 0; irq < 16; irq++) {
        struct i8259_registers now = i8259_registers(pic, irq / 8);
        unsigned bit = irq % 8;
        fprintf(out, "irq %2u vector %02x%s%s%s%s\n", irq, now.base + bit,
                now.elcr >> bit & 1 ? " level" : " edge", now.imr >> bit & 1 ? " masked" : "",
                now.irr >> bit & 1 ? " requested" : "", now.isr >> bit & 1 ? " in service" : "");
    }
}

static void info_lapic(struct debugger *debugger, FILE *out)
{
    static const struct {
        const char *name;
        unsigned offset, count;
    } registers[] = {{"id", 0x20, 1},         {"tpr", 0x80, 1},        {"ppr", 0xA0, 1},
                     {"ldr", 0xD0, 1},        {"dfr", 0xE0, 1},        {"svr", 0xF0, 1},
                     {"isr", 0x100, 8},       {"tmr", 0x180, 8},       {"irr", 0x200, 8},
                     {"esr", 0x280, 1},       {"icr", 0x300, 2},       {"lvt timer", 0x320, 1},
                     {"lvt lint0", 0x350, 1}, {"lvt lint1", 0x360, 1}, {"lvt error", 0x370, 1},
                     {"initial", 0x380, 1},   {"current", 0x390, 1},   {"divide", 0x3E0, 1}};
    struct device *lapic = find_device(debugger, "lapic");
    if (lapic == NULL) {
        fputs("there is no local APIC\n", out);
        return;
    }
    host_sync(lab_host(debugger->lab));
    fprintf(out, "%-10s %08" PRIx64 "\n", "base", lapic_base(lapic));
    for (size_t i = 0; i < ARRAY_LEN(registers); i++) {
        fprintf(out, "%-10s", registers[i].name);
        for (unsigned n = registers[i].count; n-- > 0;)
            fprintf(out, " %08x",
                    (unsigned)lapic->cls->windows[0].read(lapic, registers[i].offset + 0x10 * n, 4));
        fputc('\n', out);
    }
}

static void info_status(struct debugger *debugger, FILE *out)
{
    fprintf(out, "%s%s\n", debugger->stopped || debugger->stop_asked ? "stopped" : "running",
            debugger->cpu->s.activity == ACTIVITY_HALTED ? ", CPU halted" : "");
}

/* ---- Time ---- */

static void info_stats(struct debugger *debugger, FILE *out)
{
    const struct host *host = lab_host(debugger->lab);
    fprintf(out, "%-24s %" PRIu64 "\n%-24s %" PRIu64 "\n%-24s %.9f\n", "cycles", host_now(host),
            "instructions", host->cpu->s.instructions, "seconds", (double)host_now(host) / (double)host->hz);
    for (unsigned i = 0; i < VM_EXIT_COUNT; i++) {
        struct step_total total = recorder_exit_total(host->recorder, i);
        if (total.count != 0)
            fprintf(out, "%-24s %" PRIu64 " times, %" PRIu64 " cycles\n", vm_exit_names[i], total.count,
                    total.ticks / host->ticks_per_cycle);
    }
}

/* What the guest has run since it was last accounted for is in no layer yet: it is added here, not there. */
static void info_cost(struct debugger *debugger, FILE *out)
{
    const struct host *host = lab_host(debugger->lab);
    enum layer guest =
        recorder_step(host->recorder, host->cpu->cpl == 3 ? STEP_GUEST_USER : STEP_GUEST_KERNEL)->layer;
    uint64_t all = 0, now = host_now(host);
    for (unsigned i = 0; i < LAYER_COUNT; i++) {
        tick_t ticks = recorder_layer_total(host->recorder, (enum layer)i);
        if (i == guest)
            ticks += host_tick(host) - recorder_now(host->recorder);
        uint64_t cycles = ticks / host->ticks_per_cycle;
        all += cycles;
        if (cycles != 0)
            fprintf(out, "%-24s %16" PRIu64 " %6.2f %%\n", layer_name((enum layer)i), cycles,
                    now ? 100.0 * (double)cycles / (double)now : 0);
    }
    fprintf(out, "%-24s %16" PRIu64 "\n", "all", all);
}

bool monitor_info(struct debugger *debugger, char **words, FILE *out)
{
    static const struct {
        const char *name;
        void (*fn)(struct debugger *debugger, FILE *out);
    } topics[] = {{"registers", info_registers},
                  {"mem", info_mem},
                  {"tlb", info_tlb},
                  {"pic", info_pic},
                  {"irq", info_irq},
                  {"lapic", info_lapic},
                  {"status", info_status},
                  {"stats", info_stats},
                  {"cost", info_cost}};
    for (size_t i = 0; words[0] != NULL && i < ARRAY_LEN(topics); i++)
        if (strcmp(topics[i].name, words[0]) == 0) {
            topics[i].fn(debugger, out);
            return true;
        }
    return false;
}
