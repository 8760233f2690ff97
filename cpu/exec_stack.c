/* Stack instructions: PUSH POP PUSHA POPA ENTER LEAVE (SDM vol. 2). Segment register forms are the system
 * files', PUSHF and POPF are in exec_flag.c.
 *
 * The stack pointer is 16, 32 or 64 bits wide by SS.B and mode, values are as wide as the operand size; the
 * two are independent. RSP changes only after every access succeeded. */
#include "cpu/operand.h"

enum exec exec_push(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 0, &value) || !stack_push(cpu, insn->op_size, value))
        return EXEC_FAULT;
    return EXEC_NEXT;
}

/* A memory destination's address uses RSP after the pop; POP rSP ends with the popped value. */
enum exec exec_pop(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value, old = cpu->s.gpr[RSP];
    if (!stack_peek(cpu, 0, insn->op_size, &value))
        return EXEC_FAULT;
    stack_drop(cpu, insn->op_size);
    if (!operand_write(cpu, insn, 0, value)) {
        cpu->s.gpr[RSP] = old;
        return EXEC_FAULT;
    }
    return EXEC_NEXT;
}

enum exec exec_pusha(struct cpu *cpu, const struct insn *insn)
{
    struct frame frame;
    frame_begin(cpu, &frame, false, 0);
    for (unsigned reg = RAX; reg <= RDI; reg++) /* ORDER: the encoding order is the push order */
        if (!frame_push(cpu, &frame, insn->op_size, cpu->s.gpr[reg]))
            return EXEC_FAULT;
    frame_commit(cpu, &frame);
    cpu->s.gpr[RSP] = frame_rsp(cpu, &frame);
    return EXEC_NEXT;
}
_Static_assert(RAX == 0 && RSP == 4 && RDI == 7, "PUSHA order");

enum exec exec_popa(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value[8];
    for (unsigned reg = RDI + 1; reg-- > RAX;) {
        if (reg == RSP)
            continue; /* skipped, not even read */
        if (!stack_peek(cpu, (uint64_t)(7 - reg) * insn->op_size, insn->op_size, &value[reg]))
            return EXEC_FAULT;
    }
    for (unsigned reg = RAX; reg <= RDI; reg++)
        if (reg != RSP)
            gpr_write(cpu, reg, insn->op_size, value[reg]);
    stack_drop(cpu, 8u * insn->op_size);
    return EXEC_NEXT;
}

/* ENTER's outer frame pointers, `level` - 1 of them, are read below RBP and pushed one by one; a push may
 * write what a later step reads. Here all of it is only checked; false: fault. */
static bool enter_nest_check(struct cpu *cpu, const struct insn *insn, struct frame *frame, unsigned level,
                             uint64_t frame_pointer)
{
    uint64_t rbp = cpu->s.gpr[RBP];
    for (unsigned i = 1; i < level; i++) {
        rbp -= insn->op_size;
        if (!mem_check_read(cpu, SS, rbp & stack_mask(cpu), insn->op_size) ||
            !frame_push(cpu, frame, insn->op_size, 0))
            return false;
    }
    return frame_push(cpu, frame, insn->op_size, frame_pointer);
}

/* Write the frame; slots 1 to level - 1 are read just before they are written. */
static void enter_commit(struct cpu *cpu, const struct insn *insn, struct frame *frame, unsigned level)
{
    uint64_t rbp = cpu->s.gpr[RBP];
    for (unsigned i = 0; i < frame->count; i++) {
        uint64_t value = frame->slot[i].value;
        if (i >= 1 && i < level) {
            rbp -= insn->op_size;
            if (!mem_read(cpu, SS, rbp & stack_mask(cpu), insn->op_size, &value))
                return; /* only when a device callback unmapped the page meanwhile */
        }
        if (!linear_write(cpu, frame->slot[i].linear, frame->slot[i].size, frame->user, value))
            return;
    }
}

/* The final stack pointer must be writable, though nothing is written there. */
enum exec exec_enter(struct cpu *cpu, const struct insn *insn)
{
    unsigned level = insn->imm2 & 31;
    struct frame frame;
    frame_begin(cpu, &frame, cpu->long64, 0);
    if (!frame_push(cpu, &frame, insn->op_size, cpu->s.gpr[RBP]))
        return EXEC_FAULT;
    uint64_t frame_pointer = frame_rsp(cpu, &frame);
    if (level > 0 && !enter_nest_check(cpu, insn, &frame, level, frame_pointer))
        return EXEC_FAULT;
    uint64_t rsp =
        stack_pointer_merge(cpu->s.gpr[RSP], frame_rsp(cpu, &frame) - (insn->imm & 0xFFFF), stack_mask(cpu));
    if (!mem_check_write(cpu, SS, rsp & stack_mask(cpu), insn->op_size))
        return EXEC_FAULT;
    enter_commit(cpu, insn, &frame, level);
    gpr_write(cpu, RBP, insn->op_size, frame_pointer);
    cpu->s.gpr[RSP] = rsp;
    return EXEC_NEXT;
}

enum exec exec_leave(struct cpu *cpu, const struct insn *insn)
{
    uint64_t mask = stack_mask(cpu), value;
    if (!mem_read(cpu, SS, cpu->s.gpr[RBP] & mask, insn->op_size, &value))
        return EXEC_FAULT;
    cpu->s.gpr[RSP] = stack_pointer_merge(cpu->s.gpr[RSP], cpu->s.gpr[RBP] + insn->op_size, mask);
    gpr_write(cpu, RBP, insn->op_size, value);
    return EXEC_NEXT;
}
