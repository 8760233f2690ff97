/* What caches, TLBs and branch prediction add to the prices of instructions (timing.h). */
#include "cpu/timing.h"

#include "base/check.h"
#include "base/hash.h"
#include "cpu/block.h"
#include "cpu/timing_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- The filter ---- */

/* A key is minus an address; these are of no address that looks into their slot. */
enum { NO_CODE = 1 };

static uint64_t no_branch(unsigned slot)
{
    return 0 - (uint64_t)(slot ^ 1);
}

static void forget_data(struct cpu *cpu, unsigned slot)
{
    uint64_t none = timing_no_line(&cpu->timing->hierarchy, slot);
    for (unsigned user = 0; user < 2; user++)
        cpu->filter.data[user].read_key[slot] = cpu->filter.data[user].write_key[slot] = none;
}

static void forget_slot(struct cpu *cpu, enum touch touch, unsigned slot)
{
    if (touch == TOUCH_FETCH)
        cpu->filter.code_key[slot] = NO_CODE;
    else
        forget_data(cpu, slot);
}

/* All lines of the set of a machine address, which has the same offset in its page. */
static void forget_set(struct cpu *cpu, enum touch touch, uint64_t address)
{
    const struct hierarchy *hierarchy = &cpu->timing->hierarchy;
    enum hierarchy_level level = hierarchy_level1(touch);
    unsigned slot = hierarchy_set(hierarchy, level, address >> hierarchy->config.line_shift);
    for (; slot < FILTER_LINES; slot += hierarchy->config.level[level].sets)
        forget_slot(cpu, touch, slot);
}

/* All lines that were noted under this set of a TLB. */
static void forget_noted(struct cpu *cpu, enum hierarchy_level level, unsigned set)
{
    struct line_mask *noted = &cpu->timing->noted[level][set];
    enum touch touch = level == LEVEL_ITLB || level == LEVEL_ITLB_LARGE ? TOUCH_FETCH : TOUCH_LOAD;
    for (unsigned n = 0; n < ARRAY_LEN(noted->word); n++)
        for (; noted->word[n] != 0; noted->word[n] &= noted->word[n] - 1)
            forget_slot(cpu, touch, 64 * n + (unsigned)__builtin_ctzll(noted->word[n]));
}

static void forget_tlb(struct cpu *cpu, enum hierarchy_level level)
{
    for (unsigned set = 0; set < cpu->timing->hierarchy.config.level[level].sets; set++)
        forget_noted(cpu, level, set);
}

static void forget_branch(struct timing_filter *filter, uint64_t address)
{
    unsigned slot = filter_branch(address);
    uint64_t key = 0 - address, none = no_branch(slot);
    if (filter->taken_key[slot] == key)
        filter->taken_key[slot] = none;
    for (unsigned backward = 0; backward < 2; backward++)
        if (filter->passed_key[backward][slot] == key)
            filter->passed_key[backward][slot] = none;
}

void timing_forget_filter(struct cpu *cpu)
{
    struct timing_filter *filter = &cpu->filter;
    if (cpu->timing == NULL)
        return;
    for (unsigned slot = 0; slot < FILTER_LINES; slot++) {
        forget_data(cpu, slot);
        filter->code_key[slot] = NO_CODE;
    }
    for (unsigned slot = 0; slot < FILTER_BRANCHES; slot++)
        filter->taken_key[slot] = filter->passed_key[0][slot] = filter->passed_key[1][slot] = no_branch(slot);
    memset(cpu->timing->noted, 0, sizeof cpu->timing->noted);
}

static unsigned tlb_set_of(const struct hierarchy *hierarchy, enum hierarchy_level level,
                           const struct timing_page *page)
{
    return hierarchy_set(hierarchy, level, page->linear >> page->page_shift);
}

void timing_note(struct timing *timing, enum touch touch, const struct timing_page *page, unsigned slot)
{
    enum hierarchy_level level = hierarchy_tlb(touch, page->page_shift);
    unsigned set = tlb_set_of(&timing->hierarchy, level, page);
    timing->noted[level][set].word[slot / 64] |= UINT64_C(1) << slot % 64;
}

void timing_note_code(struct cpu *cpu, const struct timing_page *page)
{
    struct timing *timing = cpu->timing;
    unsigned slot = timing_slot(timing, page->linear);
    cpu->filter.code_key[slot] = 0 - (page->linear & ~(timing_line_bytes(timing) - 1));
    timing_note(timing, TOUCH_FETCH, page, slot);
}

/* ---- Life ---- */

struct timing *timing_create(const struct timing_config *config)
{
    struct timing *timing = xcalloc(1, sizeof *timing);
    hierarchy_init(&timing->hierarchy, &config->hierarchy);
    predictor_init(&timing->predictor, &config->predictor);
    timing->machine = config->machine;
    return timing;
}

void timing_destroy(struct timing *timing)
{
    if (timing == NULL)
        return;
    hierarchy_destroy(&timing->hierarchy);
    predictor_destroy(&timing->predictor);
    free(timing);
}

void timing_reset(struct cpu *cpu)
{
    if (cpu->timing == NULL)
        return;
    hierarchy_flush_caches(&cpu->timing->hierarchy);
    hierarchy_flush_tlbs(&cpu->timing->hierarchy, true);
    predictor_clear(&cpu->timing->predictor);
    timing_forget_filter(cpu);
    cpu->timing->disturbed++;
}

uint64_t timing_hash(const struct timing *timing, uint64_t seed)
{
    seed = hierarchy_hash(&timing->hierarchy, predictor_hash(&timing->predictor, seed));
    return hash_bytes(&timing->spent, sizeof timing->spent, seed);
}

bool timing_equal(const struct timing *a, const struct timing *b)
{
    return memcmp(&a->spent, &b->spent, sizeof a->spent) == 0 &&
           hierarchy_equal(&a->hierarchy, &b->hierarchy) && predictor_equal(&a->predictor, &b->predictor);
}

static unsigned diff_word(FILE *file, const char *name, uint64_t a, uint64_t b)
{
    if (a == b)
        return 0;
    fprintf(file, "  caches %-20s %16" PRIx64 "  %16" PRIx64 "\n", name, a, b);
    return 1;
}

static unsigned diff_level(FILE *file, const struct hierarchy *a, const struct hierarchy *b, unsigned level)
{
    const char *name = hierarchy_level_name((enum hierarchy_level)level);
    unsigned ways = a->config.level[level].ways, found = 0;
    size_t start = a->start[level], tags = (size_t)a->config.level[level].sets * ways;
    char text[80];
    for (size_t n = 0; n < tags; n++) {
        snprintf(text, sizeof text, "%s set %zu place %zu", name, n / ways, n % ways);
        found += diff_word(file, text, a->tag[start + n], b->tag[start + n]);
    }
    snprintf(text, sizeof text, "%s hits", name);
    found += diff_word(file, text, a->count[level].hits, b->count[level].hits);
    snprintf(text, sizeof text, "%s misses", name);
    return found + diff_word(file, text, a->count[level].misses, b->count[level].misses);
}

unsigned timing_diff(FILE *file, const struct timing *a, const struct timing *b)
{
    unsigned found = 0;
    for (unsigned level = 0; level < LEVEL_COUNT; level++)
        found += diff_level(file, &a->hierarchy, &b->hierarchy, level);
    found += diff_word(file, "fetch", a->spent.fetch, b->spent.fetch);
    found += diff_word(file, "load", a->spent.load, b->spent.load);
    found += diff_word(file, "store", a->spent.store, b->spent.store);
    found += diff_word(file, "fetch-walk", a->spent.fetch_walk, b->spent.fetch_walk);
    found += diff_word(file, "data-walk", a->spent.data_walk, b->spent.data_walk);
    found += diff_word(file, "branch", a->spent.branch, b->spent.branch);
    if (!predictor_equal(&a->predictor, &b->predictor))
        found++, fprintf(file, "  branch prediction differs\n");
    return found;
}

/* ---- Touching ---- */

static uint64_t *spent_on_pages(struct timing *timing, enum touch touch)
{
    return touch == TOUCH_FETCH ? &timing->spent.fetch_walk : &timing->spent.data_walk;
}

static uint64_t *spent_on_lines(struct timing *timing, enum touch touch)
{
    if (touch == TOUCH_FETCH)
        return &timing->spent.fetch;
    return touch == TOUCH_LOAD ? &timing->spent.load : &timing->spent.store;
}

static uint32_t touch_page(struct cpu *cpu, enum touch touch, const struct timing_page *page)
{
    struct timing *timing = cpu->timing;
    struct hierarchy *hierarchy = &timing->hierarchy;
    if (hierarchy_page_is_first(hierarchy, touch, page->linear, page->page_shift, page->global))
        return 0;
    enum hierarchy_level level = hierarchy_tlb(touch, page->page_shift);
    forget_noted(cpu, level, tlb_set_of(hierarchy, level, page));
    return hierarchy_page(hierarchy, touch, page->linear, page->page_shift, page->global);
}

static uint32_t touch_line(struct cpu *cpu, enum touch touch, uint64_t address)
{
    struct timing *timing = cpu->timing;
    struct hierarchy *hierarchy = &timing->hierarchy;
    if (hierarchy_line_is_first(hierarchy, touch, address))
        return 0;
    forget_set(cpu, touch, address);
    return hierarchy_line(hierarchy, touch, address);
}

uint32_t timing_touch_page(struct cpu *cpu, enum touch touch, const struct timing_page *page)
{
    uint32_t cycles = touch_page(cpu, touch, page);
    *spent_on_pages(cpu->timing, touch) += cycles;
    return cycles;
}

uint32_t timing_touch_line(struct cpu *cpu, enum touch touch, uint64_t address)
{
    uint32_t cycles = touch_line(cpu, touch, address);
    *spent_on_lines(cpu->timing, touch) += cycles;
    return cycles;
}

/* Worlds lie behind all machine memory, and not all at the start of the sets. */
enum { WORLD_SHIFT = 24, WORLD_STEP = 0x6A40 };
#define WORLDS_BASE (UINT64_C(1) << 44)

static struct timing_misses foreign(struct cpu *cpu, enum touch touch, uint64_t base, uint32_t lines,
                                    uint32_t pages)
{
    struct timing_misses misses = {0, 0};
    for (uint32_t n = 0; n < pages; n++) {
        const struct timing_page page = {.linear = base + (uint64_t)n * PAGE_SIZE, .page_shift = PAGE_SHIFT};
        misses.walks += touch_page(cpu, touch, &page);
    }
    for (uint32_t n = 0; n < lines; n++)
        misses.lines += touch_line(cpu, touch, base + n * timing_line_bytes(cpu->timing));
    return misses;
}

struct timing_misses timing_foreign(struct cpu *cpu, const struct timing_footprint *footprint)
{
    uint64_t code = WORLDS_BASE + ((uint64_t)footprint->world << WORLD_SHIFT) + footprint->world * WORLD_STEP;
    uint64_t data = code + (UINT64_C(1) << (WORLD_SHIFT - 1)) + WORLD_STEP / 2;
    struct timing_misses c = foreign(cpu, TOUCH_FETCH, code, footprint->code_lines, footprint->code_pages);
    struct timing_misses d = foreign(cpu, TOUCH_LOAD, data, footprint->data_lines, footprint->data_pages);
    cpu->timing->disturbed++;
    return (struct timing_misses){.walks = c.walks + d.walks, .lines = c.lines + d.lines};
}

/* ---- Fetching ---- */

/* The line of code at `linear`, which lies in no page that the soft TLB does not have. */
static void fetch_line(struct cpu *cpu, uint64_t linear)
{
    const struct tlb_entry *entry = tlb_find(&cpu->tlb, cpu->cpl == 3, linear);
    if (entry == NULL)
        return;
    const struct timing_page page = timing_page_of(cpu, linear, entry);
    const uint8_t *frame = memory_frame(cpu->memory, entry->page);
    bool translated = timing_has_tlbs(cpu);
    if (translated)
        cpu->s.clock += timing_touch_page(cpu, TOUCH_FETCH, &page);
    if (frame == NULL)
        return;
    uint64_t address = timing_address(cpu, frame + (linear & PAGE_MASK));
    cpu->s.clock += timing_touch_line(cpu, TOUCH_FETCH, address);
    timing_note_code(cpu, &page);
}

void timing_refresh_code(struct cpu *cpu)
{
    uint64_t epoch = tlb_code_epoch(&cpu->tlb);
    if (LIKELY(cpu->timing->code_epoch == epoch))
        return;
    forget_tlb(cpu, LEVEL_ITLB);
    forget_tlb(cpu, LEVEL_ITLB_LARGE);
    cpu->timing->code_epoch = epoch;
}

void timing_fetch(struct cpu *cpu, unsigned length)
{
    const struct timing *timing = cpu->timing;
    uint64_t bytes = timing_line_bytes(timing);
    timing_refresh_code(cpu);
    uint64_t linear = code_linear(cpu), last = linear + (length > 0 ? length - 1 : 0);
    for (uint64_t line = linear & ~(bytes - 1); line <= (last & ~(bytes - 1)); line += bytes) {
        uint64_t at = line & cpu->linear_mask;
        if (cpu->filter.code_key[timing_slot(timing, at)] + at != 0)
            fetch_line(cpu, at);
    }
}

/* ---- Data ---- */

void timing_data(struct cpu *cpu, const struct timing_piece *piece, bool store)
{
    enum touch touch = store ? TOUCH_STORE : TOUCH_LOAD;
    if (timing_has_tlbs(cpu))
        cpu->s.clock += timing_touch_page(cpu, touch, &piece->page);
    if (piece->host == NULL)
        return;
    uint64_t bytes = timing_line_bytes(cpu->timing), first = timing_address(cpu, piece->host);
    for (uint64_t line = first & ~(bytes - 1); line < first + piece->size; line += bytes)
        cpu->s.clock += timing_touch_line(cpu, touch, line);
}

bool timing_is_quiet(const struct cpu *cpu, uint64_t linear)
{
    const struct hierarchy *hierarchy = &cpu->timing->hierarchy;
    const struct tlb_entry *entry = tlb_find(&cpu->tlb, cpu->cpl == 3, linear);
    const uint8_t *frame = entry != NULL ? memory_frame(cpu->memory, entry->page) : NULL;
    if (frame == NULL)
        return false;
    const struct timing_page page = timing_page_of(cpu, linear, entry);
    bool first = !timing_has_tlbs(cpu) ||
                 hierarchy_page_is_first(hierarchy, TOUCH_LOAD, page.linear, page.page_shift, page.global);
    return first &&
           hierarchy_line_is_first(hierarchy, TOUCH_LOAD, timing_address(cpu, frame + (linear & PAGE_MASK)));
}

/* ---- Branches ---- */

/* The slot has the key of this branch if, and only if, it `is` quiet; another one's stays. */
static void set_branch(uint64_t *slot, uint64_t key, uint64_t none, bool is)
{
    if (is)
        *slot = key;
    else if (*slot == key)
        *slot = none;
}

uint32_t timing_predict(struct cpu *cpu, const struct branch *branch)
{
    struct timing_filter *filter = &cpu->filter;
    struct predicted predicted = predictor_branch(&cpu->timing->predictor, branch);
    uint64_t key = 0 - branch->address;
    unsigned slot = filter_branch(branch->address);
    cpu->timing->spent.branch += predicted.cycles;
    if (predicted.displaced != UINT64_MAX)
        forget_branch(filter, predicted.displaced);
    set_branch(&filter->taken_key[slot], key, no_branch(slot), (predicted.quiet & QUIET_TAKEN) != 0);
    set_branch(&filter->passed_key[false][slot], key, no_branch(slot),
               (predicted.quiet & QUIET_FORWARD) != 0);
    set_branch(&filter->passed_key[true][slot], key, no_branch(slot),
               (predicted.quiet & QUIET_BACKWARD) != 0);
    return predicted.cycles;
}

void timing_branch(struct cpu *cpu, const struct insn *insn, enum branch_kind kind, bool taken,
                   uint64_t target)
{
    const struct branch branch = {
        .kind = kind,
        .taken = taken,
        .backward = (int64_t)insn->imm < 0,
        .address = code_linear(cpu),
        .next = (cpu->seg_base[CS] + insn_next_rip(cpu, insn)) & cpu->linear_mask,
        .target = (cpu->seg_base[CS] + target) & cpu->linear_mask,
    };
    cpu->s.clock += timing_predict(cpu, &branch);
}

/* ---- Flushes ---- */

/* No filter is left that rests on a TLB. */
static void forget_tlbs(struct cpu *cpu)
{
    for (unsigned level = LEVEL_ITLB; level < LEVEL_COUNT; level++)
        forget_tlb(cpu, (enum hierarchy_level)level);
    cpu->timing->disturbed++;
}

void timing_flush_tlbs(struct cpu *cpu, bool global)
{
    if (cpu->timing == NULL)
        return;
    forget_tlbs(cpu);
    hierarchy_flush_tlbs(&cpu->timing->hierarchy, global || cpu->bus->translate != NULL);
}

void timing_flush_space(struct cpu *cpu, unsigned space)
{
    if (cpu->timing == NULL)
        return;
    forget_tlbs(cpu);
    if (cpu->bus->translate != NULL)
        hierarchy_flush_tlbs(&cpu->timing->hierarchy, true);
    else
        hierarchy_flush_space(&cpu->timing->hierarchy, space);
}

void timing_flush_page(struct cpu *cpu, uint64_t linear)
{
    if (cpu->timing == NULL)
        return;
    forget_tlbs(cpu);
    hierarchy_flush_page(&cpu->timing->hierarchy, linear);
}

void timing_flush_page_of(struct cpu *cpu, uint64_t linear, unsigned space)
{
    if (cpu->timing == NULL)
        return;
    forget_tlbs(cpu);
    hierarchy_flush_page_of(&cpu->timing->hierarchy, linear, space);
}

void timing_select(struct cpu *cpu, unsigned space)
{
    if (cpu->timing == NULL)
        return;
    forget_tlbs(cpu);
    cpu->timing->hierarchy.space = (uint16_t)space;
}

void timing_flush_caches(struct cpu *cpu)
{
    if (cpu->timing == NULL)
        return;
    hierarchy_flush_caches(&cpu->timing->hierarchy);
    timing_forget_filter(cpu);
    cpu->timing->disturbed++;
}

void timing_flush_lines(struct cpu *cpu, const uint8_t *host, size_t size)
{
    struct timing *timing = cpu->timing;
    if (timing == NULL || size == 0)
        return;
    struct hierarchy *hierarchy = &timing->hierarchy;
    uint64_t bytes = timing_line_bytes(timing), first = timing_address(cpu, host);
    for (uint64_t line = first & ~(bytes - 1); line < first + size; line += bytes) {
        if (hierarchy_line_is_first(hierarchy, TOUCH_FETCH, line))
            timing->disturbed++;
        forget_set(cpu, TOUCH_FETCH, line);
        forget_set(cpu, TOUCH_LOAD, line);
        hierarchy_flush_line(hierarchy, line);
    }
}

void timing_written(struct cpu *cpu, const uint8_t *host, size_t size, bool copied)
{
    timing_flush_lines(cpu, host, size);
    if (cpu->timing == NULL || !copied || size == 0)
        return;
    uint64_t bytes = timing_line_bytes(cpu->timing), first = timing_address(cpu, host);
    for (uint64_t line = first & ~(bytes - 1); line < first + size; line += bytes)
        hierarchy_place(&cpu->timing->hierarchy, line);
}
