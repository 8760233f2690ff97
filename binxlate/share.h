/* Memory accesses of a block that can share one check: those off one base register, at offsets known when the
 * block is translated, close to each other. PUSH, POP, CALL and RET count as accesses off RSP. */
#ifndef CROSSPAGE_BINXLATE_SHARE_H
#define CROSSPAGE_BINXLATE_SHARE_H

#include "cpu/block.h"

struct share {
    uint8_t base;   /* register; valid if members >= 2 */
    uint8_t leader; /* position of the first member */
    uint8_t members;
    bool write; /* some member writes */
    int32_t low,
        high;         /* the accesses are in [low, high), relative to the base's value at the block's start */
    uint64_t operand; /* bit per position: the memory operand is a member */
    uint64_t stack;   /* bit per position: what is pushed or popped is a member */
    int32_t
        delta[BLOCK_MAX_INSNS]; /* the base's value before the instruction, relative to the block's start */
};
_Static_assert(BLOCK_MAX_INSNS <= 64, "one bit each");

/* The best group of `block`; members is 0 when there is none worth it. */
void share_find(const struct block *block, struct share *share);

#endif
