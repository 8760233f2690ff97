/* PPN to MPN and back (pmap.h).
 *
 * Invariants: (1) to_mpn and to_ppn are inverse where either is not PMAP_NONE; (2) no guest page lies in the
 * pool; (3) memory->frame[] agrees with to_mpn.
 *
 * Left out for now: changing the map while the guest runs (ballooning, sharing). */
#include "vmm/pmap.h"

#include "base/check.h"
#include "base/number.h"

#include <stdlib.h>
#include <string.h>

enum { POOL_MAX = 32768 };
static const uint64_t pages_below_4gb = UINT64_C(1) << (32 - PAGE_SHIFT);

/* A step near the golden section of n with no common divisor: i * step mod n visits every residue, and
 * neighbours land far apart. */
static uint64_t scatter_step(uint64_t n)
{
    uint64_t step = n * 618 / 1000 + 1;
    while (number_gcd(step, n) != 1)
        step++;
    return step;
}

/* Give frames first .. first+n-1 to the RAM pages in [from, to), n of them. */
static void scatter(struct pmap *pmap, uint64_t from, uint64_t to, uint64_t first, uint64_t n)
{
    uint64_t step = n ? scatter_step(n) : 0, index = 0;
    for (uint64_t page = from; page < to; page++) {
        if (pmap->memory->frame[page] == NULL)
            continue;
        uint64_t frame = first + (uint64_t)((unsigned __int128)index++ * step % n);
        pmap->to_mpn[page] = frame;
        pmap->to_ppn[frame] = page;
    }
    CHECK(index == n);
    for (uint64_t page = from; page < to; page++)
        if (pmap->to_mpn[page] != PMAP_NONE)
            guest_memory_map(pmap->memory, pmap->machine, (ppn_t){page}, (mpn_t){pmap->to_mpn[page]}, 1);
}

static uint64_t count_ram(const struct guest_memory *memory, uint64_t from, uint64_t to)
{
    uint64_t count = 0;
    for (uint64_t page = from; page < to; page++)
        count += memory->frame[page] != NULL;
    return count;
}

enum status pmap_create(struct pmap *pmap, const struct machine_memory *machine, struct guest_memory *memory,
                        struct error *err)
{
    uint64_t split = memory->pages < pages_below_4gb ? memory->pages : pages_below_4gb;
    uint64_t low = count_ram(memory, 0, split), high = count_ram(memory, split, memory->pages);
    *pmap = (struct pmap){.machine = machine, .memory = memory};
    if (machine->frames <= low + high)
        return status_fail(err, STATUS_NO_MEMORY, "the host has no memory left for the monitor");
    pmap->pool = machine->frames - low - high;
    if (pmap->pool > POOL_MAX)
        pmap->pool = POOL_MAX;
    pmap->to_mpn = malloc(memory->pages * sizeof *pmap->to_mpn);
    pmap->to_ppn = malloc(machine->frames * sizeof *pmap->to_ppn);
    if (pmap->to_mpn == NULL || pmap->to_ppn == NULL) {
        pmap_destroy(pmap);
        return status_fail(err, STATUS_NO_MEMORY, "no memory for the map of guest pages");
    }
    memset(pmap->to_mpn, 0xFF, memory->pages * sizeof *pmap->to_mpn);
    memset(pmap->to_ppn, 0xFF, machine->frames * sizeof *pmap->to_ppn);
    scatter(pmap, 0, split, pmap->pool, low);
    scatter(pmap, split, memory->pages, pmap->pool + low, high);
    return STATUS_OK;
}

void pmap_destroy(struct pmap *pmap)
{
    free(pmap->to_mpn);
    free(pmap->to_ppn);
    pmap->to_mpn = pmap->to_ppn = NULL;
}
