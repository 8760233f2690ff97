/* Forming a block: decode from an address on until control can leave the straight line.
 *
 * A block ends after an instruction with ATTR_END or one whose decoding already faults, before an instruction
 * that does not fit in the page, before and after one at a probe's offset, and at limits of size. Its
 * sentinel, insn[count], holds the totals. The instruction that does not fit makes a block of its own:
 * whether its second half may be fetched, and from where, has to be known before it runs, but not before
 * those in front of it do. */
#include "cpu/block.h"

#include "base/check.h"
#include "cpu/disasm.h"
#include "cpu/probe.h"

static bool ends_block(const struct insn *insn)
{
    return insn->row == 0 || (insn_attr(insn) & ATTR_END) != 0;
}

static void log_block(const struct cpu *cpu, const struct block *block, const uint8_t *bytes)
{
    uint64_t pc = code_linear(cpu);
    log_line(cpu->log, LOG_IN_ASM, "block %#llx phys %#llx mode %#x", (unsigned long long)pc,
             (unsigned long long)block->phys, block->mode);
    for (unsigned i = 0; i < block->count; i++) {
        const struct insn *insn = &block->insn[i];
        char text[DISASM_TEXT];
        disasm_insn(block->mode, bytes + insn->rip_offset, insn->length, pc + insn->rip_offset, text);
        log_line(cpu->log, LOG_IN_ASM, "  %#llx: %s", (unsigned long long)(pc + insn->rip_offset), text);
    }
}

/* Where `insn` starts within the block, and how to run it. */
static void place(struct block *block, struct insn *insn, exec_fn *run)
{
    insn->position = block->count;
    insn->rip_offset = block->bytes;
    insn->clock_offset = block->cost;
    insn->run = run;
}

/* Decode one more instruction; false when `available` bytes are not enough for it, or it costs too much. */
static bool add_insn(struct cpu *cpu, struct block *block, const uint8_t *bytes, unsigned available)
{
    struct insn *insn = &block->insn[block->count];
    if (available > INSN_MAX_BYTES)
        available = INSN_MAX_BYTES;
    if (!insn_decode(cpu->tables, cpu->mode, bytes, available, insn))
        return false;
    if (block->cost + insn->cost > UINT16_MAX)
        return false;
    exec_fn *fast = cpu->config.fast_paths ? fast_select(insn, cpu->mode) : NULL;
    place(block, insn, fast != NULL ? fast : run_reference);
    /* That an instruction is none may depend on bytes behind those that its length counts. */
    block->bytes += insn->row == 0 ? available : insn->length;
    block->cost += insn->cost;
    block->count++;
    return true;
}

static void finish(struct cpu *cpu, struct block *block, const uint8_t *bytes)
{
    struct insn *sentinel = &block->insn[block->count];
    *sentinel = (struct insn){0};
    place(block, sentinel, run_end);
    if (UNLIKELY(log_wants(cpu->log, LOG_IN_ASM)))
        log_block(cpu, block, bytes);
}

bool block_build(struct cpu *cpu, gpa_t phys, struct block *block)
{
    const uint8_t *bytes = memory_frame(cpu->memory, phys) + (phys.v & PAGE_MASK);
    unsigned room = PAGE_SIZE - (unsigned)(phys.v & PAGE_MASK);
    *block = (struct block){.phys = phys.v, .mode = cpu->mode, .tail = BLOCK_NO_TAIL};
    unsigned most = block_room(cpu->blocks, phys);
    block->probed = probe_at_offset(cpu, phys.v);
    if (block->probed)
        most = 1;
    while (block->count < most && block->bytes < room &&
           add_insn(cpu, block, bytes + block->bytes, room - block->bytes))
        if (ends_block(&block->insn[block->count - 1]) || probe_at_offset(cpu, phys.v + block->bytes))
            break;
    if (block->count == 0)
        return false;
    finish(cpu, block, bytes);
    return true;
}

void block_copy_crossing(const struct guest_memory *memory, gpa_t phys, gpa_t tail, uint8_t *bytes)
{
    unsigned room = PAGE_SIZE - (unsigned)(phys.v & PAGE_MASK);
    CHECK(room < INSN_MAX_BYTES);
    memcpy(bytes, memory_frame(memory, phys) + (phys.v & PAGE_MASK), room);
    memcpy(bytes + room, memory_frame(memory, tail), INSN_MAX_BYTES - room);
}

void block_build_crossing(struct cpu *cpu, gpa_t phys, gpa_t tail, struct block *block)
{
    uint8_t bytes[INSN_MAX_BYTES];
    block_copy_crossing(cpu->memory, phys, tail, bytes);
    *block = (struct block){.phys = phys.v, .mode = cpu->mode, .tail = tail.v & ~PAGE_MASK};
    block->probed = probe_at_offset(cpu, phys.v);
    CHECK(add_insn(cpu, block, bytes, sizeof bytes));
    finish(cpu, block, bytes);
}
