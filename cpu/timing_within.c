/* The events of timing.h for translated code: only if they fit into the cycles that are left. */
#include "cpu/block.h"
#include "cpu/timing_priv.h"

#include "base/check.h"

static void forget_user(struct cpu *cpu, unsigned user)
{
    for (unsigned slot = 0; slot < FILTER_LINES; slot++)
        cpu->filter.data[user].read_key[slot] = cpu->filter.data[user].write_key[slot] =
            timing_no_line(&cpu->timing->hierarchy, slot);
}

void timing_refresh(struct cpu *cpu)
{
    struct timing *timing = cpu->timing;
    timing_refresh_code(cpu);
    for (unsigned user = 0; user < 2; user++)
        if (timing->map_epoch[user] != cpu->tlb.map_epoch[user]) {
            forget_user(cpu, user);
            timing->map_epoch[user] = cpu->tlb.map_epoch[user];
        }
}

bool timing_fetch_within(struct cpu *cpu, uint64_t linear, uint64_t room, uint32_t *price)
{
    struct hierarchy *hierarchy = &cpu->timing->hierarchy;
    const struct tlb_entry *entry = tlb_find(&cpu->tlb, cpu->cpl == 3, linear);
    const uint8_t *frame = entry != NULL ? memory_frame(cpu->memory, entry->page) : NULL;
    if (frame == NULL)
        return false;
    const struct timing_page page = timing_page_of(cpu, linear, entry);
    bool translated = timing_has_tlbs(cpu);
    uint64_t address = timing_address(cpu, frame + (linear & PAGE_MASK));
    uint32_t cycles = hierarchy_line_price(hierarchy, TOUCH_FETCH, address);
    if (translated)
        cycles += hierarchy_page_price(hierarchy, TOUCH_FETCH, linear, page.page_shift, page.global);
    if (cycles > room)
        return false;
    if (translated)
        (void)timing_touch_page(cpu, TOUCH_FETCH, &page);
    (void)timing_touch_line(cpu, TOUCH_FETCH, address);
    timing_note_code(cpu, &page);
    *price = cycles;
    return true;
}

/* What the access would cost. */
static uint32_t data_price(const struct cpu *cpu, enum touch touch, const struct timing_page *page,
                           uint64_t first, unsigned size)
{
    const struct hierarchy *hierarchy = &cpu->timing->hierarchy;
    uint64_t bytes = timing_line_bytes(cpu->timing);
    uint32_t cycles = 0;
    if (timing_has_tlbs(cpu))
        cycles = hierarchy_page_price(hierarchy, touch, page->linear, page->page_shift, page->global);
    for (uint64_t line = first & ~(bytes - 1); line < first + size; line += bytes)
        cycles += hierarchy_line_price(hierarchy, touch, line);
    return cycles;
}

/* The line that was just touched, and its page, are first in their sets. */
static void note_data(struct cpu *cpu, const struct timing_page *page, uintptr_t addend)
{
    struct timing *timing = cpu->timing;
    bool user = cpu->cpl == 3;
    const struct tlb_map *map = &cpu->tlb.map[user];
    struct filter_lines *lines = &cpu->filter.data[user];
    uint64_t line = page->linear & ~(timing_line_bytes(timing) - 1), none;
    unsigned slot = timing_slot(timing, page->linear);
    none = timing_no_line(&timing->hierarchy, slot);
    lines->read_key[slot] = tlb_hit(map, line, 1, ACCESS_READ) != NULL ? 0 - line : none;
    lines->write_key[slot] = tlb_hit(map, line, 1, ACCESS_WRITE) != NULL ? 0 - line : none;
    lines->addend[slot] = addend;
    timing_note(timing, TOUCH_LOAD, page, slot);
}

uintptr_t timing_data_within(struct cpu *cpu, uint64_t linear, unsigned size, bool store, uint64_t room,
                             uint32_t *price)
{
    bool user = cpu->cpl == 3;
    enum touch touch = store ? TOUCH_STORE : TOUCH_LOAD;
    uint8_t *host = tlb_hit(&cpu->tlb.map[user], linear, size, store ? ACCESS_WRITE : ACCESS_READ);
    const struct tlb_entry *entry = host != NULL ? tlb_find(&cpu->tlb, user, linear) : NULL;
    if (entry == NULL)
        return 0;
    const struct timing_piece piece = {
        .page = timing_page_of(cpu, linear, entry), .host = host, .size = size};
    uint64_t first = timing_address(cpu, host), clock = cpu->s.clock;
    uint32_t cycles = data_price(cpu, touch, &piece.page, first, size);
    if (cycles > room)
        return 0;
    timing_data(cpu, &piece, store);
    CHECK(cpu->s.clock - clock == cycles);
    cpu->s.clock = clock;
    if ((linear & (timing_line_bytes(cpu->timing) - 1)) + size <= timing_line_bytes(cpu->timing))
        note_data(cpu, &piece.page, (uintptr_t)host - linear);
    *price = cycles;
    return (uintptr_t)host - linear;
}
