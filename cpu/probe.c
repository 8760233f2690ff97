/* The set of probed addresses (probe.h): hashed, open addressing, never removed. An offset that becomes
 * probed is where blocks must begin from now on, so those that have it are forgotten: once per offset at
 * most. */
#include "cpu/probe.h"

#include "base/check.h"
#include "cpu/block.h"
#include "cpu/pause.h"

#include <stdlib.h>
#include <string.h>

static struct cpu_probes *probes_of(struct cpu *cpu)
{
    if (cpu->probes == NULL) {
        cpu->probes = xcalloc(1, sizeof *cpu->probes);
        memset(cpu->probes->address, 0xFF, sizeof cpu->probes->address);
    }
    return cpu->probes;
}

void cpu_probes_create(struct cpu *cpu, cpu_probe_fn *fn, void *ctx)
{
    struct cpu_probes *probes = probes_of(cpu);
    CHECK(probes->fn == NULL);
    probes->fn = fn;
    probes->ctx = ctx;
}

void cpu_probes_destroy(struct cpu *cpu)
{
    free(cpu->probes);
    cpu->probes = NULL;
}

/* Where the address is, or the empty place where it would be. */
static uint64_t *place_of(struct cpu_probes *probes, uint64_t linear)
{
    size_t at = linear * UINT64_C(0x9E3779B97F4A7C15) >> 32;
    for (;; at++) {
        uint64_t *place = &probes->address[at % ARRAY_LEN(probes->address)];
        if (*place == linear || *place == PROBE_NONE)
            return place;
    }
}

void probe_mark(struct cpu *cpu, uint64_t linear)
{
    struct cpu_probes *probes = probes_of(cpu);
    uint64_t offset = linear & PAGE_MASK;
    if (probe_at_offset(cpu, offset))
        return;
    probes->offset[offset / 64] |= UINT64_C(1) << offset % 64;
    block_cache_forget_offset(cpu->blocks, (unsigned)offset);
}

bool cpu_probe_add(struct cpu *cpu, uint64_t linear)
{
    struct cpu_probes *probes = cpu->probes;
    if (linear == PROBE_NONE)
        return false;
    uint64_t *place = place_of(probes, linear);
    if (*place == linear)
        return true;
    if (probes->count == PROBES_MAX)
        return false;
    probes->count++;
    *place = linear;
    probe_mark(cpu, linear);
    return true;
}

bool probe_arrived(struct cpu *cpu)
{
    uint64_t linear = code_linear(cpu);
    if (UNLIKELY(cpu->pauses != NULL) && pause_at_break(cpu, linear))
        return false;
    if (probe_at_offset(cpu, linear) && *place_of(cpu->probes, linear) == linear && linear != PROBE_NONE)
        cpu->probes->fn(cpu->probes->ctx, linear);
    return true;
}
