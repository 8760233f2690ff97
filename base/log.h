/* Log lines, chosen by category like QEMU's -d. A lab owns one log; components get a pointer to it. A guest
 * that does something silly is a line of LOG_GUEST_ERROR, never an exit. Stamps are simulated cycles. */
#ifndef CROSSPAGE_BASE_LOG_H
#define CROSSPAGE_BASE_LOG_H

#include "base/types.h"

#include <stdio.h>

enum log_category {
    LOG_GUEST_ERROR = 1 << 0, /* the guest used hardware in a way its data sheet forbids */
    LOG_UNIMP = 1 << 1,       /* the guest used something we do not model */
    LOG_IN_ASM = 1 << 2,      /* guest code when it is decoded */
    LOG_INT = 1 << 3,         /* interrupts and exceptions */
    LOG_EXEC = 1 << 4,        /* every block executed */
    LOG_IO = 1 << 5,          /* every port access */
    LOG_MMU = 1 << 6,         /* shadow page tables */
    LOG_NET = 1 << 7,         /* frames */
    LOG_CPU_RESET = 1 << 8,   /* CPU state at reset and triple fault */
    LOG_OUT_ASM = 1 << 9,     /* host code when it is made */
    LOG_JIT_STATS = 1 << 10,  /* the translator's counters, at the end */
    LOG_OUTSIDE = 1 << 11,    /* a debugger or monitor changed the guest; always wanted */
};

struct log {
    FILE *file;           /* NULL drops everything */
    unsigned mask;        /* categories wanted */
    const tick_t *stamp;  /* current tick, may be NULL */
    const char *who;      /* which of several hosts, written before the stamp; may be NULL */
    uint64_t guest_limit; /* how many LOG_GUEST_ERROR and LOG_UNIMP lines are still written; a guest must not
                             fill a disk */
};

static inline bool log_wants(const struct log *log, enum log_category category)
{
    return log != NULL && (log->mask & category) != 0;
}

/* One line without newline. A NULL log drops it. */
void log_line(struct log *log, enum log_category category, const char *format, ...) PRINTF(3, 4);

#endif
