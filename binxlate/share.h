/* Memory accesses of a block that can share a check: those off one base register, or one base and index, at
 * offsets known when the block is translated, close to each other. PUSH, POP, CALL and RET count as accesses
 * off RSP. Of a block that is repeated, the accesses of all its copies share. */
#ifndef CROSSPAGE_BINXLATE_SHARE_H
#define CROSSPAGE_BINXLATE_SHARE_H

#include "cpu/block.h"

enum { SHARE_GROUPS = 4, SHARE_NONE = 0xFF };

struct share_group {
    uint8_t base, index, scale; /* registers and shift; index may be REG_NONE */
    uint8_t members;            /* in one copy */
    bool write;                 /* some member writes */
    bool whole;                 /* the address is known to the end of the block, so `step` is right */
    int32_t step;               /* by which it changes from copy to copy */
    int32_t low, high; /* accesses of all copies are in [low, high), relative to the address at the start */
    int32_t delta[BLOCK_MAX_INSNS]; /* the address before the instruction, likewise, in the first copy */
};

struct share {
    unsigned groups;
    struct share_group group[SHARE_GROUPS];
    /* The groups of an instruction's memory operand, and of what it pushes or pops; or SHARE_NONE. */
    uint8_t operand[BLOCK_MAX_INSNS], stack[BLOCK_MAX_INSNS];
};

/* The groups of `block` that are worth a check, if it is repeated so often. */
void share_find(const struct block *block, unsigned copies, struct share *share);

#endif
