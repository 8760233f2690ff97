/* Random blocks: several instructions in sequence, so that what one leaves behind (lazy flags, decoded
 * blocks, x87 state) is used by the next.
 *
 * A block grows instruction by instruction: a random encoding is tried in the interpreter in the state the
 * block has reached so far, and kept when it does not fault. Displacements are chosen for that state, so
 * memory operands are in the data window; branches go to the next instruction, taken or not. The block is
 * then one case, run from its initial state on both sides. */
#include "native.h"
#include "native_priv.h"

enum { TRIES = 12 };

/* Aim the memory operand at the window with the registers as they are; false when its form cannot reach. */
static bool aim(struct rng *rng, struct native_case *c)
{
    if (!c->ea.present || c->ea.disp_size == 0)
        return !c->ea.present || row_has(c->row, METHOD_MOFFS);
    uint64_t target = random_data_address(rng, c->ea.size) - segment_base(c, c->ea.seg);
    uint64_t change = target - case_ea(c);
    int64_t disp = (int64_t)((uint64_t)c->ea.disp + change);
    if (c->ea.disp_size == 1)
        return false;
    if (c->addr_size == 8 && disp != (int32_t)disp)
        return false;
    disp = c->addr_size == 2 ? (int16_t)disp : (int32_t)disp;
    c->ea.disp = disp;
    memcpy(c->bytes + c->ea.disp_at, &disp, c->ea.disp_size);
    return true;
}

/* A relative branch goes to the instruction after it. */
static void straighten(struct native_case *c)
{
    for (unsigned i = 0; i < ROW_OPERANDS; i++)
        if (row_operand(c->row, i)->method == METHOD_REL)
            memset(c->bytes + c->length - case_operand_size(c, i), 0, case_operand_size(c, i));
}

/* Try one more instruction at `code` in `state`. */
static bool try_instruction(struct rng *rng, struct native_guest *guest, const struct native_machine *machine,
                            const struct insn_row *row, uint32_t code, const struct native_state *state,
                            struct native_case *c, struct native_result *result)
{
    if (!case_encode(rng, row, machine, c))
        return false;
    if (c->bits == BITS_64 && c->addr_size == 4 && (c->prefixes & (PREFIX_REP | PREFIX_REPNE)))
        return false; /* see REP_UPPER in exceptions.def */
    c->code = code;   /* RIP-relative displacements are set by aim() */
    uint64_t rip = code - machine->segment[CS].base;
    c->in = *state;
    c->in.rip = rip;
    if (!aim(rng, c))
        return false;
    straighten(c);
    guest_run(guest, c, result);
    return result->fault == FAULT_NONE && result->s.rip == rip + c->length;
}

void block_randomize(struct rng *rng, struct native_guest *guest, const struct native_machine *machine,
                     const struct insn_row *const *rows, unsigned row_count, struct native_block *block,
                     uint8_t *memory)
{
    uint8_t *data = guest_data(guest);
    uint8_t undo[DATA_SIZE];
    struct native_case first;
    struct native_result result;
    unsigned wanted = 1 + rng_below(rng, BLOCK_INSNS);
    block->count = 0;
    while (!case_encode(rng, rows[rng_below(rng, row_count)], machine, &first))
        continue;
    case_randomize(rng, &first, memory);
    /* More pointers than one instruction would have. */
    static const uint8_t pointers[] = {RSP, RSI, RDI, RBP, R13};
    for (unsigned i = 0; i < (machine->bits == BITS_64 ? 5 : 4); i++)
        first.in.gpr[pointers[i]] =
            (random_data_address(rng, 64) & ~UINT32_C(7)) - machine->segment[i == 2 ? ES : DS].base;
    first.in.rflags &= ~(uint64_t)FLAG_AC;
    block->c = first;
    block->c.length = 0;
    memcpy(data, memory, DATA_SIZE);
    struct native_state state = first.in;
    for (unsigned tries = 0; block->count < wanted && tries < TRIES * wanted; tries++) {
        struct native_case c;
        const struct insn_row *row = rows[rng_below(rng, row_count)];
        memcpy(undo, data, DATA_SIZE);
        if (!try_instruction(rng, guest, machine, row, block->c.code + block->c.length, &state, &c,
                             &result)) {
            memcpy(data, undo, DATA_SIZE);
            continue;
        }
        memcpy(block->c.bytes + block->c.length, c.bytes, c.length);
        block->insn[block->count].row = row;
        block->insn[block->count].offset = block->c.length;
        block->insn[block->count].length = c.length;
        block->count++;
        block->c.length += c.length;
        state = result.s;
    }
}
