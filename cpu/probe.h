/* Probes: somebody outside the CPU is told of every instruction at certain linear addresses, just before it
 * runs: it has been fetched, and whatever its boundary asked for is done. The guest cannot notice, and it
 * takes no time.
 *
 * The block former starts a block at every place whose offset in its page is a probe's, whatever linear page
 * that is mapped at now or later, and the block is that one instruction. Nobody links to such a block, and no
 * engine translates it: so it is always entered by way of the run loop, which asks probe_arrived(). Where
 * there is no probe, that costs a look at one byte per block that the interpreter looks up. */
#ifndef CROSSPAGE_CPU_PROBE_H
#define CROSSPAGE_CPU_PROBE_H

#include "cpu/cpu.h"

enum { PROBES_MAX = 1 << 14 };

/* At an instruction boundary; may add probes, and must not change the state. */
typedef void cpu_probe_fn(void *ctx, uint64_t linear);

/* Once per CPU, before the first cpu_probe_add(). */
void cpu_probes_create(struct cpu *cpu, cpu_probe_fn *fn, void *ctx);
/* At an instruction boundary. False: there are PROBES_MAX. An address that is one already stays one. */
bool cpu_probe_add(struct cpu *cpu, uint64_t linear) MUST_CHECK;

/* ---- For cpu/ and engines ---- */

/* The instruction at this address is a block from now on, and comes by probe_arrived(), whether or not it is
 * a probe. At an instruction boundary. */
void probe_mark(struct cpu *cpu, uint64_t linear);

struct cpu_probes {
    cpu_probe_fn *fn; /* NULL: there are only marks */
    void *ctx;
    uint64_t offset[PAGE_SIZE / 64]; /* bit per offset in a page */
    unsigned count;
    uint64_t address[2 * PROBES_MAX]; /* hashed; PROBE_NONE: empty */
};
#define PROBE_NONE UINT64_MAX

static inline bool probe_at_offset(const struct cpu *cpu, uint64_t address)
{
    uint64_t offset = address & PAGE_MASK;
    return UNLIKELY(cpu->probes != NULL) && (cpu->probes->offset[offset / 64] >> offset % 64 & 1) != 0;
}

/* The instruction at rip is about to run. False: not now, the boundary is to be looked at again
 * (cpu/pause.h). */
bool probe_arrived(struct cpu *cpu) MUST_CHECK;

void cpu_probes_destroy(struct cpu *cpu);

#endif
