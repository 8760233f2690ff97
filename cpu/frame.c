/* Frames pushed by far calls, gates and events: checked push by push, written in one go.
 *
 * A push may wrap a 16-bit stack pointer, so every slot has its own address. The stack may belong to a
 * segment and privilege level that are not loaded yet; limits are therefore checked here, against the
 * frame's own copy, and not by mem_write().
 *
 * Invariant: after frame_push() succeeded, writing that slot cannot fail. */
#include "cpu/protect.h"

void frame_begin(struct cpu *cpu, struct frame *frame, bool to_long64, unsigned ext)
{
    frame_begin_on(cpu, frame, &cpu->s.seg[SS], cpu->s.gpr[RSP], cpu->cpl, to_long64, ext);
    frame->fault_code = ext;
}

void frame_begin_on(struct cpu *cpu, struct frame *frame, const struct segment *ss, uint64_t rsp,
                    unsigned cpl, bool to_long64, unsigned ext)
{
    frame->ss = *ss;
    frame->long64 = to_long64;
    frame->mask = to_long64 ? UINT64_MAX : ss->attr & SEG_DB ? UINT32_MAX : UINT16_MAX;
    frame->rsp = rsp & frame->mask;
    frame->user = cpl == 3;
    frame->real = (cpu->s.cr0 & CR0_PE) == 0;
    frame->fault_code = to_long64 ? ext : (ss->selector & 0xFFFCu) | ext;
    frame->count = 0;
}

bool frame_push(struct cpu *cpu, struct frame *frame, unsigned size, uint64_t value)
{
    uint64_t rsp = (frame->rsp - size) & frame->mask;
    uint64_t linear = rsp;
    bool ok;
    if (frame->long64) {
        ok = is_canonical(rsp) && is_canonical(rsp + size - 1);
    } else {
        linear = (uint32_t)(frame->ss.base + rsp);
        ok = segment_limit_ok(&frame->ss, rsp, size) && (frame->real || (frame->ss.attr & SEG_WRITABLE) != 0);
    }
    if (!ok) {
        cpu_fault_code(cpu, VEC_SS, frame->fault_code);
        return false;
    }
    if (frame->user && cpu->align_check && (linear & (size - 1)) != 0) {
        cpu_fault_code(cpu, VEC_AC, 0);
        return false;
    }
    if (!linear_check(cpu, linear, size, ACCESS_WRITE, frame->user))
        return false;
    CHECK(frame->count < FRAME_SLOTS);
    frame->slot[frame->count].linear = linear;
    frame->slot[frame->count].value = value;
    frame->slot[frame->count].size = (uint8_t)size;
    frame->count++;
    frame->rsp = rsp;
    return true;
}

void frame_commit(struct cpu *cpu, const struct frame *frame)
{
    for (unsigned i = 0; i < frame->count; i++)
        if (!linear_write(cpu, frame->slot[i].linear, frame->slot[i].size, frame->user, frame->slot[i].value))
            return; /* only when a device callback unmapped the page meanwhile: nothing left to protect */
}
