/* The guest's page tables, entry by entry, without touching them (SDM vol. 3, 4.3 to 4.5): "info tlb" has a
 * line for each page, "info mem" one for each range of equal rights. */
#include "tools/debugger/monitor.h"

#include <inttypes.h>

enum {
    PAGES_MAX = 1 << 20, /* a guest may map the same table again and again */
    LINES_MAX = 5000,
};
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 32, PTE_D = 64, PTE_PS = 128, PTE_G = 256 };
#define PTE_NX      (UINT64_C(1) << 63)
#define PTE_ADDRESS UINT64_C(0x000FFFFFFFFFF000)

/* A mapped page. `flags` of its entry, with W, U and NX as all levels together have them. */
struct page {
    uint64_t linear, size, physical, flags;
};

struct visitor {
    struct cpu *cpu;
    FILE *out;
    void (*fn)(struct visitor *visitor, const struct page *page);
    unsigned left;     /* pages, or lines, that may still be shown */
    struct page range; /* of "info mem": the one that grows; size 0: none */
};

static uint64_t entry_at(const struct cpu *cpu, uint64_t table, unsigned index, unsigned bytes)
{
    uint64_t entry = 0;
    if (!memory_read(cpu->memory, gpa((table + (uint64_t)index * bytes) & cpu->paging.a20_mask), &entry,
                     bytes))
        return 0;
    return entry;
}

static void visit_leaf(struct visitor *visitor, uint64_t linear, uint64_t entry, uint64_t rights,
                       uint64_t size)
{
    uint64_t address = entry & PTE_ADDRESS & ~(size - 1);
    if (visitor->cpu->paging.mode == PAGING_32BIT &&
        size > PAGE_SIZE) /* bits 13 to 20 are address bits 32 to 39 */
        address = (entry & 0xFFC00000) | (entry >> 13 & 0xFF) << 32;
    const struct page page = {.linear = linear,
                              .size = size,
                              .physical = address,
                              .flags = (entry & ~(uint64_t)(PTE_W | PTE_U) & ~PTE_NX) | rights};
    visitor->fn(visitor, &page);
    if (--visitor->left == 0)
        fputs("(there are more)\n", visitor->out);
}

/* `level` 1 has pages, higher ones tables; `rights` are W, U and NX of the levels above. */
static void visit_table(struct visitor *visitor, uint64_t table, unsigned level, uint64_t linear,
                        uint64_t rights)
{
    const struct paging *paging = &visitor->cpu->paging;
    bool wide = paging->mode != PAGING_32BIT;
    unsigned count = wide ? 512 : 1024, bits = wide ? 9 : 10;
    uint64_t size = UINT64_C(1) << (12 + bits * (level - 1));
    for (unsigned i = 0; i < count && visitor->left > 0; i++) {
        uint64_t entry = entry_at(visitor->cpu, table, i, wide ? 8 : 4), at = linear + i * size;
        if ((entry & PTE_P) == 0)
            continue;
        if (wide && paging->mode == PAGING_4LEVEL && level == 4 && i >= 256)
            at |= UINT64_C(0xFFFF) << 48;
        uint64_t mine = (rights & entry & (PTE_W | PTE_U)) | ((rights | entry) & PTE_NX);
        bool large = level > 1 && level < 4 && (entry & PTE_PS) != 0 && (wide || paging->pse);
        if (level == 1 || large)
            visit_leaf(visitor, at, entry, mine, size);
        else
            visit_table(visitor, entry & PTE_ADDRESS, level - 1, at, mine);
    }
}

static void visit_all(struct visitor *visitor)
{
    const struct paging *paging = &visitor->cpu->paging;
    const uint64_t rights = PTE_W | PTE_U;
    switch (paging->mode) {
    case PAGING_OFF: fputs("paging is off\n", visitor->out); return;
    case PAGING_32BIT: visit_table(visitor, paging->cr3 & 0xFFFFF000, 2, 0, rights); return;
    case PAGING_4LEVEL: visit_table(visitor, paging->cr3 & PTE_ADDRESS, 4, 0, rights); return;
    case PAGING_PAE:
        for (unsigned i = 0; i < 4; i++)
            if ((paging->pdpte[i] & PTE_P) != 0)
                visit_table(visitor, paging->pdpte[i] & PTE_ADDRESS, 2, (uint64_t)i << 30, rights);
    }
}

static const char *rights_text(uint64_t flags, char text[5])
{
    text[0] = flags & PTE_U ? 'u' : '-';
    text[1] = 'r';
    text[2] = flags & PTE_W ? 'w' : '-';
    text[3] = flags & PTE_NX ? '-' : 'x';
    text[4] = '\0';
    return text;
}

static void print_page(struct visitor *visitor, const struct page *page)
{
    char text[5];
    fprintf(visitor->out, "%016" PRIx64 ": %016" PRIx64 " %5" PRIu64 "K %s%s%s%s\n", page->linear,
            page->physical, page->size >> 10, rights_text(page->flags, text),
            page->flags & PTE_G ? " global" : "", page->flags & PTE_A ? " accessed" : "",
            page->flags & PTE_D ? " dirty" : "");
}

static void print_range(struct visitor *visitor)
{
    const struct page *range = &visitor->range;
    char text[5];
    if (range->size != 0)
        fprintf(visitor->out, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %s\n", range->linear,
                range->linear + range->size, range->size, rights_text(range->flags, text));
}

static void grow_range(struct visitor *visitor, const struct page *page)
{
    const uint64_t rights = PTE_U | PTE_W | PTE_NX;
    struct page *range = &visitor->range;
    if (range->size != 0 && range->linear + range->size == page->linear &&
        (range->flags & rights) == (page->flags & rights)) {
        range->size += page->size;
        return;
    }
    print_range(visitor);
    *range = *page;
}

void monitor_pages_tlb(struct cpu *cpu, FILE *out)
{
    struct visitor visitor = {.cpu = cpu, .out = out, .fn = print_page, .left = LINES_MAX};
    visit_all(&visitor);
}

void monitor_pages_mem(struct cpu *cpu, FILE *out)
{
    struct visitor visitor = {.cpu = cpu, .out = out, .fn = grow_range, .left = PAGES_MAX};
    visit_all(&visitor);
    print_range(&visitor);
}
