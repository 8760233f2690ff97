/* Branch prediction of a P6-family processor, as far as wrong guesses take time.
 *
 * A branch target buffer holds branches that were taken. Each entry has the branch's last four outcomes and,
 * for each such history, a two-bit counter (Yeh and Patt, "Alternative Implementations of Two-Level Adaptive
 * Branch Prediction", ISCA 1992). What is not in the buffer is predicted by its direction: backward taken,
 * forward not (Intel Architecture Optimization Reference Manual, 245127). Returns come from a stack of return
 * addresses.
 *
 * Left out: speculative updates and their repair, branches that share a fetch block, stale targets of direct
 * branches, returns in the buffer. Far transfers, interrupts and faults are not predicted; their price holds
 * that.
 *
 * Invariant: predictor_is_quiet() says for which outcome a branch would change nothing and cost nothing, and
 * so does what predictor_branch() returns, as far as it says so. */
#ifndef CROSSPAGE_CPU_PREDICTOR_H
#define CROSSPAGE_CPU_PREDICTOR_H

#include "base/status.h"
#include "base/types.h"

enum branch_kind {
    BRANCH_CONDITIONAL,
    BRANCH_DIRECT,
    BRANCH_CALL,
    BRANCH_INDIRECT,
    BRANCH_CALL_INDIRECT,
    BRANCH_RETURN,
};

/* All addresses are linear. */
struct branch {
    enum branch_kind kind;
    bool taken;
    bool backward;    /* conditional: where it would go */
    uint64_t address; /* of the instruction */
    uint64_t next;    /* of the one behind it */
    uint64_t target;
};

enum { RETURN_STACK_MAX = 32, PREDICTOR_SETS_MAX = 4096, PREDICTOR_WAYS_MAX = 16 };

struct predictor_config {
    uint32_t sets, ways, returns; /* sets and returns: powers of two */
    uint32_t mispredicted;        /* cycles: found out when it is executed */
    uint32_t decoded;             /* taken, as the decoder finds out */
};

struct predictor_entry {
    uint64_t address; /* plus one; 0: empty */
    uint64_t target;
    uint32_t counters; /* two bits for each history */
    uint32_t history;  /* the last four outcomes, the latest in bit 0 */
};

struct predictor_counts {
    uint64_t mispredicted; /* conditional */
    uint64_t indirect;     /* mispredicted indirect jumps and calls */
    uint64_t returns;      /* mispredicted returns */
    uint64_t decoded;
};

struct predictor {
    struct predictor_config config;
    struct predictor_entry *entry; /* sets, each with the most recently used first */
    uint64_t return_stack[RETURN_STACK_MAX];
    uint64_t top; /* of it: pushes less pops */
    struct predictor_counts count;
};

enum status predictor_check(const struct predictor_config *config, struct error *err) MUST_CHECK;
void predictor_init(struct predictor *predictor, const struct predictor_config *config);
void predictor_destroy(struct predictor *predictor);
/* It knows nothing; counts stay. */
void predictor_clear(struct predictor *predictor);

/* What a branch did. */
struct predicted {
    uint32_t cycles;    /* lost */
    unsigned quiet;     /* enum quiet: what it may do next time, changing nothing and costing nothing */
    uint64_t displaced; /* the branch that was first in the set before; UINT64_MAX: none, or this one */
};

enum quiet { QUIET_TAKEN = 1, QUIET_FORWARD = 2, QUIET_BACKWARD = 4 }; /* not taken, by where it would go */

/* A branch was executed. */
struct predicted predictor_branch(struct predictor *predictor, const struct branch *branch);

/* Would a conditional branch, or a direct one (taken), with this outcome change nothing and cost nothing? */
bool predictor_is_quiet(const struct predictor *predictor, uint64_t address, bool taken, bool backward);

uint64_t predictor_hash(const struct predictor *predictor, uint64_t seed);
bool predictor_equal(const struct predictor *a, const struct predictor *b);

#endif
