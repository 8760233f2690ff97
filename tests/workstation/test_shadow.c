/* Shadow page tables against the walker of the guest's own tables, on random tables in every mode.
 *
 * A twin memory gets the same writes and is walked directly: results, #PF codes and the A and D bits left
 * behind must be equal. A hardware walk of the shadow tables, which are ordinary x86 tables in machine
 * memory, must find the frame. */
#include "tests/workstation/fake_vm.h"

#include "vmm/shadow.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { RAM_PAGES = 512, HOLE_FIRST = 300, HOLE_LAST = 303, POOL = 256, TABLE_PAGES = 24, FIRST_TABLE = 16 };

struct memory_pair {
    struct machine_memory machine;
    struct guest_memory memory;
};

struct bench {
    struct vm *vm;
    struct memory_pair guest, twin;
    struct guest_memory hardware; /* machine memory as a hardware walker sees it */
    struct pmap pmap;
    struct shadow *shadow;
    struct paging paging;
    uint32_t seed;
};

static uint32_t draw(struct bench *bench, uint32_t limit)
{
    bench->seed = bench->seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(bench->seed >> 4) * limit >> 28);
}

static void memory_pair_create(struct memory_pair *pair)
{
    struct error err;
    cr_assert_eq(machine_memory_create(&pair->machine, (RAM_PAGES + POOL) * PAGE_SIZE, &err), STATUS_OK);
    cr_assert_eq(guest_memory_create(&pair->memory, RAM_PAGES * PAGE_SIZE, &err), STATUS_OK);
    guest_memory_map(&pair->memory, &pair->machine, (ppn_t){0}, (mpn_t){0}, RAM_PAGES);
    guest_memory_unmap(&pair->memory, (ppn_t){HOLE_FIRST}, HOLE_LAST - HOLE_FIRST + 1);
}

static void memory_pair_destroy(struct memory_pair *pair)
{
    guest_memory_destroy(&pair->memory);
    machine_memory_destroy(&pair->machine);
}

static struct bench *bench_create(unsigned max_tables)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct error err;
    bench->vm = fake_vm_create("pc-733", NULL, NULL);
    bench->seed = 2001;
    memory_pair_create(&bench->guest);
    memory_pair_create(&bench->twin);
    cr_assert_eq(pmap_create(&bench->pmap, &bench->guest.machine, &bench->guest.memory, &err), STATUS_OK);
    uint64_t frames = bench->guest.machine.frames;
    cr_assert_eq(guest_memory_create(&bench->hardware, frames * PAGE_SIZE, &err), STATUS_OK);
    guest_memory_map(&bench->hardware, &bench->guest.machine, (ppn_t){0}, (mpn_t){0}, frames);
    bench->shadow = shadow_create(bench->vm, &bench->pmap, max_tables);
    tlb_init(&bench->vm->cpu.tlb);
    return bench;
}

static void bench_destroy(struct bench *bench)
{
    tlb_destroy(&bench->vm->cpu.tlb);
    shadow_destroy(bench->shadow);
    pmap_destroy(&bench->pmap);
    guest_memory_destroy(&bench->hardware);
    memory_pair_destroy(&bench->guest);
    memory_pair_destroy(&bench->twin);
    fake_vm_destroy(bench->vm);
    free(bench);
}

/* The guest's CPU writes memory: both twins. */
static void guest_write(struct bench *bench, uint64_t addr, uint64_t value, unsigned size)
{
    memory_write(&bench->guest.memory, gpa(addr), &value, size);
    memory_write(&bench->twin.memory, gpa(addr), &value, size);
}

static void check_memories(const struct bench *bench)
{
    for (uint64_t page = 0; page < RAM_PAGES; page++) {
        const uint8_t *a = bench->guest.memory.frame[page], *b = bench->twin.memory.frame[page];
        cr_assert_eq(a == NULL, b == NULL);
        cr_assert(a == NULL || memcmp(a, b, PAGE_SIZE) == 0, "page %u differs: A or D bits", (unsigned)page);
    }
}

/* Remember it in the soft TLB as cpu/ would, which leaves it to the monitor to take it away. */
static void fill_tlb(struct bench *bench, uint64_t linear, enum access access, bool user,
                     const struct translation *found)
{
    struct tlb *tlb = &bench->vm->cpu.tlb;
    tlb_enter(tlb, user, linear,
              &(const struct tlb_walked){.page = found->page,
                                         .page_size = PAGE_SIZE,
                                         .allowed = (uint8_t)(1u << access),
                                         .global = found->global});
}

/* What the MMU would do with the shadow tables. */
static void check_hardware_walk(struct bench *bench, gva_t addr, enum access access, bool user,
                                const struct translation *found)
{
    struct paging hardware = shadow_paging(bench->shadow, &bench->paging);
    struct translation walked;
    uint32_t pf;
    uint64_t frame = pmap_mpn(&bench->pmap, (ppn_t){found->page.v >> PAGE_SHIFT});
    bool ok = page_walk(&bench->hardware, &hardware, addr, access, user, false, false, &walked, &pf);
    if (frame == PMAP_NONE) {
        cr_expect(!ok, "device memory must trap");
        return;
    }
    /* A write by a supervisor with CR0.WP = 0 is the monitor's to emulate; everything else the hardware does
     * alone. */
    if (!ok && access == ACCESS_WRITE && !bench->paging.wp)
        return;
    cr_assert(ok, "the hardware faults with %x where the monitor has translated", pf);
    cr_expect_eq(walked.page.v >> PAGE_SHIFT, frame);
}

static void check_access(struct bench *bench, uint64_t linear, enum access access, bool user)
{
    struct translation mine = {{0}}, reference = {{0}};
    uint32_t my_pf = 0, pf = 0;
    bool expected = page_walk(&bench->twin.memory, &bench->paging, gva(linear), access, user, false, true,
                              &reference, &pf);
    bool got =
        shadow_translate(bench->shadow, &bench->paging, gva(linear), access, user, false, &mine, &my_pf);
    cr_assert_eq(got, expected, "%llx access %d user %d", (unsigned long long)linear, access, user);
    if (!got) {
        cr_expect_eq(my_pf, pf, "#PF code %x, expected %x", my_pf, pf);
        return;
    }
    cr_assert_eq(mine.page.v, reference.page.v);
    cr_expect_eq(mine.writable, reference.writable);
    cr_expect_eq(mine.user, reference.user);
    cr_expect_eq(mine.exec, reference.exec);
    fill_tlb(bench, linear, access, user, &mine);
    check_hardware_walk(bench, gva(linear), access, user, &mine);
}

static void invalidate(struct bench *bench)
{
    tlb_flush_nonglobal(&bench->vm->cpu.tlb);
    shadow_invalidate(bench->shadow, &bench->paging);
}

/* ---- Random tables ---- */

static const struct mode {
    const char *name;
    enum paging_mode mode;
    bool pse, nxe, wp, gb_pages;
} modes[] = {
    {"off", PAGING_OFF, false, false, false, false},
    {"32-bit", PAGING_32BIT, false, false, true, false},
    {"32-bit with PSE", PAGING_32BIT, true, false, true, false},
    {"32-bit without WP", PAGING_32BIT, true, false, false, false},
    {"PAE", PAGING_PAE, true, false, true, false},
    {"PAE with NX", PAGING_PAE, true, true, true, false},
    {"4-level", PAGING_4LEVEL, true, true, true, true},
};

/* Any page of RAM, the hole, or beyond; tables of other levels now and then, as recursive mappings have them.
 */
static uint64_t random_entry(struct bench *bench, bool to_table)
{
    uint64_t page = to_table ? FIRST_TABLE + draw(bench, TABLE_PAGES) : draw(bench, RAM_PAGES + 20);
    uint64_t entry = page << PAGE_SHIFT;
    entry |= draw(bench, 8) != 0;        /* P */
    entry |= (draw(bench, 4) != 0) << 1; /* W */
    entry |= (draw(bench, 4) != 0) << 2; /* U */
    entry |= draw(bench, 2) << 5;        /* A */
    entry |= draw(bench, 2) << 6;        /* D */
    entry |= (draw(bench, 6) == 0) << 8; /* G */
    if (draw(bench, 10) == 0) {          /* PS, on a page that large pages can start at */
        entry |= 0x80;
        if (draw(bench, 4))
            entry &= ~UINT64_C(0x3FFFF000);
    }
    if (bench->paging.mode != PAGING_32BIT && draw(bench, 6) == 0)
        entry |= UINT64_C(1) << 63;
    return entry;
}

/* Few indices, so that tables and addresses meet. */
static unsigned random_index(struct bench *bench, unsigned count)
{
    unsigned few = draw(bench, bench->paging.mode == PAGING_4LEVEL ? 2 : 5);
    return few < 3 ? few : count - 1 - (few - 3);
}

static void write_random_entry(struct bench *bench)
{
    bool narrow = bench->paging.mode == PAGING_32BIT;
    unsigned size = narrow ? 4 : 8, count = narrow ? 1024 : 512;
    uint64_t table = FIRST_TABLE + draw(bench, TABLE_PAGES);
    uint64_t where = (table << PAGE_SHIFT) + random_index(bench, count) * size;
    guest_write(bench, where, random_entry(bench, draw(bench, 3) != 0), size);
}

static uint64_t random_address(struct bench *bench)
{
    bool narrow = bench->paging.mode == PAGING_32BIT || bench->paging.mode == PAGING_OFF;
    unsigned bits = narrow ? 10 : 9, count = 1u << bits;
    uint64_t addr = draw(bench, PAGE_SIZE);
    for (unsigned level = 0; level < (narrow ? 2u : 4u); level++)
        addr |= (uint64_t)random_index(bench, count) << (PAGE_SHIFT + level * bits);
    if (bench->paging.mode == PAGING_OFF)
        return addr % ((RAM_PAGES + 20) * PAGE_SIZE);
    if (bench->paging.mode == PAGING_4LEVEL)
        return (uint64_t)((int64_t)(addr << 16) >> 16);
    return (uint32_t)addr;
}

static void choose_root(struct bench *bench)
{
    bench->paging.cr3 = (uint64_t)(FIRST_TABLE + draw(bench, 6)) << PAGE_SHIFT;
    for (unsigned i = 0; i < 4; i++)
        bench->paging.pdpte[i] =
            (uint64_t)(FIRST_TABLE + draw(bench, 6)) << PAGE_SHIFT | (draw(bench, 6) != 0);
}

static void set_mode(struct bench *bench, const struct mode *mode)
{
    bench->paging = (struct paging){.mode = mode->mode,
                                    .pse = mode->pse,
                                    .nxe = mode->nxe,
                                    .wp = mode->wp,
                                    .gb_pages = mode->gb_pages,
                                    .pge = true,
                                    .physical_bits = mode->mode == PAGING_32BIT ? 32 : 36,
                                    .a20_mask = UINT64_MAX};
    choose_root(bench);
    tlb_flush(&bench->vm->cpu.tlb);
    invalidate(bench);
}

static void check_consistent(struct bench *bench)
{
    const char *wrong = shadow_check(bench->shadow, &bench->paging);
    cr_assert(wrong == NULL, "%s", wrong);
}

static void run_random(struct bench *bench, unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++) {
        unsigned what = draw(bench, 16);
        if (what < 3 && bench->paging.mode != PAGING_OFF) {
            for (unsigned n = 1 + draw(bench, 8); n > 0; n--)
                write_random_entry(bench);
            if (what == 0)
                choose_root(bench);
            if (draw(bench, 2))
                check_consistent(bench); /* with stale entries */
            invalidate(bench);
        }
        check_access(bench, random_address(bench), (enum access)draw(bench, 3), draw(bench, 2));
        if (round % 64 == 0) {
            check_consistent(bench);
            check_memories(bench);
        }
    }
}

Test(shadow, equals_the_walk_of_the_guests_tables)
{
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct bench *bench = bench_create(0);
        bench->seed += (uint32_t)i;
        set_mode(bench, &modes[i]);
        run_random(bench, 6000);
        struct shadow_counters counters = shadow_counters(bench->shadow);
        cr_expect_gt(counters.hidden_faults, 0, "%s", modes[i].name);
        cr_expect_gt(6000 - counters.hidden_faults - counters.true_faults, 100, "%s: some accesses hit",
                     modes[i].name);
        cr_expect_eq(counters.recycled, 0);
        bench_destroy(bench);
    }
}

Test(shadow, little_memory_is_recycled)
{
    struct bench *bench = bench_create(9);
    for (size_t i = 1; i < ARRAY_LEN(modes); i++) {
        set_mode(bench, &modes[i]);
        run_random(bench, 2000);
    }
    cr_expect_gt(shadow_counters(bench->shadow).recycled, 10);
    bench_destroy(bench);
}

Test(shadow, changes_of_mode_and_a20)
{
    struct bench *bench = bench_create(0);
    for (unsigned round = 0; round < 60; round++) {
        set_mode(bench, &modes[draw(bench, ARRAY_LEN(modes))]);
        if (draw(bench, 4) == 0)
            bench->paging.a20_mask = ~(UINT64_C(1) << 20);
        invalidate(bench);
        run_random(bench, 100);
    }
    bench_destroy(bench);
}

/* ---- One 32-bit table by hand ---- */

enum { PD = 16, PT = 17, DATA = 40 };

static void map_by_hand(struct bench *bench, uint32_t flags)
{
    guest_write(bench, PD * PAGE_SIZE, PT * PAGE_SIZE | 7, 4);
    guest_write(bench, PT * PAGE_SIZE + 5 * 4, DATA * PAGE_SIZE | flags, 4);
    set_mode(bench, &modes[1]);
    bench->paging.cr3 = PD * PAGE_SIZE;
    invalidate(bench);
}

static bool access_by_hand(struct bench *bench, enum access access, gpa_t *page)
{
    struct translation out = {{0}};
    uint32_t pf;
    bool ok =
        shadow_translate(bench->shadow, &bench->paging, gva(5 * PAGE_SIZE), access, false, false, &out, &pf);
    *page = out.page;
    return ok;
}

Test(shadow, a_read_then_a_write_are_two_hidden_faults)
{
    struct bench *bench = bench_create(0);
    gpa_t page;
    map_by_hand(bench, 3);
    cr_assert(access_by_hand(bench, ACCESS_READ, &page));
    cr_assert(access_by_hand(bench, ACCESS_READ, &page));
    cr_expect_eq(page.v, DATA * PAGE_SIZE);
    cr_expect_eq(shadow_counters(bench->shadow).hidden_faults, 1);
    uint32_t entry = 0;
    memory_read(&bench->guest.memory, gpa(PT * PAGE_SIZE + 20), &entry, 4);
    cr_expect_eq(entry & 0x60, 0x20, "A is set, D is not");
    cr_assert(access_by_hand(bench, ACCESS_WRITE, &page));
    cr_assert(access_by_hand(bench, ACCESS_WRITE, &page));
    cr_expect_eq(shadow_counters(bench->shadow).hidden_faults, 2);
    memory_read(&bench->guest.memory, gpa(PT * PAGE_SIZE + 20), &entry, 4);
    cr_expect_eq(entry & 0x60, 0x60);
    cr_expect_eq(shadow_counters(bench->shadow).true_faults, 0);
    bench_destroy(bench);
}

Test(shadow, true_faults_are_told_apart)
{
    struct bench *bench = bench_create(0);
    gpa_t page;
    map_by_hand(bench, 1); /* read-only */
    cr_expect(!access_by_hand(bench, ACCESS_WRITE, &page));
    cr_expect(access_by_hand(bench, ACCESS_READ, &page));
    cr_expect(!access_by_hand(bench, ACCESS_WRITE, &page));
    cr_expect_eq(shadow_counters(bench->shadow).true_faults, 2);
    cr_expect_eq(recorder_exit_total(bench->vm->recorder, VM_EXIT_TRUE_FAULT).count, 2);
    cr_expect_eq(recorder_exit_total(bench->vm->recorder, VM_EXIT_HIDDEN_FAULT).count, 1);
    bench_destroy(bench);
}

Test(shadow, a_traced_write_is_charged_and_takes_effect_at_the_invalidation)
{
    struct bench *bench = bench_create(0);
    struct host *host = &bench->vm->host;
    gpa_t page;
    map_by_hand(bench, 3);
    cr_assert(access_by_hand(bench, ACCESS_READ, &page));
    cycle_t before = host_now(host);
    guest_write(bench, PT * PAGE_SIZE + 5 * 4, (DATA + 1) * PAGE_SIZE | 3, 4);
    cr_expect_gt(host_now(host), before);
    cr_expect_eq(shadow_counters(bench->shadow).traced_writes, 1);
    cr_assert(access_by_hand(bench, ACCESS_READ, &page));
    cr_expect_eq(page.v, DATA * PAGE_SIZE, "as a TLB would");
    invalidate(bench);
    cr_assert(access_by_hand(bench, ACCESS_READ, &page));
    cr_expect_eq(page.v, (DATA + 1) * PAGE_SIZE);
    /* A page that is no table is not traced. */
    before = host_now(host);
    guest_write(bench, (DATA + 1) * PAGE_SIZE, 0, 4);
    cr_expect_eq(host_now(host), before);
    bench_destroy(bench);
}

Test(shadow, an_unlinked_table_is_an_ordinary_page_again)
{
    struct bench *bench = bench_create(0);
    gpa_t page;
    map_by_hand(bench, 3);
    cr_assert(access_by_hand(bench, ACCESS_READ, &page));
    cr_expect(memory_watched(&bench->guest.memory, gpa(PT * PAGE_SIZE)) & WATCH_TRACE);
    guest_write(bench, PD * PAGE_SIZE, 0, 4);
    invalidate(bench);
    cr_expect(!(memory_watched(&bench->guest.memory, gpa(PT * PAGE_SIZE)) & WATCH_TRACE));
    cr_expect(!access_by_hand(bench, ACCESS_READ, &page));
    bench_destroy(bench);
}

Test(shadow, a_cached_root_costs_no_hidden_faults_again)
{
    struct bench *bench = bench_create(0);
    gpa_t page;
    map_by_hand(bench, 3);
    cr_assert(access_by_hand(bench, ACCESS_READ, &page));
    guest_write(bench, (PD + 2) * PAGE_SIZE, PT * PAGE_SIZE | 7, 4);
    for (int i = 0; i < 4; i++) {
        bench->paging.cr3 = (PD + 2 - i % 2 * 2) * PAGE_SIZE;
        invalidate(bench);
        cr_assert(access_by_hand(bench, ACCESS_READ, &page));
    }
    /* The second root's own entry is filled once; the page table below is shared. */
    cr_expect_eq(shadow_counters(bench->shadow).hidden_faults, 2);
    check_consistent(bench);
    bench_destroy(bench);
}

/* Frames of freed top-level tables are reused as data without a word; after a while they are no longer
 * traced. */
Test(shadow, an_abandoned_root_stops_costing)
{
    static const struct mode *const tried[] = {&modes[1], &modes[4], &modes[6]};
    for (size_t i = 0; i < ARRAY_LEN(tried); i++) {
        struct bench *bench = bench_create(0);
        gpa_t page;
        set_mode(bench, tried[i]);
        bench->paging.cr3 = PD * PAGE_SIZE;
        for (unsigned n = 0; n < 4; n++)
            bench->paging.pdpte[n] = (PD + n) * PAGE_SIZE | 1;
        guest_write(bench, PD * PAGE_SIZE, (PD + 4) * PAGE_SIZE | 7, 8);
        invalidate(bench);
        access_by_hand(bench, ACCESS_READ, &page);
        bench->paging.cr3 = (PD + 8) * PAGE_SIZE;
        for (unsigned n = 0; n < 4; n++)
            bench->paging.pdpte[n] = (PD + 8 + n) * PAGE_SIZE | 1;
        invalidate(bench);
        for (unsigned n = 0; n < 200; n++)
            guest_write(bench, PD * PAGE_SIZE + n * 8, n * 3, 4);
        cr_expect_lt(shadow_counters(bench->shadow).traced_writes, 50, "%s", tried[i]->name);
        check_consistent(bench);
        bench_destroy(bench);
    }
}

Test(shadow, pages_are_scattered_and_found_again)
{
    struct bench *bench = bench_create(0);
    unsigned neighbours = 0, same = 0;
    for (uint64_t page = 0; page < RAM_PAGES; page++) {
        uint64_t frame = pmap_mpn(&bench->pmap, (ppn_t){page});
        cr_assert_eq(frame == PMAP_NONE, bench->guest.memory.frame[page] == NULL);
        if (frame == PMAP_NONE)
            continue;
        same += frame == page;
        cr_expect_eq(pmap_ppn(&bench->pmap, (mpn_t){frame}), page);
        cr_expect_eq(bench->guest.memory.frame[page], pmap_frame(&bench->pmap, (mpn_t){frame}));
        neighbours += page > 0 && pmap_mpn(&bench->pmap, (ppn_t){page - 1}) + 1 == frame;
    }
    cr_expect_lt(neighbours, 4);
    cr_expect_lt(same, 4);
    bench_destroy(bench);
}
