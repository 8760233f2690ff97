/* Memory accesses as instructions make them: devices, page crossings, watches, remapped frames, A20, data
 * breakpoints, the hypervisor's translation. Each with the fast paths on and off. */
#include "tests/cpu/harness.h"

#include "cpu/cpu_priv.h"
#include "cpu/exec.h"

#include <criterion/criterion.h>

#include <string.h>

enum { HOLE = HARNESS_BYTES }; /* the first address without RAM */

#define BOTH(h, mode)                                                                                        \
    for (int fast_ = 0; fast_ < 2; fast_++)                                                                  \
        for (struct harness *h = harness_create("max", mode, fast_ != 0); h != NULL;                         \
             harness_destroy(h), h = NULL)

static uint64_t peek32(struct harness *h, uint64_t addr)
{
    uint32_t value;
    harness_peek(h, addr, &value, 4);
    return value;
}

/* mov eax, [rbx]; mov [rbx], ecx */
static const uint8_t code_load[] = {0x8B, 0x03};
static const uint8_t code_store[] = {0x89, 0x0B};
static const uint8_t code_add[] = {0x01, 0x0B};

static void run_at(struct harness *h, const uint8_t *code, size_t size, uint64_t rbx)
{
    harness_code(h, code, size);
    h->cpu->s.gpr[RBX] = rbx;
    harness_step(h, 1);
}

Test(access, devices_see_naturally_aligned_pieces)
{
    BOTH(h, HARNESS_32)
    {
        h->io_value = 0x55;
        run_at(h, code_load, sizeof code_load, HOLE);
        cr_assert_eq(h->io_count, 1);
        cr_assert_eq(h->io[0].size, 4);
        cr_assert_eq(h->io[0].addr, HOLE);
        cr_assert_eq(h->cpu->s.gpr[RAX], 0x55);

        h->io_count = 0;
        h->cpu->s.gpr[RCX] = 0x44332211;
        run_at(h, code_store, sizeof code_store, HOLE + 0xFFF); /* across a page: 1, then 2 and 1 */
        cr_assert_eq(h->io_count, 3);
        cr_assert_eq(h->io[0].size, 1);
        cr_assert_eq(h->io[0].value, 0x11);
        cr_assert_eq(h->io[1].addr, HOLE + 0x1000);
        cr_assert_eq(h->io[1].size, 2);
        cr_assert_eq(h->io[1].value, 0x3322);
        cr_assert_eq(h->io[2].value, 0x44);
    }
}

Test(access, half_in_memory_half_in_a_device)
{
    BOTH(h, HARNESS_32)
    {
        uint8_t bytes[2] = {0x11, 0x22};
        harness_poke(h, HOLE - 2, bytes, 2);
        h->io_value = 0xAABB;
        run_at(h, code_load, sizeof code_load, HOLE - 2);
        cr_assert_eq(h->cpu->s.gpr[RAX], 0xAABB2211);
        cr_assert_eq(h->io_count, 1);
        cr_assert_eq(h->io[0].size, 2);
    }
}

Test(access, read_modify_write_of_a_device_is_one_read_and_one_write)
{
    BOTH(h, HARNESS_32)
    {
        h->io_value = 5;
        h->cpu->s.gpr[RCX] = 3;
        run_at(h, code_add, sizeof code_add, HOLE + 8);
        cr_assert_eq(h->io_count, 2);
        cr_assert_not(h->io[0].write);
        cr_assert(h->io[1].write);
        cr_assert_eq(h->io[1].value, 8);
    }
}

struct watcher {
    unsigned count;
    uint64_t addr, size;
};

static void note_written(void *ctx, gpa_t addr, uint64_t size)
{
    struct watcher *watcher = ctx;
    watcher->count++;
    watcher->addr = addr.v;
    watcher->size = size;
}

Test(access, writes_to_watched_pages_are_told_while_they_are_watched)
{
    BOTH(h, HARNESS_64)
    {
        struct watcher watcher = {0, 0, 0};
        ppn_t page = {HARNESS_DATA >> PAGE_SHIFT};
        guest_memory_add_watcher(&h->memory, WATCH_TRACE, note_written, &watcher);
        run_at(h, code_store, sizeof code_store, HARNESS_DATA); /* the page is hot and writable now */
        guest_memory_watch(&h->memory, page, WATCH_TRACE);
        run_at(h, code_store, sizeof code_store, HARNESS_DATA + 4);
        cr_assert_eq(watcher.count, 1);
        cr_assert_eq(watcher.addr, HARNESS_DATA + 4);
        cr_assert_eq(watcher.size, 4);
        run_at(h, code_load, sizeof code_load, HARNESS_DATA);
        cr_assert_eq(watcher.count, 1);
        run_at(h, code_store, sizeof code_store, HARNESS_DATA + 0xFFE); /* half of it is in the page */
        cr_assert_eq(watcher.count, 2);
        cr_assert_eq(watcher.size, 2);
        guest_memory_unwatch(&h->memory, page, WATCH_TRACE);
        run_at(h, code_store, sizeof code_store, HARNESS_DATA);
        cr_assert_eq(watcher.count, 2);
    }
}

Test(access, rom_keeps_its_bytes)
{
    BOTH(h, HARNESS_32)
    {
        guest_memory_watch(&h->memory, (ppn_t){HARNESS_DATA >> PAGE_SHIFT}, WATCH_ROM);
        h->cpu->s.gpr[RCX] = 0x12345678;
        run_at(h, code_store, sizeof code_store, HARNESS_DATA);
        cr_assert_eq(peek32(h, HARNESS_DATA), 0);
        cr_assert_eq(harness_fault(h), -1);
    }
}

Test(access, a_remapped_frame_is_seen_at_once)
{
    BOTH(h, HARNESS_64)
    {
        uint32_t value = 0x11111111;
        harness_poke(h, 0x20000, &value, 4);
        value = 0x22222222;
        harness_poke(h, 0x30000, &value, 4);
        run_at(h, code_load, sizeof code_load, 0x20000);
        cr_assert_eq(h->cpu->s.gpr[RAX], 0x11111111);
        guest_memory_map(&h->memory, &h->machine, (ppn_t){0x20}, (mpn_t){0x30}, 1);
        run_at(h, code_load, sizeof code_load, 0x20000);
        cr_assert_eq(h->cpu->s.gpr[RAX], 0x22222222);
        guest_memory_unmap(&h->memory, (ppn_t){0x20}, 1);
        h->io_value = 0x33;
        run_at(h, code_load, sizeof code_load, 0x20000);
        cr_assert_eq(h->cpu->s.gpr[RAX], 0x33);
    }
}

Test(access, a20_masks_addresses)
{
    BOTH(h, HARNESS_32)
    {
        uint32_t value = 0xA20;
        harness_poke(h, 0x110000, &value, 4);
        run_at(h, code_load, sizeof code_load, 0x110000);
        cr_assert_eq(h->cpu->s.gpr[RAX], 0xA20);
        cpu_set_a20(h->cpu, false);
        run_at(h, code_load, sizeof code_load, 0x110000);
        cr_assert_eq(h->cpu->s.gpr[RAX], peek32(h, 0x10000));
        cpu_set_a20(h->cpu, true);
        run_at(h, code_load, sizeof code_load, 0x110000);
        cr_assert_eq(h->cpu->s.gpr[RAX], 0xA20);
    }
}

Test(access, a_data_breakpoint_stops_after_the_access_on_a_hot_page)
{
    BOTH(h, HARNESS_32)
    {
        run_at(h, code_store, sizeof code_store, HARNESS_DATA);
        h->cpu->s.dr[0] = HARNESS_DATA + 8;
        h->cpu->s.dr[7] = DR7_FIXED | 2 | UINT64_C(0xD) << 16; /* global, 4 bytes, writes */
        cpu_state_changed(h->cpu);
        static const uint8_t code[] = {0x89, 0x0B, 0x89, 0x4B, 0x08, 0x90, 0x90};
        harness_code(h, code, sizeof code);
        h->cpu->s.gpr[RCX] = 0x77;
        cr_assert(harness_run(h));
        cr_assert_eq(harness_fault(h), VEC_DB);
        cr_assert_eq(peek32(h, HARNESS_DATA + 8), 0x77);
        cr_assert_eq(peek32(h, h->cpu->s.gpr[RSP]), HARNESS_CODE + 5);
        cr_assert_eq(h->cpu->s.dr[6], DR6_FIXED | DR6_B0);
    }
}

/* ---- The hypervisor's hooks ---- */

struct monitor {
    struct harness *h;
    unsigned translations, invalidations, exits, levels;
    bool refuse;
    uint64_t moved; /* added to every page */
    gva_t last_addr;
    bool last_all, last_global;
    enum cpu_exit exit;
    uint64_t detail;
    unsigned from, to;
};

static bool monitor_translate(void *ctx, gva_t addr, enum access access, bool user, bool ac,
                              struct translation *out, uint32_t *pf)
{
    (void)ac;
    struct monitor *monitor = ctx;
    monitor->translations++;
    monitor->last_addr = addr;
    if (monitor->refuse && access == ACCESS_READ) {
        *pf = user ? PF_U : 0;
        return false;
    }
    *out = (struct translation){.page =
                                    gpa((addr.v & ~PAGE_MASK) + (access == ACCESS_EXEC ? 0 : monitor->moved)),
                                .page_size = PAGE_SIZE,
                                .writable = true,
                                .user = true,
                                .exec = access == ACCESS_EXEC,
                                .dirty = true};
    return true;
}

static void monitor_invalidate(void *ctx, const gva_t *addr, bool global)
{
    struct monitor *monitor = ctx;
    monitor->invalidations++;
    monitor->last_all = addr == NULL;
    monitor->last_global = global;
    if (addr != NULL)
        monitor->last_addr = *addr;
}

static void monitor_exit(void *ctx, enum cpu_exit exit, uint64_t detail)
{
    struct monitor *monitor = ctx;
    monitor->exits++;
    monitor->exit = exit;
    monitor->detail = detail;
    monitor->h->cpu->s.clock += 1000;
}

static void monitor_cpl_changed(void *ctx, unsigned from, unsigned to)
{
    struct monitor *monitor = ctx;
    monitor->levels++;
    monitor->from = from;
    monitor->to = to;
}

static uint8_t monitor_ack(void *ctx)
{
    struct monitor *monitor = ctx;
    cpu_set_intr(monitor->h->cpu, false);
    return 0x33;
}

Test(hooks, translate_replaces_the_walk_and_is_asked_once_a_page)
{
    BOTH(h, HARNESS_32)
    {
        struct monitor monitor = {.h = h, .moved = 0x100000};
        h->bus.ctx = &monitor;
        h->bus.translate = monitor_translate;
        cpu_state_changed(h->cpu);
        uint32_t value = 0x99;
        harness_poke(h, 0x100000 + HARNESS_DATA, &value, 4);
        run_at(h, code_load, sizeof code_load, HARNESS_DATA);
        cr_assert_eq(h->cpu->s.gpr[RAX], 0x99);
        cr_assert_eq(monitor.translations, 2); /* code and data */
        run_at(h, code_load, sizeof code_load, HARNESS_DATA + 8);
        run_at(h, code_store, sizeof code_store, HARNESS_DATA + 8); /* dirty already */
        cr_assert_eq(monitor.translations, 2);
        monitor.refuse = true;
        cpu_state_changed(h->cpu);
        h->bus.translate = monitor_translate;
        monitor.moved = 0;
        run_at(h, code_load, sizeof code_load, HARNESS_DATA + 4);
        /* Delivery reads the IDT by the same hook: the refusal turns into a double fault, then shutdown. */
        cr_assert_eq(h->cpu->s.cr2, HARNESS_IDT + 8 * VEC_DF);
        cr_assert_eq(h->cpu->s.activity, ACTIVITY_SHUTDOWN);
    }
}

struct exit_row {
    const char *name;
    uint8_t code[8];
    uint8_t size;
    enum cpu_exit exit;
    uint64_t detail;
    uint64_t rax, rcx;
};

static const struct exit_row exit_rows[] = {
    {"mov rax, cr0", {0x0F, 0x20, 0xC0}, 3, CPU_EXIT_CR_READ, 0, 0, 0},
    {"mov cr3, rax", {0x0F, 0x22, 0xD8}, 3, CPU_EXIT_CR_WRITE, 3, HARNESS_TABLES, 0},
    {"clts", {0x0F, 0x06}, 2, CPU_EXIT_CR_WRITE, 0, 0, 0},
    {"mov rax, dr7", {0x0F, 0x21, 0xF8}, 3, CPU_EXIT_DR_ACCESS, 7, 0, 0},
    {"rdmsr", {0x0F, 0x32}, 2, CPU_EXIT_MSR_READ, 0x174, 0, 0x174},
    {"wrmsr", {0x0F, 0x30}, 2, CPU_EXIT_MSR_WRITE, 0x174, 0, 0x174},
    {"lgdt", {0x0F, 0x01, 0x10}, 3, CPU_EXIT_TABLE_LOAD, 0, HARNESS_DATA, 0},
    {"lidt", {0x0F, 0x01, 0x18}, 3, CPU_EXIT_TABLE_LOAD, 1, HARNESS_DATA, 0},
    {"lldt null", {0x0F, 0x00, 0xD0}, 3, CPU_EXIT_TABLE_LOAD, 2, 0, 0},
    {"mov fs, eax", {0x8E, 0xE0}, 2, CPU_EXIT_SEGMENT_LOAD, FS, HARNESS_DS0, 0},
    {"invlpg", {0x0F, 0x01, 0x38}, 3, CPU_EXIT_INVLPG, HARNESS_DATA, HARNESS_DATA, 0},
    {"wbinvd", {0x0F, 0x09}, 2, CPU_EXIT_CACHE, 0, 0, 0},
    {"cli", {0xFA}, 1, CPU_EXIT_CLI, 0, 0, 0},
    {"sti", {0xFB}, 1, CPU_EXIT_STI, 0, 0, 0},
    {"pushfq", {0x9C}, 1, CPU_EXIT_PUSHF, 0, 0, 0},
    {"popfq", {0x9D}, 1, CPU_EXIT_POPF, 0, 0, 0},
    {"int 30h", {0xCD, 0x30}, 2, CPU_EXIT_SOFT_INT, 0x30, 0, 0},
    {"ud2", {0x0F, 0x0B}, 2, CPU_EXIT_EXCEPTION, VEC_UD, 0, 0},
    {"mov fs, 40h: #GP", {0x8E, 0xE0}, 2, CPU_EXIT_EXCEPTION, VEC_GP | UINT64_C(0x40) << 32, 0x40, 0},
    {"cpuid", {0x0F, 0xA2}, 2, CPU_EXIT_CPUID, 1, 1, 0},
    {"rdtsc", {0x0F, 0x31}, 2, CPU_EXIT_TSC, 0, 0, 0},
    {"rdtscp", {0x0F, 0x01, 0xF9}, 3, CPU_EXIT_TSC, 1, 0, 0},
    {"rdpmc", {0x0F, 0x33}, 2, CPU_EXIT_PMC, 1, 0, 1},
    {"hlt", {0xF4}, 1, CPU_EXIT_HLT, 0, 0, 0},
    {"swapgs", {0x0F, 0x01, 0xF8}, 3, CPU_EXIT_SWAPGS, 0, 0, 0},
};

Test(hooks, each_sensitive_operation_exits_once_and_can_charge_time)
{
    for (unsigned i = 0; i < ARRAY_LEN(exit_rows); i++) {
        const struct exit_row *row = &exit_rows[i];
        BOTH(h, HARNESS_64)
        {
            struct monitor monitor = {.h = h};
            uint8_t table[10] = {0x3F, 0, HARNESS_GDT & 0xFF, HARNESS_GDT >> 8};
            harness_poke(h, HARNESS_DATA, table, sizeof table);
            h->bus.ctx = &monitor;
            h->bus.exit = monitor_exit;
            harness_code(h, row->code, row->size);
            h->cpu->s.gpr[RAX] = row->rax;
            h->cpu->s.gpr[RCX] = row->rcx;
            uint64_t clock = h->cpu->s.clock;
            (void)cpu_run(h->cpu, clock + 1);
            cr_assert_eq(monitor.exits, 1, "%s: %u exits", row->name, monitor.exits);
            cr_assert_eq(monitor.exit, row->exit, "%s: exit %d", row->name, (int)monitor.exit);
            cr_assert_eq(monitor.detail, row->detail, "%s: detail %llx", row->name,
                         (unsigned long long)monitor.detail);
            cr_assert_geq(h->cpu->s.clock, clock + 1000, "%s", row->name);
        }
    }
}

Test(hooks, instructions_that_fault_do_not_exit)
{
    BOTH(h, HARNESS_64_USER)
    {
        struct monitor monitor = {.h = h};
        static const uint8_t cli[] = {0xFA};
        h->bus.ctx = &monitor;
        h->bus.exit = monitor_exit;
        harness_code(h, cli, sizeof cli);
        (void)cpu_run(h->cpu, h->cpu->s.clock + 1);
        cr_assert_eq(monitor.exits, 1);
        cr_assert_eq(monitor.exit, CPU_EXIT_EXCEPTION);
    }
}

Test(hooks, stale_translations_are_told)
{
    static const struct {
        uint8_t code[4], size;
        uint64_t rax;
        bool all, global;
    } rows[] = {
        {{0x0F, 0x22, 0xD8}, 3, HARNESS_TABLES, true, false},                                 /* mov cr3 */
        {{0x0F, 0x22, 0xE0}, 3, CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PAE | CR4_PGE, true, true}, /* mov cr4 */
        {{0x0F, 0x22, 0xC0}, 3, CR0_PE | CR0_PG | CR0_NE, true, true}, /* mov cr0: WP */
        {{0x0F, 0x01, 0x38}, 3, HARNESS_DATA, false, true},            /* invlpg */
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        BOTH(h, HARNESS_64)
        {
            struct monitor monitor = {.h = h};
            h->bus.ctx = &monitor;
            h->bus.invalidate = monitor_invalidate;
            harness_code(h, rows[i].code, rows[i].size);
            h->cpu->s.gpr[RAX] = rows[i].rax;
            harness_step(h, 1);
            cr_assert_eq(monitor.invalidations, 1, "row %u", i);
            cr_assert_eq(monitor.last_all, rows[i].all);
            cr_assert_eq(monitor.last_global, rows[i].global);
            cr_assert(rows[i].all || monitor.last_addr.v == HARNESS_DATA);
        }
}

Test(hooks, privilege_changes_are_told)
{
    BOTH(h, HARNESS_32_USER)
    {
        struct monitor monitor = {.h = h};
        static const uint8_t nop[] = {0x90, 0x90};
        static const uint8_t iret[] = {0xCF};
        h->bus.ctx = &monitor;
        h->bus.cpl_changed = monitor_cpl_changed;
        h->bus.intr_ack = monitor_ack;
        h->bus.exit = monitor_exit;
        harness_set_flags(h, FLAG_IF);
        harness_poke(h, HARNESS_HANDLER + 16 * 0x33, iret, 1);
        harness_code(h, nop, sizeof nop);
        cpu_set_intr(h->cpu, true);
        (void)cpu_run(h->cpu, h->cpu->s.clock + 1);
        cr_assert_eq(monitor.levels, 1);
        cr_assert_eq(monitor.from, 3);
        cr_assert_eq(monitor.to, 0);
        cr_assert_eq(monitor.exit, CPU_EXIT_INTERRUPT);
        cr_assert_eq(monitor.detail, 0x33);
        harness_step(h, 1);
        cr_assert_eq(monitor.levels, 2);
        cr_assert_eq(monitor.from, 0);
        cr_assert_eq(monitor.to, 3);
        cr_assert_eq(monitor.exit, CPU_EXIT_IRET);
        cr_assert_eq(monitor.detail, 3);
    }
}
