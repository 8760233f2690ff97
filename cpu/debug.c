/* Debug registers: breakpoints and the #DB exception (SDM vol. 3, chapter 17.2 and 17.3).
 *
 * DR7's L and G bits mean the same here (there is one task at a time; a task switch clears L). Data and I/O
 * breakpoints are traps: they are collected in s.debug_pending and taken at the next instruction boundary.
 * Instruction breakpoints and general detect are faults.
 *
 * Left out: RTM, branch trace and last-branch recording; LE and GE (exact matching is always on).
 *
 * Invariant: a page with an enabled data breakpoint is not in the TLB's map for the accesses it watches
 * (mem.c asks debug_page_watched), so every such access comes by debug_data_access(). */
#include "cpu/cpu_priv.h"
#include "cpu/exec.h"
#include "cpu/pause.h"

enum { BREAK_CODE = 0, BREAK_WRITE = 1, BREAK_IO = 2, BREAK_DATA = 3 };
enum { BREAKPOINTS = 4, OUTSIDE = 1 << BREAKPOINTS };

static unsigned break_type(const struct cpu *cpu, unsigned n)
{
    return cpu->s.dr[7] >> (16 + 4 * n) & 3;
}

/* Bytes covered; 0b10 is 8 bytes (reserved on CPUs before those with long mode, where it acts as 8 too). */
static unsigned break_length(const struct cpu *cpu, unsigned n)
{
    static const uint8_t lengths[4] = {1, 2, 8, 4};
    return lengths[cpu->s.dr[7] >> (18 + 4 * n) & 3];
}

void debug_update(struct cpu *cpu)
{
    cpu->debug_enabled = 0;
    cpu->debug_code = false;
    for (unsigned n = 0; n < BREAKPOINTS; n++) {
        if ((cpu->s.dr[7] >> (2 * n) & 3) == 0)
            continue;
        cpu->debug_enabled |= (uint8_t)(1 << n);
        cpu->debug_code |= break_type(cpu, n) == BREAK_CODE;
        tlb_recheck_page(&cpu->tlb, cpu->s.dr[n]);
    }
    if (cpu->pauses != NULL && cpu->pauses->watch_count != 0)
        cpu->debug_enabled |= OUTSIDE;
}

static bool type_watches(unsigned type, enum access access)
{
    return type == BREAK_DATA || (type == BREAK_WRITE && access == ACCESS_WRITE);
}

/* Does [at, at+size) touch the (aligned) range of breakpoint n? */
static bool break_overlaps(const struct cpu *cpu, unsigned n, uint64_t at, unsigned size)
{
    uint64_t length = break_length(cpu, n);
    uint64_t start = cpu->s.dr[n] & ~(length - 1);
    return start - at < size || at - start < length;
}

bool debug_page_watched(const struct cpu *cpu, uint64_t linear, enum access access)
{
    for (unsigned n = 0; n < BREAKPOINTS; n++)
        if ((cpu->debug_enabled >> n & 1) != 0 && type_watches(break_type(cpu, n), access) &&
            cpu->s.dr[n] >> PAGE_SHIFT == linear >> PAGE_SHIFT)
            return true;
    return pause_page_watched(cpu, linear, access);
}

static void pend(struct cpu *cpu, uint64_t bits)
{
    if (bits == 0)
        return;
    cpu->s.debug_pending |= bits;
    cpu_attend(cpu);
}

void debug_data_access(struct cpu *cpu, uint64_t linear, unsigned size, enum access access)
{
    uint64_t bits = 0;
    for (unsigned n = 0; n < BREAKPOINTS; n++)
        if ((cpu->debug_enabled >> n & 1) != 0 && type_watches(break_type(cpu, n), access) &&
            break_overlaps(cpu, n, linear, size))
            bits |= DR6_B0 << n;
    pend(cpu, bits);
    pause_note_access(cpu, linear, size, access);
}

void debug_io_access(struct cpu *cpu, uint16_t port, unsigned size)
{
    if (cpu->debug_enabled == 0 || !(cpu->s.cr4 & CR4_DE))
        return;
    uint64_t bits = 0;
    for (unsigned n = 0; n < BREAKPOINTS; n++)
        if ((cpu->debug_enabled >> n & 1) != 0 && break_type(cpu, n) == BREAK_IO &&
            break_overlaps(cpu, n, port, size))
            bits |= DR6_B0 << n;
    pend(cpu, bits);
}

bool cpu_code_breakpoint(struct cpu *cpu, uint64_t linear)
{
    uint64_t bits = 0;
    for (unsigned n = 0; n < BREAKPOINTS; n++)
        if ((cpu->debug_enabled >> n & 1) != 0 && break_type(cpu, n) == BREAK_CODE && cpu->s.dr[n] == linear)
            bits |= DR6_B0 << n;
    if (bits == 0)
        return false;
    cpu->s.dr[6] = (cpu->s.dr[6] & ~UINT64_C(0xF)) | bits;
    cpu_fault(cpu, VEC_DB);
    return true;
}
