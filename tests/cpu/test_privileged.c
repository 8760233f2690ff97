/* Control registers, MSRs and events in corners that the assembly guests (guests/asm) leave out, because
 * QEMU ends there: combinations of control bits, triple faults, broken stacks, SMEP, SMAP, UMIP, FSGSBASE. */
#include "tests/cpu/harness.h"

#include "cpu/cpu_priv.h"
#include "cpu/exec.h"

#include <criterion/criterion.h>

#include <string.h>

#define BASE0 (CR0_PE | CR0_PG | CR0_NE | CR0_WP)
#define BASE4 (CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT)

static void run(struct harness *h, const uint8_t *code, size_t size)
{
    harness_code(h, code, size);
    harness_step(h, 1);
}

/* ---- Values of control registers ---- */

struct cr_row {
    const char *name;
    enum harness_mode mode;
    uint8_t code[4]; /* mov crN, eax or rax */
    uint64_t value;
    bool ok;
};

#define TO_CR0                                                                                               \
    {                                                                                                        \
        0x0F, 0x22, 0xC0                                                                                     \
    }
#define TO_CR3                                                                                               \
    {                                                                                                        \
        0x0F, 0x22, 0xD8                                                                                     \
    }
#define TO_CR4                                                                                               \
    {                                                                                                        \
        0x0F, 0x22, 0xE0                                                                                     \
    }

static const struct cr_row cr_rows[] = {
    {"cr0: plain", HARNESS_32, TO_CR0, CR0_PE | CR0_NE, true},
    {"cr0: PG without PE", HARNESS_32, TO_CR0, CR0_PG, false},
    {"cr0: NW without CD", HARNESS_32, TO_CR0, CR0_PE | CR0_NW, false},
    {"cr0: NW and CD", HARNESS_32, TO_CR0, CR0_PE | CR0_NW | CR0_CD, true},
    {"cr0: reserved bits are ignored", HARNESS_32, TO_CR0, CR0_PE | 1 << 8, true},
    {"cr0: upper half", HARNESS_64, TO_CR0, BASE0 | UINT64_C(1) << 32, false},
    {"cr0: PG cannot be cleared in 64-bit mode", HARNESS_64, TO_CR0, CR0_PE, false},
    {"cr3: beyond the physical address", HARNESS_64, TO_CR3, UINT64_C(1) << 46, false},
    {"cr3: highest physical bit", HARNESS_64, TO_CR3, UINT64_C(1) << 45, true},
    {"cr4: PAE cannot be cleared in long mode", HARNESS_64, TO_CR4, CR4_OSFXSR, false},
    {"cr4: reserved", HARNESS_64, TO_CR4, BASE4 | 1 << 23, false},
    {"cr4: VMXE", HARNESS_64, TO_CR4, BASE4 | 1 << 13, false},
    {"cr4: upper half", HARNESS_64, TO_CR4, BASE4 | UINT64_C(1) << 40, false},
    {"cr4: all features", HARNESS_64, TO_CR4,
     BASE4 | CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_UMIP |
         CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP,
     true},
};

Test(privileged, control_register_values)
{
    for (unsigned i = 0; i < ARRAY_LEN(cr_rows); i++) {
        const struct cr_row *row = &cr_rows[i];
        struct harness *h = harness_create("max", row->mode, true);
        h->cpu->s.gpr[RAX] = row->value;
        struct cpu_state before = h->cpu->s;
        run(h, row->code, 3);
        cr_assert_eq(harness_fault(h), row->ok ? -1 : VEC_GP, "%s", row->name);
        if (!row->ok) {
            cr_assert_eq(h->cpu->s.cr0, before.cr0, "%s", row->name);
            cr_assert_eq(h->cpu->s.cr3, before.cr3, "%s", row->name);
            cr_assert_eq(h->cpu->s.cr4, before.cr4, "%s", row->name);
        }
        harness_destroy(h);
    }
}

Test(privileged, feature_bits_of_cr4_follow_the_model)
{
    static const uint8_t to_cr4[] = {0x0F, 0x22, 0xE0};
    static const struct {
        const char *model;
        uint64_t value;
        bool ok;
    } rows[] = {
        {"486", CR4_VME, true},           {"486", CR4_PSE, false},        {"pentium", CR4_PSE | CR4_DE, true},
        {"pentium", CR4_PAE, false},      {"pentium3", CR4_PAE, true},    {"pentium3", CR4_OSXSAVE, false},
        {"x86-64-v2", CR4_OSXSAVE, true}, {"x86-64-v2", CR4_SMEP, false}, {"x86-64-v2", CR4_PCIDE, false},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct harness *h = harness_create(rows[i].model, HARNESS_32, true);
        h->cpu->s.gpr[RAX] = rows[i].value;
        run(h, to_cr4, sizeof to_cr4);
        cr_assert_eq(harness_fault(h), rows[i].ok ? -1 : VEC_GP, "%s %llx", rows[i].model,
                     (unsigned long long)rows[i].value);
        harness_destroy(h);
    }
}

Test(privileged, lmsw_sets_pe_but_does_not_clear_it)
{
    static const uint8_t lmsw[] = {0x0F, 0x01, 0xF0};
    struct harness *h = harness_create("pentium3", HARNESS_16, true);
    h->cpu->s.gpr[RAX] = CR0_PE | CR0_TS;
    run(h, lmsw, sizeof lmsw);
    cr_assert_eq(h->cpu->s.cr0 & 0xF, CR0_PE | CR0_TS);
    harness_reset(h, HARNESS_32);
    h->cpu->s.gpr[RAX] = 0;
    run(h, lmsw, sizeof lmsw);
    cr_assert_eq(h->cpu->s.cr0 & 0xF, CR0_PE);
    harness_destroy(h);
}

/* ---- What a user gets ---- */

struct user_row {
    const char *name;
    enum harness_mode mode;
    uint8_t code[6], size;
    int fault;
};

/* RCX is 0. A register or an instruction that does not exist is #UD before it is #GP. */
static const struct user_row user_rows[] = {
    {"mov from cr0", HARNESS_32_USER, {0x0F, 0x20, 0xC0}, 3, VEC_GP},
    {"mov from cr1", HARNESS_32_USER, {0x0F, 0x20, 0xC8}, 3, VEC_UD},
    {"mov to cr5", HARNESS_32_USER, {0x0F, 0x22, 0xE8}, 3, VEC_UD},
    {"mov to cr8", HARNESS_64_USER, {0x44, 0x0F, 0x22, 0xC0}, 4, VEC_GP},
    {"mov from cr9", HARNESS_64_USER, {0x44, 0x0F, 0x20, 0xC8}, 4, VEC_UD},
    {"mov to cr10", HARNESS_64_USER, {0x44, 0x0F, 0x22, 0xD0}, 4, VEC_UD},
    {"mov from dr4", HARNESS_32_USER, {0x0F, 0x21, 0xE0}, 3, VEC_GP},
    {"mov from dr7", HARNESS_32_USER, {0x0F, 0x21, 0xF8}, 3, VEC_GP},
    {"mov from dr8", HARNESS_64_USER, {0x44, 0x0F, 0x21, 0xC0}, 4, VEC_UD},
    {"mov to dr15", HARNESS_64_USER, {0x44, 0x0F, 0x23, 0xF8}, 4, VEC_UD},
    {"clac", HARNESS_64_USER, {0x0F, 0x01, 0xCA}, 3, VEC_UD},
    {"stac", HARNESS_64_USER, {0x0F, 0x01, 0xCB}, 3, VEC_UD},
    {"monitor", HARNESS_64_USER, {0x0F, 0x01, 0xC8}, 3, VEC_UD},
    {"mwait", HARNESS_64_USER, {0x0F, 0x01, 0xC9}, 3, VEC_UD},
    {"swapgs", HARNESS_64_USER, {0x0F, 0x01, 0xF8}, 3, VEC_GP},
    {"rep ins, nothing to repeat", HARNESS_32_USER, {0xF3, 0x6C}, 2, VEC_GP},
    {"rep outs, nothing to repeat", HARNESS_32_USER, {0xF3, 0x6E}, 2, VEC_GP},
};

Test(privileged, faults_of_users)
{
    for (unsigned i = 0; i < ARRAY_LEN(user_rows); i++) {
        const struct user_row *row = &user_rows[i];
        struct harness *h = harness_create("max", row->mode, true);
        run(h, row->code, row->size);
        cr_expect_eq(harness_fault(h), row->fault, "%s: %d", row->name, harness_fault(h));
        cr_expect_eq(h->io_count, 0, "%s", row->name);
        harness_destroy(h);
    }
}

/* ---- Model-specific registers ---- */

struct msr_row {
    const char *model;
    uint32_t index;
    uint64_t value;
    bool ok;
    uint64_t reads; /* after the write, when it is ok */
};

static const struct msr_row msr_rows[] = {
    {"pentium3", 0x174, 0x12345678, true, 0x12345678},
    {"pentium3", 0x1B, 0xFEE00900, true, 0xFEE00900},
    {"pentium3", 0x1B, 0xFEE00901, false, 0},
    {"pentium3", 0x1B, UINT64_C(0x1000000000), false, 0},
    {"pentium3", 0xC0000080, 0, false, 0},
    {"pentium3", 0x277, 0x0007040600070406, true, 0x0007040600070406},
    {"pentium3", 0x277, 0x02, false, 0},
    {"pentium3", 0x200, 0x80000006, true, 0x80000006},
    {"pentium3", 0x200, 0x80000007, false, 0}, /* no such type */
    {"pentium3", 0x201, UINT64_C(0xFF0000800), true, UINT64_C(0xFF0000800)},
    {"pentium3", 0x201, UINT64_C(0x1000000800), false, 0}, /* beyond 36 bits */
    {"pentium3", 0x250, UINT64_C(0x0606060606060606), true, UINT64_C(0x0606060606060606)},
    {"pentium3", 0x258, 0x03, false, 0},
    {"pentium3", 0x26F, 0x04, true, 0x04},
    {"pentium3", 0x2FF, 0xC06, true, 0xC06},
    {"pentium3", 0x2FF, 0x1000, false, 0},
    {"pentium3", 0xFE, 0, false, 0},
    {"pentium3", 0x401, 1, false, 0},
    {"pentium3", 0x401, 0, true, 0},
    {"pentium3", 0x400, UINT64_MAX, true, UINT64_MAX},
    {"pentium3", 0xC0000082, 0, false, 0},
    {"pentium3", 0x12345, 0, false, 0},
    {"pentium3", 0xC1, 0x12345678, true, 0x12345678},
    {"pentium3", 0xC2, 0x80000001, true, UINT64_C(0xFF80000001)}, /* 40 bits, sign-extended from 32 */
    {"pentium3", 0xC2, UINT64_C(0x7F00000001), true, 1},
    {"pentium3", 0x186, 0x00410079, true, 0x00410079},
    {"pentium3", 0x187, 0xFFFFFFFF, true, 0xFFFFFFFF},
    {"pentium3", 0x187, UINT64_C(0x100000000), false, 0},
    {"pentium3", 0xC3, 0, false, 0},
    {"pentium", 0xC1, 0, false, 0},
    {"x86-64-v2", 0xC0000080, EFER_SCE, true, EFER_SCE},
    {"x86-64-v2", 0xC0000080, EFER_SCE | EFER_LMA, true, EFER_SCE}, /* LMA is not for WRMSR */
    {"x86-64-v2", 0xC0000080, 2, false, 0},
    {"x86-64-v2", 0xC0000082, UINT64_C(0xFFFF800000000000), true, UINT64_C(0xFFFF800000000000)},
    {"x86-64-v2", 0xC0000082, UINT64_C(0x800000000000), false, 0},
    {"x86-64-v2", 0xC0000100, UINT64_C(0x800000000000), false, 0},
    {"x86-64-v2", 0xC0000103, UINT64_C(0x100000000), false, 0},
    {"x86-64-v2", 0xC0000103, 7, true, 7},
    {"x86-64-v2", 0x1A0, 0, true, 0x1800},
};

Test(privileged, model_specific_registers)
{
    static const uint8_t code[] = {0x0F, 0x30, 0x31, 0xC0, 0x31, 0xD2, 0x0F, 0x32}; /* wrmsr, clear, rdmsr */
    for (unsigned i = 0; i < ARRAY_LEN(msr_rows); i++) {
        const struct msr_row *row = &msr_rows[i];
        struct harness *h = harness_create(row->model, HARNESS_32, true);
        h->cpu->s.gpr[RCX] = row->index;
        h->cpu->s.gpr[RAX] = (uint32_t)row->value;
        h->cpu->s.gpr[RDX] = row->value >> 32;
        harness_code(h, code, sizeof code);
        harness_step(h, 1);
        cr_assert_eq(harness_fault(h), row->ok ? -1 : VEC_GP, "%s msr %x = %llx", row->model, row->index,
                     (unsigned long long)row->value);
        if (row->ok) {
            harness_step(h, 3);
            cr_assert_eq(h->cpu->s.gpr[RAX] | h->cpu->s.gpr[RDX] << 32, row->reads, "%s msr %x", row->model,
                         row->index);
        }
        harness_destroy(h);
    }
}

Test(privileged, rdpmc_reads_the_counters)
{
    static const uint8_t code[] = {0x0F, 0x30, 0x89, 0xF1, 0x0F, 0x33}; /* wrmsr; mov ecx, esi; rdpmc */
    for (uint32_t n = 0; n < 3; n++) {
        struct harness *h = harness_create("pentium3", HARNESS_32, true);
        h->cpu->s.gpr[RCX] = 0xC1 + n % 2;
        h->cpu->s.gpr[RAX] = 0x90000000 + n;
        h->cpu->s.gpr[RSI] = n;
        harness_code(h, code, sizeof code);
        (void)cpu_run(h->cpu, h->cpu->s.clock + 1);
        (void)cpu_run(h->cpu, h->cpu->s.clock + 1);
        (void)cpu_run(h->cpu, h->cpu->s.clock + 1);
        cr_expect_eq(harness_fault(h), n < 2 ? -1 : VEC_GP, "counter %u", n);
        if (n < 2) {
            cr_expect_eq(h->cpu->s.gpr[RAX], 0x90000000 + n);
            cr_expect_eq(h->cpu->s.gpr[RDX], 0xFF);
        }
        harness_destroy(h);
    }
}

Test(privileged, the_tsc_counts_cycles_and_can_be_written)
{
    static const uint8_t code[] = {0x0F, 0x30, 0x0F, 0x31}; /* wrmsr, rdtsc */
    struct harness *h = harness_create("pentium3", HARNESS_32, true);
    h->cpu->s.gpr[RCX] = 0x10;
    h->cpu->s.gpr[RAX] = 1000;
    harness_code(h, code, sizeof code);
    uint64_t before = h->cpu->s.clock;
    harness_step(h, 1);
    uint64_t cost = h->cpu->s.clock - before;
    harness_step(h, 1);
    cr_assert_eq(h->cpu->s.gpr[RAX], 1000 + cost);
    harness_destroy(h);
}

/* ---- CPUID ---- */

static void cpuid(struct harness *h, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    static const uint8_t code[] = {0x0F, 0xA2};
    h->cpu->s.gpr[RAX] = leaf;
    h->cpu->s.gpr[RCX] = subleaf;
    run(h, code, sizeof code);
    out[0] = (uint32_t)h->cpu->s.gpr[RAX];
    out[1] = (uint32_t)h->cpu->s.gpr[RBX];
    out[2] = (uint32_t)h->cpu->s.gpr[RCX];
    out[3] = (uint32_t)h->cpu->s.gpr[RDX];
}

struct cpuid_row {
    const char *model;
    uint32_t leaf, subleaf, out[4];
};

static const struct cpuid_row cpuid_rows[] = {
    {"486", 0, 0, {1, 0x756E6547, 0x6C65746E, 0x49656E69}},
    {"486", 1, 0, {0x480, 0, 0, 0x3}},
    {"pentium", 1, 0, {0x52C, 0, 0, 0x3BF}},
    {"pentium3", 0, 0, {2, 0x756E6547, 0x6C65746E, 0x49656E69}},
    {"pentium3", 1, 0, {0x686, 2, 0, 0x0383FBFF}},
    {"pentium3", 2, 0, {0x03020101, 0, 0, 0x0C040882}},
    {"pentium3", 0x80000000, 0, {0x03020101, 0, 0, 0x0C040882}}, /* no extended leaves: the last basic one */
    {"x86-64-v2", 1, 0, {0x106A5, 0x10800, 0x04982201, 0x078BFBFF}},
    {"x86-64-v2", 4, 0, {0x121, 0x01C0003F, 63, 0}},
    {"x86-64-v2", 4, 4, {0, 0, 0, 0}},
    {"x86-64-v2", 0xD, 0, {3, 576, 576, 0}},
    {"x86-64-v2", 0x15, 0, {1, 40, 25000000, 0}},
    {"x86-64-v2", 0x16, 0, {1000, 1000, 100, 0}},
    {"x86-64-v2", 0x80000000, 0, {0x80000008, 0, 0, 0}},
    {"x86-64-v2", 0x80000001, 0, {0, 0, 1, 0x2C100000}},
    {"x86-64-v2", 0x80000007, 0, {0, 0, 0, 0x100}},
    {"x86-64-v2", 0x80000008, 0, {0x3028, 0, 0, 0}},
    {"x86-64-v2", 0x12345678, 0, {1000, 1000, 100, 0}},
};

Test(cpuid, leaves)
{
    for (unsigned i = 0; i < ARRAY_LEN(cpuid_rows); i++) {
        const struct cpuid_row *row = &cpuid_rows[i];
        struct harness *h = harness_create(row->model, HARNESS_32, true);
        uint32_t out[4];
        cpuid(h, row->leaf, row->subleaf, out);
        for (unsigned n = 0; n < 4; n++)
            cr_assert_eq(out[n], row->out[n], "%s leaf %x register %u is %08x", row->model, row->leaf, n,
                         out[n]);
        harness_destroy(h);
    }
}

Test(cpuid, feature_bits_follow_the_state)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    uint32_t out[4];
    cpuid(h, 0x80000001, 0, out);
    cr_assert(out[3] & 1 << 11); /* SYSCALL, in 64-bit mode */
    cpuid(h, 1, 0, out);
    cr_assert_not(out[2] & 1 << 27);
    h->cpu->s.cr4 |= CR4_OSXSAVE;
    h->cpu->s.apic_base &= ~UINT64_C(0x800);
    cpuid(h, 1, 0, out);
    cr_assert(out[2] & 1 << 27);
    cr_assert_not(out[3] & 1 << 9);
    harness_destroy(h);
}

/* The board without a local APIC: neither the feature, nor its base register. */
Test(cpuid, a_board_may_have_no_apic)
{
    static const uint8_t rdmsr[] = {0x0F, 0x32};
    for (unsigned i = 0; i < 2; i++) {
        struct harness *h = harness_create("pentium3", HARNESS_32, true);
        h->cpu->config.no_apic = i != 0;
        harness_reset(h, HARNESS_32);
        uint32_t out[4];
        cpuid(h, 1, 0, out);
        cr_expect_eq(out[3] >> 9 & 1, i == 0);
        h->cpu->s.gpr[RCX] = 0x1B;
        run(h, rdmsr, sizeof rdmsr);
        cr_expect_eq(harness_fault(h), i == 0 ? -1 : VEC_GP);
        harness_destroy(h);
    }
    cr_expect_not(cpu_model_has_apic(cpu_model_find("486")));
    cr_expect(cpu_model_has_apic(cpu_model_find("pentium")));
}

Test(cpuid, brand_string_has_the_simulated_frequency)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_32, true);
    char text[49] = {0};
    for (uint32_t leaf = 0; leaf < 3; leaf++) {
        uint32_t out[4];
        cpuid(h, 0x80000002 + leaf, 0, out);
        memcpy(text + 16 * leaf, out, 16);
    }
    cr_assert_str_eq(text, "crosspage x86-64-v2 CPU @ 1.00GHz");
    harness_destroy(h);
}

Test(cpuid, every_model_is_found_by_its_name)
{
    unsigned n = 0;
    for (const struct cpu_model *model; (model = cpu_model_by_index(n)) != NULL; n++)
        cr_assert_eq(cpu_model_find(cpu_model_name(model)), model);
    cr_assert_geq(n, 2);
    cr_assert_null(cpu_model_find("z80"));
}

/* ---- Data segments on the way out ---- */

struct outer_row {
    const char *name;
    struct segment before;
    uint16_t selector; /* after */
    uint64_t base;
    bool keeps;
};

/* What a return to CPL 3 makes of FS and GS, whose base a kernel may have set by MSR. */
static const struct outer_row outer_rows[] = {
    {"null with a base", {.selector = 0, .base = 0x123456789A}, 0, 0x123456789A, true},
    {"null with an RPL and a base", {.selector = 3, .base = 0x123456789A}, 0, 0x123456789A, true},
    {"the user's",
     {.selector = HARNESS_DS3, .base = 0x1000, .limit = UINT32_MAX, .attr = 0xCF3},
     HARNESS_DS3,
     0x1000,
     true},
    {"the kernel's",
     {.selector = HARNESS_DS0, .base = 0x1000, .limit = UINT32_MAX, .attr = 0xC93},
     0,
     0,
     false},
    {"conforming code",
     {.selector = HARNESS_CS0, .base = 0x1000, .limit = UINT32_MAX, .attr = 0xC9F},
     HARNESS_CS0,
     0x1000,
     true},
};

Test(privileged, data_segments_after_a_return_to_an_outer_level)
{
    static const uint8_t iretq[] = {0x48, 0xCF}, retfq[] = {0x48, 0xCB};
    for (unsigned i = 0; i < 2 * ARRAY_LEN(outer_rows); i++) {
        const struct outer_row *row = &outer_rows[i / 2];
        bool iret = (i & 1) != 0;
        struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
        struct cpu_state *s = &h->cpu->s;
        uint64_t frame[] = {HARNESS_CODE + 16, HARNESS_CS3, 2, HARNESS_STACK, HARNESS_DS3};
        uint64_t far_frame[] = {HARNESS_CODE + 16, HARNESS_CS3, HARNESS_STACK, HARNESS_DS3};
        s->gpr[RSP] = HARNESS_DATA;
        harness_poke(h, HARNESS_DATA, iret ? frame : far_frame, iret ? sizeof frame : sizeof far_frame);
        s->seg[FS] = s->seg[GS] = row->before;
        cpu_state_changed(h->cpu);
        run(h, iret ? iretq : retfq, 2);
        cr_assert_eq(h->cpu->cpl, 3, "%s", row->name);
        for (unsigned n = FS; n <= GS; n++) {
            cr_expect_eq(s->seg[n].selector, row->selector, "%s: %x", row->name, s->seg[n].selector);
            cr_expect_eq(s->seg[n].base, row->base, "%s", row->name);
            cr_expect_eq(h->cpu->seg_base[n], row->base, "%s", row->name);
            cr_expect_eq((s->seg[n].attr & SEG_P) != 0, row->keeps && (row->before.attr & SEG_P) != 0, "%s",
                         row->name);
        }
        harness_destroy(h);
    }
}

/* MOV of a null selector clears the base, unlike the return. */
Test(privileged, loading_null_clears_the_base)
{
    static const uint8_t mov_fs[] = {0x8E, 0xE0};
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    h->cpu->s.seg[FS] = (struct segment){.base = 0x123456789A};
    h->cpu->s.gpr[RAX] = 2;
    cpu_state_changed(h->cpu);
    run(h, mov_fs, sizeof mov_fs);
    cr_expect_eq(h->cpu->s.seg[FS].selector, 2);
    cr_expect_eq(h->cpu->s.seg[FS].base, 0);
    harness_destroy(h);
}

/* ---- Faults in faults ---- */

Test(events, no_idt_is_a_shutdown)
{
    static const uint8_t ud2[] = {0x0F, 0x0B};
    static const enum harness_mode modes[] = {HARNESS_16, HARNESS_32, HARNESS_64, HARNESS_32_USER};
    for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
        struct harness *h = harness_create("x86-64-v2", modes[i], true);
        h->cpu->s.idtr.limit = 0;
        harness_code(h, ud2, sizeof ud2);
        cr_assert_eq(cpu_run(h->cpu, h->cpu->s.clock + 1000), CPU_STOP_SHUTDOWN);
        cr_assert_eq(cpu_run(h->cpu, h->cpu->s.clock + 1000), CPU_STOP_SHUTDOWN);
        harness_destroy(h);
    }
}

static void poke64(struct harness *h, uint64_t addr, uint64_t value)
{
    harness_poke(h, addr, &value, 8);
}

static uint64_t peek64(struct harness *h, uint64_t addr)
{
    uint64_t value;
    harness_peek(h, addr, &value, 8);
    return value;
}

/* A stack segment with no room: #SS, whose frame has no room either: #DF, likewise: shutdown. */
Test(events, a_stack_without_room_is_a_shutdown)
{
    static const uint8_t push[] = {0x50};
    struct harness *h = harness_create("pentium3", HARNESS_32, true);
    h->cpu->s.seg[SS].limit = 0xFFF;
    cpu_state_changed(h->cpu);
    harness_code(h, push, sizeof push);
    cr_assert_eq(cpu_run(h->cpu, h->cpu->s.clock + 1000), CPU_STOP_SHUTDOWN);
    harness_destroy(h);
}

/* In long mode an interrupt stack makes the same survivable. */
Test(events, ist_saves_a_double_fault)
{
    static const uint8_t push[] = {0x50};
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    poke64(h, HARNESS_TSS + 36, HARNESS_STACK); /* IST1 */
    poke64(h, HARNESS_IDT + 16 * VEC_DF, peek64(h, HARNESS_IDT + 16 * VEC_DF) | UINT64_C(1) << 32);
    h->cpu->s.gpr[RSP] = UINT64_C(0x800000000008);
    harness_code(h, push, sizeof push);
    cr_assert(harness_run(h));
    cr_assert_eq(harness_fault(h), VEC_DF);
    cr_assert_eq(h->cpu->s.gpr[RSP], HARNESS_STACK - 48);
    cr_assert_eq(peek64(h, HARNESS_STACK - 48), 0); /* error code */
    cr_assert_eq(peek64(h, HARNESS_STACK - 40), HARNESS_CODE);
    cr_assert_eq(peek64(h, HARNESS_STACK - 16), UINT64_C(0x800000000008));
    harness_destroy(h);
}

Test(events, a_page_fault_in_a_page_fault_is_a_double_fault_with_the_second_cr2)
{
    static const uint8_t load[] = {0x8B, 0x03};
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    poke64(h, HARNESS_TSS + 36, HARNESS_STACK);
    poke64(h, HARNESS_TSS + 44, 0x40000000); /* IST2: not mapped */
    poke64(h, HARNESS_IDT + 16 * VEC_DF, peek64(h, HARNESS_IDT + 16 * VEC_DF) | UINT64_C(1) << 32);
    poke64(h, HARNESS_IDT + 16 * VEC_PF, peek64(h, HARNESS_IDT + 16 * VEC_PF) | UINT64_C(2) << 32);
    h->cpu->s.gpr[RBX] = 0x50000000;
    harness_code(h, load, sizeof load);
    cr_assert(harness_run(h));
    cr_assert_eq(harness_fault(h), VEC_DF);
    cr_assert_eq(h->cpu->s.cr2, 0x40000000 - 8);
    harness_destroy(h);
}

Test(events, nmi_is_blocked_until_iret)
{
    static const uint8_t nops[] = {0x90, 0x90, 0x90, 0x90};
    static const uint8_t iret[] = {0x90, 0xCF};
    struct harness *h = harness_create("pentium3", HARNESS_32, true);
    harness_poke(h, HARNESS_HANDLER + 16 * VEC_NMI, iret, sizeof iret);
    harness_code(h, nops, sizeof nops);
    cpu_raise_nmi(h->cpu);
    (void)cpu_run(h->cpu, h->cpu->s.clock + 1);
    cr_assert_eq(harness_fault(h), VEC_NMI);
    cpu_raise_nmi(h->cpu);
    harness_step(h, 1); /* the handler's NOP, not another NMI */
    cr_assert_eq(h->cpu->s.rip, HARNESS_HANDLER + 16 * VEC_NMI + 1);
    harness_step(h, 1); /* IRET */
    cr_assert_eq(h->cpu->s.rip, HARNESS_CODE);
    (void)cpu_run(h->cpu, h->cpu->s.clock + 1);
    cr_assert_eq(harness_fault(h), VEC_NMI);
    harness_destroy(h);
}

/* ---- SMEP, SMAP, UMIP, FSGSBASE: the harness maps everything user accessible ---- */

Test(features, smep_stops_kernel_fetches_from_user_pages)
{
    static const uint8_t to_cr4[] = {0x0F, 0x22, 0xE0, 0x90};
    struct harness *h = harness_create("max", HARNESS_64, true);
    h->cpu->s.gpr[RAX] = BASE4 | CR4_SMEP;
    poke64(h, HARNESS_TABLES + 2 * PAGE_SIZE, 0x83); /* the handlers' 2 MB page: supervisor */
    poke64(h, HARNESS_TABLES + 2 * PAGE_SIZE + 8, 0x200087);
    harness_poke(h, 0x200000, to_cr4, sizeof to_cr4);
    h->cpu->s.rip = 0x200000;
    harness_step(h, 1);
    cr_assert(harness_run(h));
    cr_assert_eq(harness_fault(h), VEC_PF);
    cr_assert_eq(h->cpu->s.cr2, 0x200003);
    cr_assert_eq(peek64(h, h->cpu->s.gpr[RSP]), PF_P | PF_I);
    harness_destroy(h);
}

Test(features, smap_stops_kernel_accesses_to_user_pages_unless_ac)
{
    static const uint8_t load[] = {0x8B, 0x03, 0x0F, 0x01, 0xCB, 0x8B, 0x03, 0x0F, 0x01, 0xCA, 0x8B, 0x03};
    struct harness *h = harness_create("max", HARNESS_64, true);
    poke64(h, HARNESS_TABLES + 2 * PAGE_SIZE, 0x83);
    h->cpu->s.cr4 |= CR4_SMAP;
    cpu_state_changed(h->cpu);
    h->cpu->s.gpr[RBX] = 0x200000;
    harness_code(h, load, sizeof load);
    (void)cpu_run(h->cpu, h->cpu->s.clock + 1);
    cr_assert_eq(harness_fault(h), VEC_PF);
    cr_assert_eq(peek64(h, h->cpu->s.gpr[RSP]), PF_P);
    h->cpu->s.rip = HARNESS_CODE + 2; /* stac; mov; clac; mov */
    harness_step(h, 3);
    cr_assert_eq(h->cpu->s.rip, HARNESS_CODE + 10);
    (void)cpu_run(h->cpu, h->cpu->s.clock + 1);
    cr_assert_eq(harness_fault(h), VEC_PF);
    harness_destroy(h);
}

Test(features, umip_denies_table_registers_to_users)
{
    static const uint8_t codes[][3] = {
        {0x0F, 0x01, 0x03}, {0x0F, 0x01, 0x0B}, {0x0F, 0x00, 0xC0}, {0x0F, 0x00, 0xC8}, {0x0F, 0x01, 0xE0}};
    for (unsigned i = 0; i < 2 * ARRAY_LEN(codes); i++) {
        bool umip = (i & 1) != 0;
        struct harness *h = harness_create("max", HARNESS_64_USER, true);
        h->cpu->s.cr4 |= umip ? CR4_UMIP : 0;
        cpu_state_changed(h->cpu);
        h->cpu->s.gpr[RBX] = HARNESS_DATA;
        run(h, codes[i / 2], 3);
        cr_assert_eq(harness_fault(h), umip ? VEC_GP : -1, "row %u", i);
        harness_destroy(h);
    }
}

Test(features, fsgsbase)
{
    static const uint8_t wrfsbase[] = {0xF3, 0x48, 0x0F, 0xAE, 0xD0};
    static const uint8_t rdfsbase[] = {0xF3, 0x48, 0x0F, 0xAE, 0xC3};
    struct harness *h = harness_create("max", HARNESS_64_USER, true);
    run(h, wrfsbase, sizeof wrfsbase);
    cr_assert_eq(harness_fault(h), VEC_UD);
    harness_reset(h, HARNESS_64_USER);
    h->cpu->s.cr4 |= CR4_FSGSBASE;
    cpu_state_changed(h->cpu);
    h->cpu->s.gpr[RAX] = 0x123456789;
    run(h, wrfsbase, sizeof wrfsbase);
    run(h, rdfsbase, sizeof rdfsbase);
    cr_assert_eq(h->cpu->s.gpr[RBX], 0x123456789);
    h->cpu->s.gpr[RAX] = UINT64_C(1) << 47;
    run(h, wrfsbase, sizeof wrfsbase);
    cr_assert_eq(harness_fault(h), VEC_GP);
    harness_destroy(h);
}
