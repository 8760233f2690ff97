/* The cache of decoded blocks: lookup, invalidation, eviction.
 *
 * Blocks live in one arena that is filled front to back. When it is full everything is forgotten and filling
 * starts over: bounded memory, no bookkeeping per block. A page from which blocks were decoded has
 * WATCH_CODE; a write to it, by whomever, reaches code_written(), which unlinks the blocks that hold a
 * written byte and marks them stale (128-byte lines tell quickly that there are none). A stale block stays in
 * memory until the arena is flushed, because it may be running; the run loop looks at cpu->limit after every
 * instruction that can write and leaves.
 *
 * An instruction across two pages is in the lists of both. Where the second linear page leads is looked at
 * each time such a block is entered: it may lead elsewhere, or not be there, without a change of the first.
 *
 * Invariants: (1) a block that is not stale holds what its bytes decode to now; (2) nothing the guest can see
 * depends on which blocks exist: the code of every instruction has its page in the TLB (mmu/tlb.h), or is
 * looked up there before the instruction runs; whatever drops an entry that code was fetched through ends the
 * block (cpu_attend) and changes code_epoch; (3) blocks are freed only at an instruction boundary. */
#include "cpu/block.h"

#include "base/check.h"

#include <stdlib.h>

enum { ARENA_BYTES = 48 << 20 };

/* ---- Invalidation ---- */

static struct block **bucket_of(struct block_cache *blocks, uint64_t phys, unsigned mode)
{
    uint64_t hash = (phys ^ phys >> 12 ^ (uint64_t)mode << 7) * UINT64_C(0x9E3779B97F4A7C15);
    return &blocks->bucket[hash >> 47];
}
_Static_assert(BLOCK_BUCKETS == 1 << (64 - 47), "hash width");

/* Take it out of the cache; the caller does so with the list of its page by which it found it. */
static void unlink_block(struct block_cache *blocks, struct block *block)
{
    struct block **at = bucket_of(blocks, block->phys, block->mode);
    while (*at != block)
        at = &(*at)->bucket_next;
    *at = block->bucket_next;
    block->stale = true;
    cpu_attend(blocks->cpu);
    if (block->unit != NULL)
        blocks->cpu->engine->forget_block(blocks->cpu->engine->ctx, block);
}

static uint32_t lines_of(uint64_t first, uint64_t last)
{
    unsigned from = (first & PAGE_MASK) >> CODE_LINE_SHIFT, to = (last & PAGE_MASK) >> CODE_LINE_SHIFT;
    return (uint32_t)((UINT64_C(2) << to) - (UINT64_C(1) << from));
}

static void unlink_tail(struct block_cache *blocks, const struct block *block)
{
    struct block **at = &blocks->page[block->tail >> PAGE_SHIFT].tails;
    while (*at != block)
        at = &(*at)->tail_next;
    *at = block->tail_next;
}

static void unlink_head(struct block_cache *blocks, const struct block *block)
{
    struct block **at = &blocks->page[block->phys >> PAGE_SHIFT].blocks;
    while (*at != block)
        at = &(*at)->page_next;
    *at = block->page_next;
}

/* The bytes from `first` to `last` of a page, as offsets. */
struct extent {
    unsigned first, last;
};
static const struct extent whole_page = {0, PAGE_MASK};

/* Does the block have any of them, in the page where it begins? */
static bool head_touches(const struct block *block, struct extent written)
{
    unsigned first = block->phys & PAGE_MASK, last = first + block->bytes - 1u;
    return first <= written.last && last >= written.first;
}

/* And in the one where it ends? */
static bool tail_touches(const struct block *block, struct extent written)
{
    return (block->phys & PAGE_MASK) + block->bytes - PAGE_SIZE > written.first;
}

/* Forget the blocks of a page that have any of these bytes. False: there are none. */
static bool forget_heads(struct block_cache *blocks, struct code_page *page, struct extent written)
{
    bool found = false;
    page->lines = 0;
    for (struct block **at = &page->blocks; *at != NULL;) {
        struct block *block = *at;
        if (head_touches(block, written)) {
            *at = block->page_next;
            if (block_crosses(block))
                unlink_tail(blocks, block);
            unlink_block(blocks, block);
            found = true;
        } else {
            page->lines |= block->lines;
            at = &block->page_next;
        }
    }
    return found;
}

/* And those that end in it. */
static bool forget_tails(struct block_cache *blocks, struct code_page *page, struct extent written)
{
    bool found = false;
    for (struct block **at = &page->tails; *at != NULL;) {
        struct block *block = *at;
        if (tail_touches(block, written)) {
            *at = block->tail_next;
            unlink_head(blocks, block);
            unlink_block(blocks, block);
            found = true;
        } else {
            at = &block->tail_next;
        }
    }
    return found;
}

static bool has_code(const struct code_page *page)
{
    return page->blocks != NULL || page->tails != NULL;
}

/* Code that is written again and again while it runs is cut into short blocks, so that little is decoded
 * anew, and has to run the longer before it is translated the more often that was in vain; until it is left
 * alone for a while. */
static void note_rewritten(const struct block_cache *blocks, struct code_page *page)
{
    enum { AWHILE = 1 << 20 };
    uint64_t now = blocks->cpu->s.instructions;
    if (now - page->rewritten_at > AWHILE)
        page->rewritten = 0;
    page->rewritten++;
    page->rewritten_at = now;
}

unsigned block_room(const struct block_cache *blocks, gpa_t phys)
{
    const struct code_page *page = &blocks->page[phys.v >> PAGE_SHIFT];
    return page->rewritten >= REWRITTEN_OFTEN ? REWRITTEN_INSNS : BLOCK_MAX_INSNS;
}

static uint8_t patience_for(const struct code_page *page)
{
    enum { MOST = 6 };
    unsigned times = page->rewritten / REWRITTEN_OFTEN;
    return (uint8_t)(times < MOST ? times : MOST);
}

/* Watcher of WATCH_CODE: [addr, addr+size) lies in one page. */
static void code_written(void *ctx, gpa_t addr, uint64_t size)
{
    struct block_cache *blocks = ctx;
    struct code_page *page = &blocks->page[addr.v >> PAGE_SHIFT];
    if (size == 0)
        return;
    struct extent written = {addr.v & PAGE_MASK, (addr.v & PAGE_MASK) + (unsigned)size - 1};
    bool found =
        (page->lines & lines_of(addr.v, addr.v + size - 1)) != 0 && forget_heads(blocks, page, written);
    found |= page->tails != NULL && forget_tails(blocks, page, written);
    if (found)
        note_rewritten(blocks, page);
    if (!has_code(page))
        guest_memory_unwatch(blocks->cpu->memory, (ppn_t){addr.v >> PAGE_SHIFT}, WATCH_CODE);
}

void block_cache_page_changed(struct block_cache *blocks, ppn_t page)
{
    if (page.v >= blocks->pages || !has_code(&blocks->page[page.v]))
        return;
    (void)forget_heads(blocks, &blocks->page[page.v], whole_page);
    (void)forget_tails(blocks, &blocks->page[page.v], whole_page);
}

void block_cache_forget_offset(struct block_cache *blocks, unsigned offset)
{
    const struct extent extent = {offset, offset};
    for (uint64_t n = 0; n < blocks->pages; n++) {
        struct code_page *page = &blocks->page[n];
        if ((page->lines >> (offset >> CODE_LINE_SHIFT) & 1) == 0)
            continue;
        (void)forget_heads(blocks, page, extent);
        if (!has_code(page))
            guest_memory_unwatch(blocks->cpu->memory, (ppn_t){n}, WATCH_CODE);
    }
}

void block_cache_drop(struct block_cache *blocks)
{
    blocks->drop_pending = true;
    cpu_attend(blocks->cpu);
}

void block_cache_flush(struct block_cache *blocks)
{
    blocks->drop_pending = false;
    if (blocks->cpu->engine != NULL)
        blocks->cpu->engine->forget_all(blocks->cpu->engine->ctx);
    for (size_t i = 0; i < BLOCK_BUCKETS; i++)
        blocks->bucket[i] = NULL;
    for (uint64_t n = 0; n < blocks->pages; n++) {
        if (!has_code(&blocks->page[n]))
            continue;
        blocks->page[n] = (struct code_page){0};
        guest_memory_unwatch(blocks->cpu->memory, (ppn_t){n}, WATCH_CODE);
    }
    blocks->used = 0;
    blocks->code_linear = UINT64_MAX;
}

struct block_cache *block_cache_create(struct cpu *cpu)
{
    struct block_cache *blocks = xcalloc(1, sizeof *blocks);
    blocks->cpu = cpu;
    blocks->pages = cpu->memory->pages;
    blocks->page = xcalloc(blocks->pages ? blocks->pages : 1, sizeof *blocks->page);
    blocks->arena = aligned_alloc(64, ARENA_BYTES);
    CHECK(blocks->arena != NULL);
    blocks->code_linear = UINT64_MAX;
    guest_memory_add_watcher(cpu->memory, WATCH_CODE, code_written, blocks);
    return blocks;
}

void block_cache_destroy(struct block_cache *blocks)
{
    if (blocks == NULL)
        return;
    blocks->cpu->engine = NULL;
    block_cache_flush(blocks);
    free(blocks->arena);
    free(blocks->page);
    free(blocks);
}

/* ---- Lookup ---- */

/* Room for the largest block, or everything is forgotten to make it. */
static struct block *arena_room(struct block_cache *blocks)
{
    size_t largest = sizeof(struct block) + (BLOCK_MAX_INSNS + 1) * sizeof(struct insn);
    if (blocks->used + largest > ARENA_BYTES)
        block_cache_flush(blocks);
    return (struct block *)(void *)(blocks->arena + blocks->used);
}

static void block_insert(struct block_cache *blocks, struct block *block)
{
    blocks->used += sizeof *block + (block->count + 1u) * sizeof(struct insn);
    struct block **bucket = bucket_of(blocks, block->phys, block->mode);
    struct code_page *page = &blocks->page[block->phys >> PAGE_SHIFT];
    uint64_t last = block_crosses(block) ? block->phys | PAGE_MASK : block->phys + block->bytes - 1;
    block->lines = lines_of(block->phys, last);
    block->patience = patience_for(page);
    block->bucket_next = *bucket;
    *bucket = block;
    block->page_next = page->blocks;
    page->blocks = block;
    page->lines |= block->lines;
}

static struct block *block_add(struct block_cache *blocks, gpa_t phys)
{
    struct block *block = arena_room(blocks); /* first: making room ends all watches */
    guest_memory_watch(blocks->cpu->memory, (ppn_t){phys.v >> PAGE_SHIFT}, WATCH_CODE);
    if (!block_build(blocks->cpu, phys, block))
        return NULL;
    block_insert(blocks, block);
    return block;
}

static struct block *block_add_crossing(struct block_cache *blocks, gpa_t phys, gpa_t tail)
{
    struct block *block = arena_room(blocks);
    guest_memory_watch(blocks->cpu->memory, (ppn_t){phys.v >> PAGE_SHIFT}, WATCH_CODE);
    guest_memory_watch(blocks->cpu->memory, (ppn_t){tail.v >> PAGE_SHIFT}, WATCH_CODE);
    block_build_crossing(blocks->cpu, phys, tail, block);
    block_insert(blocks, block);
    struct code_page *page = &blocks->page[tail.v >> PAGE_SHIFT];
    block->tail_next = page->tails;
    page->tails = block;
    return block;
}

bool code_enter_page(struct cpu *cpu, uint64_t linear)
{
    struct block_cache *blocks = cpu->blocks;
    gpa_t page;
    blocks->code_linear = UINT64_MAX;
    if (cpu->long64 && !is_canonical(linear)) {
        cpu_fault_code(cpu, VEC_GP, 0);
        return false;
    }
    if (!mem_code(cpu, linear, &page))
        return false;
    blocks->code_page = gpa(page.v & ~PAGE_MASK);
    blocks->code_linear = linear & ~PAGE_MASK;
    blocks->code_epoch = cpu->tlb.code_epoch[cpu->cpl == 3];
    blocks->code_mode = cpu->mode;
    return true;
}

/* Of the instructions at one place all or none go on in the next page: its bytes in the first decide that. */
static struct block *find_crossing(struct block_cache *blocks, gpa_t phys, uint64_t tail)
{
    unsigned mode = blocks->cpu->mode;
    struct block *block = *bucket_of(blocks, phys.v, mode);
    while (block != NULL && (block->phys != phys.v || block->mode != mode || block->tail != tail))
        block = block->bucket_next;
    return block;
}

/* The instruction at rip does not end in its page, which is RAM. Its second page is fetched from now, as it
 * would be without cache: the limit comes first (cpu/fetch.c). */
static enum block_found block_at_end(struct cpu *cpu, gpa_t phys, struct block **found)
{
    struct block_cache *blocks = cpu->blocks;
    unsigned room = PAGE_SIZE - (unsigned)(phys.v & PAGE_MASK);
    gpa_t tail;
    if (!cpu->config.fast_paths || cpu->s.rip + room > cpu->code_bound)
        return BLOCK_NONE;
    if (!code_translate(cpu, (code_linear(cpu) + room) & cpu->linear_mask, &tail))
        return BLOCK_FAULT;
    if (memory_frame(cpu->memory, tail) == NULL)
        return BLOCK_NONE;
    struct block *block = find_crossing(blocks, phys, tail.v);
    if (block == NULL)
        block = block_add_crossing(blocks, phys, tail);
    if (!block_within_limit(cpu, block))
        return BLOCK_NONE;
    *found = block;
    return BLOCK_FOUND;
}

enum block_found block_at_rip(struct cpu *cpu, struct block **found)
{
    struct block_cache *blocks = cpu->blocks;
    gpa_t phys;
    if (UNLIKELY(cpu->s.rip > cpu->code_bound))
        return BLOCK_NONE; /* fetch_insn raises #GP */
    if (UNLIKELY(!code_translate(cpu, code_linear(cpu), &phys)))
        return BLOCK_FAULT;
    struct block *block = *bucket_of(blocks, phys.v, cpu->mode);
    while (block != NULL && (block->phys != phys.v || block->mode != cpu->mode))
        block = block->bucket_next;
    if (UNLIKELY(block == NULL)) {
        if (memory_frame(cpu->memory, phys) == NULL)
            return BLOCK_NONE;
        block = block_add(blocks, phys);
    }
    if (UNLIKELY(block == NULL || block_crosses(block)))
        return block_at_end(cpu, phys, found);
    if (UNLIKELY(!block_within_limit(cpu, block)))
        return BLOCK_NONE;
    *found = block;
    return BLOCK_FOUND;
}
