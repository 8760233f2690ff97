/* Page walkers: every mode and permission bit as rows (SDM vol. 3, 4.3 to 4.8).
 *
 * The tables always lie at the same places: the top level at 0x1000 (4-level), then 0x2000, 0x3000 and the
 * page table at 0x4000; a row gives one entry per level, which is put at the slot that ADDRESS selects. */
#include "mmu/walk.h"

#include <criterion/criterion.h>

#include <string.h>

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 };
#define NX (UINT64_C(1) << 63)
#define ADDRESS                                                                                              \
    UINT64_C(0x00803456) /* 4-level and PAE: PD slot 4, PT slot 3; 32-bit: PD slot 2, PT slot 3              \
                          */
enum { PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000, PT = 0x4000, PAGE = 0x5000 };

/* The machine a row runs on. */
enum { WP = 1, PSE = 2, NXE = 4, SMEP = 8, SMAP = 16, GB = 32, BITS36 = 64, BITS32 = 128, AC = 256 };

enum who { SUPERVISOR, USER };

struct row {
    const char *name;
    enum paging_mode mode;
    unsigned machine;
    uint64_t entry[4]; /* PML4E, PDPTE, PDE, PTE */
    enum access access;
    enum who who;
    bool ok;
    uint32_t pf;
    uint64_t page;
};

static const struct row rows[] = {
    {"off", PAGING_OFF, 0, {0}, ACCESS_WRITE, USER, true, 0, 0x803000},

    /* 32-bit: present and permissions */
    {"pte not present", PAGING_32BIT, 0, {0, 0, PT | P, 0}, ACCESS_READ, SUPERVISOR, false, 0, 0},
    {"pde not present", PAGING_32BIT, 0, {0, 0, 0, PAGE | P}, ACCESS_WRITE, USER, false, PF_W | PF_U, 0},
    {"read", PAGING_32BIT, 0, {0, 0, PT | P, PAGE | P}, ACCESS_READ, SUPERVISOR, true, 0, PAGE},
    {"user on supervisor page",
     PAGING_32BIT,
     0,
     {0, 0, PT | P | U, PAGE | P},
     ACCESS_READ,
     USER,
     false,
     PF_P | PF_U,
     0},
    {"user bit in pte only",
     PAGING_32BIT,
     0,
     {0, 0, PT | P, PAGE | P | U},
     ACCESS_READ,
     USER,
     false,
     PF_P | PF_U,
     0},
    {"user reads", PAGING_32BIT, 0, {0, 0, PT | P | U, PAGE | P | U}, ACCESS_READ, USER, true, 0, PAGE},
    {"user writes read-only",
     PAGING_32BIT,
     0,
     {0, 0, PT | P | U | W, PAGE | P | U},
     ACCESS_WRITE,
     USER,
     false,
     PF_P | PF_W | PF_U,
     0},
    {"write bit in pte only",
     PAGING_32BIT,
     0,
     {0, 0, PT | P | U, PAGE | P | U | W},
     ACCESS_WRITE,
     USER,
     false,
     PF_P | PF_W | PF_U,
     0},
    {"supervisor writes read-only without WP",
     PAGING_32BIT,
     0,
     {0, 0, PT | P, PAGE | P},
     ACCESS_WRITE,
     SUPERVISOR,
     true,
     0,
     PAGE},
    {"supervisor writes read-only with WP",
     PAGING_32BIT,
     WP,
     {0, 0, PT | P, PAGE | P},
     ACCESS_WRITE,
     SUPERVISOR,
     false,
     PF_P | PF_W,
     0},
    {"supervisor writes writable with WP",
     PAGING_32BIT,
     WP,
     {0, 0, PT | P | W, PAGE | P | W},
     ACCESS_WRITE,
     SUPERVISOR,
     true,
     0,
     PAGE},
    {"fetch bit is not told without NX or SMEP",
     PAGING_32BIT,
     0,
     {0, 0, PT | P, 0},
     ACCESS_EXEC,
     USER,
     false,
     PF_U,
     0},
    {"bit 63 does not exist in 4-byte entries",
     PAGING_32BIT,
     NXE,
     {0, 0, PT | P | U, PAGE | P | U},
     ACCESS_EXEC,
     USER,
     true,
     0,
     PAGE},

    /* 4 MB pages and PSE-36 */
    {"PS without CR4.PSE is a table",
     PAGING_32BIT,
     0,
     {0, 0, PT | P | PS, PAGE | P},
     ACCESS_READ,
     SUPERVISOR,
     true,
     0,
     PAGE},
    {"4 MB page",
     PAGING_32BIT,
     PSE | BITS32,
     {0, 0, 0xC00000 | P | PS, 0},
     ACCESS_READ,
     SUPERVISOR,
     true,
     0,
     0xC03000},
    {"4 MB page, bit 13 reserved on 32 address bits",
     PAGING_32BIT,
     PSE | BITS32,
     {0, 0, 0xC02000 | P | PS, 0},
     ACCESS_READ,
     SUPERVISOR,
     false,
     PF_P | PF_RSVD,
     0},
    {"PSE-36 address bit 32",
     PAGING_32BIT,
     PSE | BITS36,
     {0, 0, 0xC02000 | P | PS, 0},
     ACCESS_READ,
     SUPERVISOR,
     true,
     0,
     UINT64_C(0x100C03000)},
    {"PSE-36 bit 17 reserved on 36 address bits",
     PAGING_32BIT,
     PSE | BITS36,
     {0, 0, 0xC20000 | P | PS, 0},
     ACCESS_READ,
     SUPERVISOR,
     false,
     PF_P | PF_RSVD,
     0},
    {"4 MB page, bit 21 reserved",
     PAGING_32BIT,
     PSE,
     {0, 0, 0xE00000 | P | PS, 0},
     ACCESS_WRITE,
     USER,
     false,
     PF_P | PF_RSVD | PF_W | PF_U,
     0},

    /* PAE */
    {"PAE pdpte not present", PAGING_PAE, 0, {0, 0, PT | P, PAGE | P}, ACCESS_READ, SUPERVISOR, false, 0, 0},
    {"PAE", PAGING_PAE, 0, {0, PD | P, PT | P | U | W, PAGE | P | U | W}, ACCESS_WRITE, USER, true, 0, PAGE},
    {"PAE 2 MB",
     PAGING_PAE,
     0,
     {0, PD | P, 0xA00000 | P | PS, 0},
     ACCESS_READ,
     SUPERVISOR,
     true,
     0,
     0xA03000},
    {"PAE 2 MB bit 13 reserved",
     PAGING_PAE,
     0,
     {0, PD | P, 0xA02000 | P | PS, 0},
     ACCESS_READ,
     SUPERVISOR,
     false,
     PF_P | PF_RSVD,
     0},
    {"PAE bit 52 reserved",
     PAGING_PAE,
     0,
     {0, PD | P, PT | P, PAGE | P | UINT64_C(1) << 52},
     ACCESS_READ,
     SUPERVISOR,
     false,
     PF_P | PF_RSVD,
     0},
    {"PAE bit 36 reserved on 36 bits",
     PAGING_PAE,
     BITS36,
     {0, PD | P, PT | P, PAGE | P | UINT64_C(1) << 36},
     ACCESS_READ,
     SUPERVISOR,
     false,
     PF_P | PF_RSVD,
     0},
    {"PAE bit 35",
     PAGING_PAE,
     BITS36,
     {0, PD | P, PT | P, PAGE | P | UINT64_C(1) << 35},
     ACCESS_READ,
     SUPERVISOR,
     true,
     0,
     PAGE | UINT64_C(1) << 35},
    {"PAE NX reserved without NXE",
     PAGING_PAE,
     0,
     {0, PD | P, PT | P, PAGE | P | NX},
     ACCESS_READ,
     SUPERVISOR,
     false,
     PF_P | PF_RSVD,
     0},
    {"PAE NX stops a fetch",
     PAGING_PAE,
     NXE,
     {0, PD | P, PT | P, PAGE | P | NX},
     ACCESS_EXEC,
     SUPERVISOR,
     false,
     PF_P | PF_I,
     0},
    {"PAE NX in the pde stops a fetch",
     PAGING_PAE,
     NXE,
     {0, PD | P, PT | P | NX, PAGE | P},
     ACCESS_EXEC,
     SUPERVISOR,
     false,
     PF_P | PF_I,
     0},
    {"PAE NX allows a read",
     PAGING_PAE,
     NXE,
     {0, PD | P, PT | P, PAGE | P | NX},
     ACCESS_READ,
     SUPERVISOR,
     true,
     0,
     PAGE},
    {"reserved bit wins over not present below",
     PAGING_PAE,
     0,
     {0, PD | P, PT | P | NX, 0},
     ACCESS_READ,
     SUPERVISOR,
     false,
     PF_P | PF_RSVD,
     0},
    {"not present wins over reserved in the same entry",
     PAGING_PAE,
     0,
     {0, PD | P, PT | P, PAGE | NX},
     ACCESS_READ,
     SUPERVISOR,
     false,
     0,
     0},

    /* 4-level */
    {"4-level",
     PAGING_4LEVEL,
     NXE,
     {PDPT | P | U | W, PD | P | U | W, PT | P | U | W, PAGE | P | U | W},
     ACCESS_WRITE,
     USER,
     true,
     0,
     PAGE},
    {"4-level user bit missing at the top",
     PAGING_4LEVEL,
     0,
     {PDPT | P | W, PD | P | U | W, PT | P | U | W, PAGE | P | U | W},
     ACCESS_READ,
     USER,
     false,
     PF_P | PF_U,
     0},
    {"4-level write bit missing in the middle",
     PAGING_4LEVEL,
     0,
     {PDPT | P | U | W, PD | P | U, PT | P | U | W, PAGE | P | U | W},
     ACCESS_WRITE,
     USER,
     false,
     PF_P | PF_W | PF_U,
     0},
    {"4-level PS reserved in the PML4E",
     PAGING_4LEVEL,
     GB,
     {PDPT | P | PS, PD | P, PT | P, PAGE | P},
     ACCESS_READ,
     SUPERVISOR,
     false,
     PF_P | PF_RSVD,
     0},
    {"4-level bits 62:52 are ignored",
     PAGING_4LEVEL,
     NXE,
     {PDPT | P | UINT64_C(0x7FF) << 52, PD | P, PT | P, PAGE | P},
     ACCESS_READ,
     SUPERVISOR,
     true,
     0,
     PAGE},
    {"1 GB page",
     PAGING_4LEVEL,
     GB,
     {PDPT | P, 0x80000000 | P | PS, 0, 0},
     ACCESS_READ,
     SUPERVISOR,
     true,
     0,
     0x80803000},
    {"1 GB page bit 29 reserved",
     PAGING_4LEVEL,
     GB,
     {PDPT | P, 0xA0000000 | P | PS, 0, 0},
     ACCESS_READ,
     SUPERVISOR,
     false,
     PF_P | PF_RSVD,
     0},
    {"1 GB page on a CPU without",
     PAGING_4LEVEL,
     0,
     {PDPT | P, 0x80000000 | P | PS, 0, 0},
     ACCESS_READ,
     SUPERVISOR,
     false,
     PF_P | PF_RSVD,
     0},
    {"2 MB page",
     PAGING_4LEVEL,
     0,
     {PDPT | P, PD | P, 0xA00000 | P | PS, 0},
     ACCESS_READ,
     SUPERVISOR,
     true,
     0,
     0xA03000},
    {"fetch not present tells I with NXE",
     PAGING_4LEVEL,
     NXE,
     {PDPT | P, PD | P, PT | P, 0},
     ACCESS_EXEC,
     SUPERVISOR,
     false,
     PF_I,
     0},

    /* SMEP, SMAP */
    {"SMEP",
     PAGING_4LEVEL,
     SMEP,
     {PDPT | P | U, PD | P | U, PT | P | U, PAGE | P | U},
     ACCESS_EXEC,
     SUPERVISOR,
     false,
     PF_P | PF_I,
     0},
    {"SMEP, supervisor page",
     PAGING_4LEVEL,
     SMEP,
     {PDPT | P | U, PD | P | U, PT | P | U, PAGE | P},
     ACCESS_EXEC,
     SUPERVISOR,
     true,
     0,
     PAGE},
    {"SMEP does not concern users",
     PAGING_4LEVEL,
     SMEP,
     {PDPT | P | U, PD | P | U, PT | P | U, PAGE | P | U},
     ACCESS_EXEC,
     USER,
     true,
     0,
     PAGE},
    {"SMAP",
     PAGING_4LEVEL,
     SMAP,
     {PDPT | P | U, PD | P | U, PT | P | U, PAGE | P | U},
     ACCESS_READ,
     SUPERVISOR,
     false,
     PF_P,
     0},
    {"SMAP with AC",
     PAGING_4LEVEL,
     SMAP | AC,
     {PDPT | P | U, PD | P | U, PT | P | U, PAGE | P | U},
     ACCESS_READ,
     SUPERVISOR,
     true,
     0,
     PAGE},
    {"SMAP does not concern fetches",
     PAGING_4LEVEL,
     SMAP,
     {PDPT | P | U, PD | P | U, PT | P | U, PAGE | P | U},
     ACCESS_EXEC,
     SUPERVISOR,
     true,
     0,
     PAGE},
};

struct rig {
    struct machine_memory machine;
    struct guest_memory memory;
    struct paging paging;
    gpa_t where[4]; /* of the entries */
    unsigned entry_size;
};

static void rig_create(struct rig *rig)
{
    enum status status = machine_memory_create(&rig->machine, 1 << 20, NULL);
    cr_assert_eq(status, STATUS_OK);
    status = guest_memory_create(&rig->memory, 1 << 20, NULL);
    cr_assert_eq(status, STATUS_OK);
    guest_memory_map(&rig->memory, &rig->machine, (ppn_t){0}, (mpn_t){0}, 256);
}

static void rig_destroy(struct rig *rig)
{
    guest_memory_destroy(&rig->memory);
    machine_memory_destroy(&rig->machine);
}

static void rig_paging(struct rig *rig, enum paging_mode mode, unsigned machine)
{
    rig->paging = (struct paging){
        .mode = mode,
        .cr3 = mode == PAGING_32BIT ? PD
               : mode == PAGING_PAE ? PDPT
                                    : PML4,
        .wp = (machine & WP) != 0,
        .pse = (machine & PSE) != 0,
        .nxe = (machine & NXE) != 0,
        .smep = (machine & SMEP) != 0,
        .smap = (machine & SMAP) != 0,
        .gb_pages = (machine & GB) != 0,
        .physical_bits = machine & BITS36   ? 36
                         : machine & BITS32 ? 32
                                            : 40,
        .a20_mask = UINT64_MAX,
    };
}

static void rig_load(struct rig *rig, const struct row *row)
{
    rig_paging(rig, row->mode, row->machine);
    memset(rig->machine.base, 0, 0x6000);
    bool narrow = row->mode == PAGING_32BIT;
    rig->entry_size = narrow ? 4 : 8;
    rig->where[0] = gpa(PML4 + (ADDRESS >> 39 & 511) * 8);
    rig->where[1] = gpa(PDPT + (ADDRESS >> 30 & 511) * 8);
    rig->where[2] = narrow ? gpa(PD + (ADDRESS >> 22 & 1023) * 4) : gpa(PD + (ADDRESS >> 21 & 511) * 8);
    rig->where[3] = narrow ? gpa(PT + (ADDRESS >> 12 & 1023) * 4) : gpa(PT + (ADDRESS >> 12 & 511) * 8);
    for (unsigned i = narrow ? 2 : 0; i < 4; i++)
        cr_assert(memory_write(&rig->memory, rig->where[i], &row->entry[i], rig->entry_size));
    rig->paging.pdpte[ADDRESS >> 30 & 3] = row->entry[1];
}

static uint64_t rig_entry(const struct rig *rig, unsigned i)
{
    uint64_t value = 0;
    cr_assert(memory_read(&rig->memory, rig->where[i], &value, rig->entry_size));
    return value;
}

/* Entries change by A and D bits alone: all of them on success, none on a fault. */
static void check_bits(const struct rig *rig, const struct row *row, const struct translation *out)
{
    unsigned first = row->mode == PAGING_4LEVEL ? 0 : 2;
    unsigned leaf = row->mode == PAGING_OFF ? 0 : first + out->levels - 1;
    for (unsigned i = first; i < 4 && row->mode != PAGING_OFF; i++) {
        uint64_t want = row->entry[i];
        if (row->ok && i <= leaf)
            want |= A | (i == leaf && row->access == ACCESS_WRITE ? D : 0);
        cr_assert_eq(rig_entry(rig, i), want, "%s: entry %u is %llx", row->name, i,
                     (unsigned long long)rig_entry(rig, i));
    }
}

Test(walk, rows)
{
    struct rig rig;
    rig_create(&rig);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct translation out = {.levels = 0};
        uint32_t pf = 0xDEAD;
        rig_load(&rig, row);
        bool ok = page_walk(&rig.memory, &rig.paging, gva(ADDRESS), row->access, row->who == USER,
                            (row->machine & AC) != 0, true, &out, &pf);
        cr_assert_eq(ok, row->ok, "%s: %s, code %x", row->name, ok ? "allowed" : "refused", pf);
        if (ok)
            cr_assert_eq(out.page.v, row->page, "%s: page %llx", row->name, (unsigned long long)out.page.v);
        else
            cr_assert_eq(pf, row->pf, "%s: code %x", row->name, pf);
        check_bits(&rig, row, &out);
    }
    rig_destroy(&rig);
}

Test(walk, without_set_bits_nothing_is_written)
{
    struct rig rig;
    rig_create(&rig);
    static const struct row row = {
        "",           PAGING_4LEVEL, 0,    {PDPT | P | W, PD | P | W, PT | P | W, PAGE | P | W},
        ACCESS_WRITE, SUPERVISOR,    true, 0,
        PAGE};
    rig_load(&rig, &row);
    struct translation out;
    uint32_t pf;
    cr_assert(
        page_walk(&rig.memory, &rig.paging, gva(ADDRESS), ACCESS_WRITE, false, false, false, &out, &pf));
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(rig_entry(&rig, i), row.entry[i]);
    cr_assert_not(out.dirty);
    cr_assert_eq(out.entry.v, rig.where[3].v);
    rig_destroy(&rig);
}

Test(walk, read_of_a_dirty_page_reports_it_dirty)
{
    struct rig rig;
    rig_create(&rig);
    static const struct row row = {
        "",   PAGING_PAE, 0,   {0, PD | P, PT | P | W, PAGE | P | W | D | G}, ACCESS_READ, SUPERVISOR,
        true, 0,          PAGE};
    rig_load(&rig, &row);
    rig.paging.pge = true;
    struct translation out;
    uint32_t pf;
    cr_assert(page_walk(&rig.memory, &rig.paging, gva(ADDRESS), ACCESS_READ, false, false, true, &out, &pf));
    cr_assert(out.dirty);
    cr_assert(out.global);
    cr_assert(out.writable);
    cr_assert_not(out.user);
    cr_assert_eq(out.levels, 2);
    rig_destroy(&rig);
}

struct written {
    unsigned count;
    uint64_t last;
};

static void note_written(void *ctx, gpa_t addr, uint64_t size)
{
    struct written *written = ctx;
    (void)size;
    written->count++;
    written->last = addr.v;
}

Test(walk, watchers_of_page_tables_see_accessed_and_dirty_bits_once)
{
    struct rig rig;
    rig_create(&rig);
    static const struct row row = {
        "", PAGING_32BIT, 0, {0, 0, PT | P | W, PAGE | P | W}, ACCESS_WRITE, SUPERVISOR, true, 0, PAGE};
    rig_load(&rig, &row);
    struct written written = {0, 0};
    guest_memory_add_watcher(&rig.memory, WATCH_TRACE, note_written, &written);
    guest_memory_watch(&rig.memory, (ppn_t){PT >> PAGE_SHIFT}, WATCH_TRACE);
    struct translation out;
    uint32_t pf;
    for (unsigned i = 0; i < 2; i++)
        cr_assert(
            page_walk(&rig.memory, &rig.paging, gva(ADDRESS), ACCESS_WRITE, false, false, true, &out, &pf));
    cr_assert_eq(written.count, 1);
    cr_assert_eq(written.last, rig.where[3].v);
    rig_destroy(&rig);
}

Test(walk, a20_masks_tables_and_result)
{
    struct rig rig;
    rig_create(&rig);
    static const struct row row = {
        "", PAGING_32BIT, 0, {0, 0, 0x100000 | PT | P, 0x100000 | PAGE | P}, ACCESS_READ, SUPERVISOR, true,
        0,  PAGE};
    rig_load(&rig, &row);
    rig.paging.a20_mask = ~(UINT64_C(1) << 20);
    struct translation out;
    uint32_t pf;
    cr_assert(page_walk(&rig.memory, &rig.paging, gva(ADDRESS), ACCESS_READ, false, false, true, &out, &pf));
    cr_assert_eq(out.page.v, PAGE);
    rig_paging(&rig, PAGING_OFF, 0);
    rig.paging.a20_mask = ~(UINT64_C(1) << 20);
    cr_assert(page_walk(&rig.memory, &rig.paging, gva(0x123456), ACCESS_READ, false, false, true, &out, &pf));
    cr_assert_eq(out.page.v, 0x23000);
    rig_destroy(&rig);
}

/* Random tables may send a walk anywhere, holes included; it ends and stays inside memory. */
Test(walk, random_tables_are_survived)
{
    struct rig rig;
    rig_create(&rig);
    uint64_t seed = 42;
    for (unsigned i = 0; i < (1 << 20) / 8; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        uint64_t value = seed ^ seed >> 29;
        memcpy(rig.machine.base + 8 * i, &value, 8);
    }
    for (unsigned i = 0; i < 100000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        rig_paging(&rig, (enum paging_mode)(seed >> 60 & 3), (unsigned)(seed >> 40) & 0x1FF);
        rig.paging.cr3 = seed >> 20 & 0xFFFE0;
        rig.paging.pdpte[0] = rig.paging.pdpte[1] = (seed >> 13 & 0xFF000) | P;
        struct translation out;
        uint32_t pf;
        bool ok = page_walk(&rig.memory, &rig.paging, gva(seed * 3), (enum access)(i % 3), (i & 4) != 0,
                            (i & 8) != 0, true, &out, &pf);
        cr_assert(!ok || (out.page.v & PAGE_MASK) == 0);
    }
    rig_destroy(&rig);
}
