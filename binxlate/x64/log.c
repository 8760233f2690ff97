/* -d out_asm: what was made of a unit, guest instructions and host code side by side.
 *
 * While a unit is lowered, each guest instruction leaves a mark at the place where its host code begins. An
 * instruction that is lowered several times (copies of a loop, the copy without shared checks) has as many.
 */
#include "binxlate/x64/x64.h"

#include "cpu/disasm.h"

#include <stdlib.h>

enum { MARKS_MAX = 4 * BLOCK_MAX_INSNS };

struct x64_marks {
    unsigned count;
    struct {
        const uint8_t *at;
        const struct insn *insn;
    } mark[MARKS_MAX];
};

void x64_log_begin(struct x64_unit *x)
{
    if (log_wants(x->t->cpu->log, LOG_OUT_ASM))
        x->marks = xcalloc(1, sizeof *x->marks);
}

void x64_log_insn(struct x64_unit *x)
{
    struct x64_marks *marks = x->marks;
    if (marks == NULL || marks->count == MARKS_MAX)
        return;
    marks->mark[marks->count].at = x->a.at;
    marks->mark[marks->count++].insn = x->insn;
}

static void log_guest(const struct x64_unit *x, const struct insn *insn)
{
    const struct block *block = x->block;
    const struct guest_memory *memory = x->t->cpu->memory;
    uint8_t crossing[INSN_MAX_BYTES];
    const uint8_t *bytes = memory_frame(memory, gpa(block->phys)) + (block->phys & PAGE_MASK);
    if (block_crosses(block)) {
        block_copy_crossing(memory, gpa(block->phys), gpa(block->tail), crossing);
        bytes = crossing;
    }
    uint64_t rip = x64_rip(x, insn);
    char text[DISASM_TEXT];
    disasm_insn(block->mode, bytes + insn->rip_offset, insn->length, rip, text);
    log_line(x->t->cpu->log, LOG_OUT_ASM, "guest %#llx: %s", (unsigned long long)rip, text);
}

static void log_host(const struct x64_unit *x, const uint8_t *start)
{
    const struct x64_marks *marks = x->marks;
    struct log *log = x->t->cpu->log;
    unsigned mark = 0;
    for (const uint8_t *at = start; at < x->a.at;) {
        char text[DISASM_TEXT];
        uint64_t pc = (uintptr_t)x->t->code.execute + (uint64_t)(at - x->t->code.write);
        unsigned length = disasm_insn(MODE_CODE64, at, (size_t)(x->a.at - at), pc, text);
        for (; mark < marks->count && marks->mark[mark].at <= at; mark++)
            log_guest(x, marks->mark[mark].insn);
        log_line(log, LOG_OUT_ASM, "host  %#llx: %s", (unsigned long long)pc, text);
        at += length != 0 ? length : 1;
    }
}

void x64_log_end(struct x64_unit *x, const uint8_t *start)
{
    if (x->marks == NULL)
        return;
    if (!x->a.full) {
        log_line(x->t->cpu->log, LOG_OUT_ASM,
                 "unit %#llx phys %#llx mode %#x: %u instructions, %u bytes of host code",
                 (unsigned long long)x->unit->rip, (unsigned long long)x->unit->block->phys, x->block->mode,
                 x->block->count, (unsigned)(x->a.at - start));
        log_host(x, start);
    }
    free(x->marks);
    x->marks = NULL;
}
