/* Process-context identifiers (SDM vol. 3, 4.10): the rules of CR4.PCIDE and of INVPCID, and what a space
 * keeps while another is selected. As in test_translation.c, whether a page was walked is told by its A bit;
 * each with the fast paths on and off. What only this emulator promises (nothing is dropped that need not be)
 * is shown here; guests/asm/pcid.S has what every processor does. */
#include "tests/cpu/harness.h"

#include "cpu/cpu_priv.h"
#include "cpu/exec.h"
#include "cpu/protect.h"

#include <criterion/criterion.h>

#include <string.h>

#define BASE4 (CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT)
#define BASE0 (CR0_PE | CR0_PG | CR0_NE | CR0_WP)

/* The window of test_translation.c, at 1 GB: page n is at DATA + n * 4 KB; GLOBAL_PAGE is global. */
enum {
    DIRECTORY = 0x100000,
    TABLE = 0x101000,
    DATA = 0x200000,
    WINDOW = 0x40000000,
    OWN_PAGE = WINDOW + 0x1000,
    GLOBAL_PAGE = WINDOW + 0x2000,
};
enum { ACCESSED = 1 << 5, GLOBAL = 1 << 8 };

#define BOTH(h)                                                                                              \
    for (int fast_ = 0; fast_ < 2; fast_++)                                                                  \
        for (struct harness *h = bench_create(fast_ != 0); h != NULL; harness_destroy(h), h = NULL)

static void poke64(struct harness *h, uint64_t addr, uint64_t value)
{
    harness_poke(h, addr, &value, 8);
}

static struct harness *bench_create(bool fast_paths)
{
    struct harness *h = harness_create("max", HARNESS_64, fast_paths);
    poke64(h, HARNESS_TABLES + PAGE_SIZE + 8, DIRECTORY | 7);
    poke64(h, DIRECTORY, TABLE | 7);
    for (uint64_t n = 0; n < 512; n++)
        poke64(h, TABLE + 8 * n, (DATA + (n << PAGE_SHIFT)) | 7 | (n == 2 ? GLOBAL : 0));
    h->cpu->s.cr4 |= CR4_PCIDE | CR4_PGE;
    cpu_state_changed(h->cpu);
    return h;
}

static const uint8_t load_code[] = {0x8B, 0x03};                     /* mov eax, [rbx] */
static const uint8_t to_cr0[] = {0x0F, 0x22, 0xC1};                  /* mov cr0, rcx */
static const uint8_t to_cr3[] = {0x0F, 0x22, 0xD9};                  /* mov cr3, rcx */
static const uint8_t to_cr4[] = {0x0F, 0x22, 0xE1};                  /* mov cr4, rcx */
static const uint8_t from_cr3[] = {0x0F, 0x20, 0xD8};                /* mov rax, cr3 */
static const uint8_t invlpg[] = {0x0F, 0x01, 0x3B};                  /* invlpg [rbx] */
static const uint8_t invpcid[] = {0x66, 0x0F, 0x38, 0x82, 0x0B};     /* invpcid rcx, [rbx] */
static const uint8_t invpcid_32[] = {0x66, 0x0F, 0x38, 0x82, 0x0B};  /* invpcid ecx, [ebx] */
static const uint8_t invpcid_reg[] = {0x66, 0x0F, 0x38, 0x82, 0xCB}; /* no such form */
static const uint8_t invpcid_lock[] = {0xF0, 0x66, 0x0F, 0x38, 0x82, 0x0B};
static const uint8_t invpcid_np[] = {0x0F, 0x38, 0x82, 0x0B};
static const uint8_t invpcid_stack[] = {0x66, 0x0F, 0x38, 0x82, 0x0C, 0x24}; /* invpcid rcx, [rsp] */

static int run(struct harness *h, const uint8_t *code, size_t size, uint64_t rbx, uint64_t rcx)
{
    harness_code(h, code, size);
    h->cpu->s.gpr[RBX] = rbx;
    h->cpu->s.gpr[RCX] = rcx;
    harness_step(h, 1);
    return harness_fault(h);
}

#define RUN(h, code, rbx, rcx) run(h, code, sizeof(code), rbx, rcx)

static void select_pcid(struct harness *h, unsigned pcid, bool keep)
{
    uint64_t cr3 = HARNESS_TABLES | pcid;
    cr_assert_eq(RUN(h, to_cr3, 0, cr3 | (keep ? CR3_NO_FLUSH : 0)), -1);
    cr_assert_eq(RUN(h, from_cr3, 0, 0), -1);
    cr_assert_eq(h->cpu->s.gpr[RAX], cr3, "bit 63 reads as zero");
}

static void set_accessed(struct harness *h, uint64_t linear, bool set)
{
    uint64_t entry = 0, at = TABLE + 8 * (linear >> PAGE_SHIFT & 511);
    harness_peek(h, at, &entry, 8);
    poke64(h, at, set ? entry | ACCESSED : entry & ~(uint64_t)ACCESSED);
}

/* Does an access walk? */
static bool walks(struct harness *h, uint64_t linear)
{
    uint64_t entry = 0;
    set_accessed(h, linear, false);
    cr_assert_eq(RUN(h, load_code, linear, 0), -1);
    harness_peek(h, TABLE + 8 * (linear >> PAGE_SHIFT & 511), &entry, 8);
    return (entry & ACCESSED) != 0;
}

/* Which of the PCIDs 0 to 2 have lost what; PCID 0 is selected then. */
struct lost {
    bool own[3], global;
};

static void fill(struct harness *h)
{
    for (unsigned pcid = 0; pcid < 3; pcid++) {
        select_pcid(h, pcid, false);
        (void)walks(h, OWN_PAGE);
        (void)walks(h, GLOBAL_PAGE);
    }
    select_pcid(h, 0, true);
}

static struct lost find_lost(struct harness *h)
{
    struct lost lost;
    lost.global = walks(h, GLOBAL_PAGE);
    for (unsigned pcid = 0; pcid < 3; pcid++) {
        select_pcid(h, pcid, true);
        lost.own[pcid] = walks(h, OWN_PAGE);
    }
    select_pcid(h, 0, true);
    return lost;
}

static void check_lost(struct harness *h, const char *name, bool own0, bool own1, bool own2, bool global)
{
    struct lost lost = find_lost(h);
    cr_assert_eq(lost.own[0], own0, "%s: PCID 0", name);
    cr_assert_eq(lost.own[1], own1, "%s: PCID 1", name);
    cr_assert_eq(lost.own[2], own2, "%s: PCID 2", name);
    cr_assert_eq(lost.global, global, "%s: global", name);
    cr_assert_null(tlb_check(&h->cpu->tlb));
}

static int do_invpcid(struct harness *h, uint64_t type, uint64_t pcid, uint64_t linear)
{
    const uint64_t descriptor[2] = {pcid, linear};
    harness_poke(h, HARNESS_DATA, descriptor, sizeof descriptor);
    return RUN(h, invpcid, HARNESS_DATA, type);
}

/* ---- What is dropped ---- */

Test(pcid, loads_of_cr3_drop_the_selected_pcid_or_nothing)
{
    BOTH(h)
    {
        fill(h);
        check_lost(h, "bit 63", false, false, false, false);
        fill(h);
        select_pcid(h, 1, false);
        check_lost(h, "PCID 1", false, true, false, false);
        fill(h);
        select_pcid(h, 0, false);
        check_lost(h, "the same PCID", true, false, false, false);
    }
}

Test(pcid, invlpg_drops_the_page_of_the_present_pcid_and_global_ones)
{
    BOTH(h)
    {
        fill(h);
        cr_assert_eq(RUN(h, invlpg, OWN_PAGE, 0), -1);
        check_lost(h, "own page", true, false, false, false);
        fill(h);
        select_pcid(h, 2, true);
        cr_assert_eq(RUN(h, invlpg, GLOBAL_PAGE, 0), -1);
        check_lost(h, "global page", false, false, false, true);
    }
}

Test(pcid, invpcid_of_each_type)
{
    BOTH(h)
    {
        fill(h);
        cr_assert_eq(do_invpcid(h, 0, 1, OWN_PAGE + 0x123), -1);
        check_lost(h, "address", false, true, false, false);
        fill(h);
        cr_assert_eq(do_invpcid(h, 0, 0, GLOBAL_PAGE), -1);
        check_lost(h, "global address", false, false, false, false);
        fill(h);
        cr_assert_eq(do_invpcid(h, 1, 2, 0), -1);
        check_lost(h, "context", false, false, true, false);
        fill(h);
        cr_assert_eq(do_invpcid(h, 1, 0, UINT64_C(1) << 60), -1, "the address is not looked at");
        check_lost(h, "the present context", true, false, false, false);
        fill(h);
        cr_assert_eq(do_invpcid(h, 2, 1, 0), -1);
        check_lost(h, "all", true, true, true, true);
        fill(h);
        cr_assert_eq(do_invpcid(h, 3, 1, 0), -1);
        check_lost(h, "all but global", true, true, true, false);
    }
}

Test(pcid, changes_of_cr4_drop_all_pcids)
{
    BOTH(h)
    {
        static const uint64_t bits[] = {CR4_PGE, CR4_SMAP, CR4_PSE};
        for (unsigned i = 0; i < ARRAY_LEN(bits); i++) {
            fill(h);
            h->cpu->s.rflags |= FLAG_AC; /* SMAP: the window is a user's */
            uint64_t cr4 = h->cpu->s.cr4;
            cr_assert_eq(RUN(h, to_cr4, 0, cr4 ^ bits[i]), -1);
            cr_assert_eq(RUN(h, to_cr4, 0, cr4), -1);
            check_lost(h, "twice", true, true, true, true);
        }
        fill(h);
        cr_assert_eq(RUN(h, to_cr4, 0, h->cpu->s.cr4 & ~(uint64_t)CR4_PCIDE), -1);
        cr_assert(walks(h, OWN_PAGE));
        cr_assert(walks(h, GLOBAL_PAGE));
        cr_assert_eq(RUN(h, to_cr4, 0, h->cpu->s.cr4 | CR4_PCIDE), -1);
        check_lost(h, "set again: what PCID 0 has learnt stays", false, true, true, false);
    }
}

Test(pcid, without_pcide_the_bits_of_cr3_select_nothing)
{
    BOTH(h)
    {
        h->cpu->s.cr4 &= ~(uint64_t)CR4_PCIDE;
        cpu_state_changed(h->cpu);
        (void)walks(h, OWN_PAGE);
        select_pcid(h, 0x18, false); /* PCD and PWT */
        cr_assert_eq(h->cpu->tlb.selected, 0);
        cr_assert(walks(h, OWN_PAGE));
        cr_assert_eq(RUN(h, to_cr3, 0, HARNESS_TABLES | CR3_NO_FLUSH), VEC_GP);
    }
}

Test(pcid, a_page_is_stale_for_each_pcid_by_itself)
{
    BOTH(h)
    {
        fill(h);
        poke64(h, DATA + 0x1000, 1);
        poke64(h, DATA + 0x3000, 3);
        poke64(h, TABLE + 8, (DATA + 0x3000) | 7 | ACCESSED);
        cr_assert_eq(do_invpcid(h, 0, 1, OWN_PAGE), -1);
        for (unsigned pcid = 0; pcid < 3; pcid++) {
            select_pcid(h, pcid, true);
            cr_assert_eq(RUN(h, load_code, OWN_PAGE, 0), -1);
            cr_assert_eq(h->cpu->s.gpr[RAX], pcid == 1 ? 3 : 1, "PCID %u", pcid);
        }
    }
}

/* ---- Faults ---- */

Test(pcid, values_of_control_registers)
{
    static const struct {
        const char *name;
        enum harness_mode mode;
        const uint8_t *code;
        uint64_t cr3, cr4, value;
        bool ok;
    } rows[] = {
        {"PCIDE", HARNESS_64, to_cr4, HARNESS_TABLES, BASE4, BASE4 | CR4_PCIDE, true},
        {"PCIDE with a PCID", HARNESS_64, to_cr4, HARNESS_TABLES | 1, BASE4, BASE4 | CR4_PCIDE, false},
        {"PCIDE with PCD", HARNESS_64, to_cr4, HARNESS_TABLES | 0x10, BASE4, BASE4 | CR4_PCIDE, false},
        {"PCIDE stays with a PCID", HARNESS_64, to_cr4, HARNESS_TABLES | 1, BASE4 | CR4_PCIDE,
         BASE4 | CR4_PCIDE | CR4_PGE, true},
        {"PCIDE cleared with a PCID", HARNESS_64, to_cr4, HARNESS_TABLES | 1, BASE4 | CR4_PCIDE, BASE4, true},
        {"PCIDE outside long mode", HARNESS_32, to_cr4, 0, 0, CR4_PCIDE, false},
        {"PCIDE and PAE outside long mode", HARNESS_32, to_cr4, 0, CR4_PAE, CR4_PAE | CR4_PCIDE, false},
        {"PAE cleared", HARNESS_64, to_cr4, HARNESS_TABLES, BASE4 | CR4_PCIDE, CR4_PCIDE, false},
        {"PG cleared", HARNESS_64, to_cr0, HARNESS_TABLES, BASE4 | CR4_PCIDE, CR0_PE | CR0_NE, false},
        {"bit 63 of CR3", HARNESS_64, to_cr3, HARNESS_TABLES, BASE4 | CR4_PCIDE,
         HARNESS_TABLES | 0xFFF | CR3_NO_FLUSH, true},
        {"bit 63 of CR3 without PCIDE", HARNESS_64, to_cr3, HARNESS_TABLES, BASE4,
         HARNESS_TABLES | CR3_NO_FLUSH, false},
        {"bit 62 of CR3", HARNESS_64, to_cr3, HARNESS_TABLES, BASE4 | CR4_PCIDE,
         HARNESS_TABLES | UINT64_C(1) << 62, false},
        {"address of CR3", HARNESS_64, to_cr3, HARNESS_TABLES, BASE4 | CR4_PCIDE,
         HARNESS_TABLES | CR3_NO_FLUSH | UINT64_C(1) << 46, false},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct harness *h = harness_create("max", rows[i].mode, true);
        h->cpu->s.cr3 = rows[i].cr3;
        h->cpu->s.cr4 = rows[i].cr4;
        cpu_state_changed(h->cpu);
        struct cpu_state before = h->cpu->s;
        cr_assert_eq(run(h, rows[i].code, 3, 0, rows[i].value), rows[i].ok ? -1 : VEC_GP, "%s", rows[i].name);
        if (!rows[i].ok) {
            cr_assert_eq(h->cpu->s.cr0, before.cr0, "%s", rows[i].name);
            cr_assert_eq(h->cpu->s.cr3, before.cr3, "%s", rows[i].name);
            cr_assert_eq(h->cpu->s.cr4, before.cr4, "%s", rows[i].name);
        }
        harness_destroy(h);
    }
}

/* In compatibility mode CR0.PG may be cleared, if it were not for PCIDE. */
Test(pcid, paging_stays_on_in_compatibility_mode)
{
    for (unsigned pcide = 0; pcide < 2; pcide++) {
        struct harness *h = harness_create("max", HARNESS_64, true);
        h->cpu->s.seg[CS].attr = (uint16_t)((h->cpu->s.seg[CS].attr & ~(unsigned)SEG_L) | SEG_DB);
        h->cpu->s.cr4 |= pcide ? CR4_PCIDE : 0;
        cpu_state_changed(h->cpu);
        harness_code(h, to_cr0, sizeof to_cr0);
        h->cpu->s.gpr[RCX] = CR0_PE | CR0_NE;
        harness_step(h, 1);
        cr_assert_eq((h->cpu->s.cr0 & CR0_PG) != 0, pcide != 0);
        cr_assert_eq(harness_fault(h), pcide ? VEC_GP : -1);
        harness_destroy(h);
    }
}

#define NON_CANONICAL (UINT64_C(1) << 47)

Test(pcid, invpcid_checks_type_and_descriptor)
{
    static const struct {
        const char *name;
        uint64_t type, pcid, linear;
        bool pcide, ok;
    } rows[] = {
        {"type 4", 4, 0, 0, true, false},
        {"the type has 64 bits", UINT64_C(1) << 32, 0, 0, true, false},
        {"bit 12 of the PCID", 0, 0x1000, 0, true, false},
        {"bit 63 of the PCID", 1, UINT64_C(1) << 63, 0, true, false},
        {"reserved bits are looked at even where no PCID is", 2, 0x1000, 0, true, false},
        {"the same", 3, 0x1000, 0, true, false},
        {"highest PCID", 1, 0xFFF, 0, true, true},
        {"non-canonical address", 0, 1, NON_CANONICAL, true, false},
        {"of no importance to others", 1, 1, NON_CANONICAL, true, true},
        {"the same", 2, 1, NON_CANONICAL, true, true},
        {"the same", 3, 1, NON_CANONICAL, true, true},
        {"PCID 0 without PCIDE", 0, 0, 0, false, true},
        {"the same", 1, 0, 0, false, true},
        {"a PCID without PCIDE", 0, 1, 0, false, false},
        {"the same", 1, 1, 0, false, false},
        {"it is ignored", 2, 1, 0, false, true},
        {"the same", 3, 1, 0, false, true},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct harness *h = bench_create(true);
        if (!rows[i].pcide) {
            h->cpu->s.cr4 &= ~(uint64_t)CR4_PCIDE;
            cpu_state_changed(h->cpu);
        }
        (void)walks(h, OWN_PAGE);
        cr_assert_eq(do_invpcid(h, rows[i].type, rows[i].pcid, rows[i].linear), rows[i].ok ? -1 : VEC_GP,
                     "row %u: %s", i, rows[i].name);
        if (!rows[i].ok) {
            h->cpu->s.rip = HARNESS_CODE;
            cr_assert_not(walks(h, OWN_PAGE), "row %u: it dropped something", i);
        }
        harness_destroy(h);
    }
}

Test(pcid, invpcid_in_other_modes)
{
    const uint64_t descriptor[2] = {0, 0};
    static const struct {
        const char *model;
        enum harness_mode mode;
        const uint8_t *code;
        size_t size;
        uint64_t rbx;
        int fault;
    } rows[] = {
        {"max", HARNESS_64, invpcid, sizeof invpcid, HARNESS_DATA, -1},
        {"x86-64-v3", HARNESS_64, invpcid, sizeof invpcid, HARNESS_DATA, -1},
        {"x86-64-v2", HARNESS_64, invpcid, sizeof invpcid, HARNESS_DATA, VEC_UD},
        {"max", HARNESS_32, invpcid_32, sizeof invpcid_32, HARNESS_DATA, -1},
        {"max", HARNESS_64_USER, invpcid, sizeof invpcid, HARNESS_DATA, VEC_GP},
        {"max", HARNESS_32_USER, invpcid_32, sizeof invpcid_32, HARNESS_DATA, VEC_GP},
        {"x86-64-v2", HARNESS_64_USER, invpcid, sizeof invpcid, HARNESS_DATA, VEC_UD},
        {"max", HARNESS_64, invpcid_reg, sizeof invpcid_reg, HARNESS_DATA, VEC_UD},
        {"max", HARNESS_64, invpcid_lock, sizeof invpcid_lock, HARNESS_DATA, VEC_UD},
        {"max", HARNESS_64, invpcid_np, sizeof invpcid_np, HARNESS_DATA, VEC_UD},
        {"max", HARNESS_64, invpcid, sizeof invpcid, NON_CANONICAL, VEC_GP},
        {"max", HARNESS_64, invpcid, sizeof invpcid, UINT64_C(0x123000000000), VEC_PF},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct harness *h = harness_create(rows[i].model, rows[i].mode, true);
        harness_poke(h, HARNESS_DATA, descriptor, sizeof descriptor);
        cr_assert_eq(run(h, rows[i].code, rows[i].size, rows[i].rbx, 2), rows[i].fault, "row %u", i);
        harness_destroy(h);
    }
    struct harness *h = harness_create("max", HARNESS_64, true);
    h->cpu->s.gpr[RSP] = HARNESS_DATA;
    harness_poke(h, HARNESS_DATA, descriptor, sizeof descriptor);
    cr_assert_eq(RUN(h, invpcid_stack, 0, 2), -1);
    harness_destroy(h);
}

/* In real mode INVPCID works, without CR4.PCIDE (which cannot be set there). */
Test(pcid, invpcid_in_real_mode)
{
    static const uint8_t code[] = {0x66, 0x0F, 0x38, 0x82, 0x0F}; /* invpcid ecx, [bx] */
    for (uint64_t pcid = 0; pcid < 2; pcid++) {
        const uint64_t descriptor[2] = {pcid, 0};
        struct harness *h = harness_create("max", HARNESS_16, true);
        harness_poke(h, 0x8000, descriptor, sizeof descriptor);
        harness_code(h, code, sizeof code);
        h->cpu->s.gpr[RBX] = 0x8000;
        h->cpu->s.gpr[RCX] = 1;
        uint64_t before = h->cpu->s.gpr[RSP];
        harness_step(h, 1);
        cr_assert_eq(h->cpu->s.gpr[RSP] != before, pcid != 0, "#GP pushes a frame");
        harness_destroy(h);
    }
}

/* ---- What CPUID says ---- */

Test(pcid, cpuid_follows_the_model_and_the_monitor)
{
    static const uint8_t cpuid[] = {0x0F, 0xA2};
    static const struct {
        const char *model;
        bool hidden, has;
    } rows[] = {{"x86-64-v3", false, true},
                {"max", false, true},
                {"x86-64-v3", true, false},
                {"x86-64-v2", false, false},
                {"pentium3", false, false}};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct harness *h = harness_create(rows[i].model, HARNESS_32, true);
        h->cpu->config.no_pcid = rows[i].hidden;
        h->cpu->s.gpr[RAX] = 1;
        (void)RUN(h, cpuid, 0, 0);
        cr_assert_eq((h->cpu->s.gpr[RCX] >> 17 & 1) != 0, rows[i].has, "row %u", i);
        if (strcmp(rows[i].model, "pentium3") != 0) {
            h->cpu->s.gpr[RAX] = 7;
            (void)RUN(h, cpuid, 0, 0);
            cr_assert_eq((h->cpu->s.gpr[RBX] >> 10 & 1) != 0, rows[i].has, "row %u", i);
        }
        harness_destroy(h);
        h = harness_create(rows[i].model, HARNESS_64, true);
        h->cpu->config.no_pcid = rows[i].hidden;
        cr_assert_eq(RUN(h, to_cr4, 0, BASE4 | CR4_PCIDE), rows[i].has ? -1 : VEC_GP, "row %u", i);
        harness_destroy(h);
    }
}

/* ---- The cache model: its TLBs are tagged, too ---- */

Test(pcid, modelled_tlbs_keep_the_translations_of_other_pcids)
{
    struct harness *h = harness_create_timed("max", HARNESS_64, true);
    h->cpu->s.cr4 |= CR4_PCIDE | CR4_PGE;
    cpu_state_changed(h->cpu);
    select_pcid(h, 1, false);
    (void)RUN(h, load_code, HARNESS_DATA, 0);
    const struct level_count *large = &h->cpu->timing->hierarchy.count[LEVEL_DTLB_LARGE];
    uint64_t missed = large->misses;
    select_pcid(h, 2, false);
    (void)RUN(h, load_code, HARNESS_DATA, 0);
    cr_assert_eq(large->misses, missed + 1);
    select_pcid(h, 1, true);
    (void)RUN(h, load_code, HARNESS_DATA, 0);
    cr_assert_eq(large->misses, missed + 1, "kept");
    select_pcid(h, 2, false);
    select_pcid(h, 1, true);
    (void)RUN(h, load_code, HARNESS_DATA, 0);
    cr_assert_eq(large->misses, missed + 1, "only that of PCID 2 was dropped");
    select_pcid(h, 2, true);
    (void)RUN(h, load_code, HARNESS_DATA, 0);
    cr_assert_eq(large->misses, missed + 2);
    harness_destroy(h);
}
