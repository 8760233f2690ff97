/* Forming a block: decode from an address on until control can leave the straight line.
 *
 * A block ends after an instruction with ATTR_END or one whose decoding already faults, before an instruction
 * that does not fit in the page, and at limits of size. Its sentinel, insn[count], holds the totals. */
#include "cpu/block.h"

#include "base/check.h"
#include "cpu/disasm.h"

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

bool block_build(struct cpu *cpu, gpa_t phys, struct block *block)
{
    const uint8_t *bytes = memory_frame(cpu->memory, phys) + (phys.v & PAGE_MASK);
    unsigned room = PAGE_SIZE - (unsigned)(phys.v & PAGE_MASK);
    *block = (struct block){.phys = phys.v, .mode = cpu->mode};
    while (block->count < BLOCK_MAX_INSNS && block->bytes < room) {
        struct insn *insn = &block->insn[block->count];
        unsigned available = room - block->bytes;
        if (!insn_decode(cpu->tables, cpu->mode, bytes + block->bytes, available < 15 ? available : 15, insn))
            break;
        if (block->cost + insn->cost > UINT16_MAX)
            break;
        exec_fn *fast = cpu->config.fast_paths ? fast_select(insn, cpu->mode) : NULL;
        place(block, insn, fast != NULL ? fast : run_reference);
        block->bytes += insn->length;
        block->cost += insn->cost;
        block->count++;
        if (ends_block(insn))
            break;
    }
    if (block->count == 0)
        return false;
    struct insn *sentinel = &block->insn[block->count];
    *sentinel = (struct insn){0};
    place(block, sentinel, run_end);
    if (UNLIKELY(log_wants(cpu->log, LOG_IN_ASM)))
        log_block(cpu, block, bytes);
    return true;
}
