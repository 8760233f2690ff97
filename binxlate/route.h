/* Routes: blocks that mostly follow each other, as the body of one unit.
 *
 *   sample:  a unit found to run when time was up is probably hot; after a few such samples
 *   record:  the interpreter runs the next blocks, which are written down
 *   make:    from each block that came often, follow what mostly came next
 *
 * A unit with a route pays for all of it (all turns, if it is a loop) on entry. Where its branches go another
 * way than the route's, it is left, and what was not done is taken back. So its instructions lie in a line,
 * like a block's, and all that is done with a block's is done with them: one note, slow paths that come back
 * behind the instruction, shared checks, copies.
 *
 * All blocks of a route are in one page, so nothing but a write, or what drops blocks, takes it apart. */
#ifndef CROSSPAGE_BINXLATE_ROUTE_H
#define CROSSPAGE_BINXLATE_ROUTE_H

#include "cpu/block.h"

enum {
    ROUTE_BLOCKS = 12,
    ROUTE_RECORD = 256, /* blocks written down */
    ROUTE_SAMPLES = 3,
};

/* How a branch leads to the route's next instruction. */
enum onward { ONWARD_NONE, ONWARD_NEXT, ONWARD_TAKEN };

struct route {
    unsigned blocks;
    struct {
        struct block *block;
        uint8_t position; /* of its first instruction in the route */
    } part[ROUTE_BLOCKS];
    uint64_t origin;                 /* where the lowest of them begins: `rip_offset` counts from here */
    bool loops;                      /* the last leads to the first */
    unsigned turns;                  /* then: how many are worth being made at once */
    uint8_t onward[BLOCK_MAX_INSNS]; /* by position: enum onward */
    struct block *body;              /* all their instructions; not in the cache of blocks */
};

/* What the interpreter ran, oldest first. */
struct route_record {
    bool on;
    bool indirect; /* routes may go on behind indirect branches */
    unsigned count;
    struct {
        struct block *block;
        uint64_t rip;
    } at[ROUTE_RECORD];
};

/* Does a jump back lead to the block of record `n`? */
bool route_is_loop(const struct route_record *record, unsigned n) MUST_CHECK;
/* The route that begins at record `n`, or NULL: there is none of several blocks. */
struct route *route_find(const struct route_record *record, unsigned n);
void route_free(struct route *route);

/* Of an instruction in a route: its block, and its position there. */
struct block *route_block(const struct route *route, const struct insn *insn, unsigned *position);

#endif
