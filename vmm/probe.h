/* Probes and samples: which functions of its own the guest is in, written to the trace (traces/calls.h). They
 * take no simulated time and change nothing the guest can see.
 *
 * A call begins when the function's first instruction is about to run, at CPL 0 to 2. The word at the top of
 * the stack is where it will return to; that place and the address of the word are what a call is known by. A
 * call ends at whichever comes first:
 *
 *   - the instruction it returns to is about to run, and the stack pointer is above the word: it has
 * returned;
 *   - the same stack is seen with a stack pointer above the word, at another probe or return: it was left
 * some other way, nobody saw it return ("lost");
 *   - the word no longer holds the address when another function is called on that stack: lost;
 *   - the guest is reset, or there is no room to remember it: lost; or the trace ends.
 *
 * So recursion nests, by stack pointer; what is called while a function runs is inside it, interrupts on the
 * same stack included; a function that jumps into another one (a tail call) has it inside, and both return at
 * once; one that jumps to its own start goes on, as does one whose first instruction faults and runs again;
 * a function that never returns is open until its stack is used by somebody else.
 *
 * Stacks are told apart by their place: an aligned area of memory of `stack_bytes` is one. Linux's are 8 KB
 * in 32-bit kernels and 16 KB in 64-bit ones, which are the defaults. Which stack is current is known after
 * every call and return, and after every task switch where the guest's symbols have __switch_to, which Linux
 * runs first on the new stack. */
#ifndef CROSSPAGE_VMM_PROBE_H
#define CROSSPAGE_VMM_PROBE_H

#include "vmm/host.h"

struct probe_config {
    const char *functions; /* names and addresses (0x...), separated by commas; "": none */
    const char *symbols;   /* file, or NULL: the kernel's own tables, in its file or the guest's memory */
    cycle_t sample;        /* cycles between two samples; 0: none */
    uint32_t stack_bytes;  /* a power of two; 0: the default */
};

struct probes;

/* Does it ask for anything? */
static inline bool probe_wanted(const struct probe_config *config)
{
    return *config->functions != 0 || config->sample != 0;
}

enum status probes_create(struct probes **probes, const struct probe_config *config, struct host *host,
                          const struct machine_memory *machine, const char *kernel,
                          struct error *err) MUST_CHECK;
void probes_destroy(struct probes *probes);

/* The cycle at which, or at the first instruction boundary after which, probes_run() is to be called. */
cycle_t probes_due(const struct probes *probes);
/* Takes a sample, looks for symbols that are not known yet; before guest time is accounted for. */
void probes_run(struct probes *probes);
/* The guest starts over. */
void probes_reset(struct probes *probes);

enum { PROBE_NOTICE = 256 };
/* What the user should know in the end, line by line; false: that was all. */
bool probes_notice(const struct probes *probes, unsigned n, char text[PROBE_NOTICE]);

#endif
