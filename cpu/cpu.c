/* A CPU as a whole: create, reset, inputs, state access for the rest of the emulator.
 *
 * Invariant: everything but cpu->s, the entries of the TLB (mmu/tlb.h), the configuration and the wiring can
 * be rebuilt at an instruction boundary (cpu_drop_caches), and the guest cannot tell. */
#include "cpu/cpu.h"

#include "base/host_memory.h"
#include "cpu/block.h"
#include "cpu/cpu_priv.h"
#include "cpu/disasm.h"
#include "cpu/flags.h"
#include "cpu/pause.h"
#include "cpu/probe.h"

#include <inttypes.h>

/* guest_memory: a page's frame or watches changed. */
static void memory_changed(void *ctx, ppn_t page, bool remapped)
{
    struct cpu *cpu = ctx;
    tlb_recheck_physical(&cpu->tlb, gpa(page.v << PAGE_SHIFT), remapped);
    if (cpu->blocks != NULL)
        block_cache_page_changed(cpu->blocks, page);
}

void *cpu_engine_room(struct cpu *cpu)
{
    return (uint8_t *)cpu + cpu_engine_offset();
}

void cpu_set_engine(struct cpu *cpu, const struct cpu_engine *engine)
{
    block_cache_drop(cpu->blocks);
    block_cache_flush(cpu->blocks);
    cpu->engine = engine;
}

/* struct cpu is mostly the soft TLB's map, what a translator keeps behind it mostly tables. */
static size_t room_bytes(const struct cpu_config *config)
{
    return ENGINE_STACK_BYTES + cpu_engine_offset() + config->engine_bytes;
}

struct cpu *cpu_create(const struct cpu_config *config, struct guest_memory *memory,
                       const struct cpu_bus *bus, struct log *log)
{
    uint8_t *room = host_tables_create(room_bytes(config));
    struct cpu *cpu = (struct cpu *)(void *)(room + ENGINE_STACK_BYTES);
    cpu->config = *config;
    cpu->model = config->model;
    cpu->memory = memory;
    cpu->bus = bus;
    cpu->log = log;
    /* Time must pass in every loop, or a guest could stop the host's. */
    for (unsigned level = 0; level < 2; level++)
        for (unsigned class = 0; class < COST_CLASS_COUNT; class ++)
            if (cpu->config.cost[level][class] == 0)
                cpu->config.cost[level][class] = 1;
    uint64_t features[2] = {cpu_model_features(cpu->model)[0], cpu_model_features(cpu->model)[1]};
    if (config->no_pcid)
        features[0] &= ~(UINT64_C(1) << FEAT_INVPCID);
    cpu->tables = insn_tables_create(features, cpu->config.cost);
    tlb_init(&cpu->tlb);
    cpu->maps[false] = &cpu->tlb.map[false];
    cpu->maps[true] = &cpu->tlb.map[true];
    if (config->timing != NULL) {
        cpu->timing = timing_create(config->timing);
        cpu->maps[false] = cpu->maps[true] = tlb_map_create_empty();
    }
    cpu->config.timing = NULL; /* the caller's */
    cpu->blocks = block_cache_create(cpu);
    memory->changed = memory_changed;
    memory->changed_ctx = cpu;
    cpu->s.a20 = 1;
    cpu->s.ignne = 1;
    cpu_reset(cpu, true);
    return cpu;
}

void cpu_destroy(struct cpu *cpu)
{
    if (cpu == NULL)
        return;
    cpu->memory->changed = NULL;
    cpu_pauses_destroy(cpu);
    block_cache_destroy(cpu->blocks);
    cpu_probes_destroy(cpu);
    insn_tables_destroy(cpu->tables);
    if (cpu->timing != NULL)
        tlb_map_destroy(cpu->maps[false]);
    timing_destroy(cpu->timing);
    tlb_destroy(&cpu->tlb);
    host_tables_destroy((uint8_t *)cpu - ENGINE_STACK_BYTES, room_bytes(&cpu->config));
}

void cpu_reset(struct cpu *cpu, bool power_on)
{
    if (log_wants(cpu->log, LOG_CPU_RESET) && cpu->log->file != NULL)
        cpu_dump(cpu, cpu->log->file);
    cpu_reset_state(cpu, power_on);
    if (power_on)
        timing_reset(cpu);
    cpu_state_changed(cpu);
}

void cpu_state_changed(struct cpu *cpu)
{
    cpu->lazy.op = LAZY_NONE;
    cpu_update_all(cpu);
    block_cache_drop(cpu->blocks);
}

void cpu_drop_caches(struct cpu *cpu)
{
    cpu_sync(cpu);
    tlb_recheck_all(&cpu->tlb);
    timing_forget_filter(cpu);
    block_cache_drop(cpu->blocks);
}

void cpu_sync(struct cpu *cpu)
{
    (void)flags_read(cpu);
}

void cpu_set_intr(struct cpu *cpu, bool level)
{
    cpu->s.intr_line = level;
    if (level)
        cpu_attend(cpu);
}

void cpu_raise_nmi(struct cpu *cpu)
{
    cpu->s.nmi_pending = 1;
    cpu_attend(cpu);
}

void cpu_set_a20(struct cpu *cpu, bool enabled)
{
    if (cpu->s.a20 == (uint8_t)enabled)
        return;
    cpu->s.a20 = enabled;
    cpu_update_paging(cpu);
    tlb_flush(&cpu->tlb);
    timing_flush_tlbs(cpu, true);
    cpu_attend(cpu);
}

uint64_t cpu_pc(const struct cpu *cpu)
{
    return code_linear(cpu);
}

uint64_t cpu_state_hash(struct cpu *cpu, uint64_t seed)
{
    _Static_assert(sizeof cpu->s % 8 == 0, "the state is hashed in words");
    cpu_sync(cpu);
    uint64_t hash = seed ^ UINT64_C(0x9E3779B97F4A7C15);
    for (size_t at = 0; at < sizeof cpu->s; at += 8) {
        uint64_t word;
        memcpy(&word, (const uint8_t *)&cpu->s + at, 8);
        hash = (hash ^ word) * UINT64_C(0xFF51AFD7ED558CCD);
        hash ^= hash >> 32;
    }
    return cpu->timing != NULL ? timing_hash(cpu->timing, hash) : hash;
}

bool cpu_peek(struct cpu *cpu, gva_t addr, void *to, size_t size)
{
    for (uint8_t *out = to; size > 0;) {
        struct translation t;
        uint32_t code;
        size_t room = PAGE_SIZE - (size_t)(addr.v & PAGE_MASK), part = size < room ? size : room;
        if (!page_walk(cpu->memory, &cpu->paging, addr, ACCESS_READ, false, true, false, &t, &code))
            return false;
        if (!memory_read(cpu->memory, gpa(t.page.v | (addr.v & PAGE_MASK)), out, part))
            return false;
        out += part;
        addr.v += part;
        size -= part;
    }
    return true;
}

/* ---- Dump ---- */

static void dump_segment(FILE *file, const char *name, const struct segment *segment)
{
    fprintf(file, "%-4s %04x base %016" PRIx64 " limit %08x attr %03x\n", name, segment->selector,
            segment->base, segment->limit, segment->attr);
}

static void dump_next_insn(struct cpu *cpu, FILE *file)
{
    uint8_t bytes[15];
    char text[DISASM_TEXT];
    size_t have = 0;
    while (have < sizeof bytes &&
           cpu_peek(cpu, gva((cpu_pc(cpu) + have) & cpu->linear_mask), bytes + have, 1))
        have++;
    unsigned length = disasm_insn(cpu->mode, bytes, have, cpu->s.rip, text);
    fprintf(file, "next %016" PRIx64 ": ", cpu_pc(cpu));
    for (unsigned i = 0; i < (length ? length : have); i++)
        fprintf(file, "%02x", bytes[i]);
    fprintf(file, "  %s\n", have ? text : "(not mapped)");
}

void cpu_dump(struct cpu *cpu, FILE *file)
{
    static const char *const names[GPR_COUNT] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                 "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    static const char *const segments[SREG_COUNT] = {"es", "cs", "ss", "ds", "fs", "gs"};
    cpu_sync(cpu);
    const struct cpu_state *s = &cpu->s;
    for (unsigned n = 0; n < GPR_COUNT; n++)
        fprintf(file, "%-3s %016" PRIx64 "%s", names[n], s->gpr[n], n % 4 == 3 ? "\n" : "  ");
    fprintf(file,
            "rip %016" PRIx64 "  flags %08" PRIx64 "  cpl %u  mode %#x  clock %" PRIu64
            "  instructions %" PRIu64 "\n",
            s->rip, s->rflags, cpu->cpl, cpu->mode, s->clock, s->instructions);
    for (unsigned n = 0; n < SREG_COUNT; n++)
        dump_segment(file, segments[n], &s->seg[n]);
    dump_segment(file, "ldtr", &s->ldtr);
    dump_segment(file, "tr", &s->tr);
    fprintf(file, "gdt  base %016" PRIx64 " limit %04x  idt base %016" PRIx64 " limit %04x\n", s->gdtr.base,
            s->gdtr.limit, s->idtr.base, s->idtr.limit);
    fprintf(file,
            "cr0 %08" PRIx64 "  cr2 %016" PRIx64 "  cr3 %016" PRIx64 "  cr4 %08" PRIx64 "  efer %04" PRIx64
            "\n",
            s->cr0, s->cr2, s->cr3, s->cr4, s->efer);
    dump_next_insn(cpu, file);
}
