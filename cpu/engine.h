/* What the run loop knows of a translator: callbacks, so that cpu/ needs no translator.
 *
 * A translator keeps host code for decoded blocks. It may hold on to a `struct block` and its instructions
 * until forget_block() or forget_all() names them, and to their memory until forget_all(). */
#ifndef CROSSPAGE_CPU_ENGINE_H
#define CROSSPAGE_CPU_ENGINE_H

#include "base/types.h"

struct block;

struct cpu_engine {
    /* Run `block`, whose first instruction is the one at rip, and whatever follows it while that is
     * translated. Returns RUN_LEAVE (back to the boundary checks) or RUN_LOOKUP (at a boundary, all is well:
     * the run loop looks up the block at rip and decides), or RUN_DECLINED with nothing done. */
    unsigned (*run)(void *ctx, struct block *block);
    /* The bytes of this block were written. */
    void (*forget_block)(void *ctx, struct block *block);
    /* Every block is about to be freed. */
    void (*forget_all)(void *ctx);
    void *ctx;
    /* How often the interpreter runs a block before the translator is asked. */
    uint32_t threshold;
};

enum {
    /* Room below struct cpu: translated code uses the address of struct cpu as its stack pointer, and the
     * host's signal handlers run below it. */
    ENGINE_STACK_BYTES = 64 << 10,
};

#endif
