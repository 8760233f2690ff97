/* What timing.c and timing_within.c share: touching, and keeping the filter true meanwhile. */
#ifndef CROSSPAGE_CPU_TIMING_PRIV_H
#define CROSSPAGE_CPU_TIMING_PRIV_H

#include "cpu/cpu.h"
#include "cpu/timing.h"

/* Of what the soft TLB says of a page. A monitor's entries are not global in the hardware's TLB. */
static inline struct timing_page timing_page_of(const struct cpu *cpu, uint64_t linear,
                                                const struct tlb_entry *entry)
{
    return (struct timing_page){.linear = linear,
                                .page_shift = entry->page_shift,
                                .global = tlb_is_global(entry) && cpu->bus->translate == NULL};
}

/* Are there translations at all? A monitor's tables translate when the guest's do not. */
static inline bool timing_has_tlbs(const struct cpu *cpu)
{
    return cpu->paging.mode != PAGING_OFF || cpu->bus->translate != NULL;
}

static inline uint64_t timing_address(const struct cpu *cpu, const uint8_t *host)
{
    return (uint64_t)(host - cpu->timing->machine);
}

/* Where a linear address is in the filter. */
static inline unsigned timing_slot(const struct timing *timing, uint64_t linear)
{
    return (unsigned)(linear >> timing->hierarchy.config.line_shift) & (FILTER_LINES - 1);
}

static inline uint64_t timing_line_bytes(const struct timing *timing)
{
    return UINT64_C(1) << timing->hierarchy.config.line_shift;
}

/* A key of the filter for data that is of no line in its slot: see struct filter_lines. */
static inline uint64_t timing_no_line(const struct hierarchy *hierarchy, unsigned slot)
{
    return 0 - ((uint64_t)(slot ^ FILTER_LINES / 2) << hierarchy->config.line_shift);
}

/* Drop from the filter the code that the soft TLB has forgotten. */
void timing_refresh_code(struct cpu *cpu);
/* Touch a page, a line of a machine address; cycles. */
uint32_t timing_touch_page(struct cpu *cpu, enum touch touch, const struct timing_page *page);
uint32_t timing_touch_line(struct cpu *cpu, enum touch touch, uint64_t address);
/* Note that the line in `slot` may be in the filter as long as this page stays first in its set. */
void timing_note(struct timing *timing, enum touch touch, const struct timing_page *page, unsigned slot);
/* Would an access to the line of data at `linear` change nothing and cost nothing? */
bool timing_is_quiet(const struct cpu *cpu, uint64_t linear);
/* The line of code at page->linear is first in its set, as is its page. */
void timing_note_code(struct cpu *cpu, const struct timing_page *page);

#endif
