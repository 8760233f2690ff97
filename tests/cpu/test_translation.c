/* When the page tables are walked: the guest sees it in the A bits, which a kernel clears without a flush.
 * Each with the fast paths on and off. */
#include "tests/cpu/harness.h"

#include "cpu/cpu_priv.h"
#include "cpu/exec.h"

#include <criterion/criterion.h>

/* Linear addresses from 1 GB on have 4 KB pages of their own: a PDPT entry, four page directories, and one
 * page table that all directory entries share, so linear page n of each 2 MB maps to DATA + n * 4 KB. */
enum {
    DIRECTORY = 0x100000,
    TABLE = 0x101000,
    DATA = 0x200000,
    WINDOW = 0x40000000,
    REGION = 0x200000,
};
enum { ACCESSED = 1 << 5, DIRTY = 1 << 6, GLOBAL = 1 << 8 };

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
    for (uint64_t n = 0; n < 512; n++) {
        poke64(h, DIRECTORY + 8 * n, TABLE | 7);
        poke64(h, TABLE + 8 * n, (DATA + (n << PAGE_SHIFT)) | 7);
    }
    return h;
}

static uint64_t pte_addr(uint64_t linear)
{
    return TABLE + 8 * (linear >> PAGE_SHIFT & 511);
}

static bool accessed(struct harness *h, uint64_t linear)
{
    uint64_t entry = 0;
    harness_peek(h, pte_addr(linear), &entry, 8);
    return (entry & ACCESSED) != 0;
}

/* As a kernel does it that looks for idle pages: in memory only. */
static void clear_accessed(struct harness *h, uint64_t linear)
{
    uint64_t entry = 0;
    harness_peek(h, pte_addr(linear), &entry, 8);
    poke64(h, pte_addr(linear), entry & ~(uint64_t)ACCESSED);
}

static const uint8_t code_load[] = {0x8B, 0x03};          /* mov eax, [rbx] */
static const uint8_t code_set_cr3[] = {0x0F, 0x22, 0xD9}; /* mov cr3, rcx */
static const uint8_t code_set_cr4[] = {0x0F, 0x22, 0xE1}; /* mov cr4, rcx */
static const uint8_t code_invlpg[] = {0x0F, 0x01, 0x3B};  /* invlpg [rbx] */

static void run(struct harness *h, const uint8_t *code, size_t size, uint64_t rbx, uint64_t rcx)
{
    harness_code(h, code, size);
    h->cpu->s.gpr[RBX] = rbx;
    h->cpu->s.gpr[RCX] = rcx;
    harness_step(h, 1);
    cr_assert_eq(harness_fault(h), -1);
}

static void load(struct harness *h, uint64_t linear)
{
    run(h, code_load, sizeof code_load, linear, 0);
}

static void set_cr4(struct harness *h, uint64_t bits)
{
    run(h, code_set_cr4, sizeof code_set_cr4, 0, bits | CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT);
}

static void load_cr3(struct harness *h)
{
    run(h, code_set_cr3, sizeof code_set_cr3, 0, HARNESS_TABLES);
}

/* Pages at any distance, so that whatever a cache is indexed by, some share its slot; and in number. */
static void load_others(struct harness *h)
{
    for (uint64_t distance = 2 * PAGE_SIZE; distance < 0x40000000; distance *= 2) {
        load(h, WINDOW + distance);
        load(h, WINDOW + UINT64_C(0x40000000) - distance);
    }
    for (uint64_t page = 8; page < 5000; page++)
        load(h, WINDOW + page * PAGE_SIZE);
}

Test(translation, other_pages_do_not_cause_a_walk)
{
    BOTH(h)
    {
        load(h, WINDOW + 0x1008);
        cr_assert(accessed(h, WINDOW + 0x1000));
        load(h, WINDOW + 0x1008);
        clear_accessed(h, WINDOW + 0x1000);
        for (uint64_t region = 1; region < 512; region++) /* other linear pages that begin alike */
            load(h, WINDOW + region * REGION);
        load_others(h);
        cpu_drop_caches(h->cpu);
        clear_accessed(h, WINDOW + 0x1000); /* the same entry serves other regions */
        load(h, WINDOW + 0x1010);
        cr_assert_not(accessed(h, WINDOW + 0x1000), "no flush: no walk");
        run(h, code_invlpg, sizeof code_invlpg, WINDOW + 0x1000, 0);
        load(h, WINDOW + 0x1010);
        cr_assert(accessed(h, WINDOW + 0x1000));
    }
}

Test(translation, global_pages_outlive_a_load_of_cr3)
{
    BOTH(h)
    {
        const uint64_t global = WINDOW + 0x3000, other = WINDOW + 0x4000;
        poke64(h, pte_addr(global), (DATA + 0x3000) | GLOBAL | 7);
        for (unsigned enabled = 0; enabled < 2; enabled++) {
            set_cr4(h, enabled ? CR4_PGE : 0);
            load(h, global);
            load(h, other);
            clear_accessed(h, global);
            clear_accessed(h, other);
            load_cr3(h);
            load(h, global);
            load(h, other);
            cr_assert_eq(accessed(h, global), !enabled, "CR4.PGE %u", enabled);
            cr_assert(accessed(h, other));
        }
        clear_accessed(h, global);
        run(h, code_invlpg, sizeof code_invlpg, global, 0);
        load(h, global);
        cr_assert(accessed(h, global), "INVLPG drops global pages");
        clear_accessed(h, global);
        set_cr4(h, 0);
        set_cr4(h, CR4_PGE);
        load(h, global);
        cr_assert(accessed(h, global), "so does a change of CR4.PGE");
    }
}

struct monitor {
    struct harness *h;
    unsigned asked;
    bool keeps;       /* its translations outlive a load of CR3 */
    uint64_t refused; /* page that is not there */
    unsigned refusals;
};

static bool monitor_translate(void *ctx, gva_t addr, enum access access, bool user, bool ac,
                              struct translation *out, uint32_t *pf)
{
    struct monitor *monitor = ctx;
    const struct cpu *cpu = monitor->h->cpu;
    monitor->asked++;
    if ((addr.v & ~PAGE_MASK) == monitor->refused) {
        monitor->refusals++;
        *pf = 0;
        return false;
    }
    bool ok = page_walk(&monitor->h->memory, &cpu->paging, addr, access, user, ac, true, out, pf);
    out->global = monitor->keeps;
    return ok;
}

static void check_monitor_asked(struct harness *h, bool keeps)
{
    struct monitor monitor = {.h = h, .keeps = keeps};
    poke64(h, pte_addr(WINDOW), DATA | (keeps ? 0 : GLOBAL) | 7);
    set_cr4(h, CR4_PGE);
    h->bus.ctx = &monitor;
    h->bus.translate = monitor_translate;
    cpu_state_changed(h->cpu);
    load(h, WINDOW);
    load(h, WINDOW);
    cr_assert_eq(monitor.asked, 2, "code and data");
    load_cr3(h);
    load(h, WINDOW);
    cr_assert_eq(monitor.asked, keeps ? 2 : 4);
    h->bus.translate = NULL;
    cpu_state_changed(h->cpu);
}

Test(translation, a_monitor_decides_what_outlives_a_load_of_cr3)
{
    BOTH(h)
    {
        check_monitor_asked(h, false);
        check_monitor_asked(h, true);
    }
}

/* mov dr0, rcx; mov dr7, rdx; mov [rbx], eax */
static const uint8_t code_breakpoint[] = {0x0F, 0x23, 0xC1, 0x0F, 0x23, 0xFA, 0x89, 0x03};

Test(translation, a_breakpoint_on_a_hot_page_stops_and_does_not_walk)
{
    BOTH(h)
    {
        const uint64_t addr = WINDOW + 0x1008;
        for (unsigned i = 0; i < 2; i++) { /* a second time after it was taken away */
            harness_code(h, code_breakpoint, sizeof code_breakpoint);
            h->cpu->s.gpr[RBX] = h->cpu->s.gpr[RCX] = addr;
            h->cpu->s.gpr[RDX] = DR7_FIXED;
            harness_step(h, 3);
            cr_assert_eq(harness_fault(h), -1);
            clear_accessed(h, addr);
            h->cpu->s.rip = HARNESS_CODE;
            h->cpu->s.gpr[RDX] = DR7_FIXED | 2 | UINT64_C(0xD) << 16; /* global, 4 bytes, writes */
            cr_assert(harness_run(h));
            cr_assert_eq(harness_fault(h), VEC_DB);
            cr_assert_not(accessed(h, addr));
            h->cpu->s.activity = ACTIVITY_RUNNING;
        }
    }
}

/* ---- Code ---- */

Test(translation, the_next_instruction_after_invlpg_of_its_page_is_walked_for)
{
    static const uint8_t code[] = {0x90, 0x0F, 0x01, 0x3B, 0x90, 0x90}; /* nop; invlpg [rbx]; nop; nop */
    BOTH(h)
    {
        harness_poke(h, DATA + 0x5000, code, sizeof code);
        h->cpu->s.rip = h->cpu->s.gpr[RBX] = WINDOW + 0x5000;
        harness_step(h, 1);
        cr_assert(accessed(h, WINDOW + 0x5000));
        clear_accessed(h, WINDOW + 0x5000);
        harness_step(h, 1);
        cr_assert_not(accessed(h, WINDOW + 0x5000));
        harness_step(h, 1);
        cr_assert(accessed(h, WINDOW + 0x5000));
    }
}

Test(translation, code_is_not_walked_for_on_its_way_to_another_page_and_back)
{
    /* jmp +4090 to the next page, where: jmp back */
    static const uint8_t there[] = {0xE9, 0xFB, 0x0F, 0, 0}, back[] = {0xE9, 0xFB, 0xEF, 0xFF, 0xFF};
    BOTH(h)
    {
        harness_poke(h, DATA + 0x5000, there, sizeof there);
        harness_poke(h, DATA + 0x6000, back, sizeof back);
        h->cpu->s.rip = WINDOW + 0x5000;
        harness_step(h, 2);
        cr_assert_eq(h->cpu->s.rip, WINDOW + 0x5000);
        clear_accessed(h, WINDOW + 0x5000);
        clear_accessed(h, WINDOW + 0x6000);
        harness_step(h, 1000);
        cr_assert_not(accessed(h, WINDOW + 0x5000) || accessed(h, WINDOW + 0x6000));
    }
}

/* Entries until the next one flushes everything. */
static void fill_tlb(struct tlb *tlb)
{
    const struct tlb_walked walked = {.page = gpa(0), .page_size = PAGE_SIZE};
    for (uint64_t n = 0; tlb->count < TLB_MAX_ENTRIES; n++)
        tlb_enter(tlb, true, UINT64_C(0x700000000000) + (n << PAGE_SHIFT), &walked);
}

/* It happens inside an instruction, in the middle of a block. */
Test(translation, a_full_tlb_is_flushed_and_the_next_instruction_is_walked_for)
{
    static const uint8_t code[] = {0x8B, 0x03, 0x90, 0xF4}; /* mov eax, [rbx]; nop; hlt */
    BOTH(h)
    {
        harness_poke(h, DATA + 0x5000, code, sizeof code);
        h->cpu->s.rip = WINDOW + 0x5000;
        h->cpu->s.gpr[RBX] = WINDOW + 0x6000;
        cr_assert(harness_run(h)); /* the block is there */
        fill_tlb(&h->cpu->tlb);
        clear_accessed(h, WINDOW + 0x5000);
        h->cpu->s.activity = ACTIVITY_RUNNING;
        h->cpu->s.rip = WINDOW + 0x5000;
        h->cpu->s.gpr[RBX] = WINDOW + 0x7000;
        cr_assert(harness_run(h));
        cr_assert_eq(h->cpu->tlb.count, 2, "data and code");
        cr_assert(accessed(h, WINDOW + 0x5000));
    }
}

/* A monitor charges for each time. */
Test(translation, a_fetch_that_faults_is_asked_for_once)
{
    static const uint8_t there[] = {0xE9, 0xFB, 0x0F, 0, 0}, back[] = {0xE9, 0xFB, 0xEF, 0xFF, 0xFF};
    BOTH(h)
    {
        struct monitor monitor = {.h = h};
        h->bus.ctx = &monitor;
        h->bus.translate = monitor_translate;
        cpu_state_changed(h->cpu);
        harness_poke(h, DATA + 0x5000, there, sizeof there);
        harness_poke(h, DATA + 0x6000, back, sizeof back);
        h->cpu->s.rip = WINDOW + 0x5000;
        (void)cpu_run(h->cpu, h->cpu->s.clock + 10000); /* the way there is known */
        monitor.refused = WINDOW + 0x6000;
        tlb_flush_page(&h->cpu->tlb, WINDOW + 0x6000);
        h->cpu->s.rip = WINDOW + 0x5000;
        cr_assert(harness_run(h));
        cr_assert_eq(harness_fault(h), VEC_PF);
        cr_assert_eq(monitor.refusals, 1);
    }
}
