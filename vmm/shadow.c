/* Shadow page tables: hidden and true faults, root switches, invalidation (shadow.h).
 *
 * Left out: 32-bit guests that map memory above 4 GB by PSE-36 get their translation without a shadow entry,
 * since an entry of 4 bytes cannot name the frame; PCIDs, which the guest's CPU has not (vmm/vm.c). */
#include "vmm/shadow_priv.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Tables that one fill can need: one per level and a root. */
enum { FILL_TABLES = 6 };

static void set_format(struct shadow *shadow, const struct paging *paging)
{
    static const struct {
        uint8_t levels, entry_size;
    } modes[] = {
        [PAGING_OFF] = {2, 4}, [PAGING_32BIT] = {2, 4}, [PAGING_PAE] = {3, 8}, [PAGING_4LEVEL] = {4, 8}};
    shadow->format = (struct shadow_format){.mode = paging->mode,
                                            .pse = paging->pse,
                                            .nxe = paging->nxe,
                                            .gb_pages = paging->gb_pages,
                                            .a20_mask = paging->a20_mask};
    shadow->levels = modes[paging->mode].levels;
    shadow->entry_size = modes[paging->mode].entry_size;
    shadow->entry_count = PAGE_SIZE / shadow->entry_size;
    shadow->index_bits = shadow->entry_size == 4 ? 10 : 9;
}

static bool same_format(const struct shadow *shadow, const struct paging *paging)
{
    const struct shadow_format *format = &shadow->format;
    return format->mode == paging->mode && format->pse == paging->pse && format->nxe == paging->nxe &&
           format->gb_pages == paging->gb_pages && format->a20_mask == paging->a20_mask;
}

static bool is_current_root(const struct shadow *shadow, const struct paging *paging)
{
    if (shadow->root == NO_TABLE)
        return false;
    const struct shadow_key key = shadow_root_key(shadow, paging);
    return shadow_same_key(&shadow->tables[shadow->root].key, &key);
}

static void flush_soft_tlb(struct shadow *shadow)
{
    tlb_flush(&vm_cpu(shadow->vm)->tlb);
}

/* Make room before it is needed: a fill must not lose tables it has just linked. */
static void ensure_free_tables(struct shadow *shadow)
{
    if (shadow->free_count >= FILL_TABLES)
        return;
    host_charge(vm_host(shadow->vm), COST_ID_SHADOW_RECYCLE);
    shadow->counters.recycled++;
    shadow_drop_all(shadow);
    flush_soft_tlb(shadow);
}

/* ---- Roots ---- */

/* By index in the root: known, and if so whether both map it by the same table. */
struct root_change {
    const struct shadow *shadow;
    int32_t from, to;
    uint64_t known[ENTRIES_MAX / 64], same[ENTRIES_MAX / 64];
};

static bool differs(void *ctx, uint64_t linear)
{
    struct root_change *change = ctx;
    const struct shadow *shadow = change->shadow;
    unsigned index = shadow_index(shadow, linear, shadow->levels);
    uint64_t bit = UINT64_C(1) << index % 64, *known = &change->known[index / 64];
    if (!(*known & bit)) {
        uint64_t entry = shadow_entry(shadow, change->to, index);
        bool same = (entry & SPTE_P) && entry == shadow_entry(shadow, change->from, index);
        *known |= bit;
        change->same[index / 64] |= same ? bit : 0;
    }
    return !(change->same[index / 64] & bit);
}

static void change_root(struct shadow *shadow, const struct paging *paging)
{
    struct root_change change = {.shadow = shadow, .from = shadow->root};
    shadow_root_select(shadow, paging);
    change.to = shadow->root;
    shadow->counters.root_switches++;
    if (change.from == NO_TABLE)
        flush_soft_tlb(shadow);
    else
        tlb_flush_where(&vm_cpu(shadow->vm)->tlb, differs, &change);
}

/* The registers have changed since the last translation. A part of the exit in which they did, not a visit.
 */
static void follow_registers(struct shadow *shadow, const struct paging *paging)
{
    host_account_guest(vm_host(shadow->vm), vm_cpu(shadow->vm)->cpl);
    if (!same_format(shadow, paging)) {
        shadow_drop_all(shadow);
        set_format(shadow, paging);
        flush_soft_tlb(shadow);
    }
    if (is_current_root(shadow, paging))
        return;
    if (shadow_sync(shadow))
        flush_soft_tlb(shadow);
    ensure_free_tables(shadow);
    uint64_t made = shadow->counters.tables_made;
    change_root(shadow, paging);
    if (shadow->counters.tables_made != made)
        host_charge(vm_host(shadow->vm), COST_ID_SHADOW_ROOT);
}

/* Walk the guest's tables as the monitor does, which sets A and D for the guest. */
static bool walk_guest(struct shadow *shadow, const struct paging *paging, gva_t addr, enum access access,
                       bool user, bool ac, struct translation *out, uint32_t *pf)
{
    shadow->in_walk = true;
    bool ok = page_walk(shadow->memory, paging, addr, access, user, ac, true, out, pf);
    shadow->in_walk = false;
    return ok;
}

/* An entry of 4 bytes names frames, and pages without one, up to 4 GB. */
static bool can_shadow(const struct shadow *shadow, gpa_t page)
{
    return shadow->entry_size == 8 || page.v >> 32 == 0;
}

static bool permits(const struct shadow *shadow, const struct paging *paging, gva_t addr, enum access access,
                    bool user, bool ac, struct translation *out)
{
    return shadow_lookup(shadow, addr.v, out) && (access != ACCESS_WRITE || out->dirty) &&
           page_access_allowed(paging, out, access, user, ac);
}

static void hidden_fault(struct shadow *shadow, const struct paging *paging, gva_t addr,
                         struct translation *out)
{
    struct host *host = vm_host(shadow->vm);
    gpa_t page = out->page;
    shadow->counters.hidden_faults++;
    host_charge_units(host, COST_ID_SHADOW_ENTRY, out->levels);
    ensure_free_tables(shadow);
    if (shadow->root == NO_TABLE)
        shadow_root_select(shadow, paging);
    host_charge(host, COST_ID_SHADOW_FILL);
    if (shadow_fill(shadow, addr.v))
        flush_soft_tlb(shadow);
    CHECK(shadow_lookup(shadow, addr.v, out) && out->page.v == page.v);
}

static void true_fault(struct shadow *shadow)
{
    shadow->counters.true_faults++;
    host_charge_units(vm_host(shadow->vm), COST_ID_SHADOW_ENTRY, shadow->levels);
}

bool shadow_translate(struct shadow *shadow, const struct paging *paging, gva_t addr, enum access access,
                      bool user, bool ac, struct translation *out, uint32_t *pf)
{
    struct host *host = vm_host(shadow->vm);
    bool followed = same_format(shadow, paging) && is_current_root(shadow, paging);
    if (LIKELY(followed) && permits(shadow, paging, addr, access, user, ac, out))
        return true;
    host_begin_atomic(host);
    if (!followed)
        follow_registers(shadow, paging);
    bool ok = !followed && permits(shadow, paging, addr, access, user, ac, out);
    if (!ok) {
        ok = walk_guest(shadow, paging, addr, access, user, ac, out, pf);
        out->global = false; /* but of a shadow entry */
        if (!ok || can_shadow(shadow, out->page)) {
            vm_visit_begin(shadow->vm, ok ? VM_EXIT_HIDDEN_FAULT : VM_EXIT_TRUE_FAULT, addr.v);
            host_charge(host, COST_ID_SHADOW_FAULT);
            if (ok)
                hidden_fault(shadow, paging, addr, out);
            else
                true_fault(shadow);
            vm_visit_end(shadow->vm);
        }
    }
    host_end_atomic(host);
    return ok;
}

void shadow_invalidate(struct shadow *shadow, const struct paging *paging)
{
    struct host *host = vm_host(shadow->vm);
    host_begin_atomic(host);
    if (shadow_sync(shadow))
        flush_soft_tlb(shadow);
    if (!same_format(shadow, paging) || !is_current_root(shadow, paging))
        follow_registers(shadow, paging);
    host_end_atomic(host);
}

struct shadow_counters shadow_counters(const struct shadow *shadow)
{
    return shadow->counters;
}

struct shadow *shadow_create(struct vm *vm, const struct pmap *pmap, unsigned max_tables)
{
    struct shadow *shadow = xcalloc(1, sizeof *shadow);
    shadow->vm = vm;
    shadow->memory = pmap->memory;
    shadow->pmap = pmap;
    shadow->table_count = (unsigned)pmap->pool;
    if (max_tables != 0 && max_tables < shadow->table_count)
        shadow->table_count = max_tables;
    CHECK(shadow->table_count > FILL_TABLES);
    shadow->tables = xcalloc(shadow->table_count, sizeof *shadow->tables);
    shadow_tables_init(shadow);
    const struct paging off = {.mode = PAGING_OFF, .a20_mask = UINT64_MAX};
    set_format(shadow, &off);
    guest_memory_add_watcher(shadow->memory, WATCH_TRACE, shadow_written, shadow);
    return shadow;
}

void shadow_destroy(struct shadow *shadow)
{
    if (shadow == NULL)
        return;
    free(shadow->tables);
    free(shadow);
}
