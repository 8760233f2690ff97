/* Shadow page tables: what the MMU walks while the guest believes in its own tables (docs/architecture.md,
 * life of a page).
 *
 *     guest-virtual --guest's tables--> PPN --pmap--> MPN          what the guest means
 *     guest-virtual ------------ shadow tables -----> MPN          what the hardware uses
 *
 * Every shadow table is a frame of machine memory in the x86 format of the guest's paging mode, one for each
 * guest table in use, found again by the guest table's page. Filled on demand:
 *
 *     access that the shadow does not permit
 *        |- the guest's tables permit it      hidden fault: fill the shadow, charge, the guest sees nothing
 *        `- they do not                       true fault: the guest gets #PF
 *
 * Guest pages that are page tables are write-traced. A write makes shadow entries *stale*; like a hardware
 * TLB, the shadow may go on translating by them until the guest invalidates (INVLPG, CR3...), and then drops
 * exactly those. So what is charged depends on the guest's accesses alone, never on the soft TLB, which only
 * ever holds what the shadow permits.
 *
 * The soft TLB keeps what the shadow translates over the guest's CR3 loads and INVLPG ("global"); what they
 * take away here is taken from it: pages whose leaf was stale, and of another root what the two do not map by
 * the same tables. */
#ifndef CROSSPAGE_VMM_SHADOW_H
#define CROSSPAGE_VMM_SHADOW_H

#include "mmu/walk.h"
#include "vmm/hypervisor.h"
#include "vmm/pmap.h"

struct shadow;

struct shadow_counters {
    uint64_t hidden_faults, true_faults;
    uint64_t traced_writes; /* by the guest's CPU */
    uint64_t tables_made, tables_freed;
    uint64_t root_switches;
    uint64_t recycled; /* times all tables were given back to make room */
};

/* `max_tables` bounds the frames used, at most the pmap's pool; 0 = the pool. The VM's CPU need not exist
 * yet. */
struct shadow *shadow_create(struct vm *vm, const struct pmap *pmap, unsigned max_tables);
void shadow_destroy(struct shadow *shadow);

/* For cpu_bus. */
bool shadow_translate(struct shadow *shadow, const struct paging *paging, gva_t addr, enum access access,
                      bool user, bool ac, struct translation *out, uint32_t *pf) MUST_CHECK;
/* The guest has told the MMU that translations are stale; `paging` is what its registers say now. */
void shadow_invalidate(struct shadow *shadow, const struct paging *paging);

struct shadow_counters shadow_counters(const struct shadow *shadow);

/* ---- For tests ---- */

/* Recompute every entry that is not stale from the guest's tables and the pmap, and compare; also reference
 * counts, traces, and that the soft TLB holds nothing the shadow does not permit. NULL = consistent, else
 * what is not. */
const char *shadow_check(struct shadow *shadow, const struct paging *paging);
/* What a hardware walker would be given: CR3, or the PDPTEs of PAE. */
struct paging shadow_paging(struct shadow *shadow, const struct paging *paging);

#endif
