/* Runs one instruction in the interpreter: long mode, CPL 3, the same linear addresses as host.c, through
 * cpu_run() like any guest.
 *
 * Faults are delivered through an IDT to ring 0, whose handlers (HLT) are never executed: the clock stops at
 * the first boundary after the instruction, and the frame on the ring-0 stack says what happened. In a
 * `priced` machine delivery is cheap and a run goes on to the HLT. A REP is run
 * again until it is done, so its interruptions are exercised too.
 *
 * Guest-physical memory: page tables, descriptor tables and the ring-0 stack below 64 KB (mapped at KERNEL
 * for the supervisor), then the data and the code region. */
#include "native.h"

#include "binxlate/translator.h"
#include "cpu/cpu_priv.h"

#include <stdlib.h>

#define KERNEL UINT64_C(0xFFFF800000000000)

enum {
    GPA_PML4 = 0x1000,
    GPA_PDPT_USER = 0x2000,
    GPA_PD_DATA = 0x3000,
    GPA_PD_CODE = 0x4000,
    GPA_PT_DATA = 0x5000,
    GPA_PT_CODE = 0x6000,
    GPA_PDPT_KERNEL = 0x7000,
    GPA_PD_KERNEL = 0x8000,
    GPA_GDT = 0x9000,
    GPA_TSS = 0x9800,
    GPA_LDT = 0x9C00,
    GPA_IDT = 0xA000,
    GPA_STACK_TOP = 0xD000,
    GPA_HANDLERS = 0xE000, /* 16 bytes apart, HLT */
    HANDLERS_BYTES = 32 * 16,
    GPA_DATA = 0x100000,
    GPA_CODE = 0x110000,
    MEMORY_BYTES = 2 << 20,
    INSTRUCTIONS_BETWEEN = 2 << 20,
    DELIVERY_COST = 5000, /* so high that no deadline lies behind the delivery of a fault */
    KERNEL_CS = 0x10,
    TSS_SELECTOR = 0x40,
    LDT_SELECTOR_VALUE = 0x50,
};

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PDE_LARGE = 0x80 };
#define DATA_PAGE (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D | UINT64_C(1) << 63)

struct native_guest {
    const struct native_machine *machine;
    struct machine_memory pool;
    struct guest_memory memory;
    struct cpu_bus bus;
    struct cpu *cpu;
    struct segment user[SREG_COUNT];
    uint32_t code;             /* where the last instruction was put, 0 = nowhere */
    uint8_t bytes[CASE_BYTES]; /* what was put there */
    unsigned length;
};

/* ---- A board with nothing on it ---- */

static uint32_t no_port_read(void *ctx, uint16_t port, unsigned size)
{
    (void)ctx, (void)port, (void)size;
    return UINT32_MAX;
}

static void no_port_write(void *ctx, uint16_t port, unsigned size, uint32_t value)
{
    (void)ctx, (void)port, (void)size, (void)value;
}

static uint64_t no_mmio_read(void *ctx, gpa_t addr, unsigned size)
{
    (void)ctx, (void)addr, (void)size;
    return UINT64_MAX;
}

static void no_mmio_write(void *ctx, gpa_t addr, unsigned size, uint64_t value)
{
    (void)ctx, (void)addr, (void)size, (void)value;
}

static uint8_t no_intr_ack(void *ctx)
{
    (void)ctx;
    return 0xFF;
}

static uint8_t no_tpr_read(void *ctx)
{
    (void)ctx;
    return 0;
}

static void no_tpr_write(void *ctx, uint8_t tpr)
{
    (void)ctx, (void)tpr;
}

static void no_apic_base_written(void *ctx, uint64_t value)
{
    (void)ctx, (void)value;
}

static void no_ferr(void *ctx, bool level)
{
    (void)ctx, (void)level;
}

static const struct cpu_bus empty_board = {
    .port_read = no_port_read,
    .port_write = no_port_write,
    .mmio_read = no_mmio_read,
    .mmio_write = no_mmio_write,
    .intr_ack = no_intr_ack,
    .tpr_read = no_tpr_read,
    .tpr_write = no_tpr_write,
    .apic_base_written = no_apic_base_written,
    .ferr = no_ferr,
};

/* ---- Tables ---- */

static void poke64(struct native_guest *guest, uint64_t at, uint64_t value)
{
    CHECK(memory_write(&guest->memory, gpa(at), &value, sizeof value));
}

static void build_page_tables(struct native_guest *guest)
{
    const uint64_t user = PTE_P | PTE_W | PTE_U | PTE_A | PTE_D;
    poke64(guest, GPA_PML4, GPA_PDPT_USER | user);
    poke64(guest, GPA_PML4 + 8 * 256, GPA_PDPT_KERNEL | user);
    poke64(guest, GPA_PDPT_USER, GPA_PD_DATA | user);
    poke64(guest, GPA_PDPT_USER + 8, GPA_PD_CODE | user);
    poke64(guest, GPA_PD_DATA + 8 * (DATA_BASE >> 21), GPA_PT_DATA | user);
    poke64(guest, GPA_PD_CODE, GPA_PT_CODE | user);
    for (unsigned i = 0; i < DATA_SIZE / PAGE_SIZE; i++)
        poke64(guest, GPA_PT_DATA + 8 * i, (GPA_DATA + (uint64_t)i * PAGE_SIZE) | DATA_PAGE);
    uint64_t code = guest->machine->writable_code ? user : user & ~(uint64_t)PTE_W;
    for (unsigned i = 0; i < CODE_SIZE / PAGE_SIZE; i++)
        poke64(guest, GPA_PT_CODE + 8 * i, (GPA_CODE + (uint64_t)i * PAGE_SIZE) | code);
    poke64(guest, GPA_PDPT_KERNEL, GPA_PD_KERNEL | user);
    poke64(guest, GPA_PD_KERNEL, PTE_P | PTE_W | PTE_A | PTE_D | PDE_LARGE);
}
_Static_assert(DATA_BASE >> 30 == 0 && CODE_BASE >> 30 == 1, "one page directory for each region");

/* A descriptor as in SDM vol. 3, figure 3-8. */
static uint64_t descriptor(uint32_t base, uint32_t limit, uint16_t attr)
{
    uint64_t raw = attr & SEG_G ? limit >> 12 : limit;
    return (raw & 0xFFFF) | (uint64_t)(base & 0xFFFFFF) << 16 | (uint64_t)(attr & 0xFF) << 40 |
           (raw >> 16 & 15) << 48 | (uint64_t)(attr >> 8 & 15) << 52 | (uint64_t)(base >> 24) << 56;
}

static void poke_segment(struct native_guest *guest, const struct native_segment *segment)
{
    poke64(guest, (segment->selector & 4 ? GPA_LDT : GPA_GDT) + (segment->selector & ~7u),
           descriptor(segment->base, segment->limit, segment->attr));
}

static void build_descriptor_tables(struct native_guest *guest)
{
    const struct native_segment *segment = guest->machine->segment;
    poke64(guest, GPA_GDT + KERNEL_CS, descriptor(0, UINT32_MAX, 0xA9B));
    poke64(guest, GPA_GDT + KERNEL_CS + 8, descriptor(0, UINT32_MAX, 0xC93));
    poke_segment(guest, &(struct native_segment){0x23, 0xCFB, 0, UINT32_MAX}); /* Linux's user segments */
    poke_segment(guest, &(struct native_segment){0x2B, 0xCF3, 0, UINT32_MAX});
    poke_segment(guest, &(struct native_segment){0x33, 0xAFB, 0, UINT32_MAX});
    for (unsigned i = 0; i < NATIVE_LDT_EXTRA; i++)
        poke_segment(guest, &native_ldt[i]);
    for (unsigned i = 0; i < SREG_COUNT; i++)
        if (segment[i].selector != 0)
            poke_segment(guest, &segment[i]);
    for (unsigned v = 0; v < 32; v++) {
        uint64_t handler = KERNEL + GPA_HANDLERS + 16 * v;
        uint64_t access = v == VEC_BP || v == VEC_OF ? 0xEE : 0x8E; /* INT3 and INTO are the user's */
        poke64(guest, GPA_IDT + 16 * v,
               (handler & 0xFFFF) | (uint64_t)KERNEL_CS << 16 | access << 40 |
                   (handler >> 16 & 0xFFFF) << 48);
        poke64(guest, GPA_IDT + 16 * v + 8, handler >> 32);
    }
    uint64_t stack = KERNEL + GPA_STACK_TOP; /* RSP0, at offset 4 */
    CHECK(memory_write(&guest->memory, gpa(GPA_TSS + 4), &stack, sizeof stack));
    uint16_t no_map = 0xFFFF; /* of I/O permissions */
    CHECK(memory_write(&guest->memory, gpa(GPA_TSS + 102), &no_map, sizeof no_map));
}

/* ---- State ---- */

static void set_user_segments(struct native_guest *guest)
{
    for (unsigned i = 0; i < SREG_COUNT; i++) {
        const struct native_segment *from = &guest->machine->segment[i];
        guest->user[i] = (struct segment){from->base, from->limit, from->selector, from->attr};
    }
    guest->user[FS].base = guest->machine->fs_base;
}

static void set_system_state(struct native_guest *guest)
{
    struct cpu_state *s = &guest->cpu->s;
    memcpy(s->seg, guest->user, sizeof s->seg);
    s->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    s->cr3 = GPA_PML4;
    s->cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    s->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    s->xcr0 = 7;
    s->gdtr = (struct table_register){KERNEL + GPA_GDT, 0x7F, 0};
    s->idtr = (struct table_register){KERNEL + GPA_IDT, 0x1FF, 0};
    s->ldtr = (struct segment){KERNEL + GPA_LDT, 0xFF, LDT_SELECTOR_VALUE, 0x82};
    s->tr = (struct segment){KERNEL + GPA_TSS, 0x67, TSS_SELECTOR, 0x8B};
    s->rflags = 0x202;
    s->activity = ACTIVITY_RUNNING;
    cpu_state_changed(guest->cpu);
}

static void load_fx(struct cpu_state *s, const struct native_state *in)
{
    const uint8_t *fx = in->fx;
    struct x87_state *x87 = &s->x87;
    memcpy(&x87->control, fx + FX_FCW, 2);
    memcpy(&x87->status, fx + FX_FSW, 2);
    memcpy(&x87->opcode, fx + FX_FOP, 2);
    memcpy(&x87->ip, fx + FX_FIP, 8);
    memcpy(&x87->dp, fx + FX_FDP, 8);
    x87->valid = fx[FX_FTW];
    x87->cs = x87->ds = 0;
    for (unsigned i = 0; i < 8; i++) {
        unsigned physical = (i + (x87->status >> 11)) & 7;
        memcpy(&x87->significand[physical], fx + FX_ST + 16 * i, 8);
        memcpy(&x87->sign_exp[physical], fx + FX_ST + 16 * i + 8, 2);
    }
    memcpy(&s->mxcsr, fx + FX_MXCSR, 4);
    for (unsigned i = 0; i < 16; i++) {
        memcpy(s->vec[i].q, fx + FX_XMM + 16 * i, 16);
        memcpy(s->vec[i].q + 2, in->ymm + 16 * i, 16);
    }
}

static void store_fx(const struct cpu_state *s, struct native_state *out)
{
    uint8_t *fx = out->fx;
    const struct x87_state *x87 = &s->x87;
    memset(fx, 0, 512);
    memcpy(fx + FX_FCW, &x87->control, 2);
    memcpy(fx + FX_FSW, &x87->status, 2);
    memcpy(fx + FX_FOP, &x87->opcode, 2);
    memcpy(fx + FX_FIP, &x87->ip, 8);
    memcpy(fx + FX_FDP, &x87->dp, 8);
    fx[FX_FTW] = x87->valid;
    for (unsigned i = 0; i < 8; i++) {
        unsigned physical = (i + (x87->status >> 11)) & 7;
        memcpy(fx + FX_ST + 16 * i, &x87->significand[physical], 8);
        memcpy(fx + FX_ST + 16 * i + 8, &x87->sign_exp[physical], 2);
    }
    memcpy(fx + FX_MXCSR, &s->mxcsr, 4);
    for (unsigned i = 0; i < 16; i++) {
        memcpy(fx + FX_XMM + 16 * i, s->vec[i].q, 16);
        memcpy(out->ymm + 16 * i, s->vec[i].q + 2, 16);
    }
}

/* ---- Interface ---- */

static const struct timing_config small_caches = {
    .hierarchy = {.level = {[LEVEL_L1I] = {16, 2},
                            [LEVEL_L1D] = {16, 2},
                            [LEVEL_L2] = {32, 2},
                            [LEVEL_ITLB] = {2, 2},
                            [LEVEL_ITLB_LARGE] = {1, 2},
                            [LEVEL_DTLB] = {2, 2},
                            [LEVEL_DTLB_LARGE] = {1, 2}},
                  .line_shift = 5,
                  .from_l2 = {1, 2, 3},
                  .from_memory = {4, 5, 6},
                  .walk = {7, 8, 8}},
    .predictor = {.sets = 16, .ways = 2, .returns = 4, .mispredicted = 3, .decoded = 1},
};

struct native_guest *guest_open(const struct native_machine *machine)
{
    struct native_guest *guest = xcalloc(1, sizeof *guest);
    struct error err = {0};
    guest->machine = machine;
    CHECK(machine_memory_create(&guest->pool, MEMORY_BYTES, &err) == STATUS_OK);
    CHECK(guest_memory_create(&guest->memory, MEMORY_BYTES, &err) == STATUS_OK);
    guest_memory_map(&guest->memory, &guest->pool, (ppn_t){0}, (mpn_t){0}, MEMORY_BYTES / PAGE_SIZE);
    guest->bus = empty_board;
    struct cpu_config config = {.model = cpu_model_find(machine->model ? machine->model : "x86-64-v3"),
                                .hz = 1000000000,
                                .fast_paths = true,
                                .engine_bytes = translator_room()};
    for (unsigned i = 0; i < COST_CLASS_COUNT; i++)
        config.cost[0][i] = config.cost[1][i] = (uint16_t)(machine->priced ? 1 + i % 7 : 1);
    if (!machine->priced)
        config.cost[0][COST_INT] = config.cost[1][COST_INT] = DELIVERY_COST;
    struct timing_config timing = small_caches;
    timing.machine = guest->pool.base;
    if (machine->timed)
        config.timing = &timing;
    guest->cpu = cpu_create(&config, &guest->memory, &guest->bus, NULL);
    cpu_reset(guest->cpu, true);
    set_user_segments(guest);
    build_page_tables(guest);
    build_descriptor_tables(guest);
    memset(memory_frame(&guest->memory, gpa(GPA_CODE)), 0xCC, CODE_SIZE);
    memset(memory_frame(&guest->memory, gpa(GPA_HANDLERS)), 0xF4, HANDLERS_BYTES);
    set_system_state(guest);
    return guest;
}

void guest_close(struct native_guest *guest)
{
    cpu_destroy(guest->cpu);
    guest_memory_destroy(&guest->memory);
    machine_memory_destroy(&guest->pool);
    free(guest);
}

struct cpu *guest_cpu(struct native_guest *guest)
{
    return guest->cpu;
}

uint8_t *guest_stack(struct native_guest *guest)
{
    return memory_frame(&guest->memory, gpa(GPA_STACK_TOP));
}

void guest_data_access(struct native_guest *guest, unsigned page, bool present, bool writable)
{
    uint64_t entry = (GPA_DATA + (uint64_t)page * PAGE_SIZE) | DATA_PAGE, at = GPA_PT_DATA + 8 * page, before;
    entry &= ~(uint64_t)((present ? 0 : PTE_P) | (writable ? 0 : PTE_W));
    CHECK(memory_read(&guest->memory, gpa(at), &before, sizeof before));
    if (entry == before)
        return;
    poke64(guest, at, entry);
    tlb_flush_page(&guest->cpu->tlb, DATA_BASE + page * PAGE_SIZE);
}

uint8_t *guest_data(struct native_guest *guest)
{
    return memory_frame(&guest->memory, gpa(GPA_DATA));
}

uint8_t *guest_code(struct native_guest *guest)
{
    return memory_frame(&guest->memory, gpa(GPA_CODE));
}

/* Put the instruction there, unless it is there already: writing costs the decoded block. Each is as new
 * code: so many instructions later, what is written often has been left alone for long (cpu/block.c). */
static void place_code(struct native_guest *guest, const struct native_case *c)
{
    if (guest->code == c->code && guest->length == c->length &&
        memcmp(guest->bytes, c->bytes, c->length) == 0 &&
        memcmp(guest_code(guest) + (c->code - CODE_BASE), c->bytes, c->length) == 0)
        return;
    uint8_t breakpoints[CASE_BYTES];
    guest->cpu->s.instructions += INSTRUCTIONS_BETWEEN;
    memset(breakpoints, 0xCC, sizeof breakpoints);
    if (guest->code)
        CHECK(memory_write(&guest->memory, gpa(guest->code - CODE_BASE + GPA_CODE), breakpoints,
                           guest->length));
    CHECK(memory_write(&guest->memory, gpa(c->code - CODE_BASE + GPA_CODE), c->bytes, c->length));
    guest->code = c->code;
    guest->length = c->length;
    memcpy(guest->bytes, c->bytes, c->length);
}

/* The frame that delivery pushed: [error code], RIP, CS, RFLAGS, RSP, SS. */
static void read_frame(struct native_guest *guest, struct native_result *out)
{
    static const uint32_t with_code = 1u << VEC_DF | 1u << VEC_TS | 1u << VEC_NP | 1u << VEC_SS |
                                      1u << VEC_GP | 1u << VEC_PF | 1u << VEC_AC;
    const struct cpu_state *s = &guest->cpu->s;
    uint64_t frame[6];
    unsigned vector = (unsigned)(s->rip - KERNEL - GPA_HANDLERS) / 16;
    bool has_code = with_code >> vector & 1;
    CHECK(memory_read(&guest->memory, gpa(s->gpr[RSP] - KERNEL), frame, sizeof frame));
    out->fault = (uint8_t)vector;
    out->code = has_code ? (uint32_t)frame[0] : 0;
    out->cr2 = vector == VEC_PF ? s->cr2 : 0;
    out->s.rip = frame[has_code];
    out->s.rflags = frame[has_code + 2];
    out->s.gpr[RSP] = frame[has_code + 3];
    out->s.selector[CS] = (uint16_t)frame[has_code + 1];
    out->s.selector[SS] = (uint16_t)frame[has_code + 4];
    if (vector == VEC_BP) { /* not the instruction's, but the one after it */
        out->fault = FAULT_NONE;
        out->s.rip--;
    }
}

bool guest_decodes(struct native_guest *guest, const struct native_case *c, FILE *report)
{
    struct insn insn;
    memcpy(guest->cpu->s.seg, guest->user, sizeof guest->user); /* the last case may have ended in ring 0 */
    cpu_update_mode(guest->cpu);
    bool decoded = insn_decode(guest->cpu->tables, guest->cpu->mode, c->bytes, 15, &insn);
    /* 90 is also XCHG of the accumulator with itself. */
    bool same_row = &insn_rows[insn.row] == c->row || (c->row->map == M1 && c->row->opcode == 0x90);
    if (decoded && insn.length == c->length && same_row)
        return true;
    if (report != NULL) {
        fprintf(report, "decode %u-bit:", 16u << c->bits);
        for (unsigned i = 0; i < c->length; i++)
            fprintf(report, " %02x", c->bytes[i]);
        fprintf(report, ": %s of %u bytes is decoded as %s of %u bytes\n", c->row->mnemonic, c->length,
                decoded ? insn_rows[insn.row].mnemonic : "nothing", decoded ? insn.length : 0);
    }
    return false;
}

void guest_load(struct native_guest *guest, const struct native_case *c)
{
    struct cpu *cpu = guest->cpu;
    struct cpu_state *s = &cpu->s;
    place_code(guest, c);
    memcpy(s->gpr, c->in.gpr, sizeof s->gpr);
    memcpy(s->seg, guest->user, sizeof s->seg);
    s->rip = c->in.rip;
    s->rflags = c->in.rflags;
    s->cr2 = 0;
    s->intr_shadow = 0;
    s->debug_pending = 0;
    s->activity = ACTIVITY_RUNNING;
    cpu->lazy.op = 0;
    load_fx(s, &c->in);
    cpu_update_mode(cpu);
}

static void store_state(struct native_guest *guest, struct native_result *out)
{
    const struct cpu_state *s = &guest->cpu->s;
    memcpy(out->s.gpr, s->gpr, sizeof s->gpr);
    store_fx(s, &out->s);
    out->s.rip = s->rip;
    out->s.rflags = s->rflags;
    out->fault = FAULT_NONE;
    out->code = 0;
    out->cr2 = 0;
    for (unsigned i = 0; i < SREG_COUNT; i++)
        out->s.selector[i] = s->seg[i].selector < 4 ? 0 : s->seg[i].selector;
    if (guest->cpu->cpl == 0)
        read_frame(guest, out);
}

void guest_run(struct native_guest *guest, const struct native_case *c, struct native_result *out)
{
    struct cpu *cpu = guest->cpu;
    unsigned rounds = 0;
    bool repeats = (c->prefixes & (PREFIX_REP | PREFIX_REPNE)) && (c->row->attr & (ATTR_REP | ATTR_REPCC));
    guest_load(guest, c);
    do {
        cpu_run(cpu, cpu->s.clock + (repeats ? 1 + (c->in.rflags >> 2 & 7) : 1));
    } while (cpu->cpl == 3 && cpu->s.rip == c->in.rip && repeats && ++rounds < 64);
    store_state(guest, out);
}

void guest_run_block(struct native_guest *guest, const struct native_case *c, struct native_result *out)
{
    guest_load(guest, c);
    cpu_run(guest->cpu, guest->cpu->s.clock + DELIVERY_COST);
    store_state(guest, out);
}
