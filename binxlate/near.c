/* Near pages: for each of the accesses in translated code, the page that it hit last (x64/near.c has the
 * code). What they hold was in the map of the soft TLB, and counts as long as the map forgets nothing. Which
 * of them were filled since it last did is written down by host code, so that a page fault does not cost all
 * of them.
 *
 * In user code, and in loops of the kernel: elsewhere that goes from one object to the next, and its page
 * faults and switches between processes make the map forget pages all the time.
 *
 * An access whose near page is often another one is better off without. Each NEAR_SAMPLE-th miss, of
 * whatever access, comes to the dispatcher; one that comes again and again is marked in its block, which is
 * translated anew.
 *
 * A near page that holds nothing matches one page nonetheless, since a sum that is never zero cannot be had:
 * a non-canonical one, which only 64-bit code can name, and only by chance: which of the 2^50 it is differs
 * from process to process. What is found there is `near_nothing` in the frame. */
#include "binxlate/priv.h"

enum { FEW_INSTRUCTIONS = 128 * NEAR_SAMPLE, TIMES = 3 };

void near_create(struct translator *t)
{
    uint64_t chance = (uintptr_t)t * UINT64_C(0x9E3779B97F4A7C15);
    uint64_t page = (UINT64_C(1) << 63 | chance >> 2) & ~PAGE_MASK;
    t->near_no_key = 0 - page;
    t->near_no_addend = (uintptr_t)t->frame->near_nothing - page;
    t->near_epoch[false] = t->near_epoch[true] = UINT64_MAX;
    t->frame->near_credit = NEAR_SAMPLE;
    for (unsigned n = 0; n < NEAR_SIZES; n++)
        t->frame->near_mask[n] = ~PAGE_MASK | ((UINT64_C(1) << n) - 1);
}

static void forget_page(struct translator *t, bool user, unsigned page)
{
    for (unsigned kind = 2 * user; kind < 2u * user + 2; kind++) {
        t->frame->near_key[kind][page] = t->near_no_key;
        t->frame->near_addend[kind][page] = t->near_no_addend;
    }
}

/* Only those that may have been filled since the last time: that is mostly a few. */
static void forget(struct translator *t, bool user)
{
    unsigned left = (unsigned)t->frame->near_credit;
    if (t->near_clean[user] != 0)
        for (unsigned credit = left; credit < t->near_clean[user]; credit++)
            forget_page(t, user, t->frame->near_filled[credit]);
    else
        for (unsigned page = 0; page < NEAR_PAGES; page++)
            forget_page(t, user, page);
    t->near_clean[user] = left;
}

void near_refresh(struct translator *t)
{
    bool user = t->cpu->cpl == 3;
    uint64_t epoch = t->cpu->tlb.map_epoch[user];
    if (t->near_epoch[user] == epoch)
        return;
    t->near_epoch[user] = epoch;
    forget(t, user);
}

bool near_sampled(struct translator *t, const struct insn *insn)
{
    uint64_t now = t->cpu->s.instructions;
    struct near_suspect *suspect = &t->near_suspect[(uintptr_t)insn / sizeof *insn % NEAR_SUSPECTS];
    bool soon = suspect->insn == insn && now - suspect->when < FEW_INSTRUCTIONS;
    t->frame->near_credit = NEAR_SAMPLE;
    t->near_clean[false] = t->near_clean[true] = 0;
    *suspect = (struct near_suspect){insn, now, soon ? suspect->times + 1 : 1};
    return suspect->times == TIMES;
}
