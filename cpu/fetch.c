/* Fetching an instruction without the block cache: one that lies in device memory, ends at the segment limit,
 * or is run under single-step or breakpoints.
 *
 * Bytes are fetched only as far as the decoder needs them, so a fault on the second page is raised exactly
 * when the instruction reaches it, with CR2 at the first byte there (SDM vol. 3, 4.7). */
#include "cpu/block.h"

#include "base/check.h"

#include <string.h>

/* How many bytes at `offset` in CS are within the limit, at most `want`; 0: #GP(0). */
static unsigned within_limit(struct cpu *cpu, uint64_t offset, unsigned want)
{
    if (cpu->long64)
        return want;
    uint64_t limit = cpu->s.seg[CS].limit;
    if (offset > limit) {
        cpu_fault_code(cpu, VEC_GP, 0);
        return 0;
    }
    return limit - offset + 1 < want ? (unsigned)(limit - offset + 1) : want;
}

/* Fetch up to `want` bytes of the page at offset `offset` in CS; 0: cpu->fault. */
static unsigned fetch_part(struct cpu *cpu, uint64_t offset, uint8_t *to, unsigned want)
{
    want = within_limit(cpu, offset, want);
    if (want == 0)
        return 0;
    uint64_t linear = (cpu->seg_base[CS] + offset) & cpu->linear_mask;
    gpa_t addr;
    if (!code_translate(cpu, linear, &addr))
        return 0;
    const uint8_t *frame = memory_frame(cpu->memory, addr);
    if (frame == NULL) {
        *to = (uint8_t)cpu->bus->mmio_read(cpu->bus->ctx, addr, 1);
        return 1;
    }
    unsigned room = PAGE_SIZE - (unsigned)(linear & PAGE_MASK);
    unsigned part = want < room ? want : room;
    memcpy(to, frame + (addr.v & PAGE_MASK), part);
    return part;
}

bool fetch_insn(struct cpu *cpu, struct insn *insn)
{
    uint8_t bytes[INSN_MAX_BYTES];
    unsigned have = 0;
    do {
        unsigned part = fetch_part(cpu, cpu->s.rip + have, bytes + have, INSN_MAX_BYTES - have);
        if (part == 0)
            return false;
        have += part;
    } while (!insn_decode(cpu->tables, cpu->mode, bytes, have, insn));
    return true;
}
