/* Guest memory: holes, mappings, watches, ROM, copies across pages. */
#include "mmu/memory.h"

#include <criterion/criterion.h>

#include <string.h>

struct rig {
    struct machine_memory machine;
    struct guest_memory memory;
    unsigned changed, written;
    bool last_remapped;
    uint64_t last_changed, last_addr, last_size;
};

static void note_changed(void *ctx, ppn_t page, bool remapped)
{
    struct rig *rig = ctx;
    rig->changed++;
    rig->last_changed = page.v;
    rig->last_remapped = remapped;
}

static void note_written(void *ctx, gpa_t addr, uint64_t size)
{
    struct rig *rig = ctx;
    rig->written++;
    rig->last_addr = addr.v;
    rig->last_size = size;
}

/* Eight pages of guest memory, of which 0..3 and 6 are RAM; page 6 is backed by frame 4. */
static void rig_create(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    enum status status = machine_memory_create(&rig->machine, 5 * PAGE_SIZE, NULL);
    cr_assert_eq(status, STATUS_OK);
    status = guest_memory_create(&rig->memory, 8 * PAGE_SIZE, NULL);
    cr_assert_eq(status, STATUS_OK);
    guest_memory_map(&rig->memory, &rig->machine, (ppn_t){0}, (mpn_t){0}, 4);
    guest_memory_map(&rig->memory, &rig->machine, (ppn_t){6}, (mpn_t){4}, 1);
    rig->memory.changed = note_changed;
    rig->memory.changed_ctx = rig;
    guest_memory_add_watcher(&rig->memory, WATCH_CODE | WATCH_TRACE, note_written, rig);
}

static void rig_destroy(struct rig *rig)
{
    guest_memory_destroy(&rig->memory);
    machine_memory_destroy(&rig->machine);
}

Test(memory, copies_cross_pages_and_holes_read_as_ones)
{
    struct rig rig;
    rig_create(&rig);
    uint8_t in[16], out[16];
    for (unsigned i = 0; i < 16; i++)
        in[i] = (uint8_t)(i + 1);
    cr_assert(memory_write(&rig.memory, gpa(PAGE_SIZE - 8), in, 16));
    cr_assert(memory_read(&rig.memory, gpa(PAGE_SIZE - 8), out, 16));
    cr_assert_arr_eq(in, out, 16);

    /* The second half falls into the hole at page 4. */
    cr_assert_not(memory_write(&rig.memory, gpa(4 * PAGE_SIZE - 8), in, 16));
    cr_assert_not(memory_read(&rig.memory, gpa(4 * PAGE_SIZE - 8), out, 16));
    cr_assert_arr_eq(in, out, 8);
    for (unsigned i = 8; i < 16; i++)
        cr_assert_eq(out[i], 0xFF);
    rig_destroy(&rig);
}

Test(memory, addresses_past_the_end_are_holes)
{
    struct rig rig;
    rig_create(&rig);
    uint32_t value = 0;
    cr_assert_not(memory_read(&rig.memory, gpa(8 * PAGE_SIZE), &value, 4));
    cr_assert_eq(value, UINT32_MAX);
    cr_assert_not(memory_read(&rig.memory, gpa(UINT64_MAX - 1), &value, 4) && value == 0);
    cr_assert_eq(memory_watched(&rig.memory, gpa(UINT64_C(1) << 50)), 0);
    guest_memory_watch(&rig.memory, (ppn_t){UINT64_C(1) << 40}, WATCH_CODE); /* nothing to watch: ignored */
    rig_destroy(&rig);
}

Test(memory, pages_map_to_any_frame)
{
    struct rig rig;
    rig_create(&rig);
    uint32_t value = 0x12345678;
    cr_assert(memory_write(&rig.memory, gpa(6 * PAGE_SIZE + 4), &value, 4));
    cr_assert_eq(memcmp(rig.machine.base + 4 * PAGE_SIZE + 4, &value, 4), 0);
    guest_memory_map(&rig.memory, &rig.machine, (ppn_t){5}, (mpn_t){4}, 1); /* shared frame */
    cr_assert_eq(rig.changed, 1);
    cr_assert_eq(rig.last_changed, 5);
    cr_assert(rig.last_remapped);
    value = 0;
    cr_assert(memory_read(&rig.memory, gpa(5 * PAGE_SIZE + 4), &value, 4));
    cr_assert_eq(value, 0x12345678);
    guest_memory_unmap(&rig.memory, (ppn_t){4}, 2); /* page 4 was a hole already */
    cr_assert_eq(rig.changed, 2);
    cr_assert_null(memory_frame(&rig.memory, gpa(5 * PAGE_SIZE)));
    rig_destroy(&rig);
}

Test(memory, watchers_hear_of_writes_to_their_pages)
{
    struct rig rig;
    rig_create(&rig);
    uint8_t bytes[8] = {0};
    cr_assert(memory_write(&rig.memory, gpa(0x1000), bytes, 8));
    cr_assert_eq(rig.written, 0);
    guest_memory_watch(&rig.memory, (ppn_t){1}, WATCH_CODE);
    cr_assert_eq(rig.changed, 1);
    cr_assert_not(rig.last_remapped);
    guest_memory_watch(&rig.memory, (ppn_t){1}, WATCH_TRACE); /* no stricter than before */
    cr_assert_eq(rig.changed, 1);
    cr_assert(memory_write(&rig.memory, gpa(0x1FFC), bytes, 8));
    cr_assert_eq(rig.written, 1);
    cr_assert_eq(rig.last_addr, 0x1FFC);
    cr_assert_eq(rig.last_size, 4);
    guest_memory_unwatch(&rig.memory, (ppn_t){1}, WATCH_CODE);
    cr_assert_eq(memory_watched(&rig.memory, gpa(0x1000)), WATCH_TRACE);
    guest_memory_unwatch(&rig.memory, (ppn_t){1}, WATCH_TRACE);
    cr_assert(memory_write(&rig.memory, gpa(0x1000), bytes, 8));
    cr_assert_eq(rig.written, 1);
    rig_destroy(&rig);
}

Test(memory, rom_swallows_writes_silently)
{
    struct rig rig;
    rig_create(&rig);
    uint8_t byte = 0xAA;
    guest_memory_watch(&rig.memory, (ppn_t){2}, WATCH_ROM);
    guest_memory_watch(&rig.memory, (ppn_t){2}, WATCH_CODE);
    cr_assert(memory_write(&rig.memory, gpa(0x2000), &byte, 1));
    cr_assert(memory_read(&rig.memory, gpa(0x2000), &byte, 1));
    cr_assert_eq(byte, 0);
    cr_assert_eq(rig.written, 0);
    rig_destroy(&rig);
}

Test(memory, absurd_sizes_are_refused)
{
    struct guest_memory memory;
    struct machine_memory machine;
    struct error err;
    cr_assert_neq(guest_memory_create(&memory, UINT64_MAX, &err), STATUS_OK);
    cr_assert_neq(machine_memory_create(&machine, UINT64_MAX - PAGE_SIZE, &err), STATUS_OK);
    cr_assert(strlen(err.text) > 0);
}
