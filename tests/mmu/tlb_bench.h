/* A soft TLB to test, which is sound before it goes. */
#ifndef CROSSPAGE_TESTS_MMU_TLB_BENCH_H
#define CROSSPAGE_TESTS_MMU_TLB_BENCH_H

#include "mmu/tlb.h"

#include <criterion/criterion.h>

#include <stdlib.h>

enum { READ = 1 << ACCESS_READ, WRITE = 1 << ACCESS_WRITE, EXEC = 1 << ACCESS_EXEC };

static inline struct tlb *tlb_create(void)
{
    struct tlb *tlb = calloc(1, sizeof *tlb);
    cr_assert_not_null(tlb);
    tlb_init(tlb);
    return tlb;
}

static inline void check(const struct tlb *tlb)
{
    const char *wrong = tlb_check(tlb);
    cr_assert(wrong == NULL, "%s", wrong);
}

static inline void finish(struct tlb *tlb)
{
    check(tlb);
    tlb_destroy(tlb);
    free(tlb);
}

#endif
