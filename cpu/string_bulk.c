/* The page-wise inner loops of REP MOVS, STOS, LODS, CMPS, SCAS.
 *
 * A run is the elements from the present one on that lie in the same page(s), as seen through the TLB: plain
 * RAM, no check left to do, no watch on the written page. Within a run an iteration cannot fault, call a
 * device or touch code, so doing them together is the same as doing them one by one. What ends a run (page
 * end, wrap of the address size, an element that straddles pages) is left to the slow path.
 *
 * Overlapping MOVS: the result of element by element is kept, also when both sides are the same frame. */
#include "cpu/string_bulk.h"

#include "cpu/flags.h"
#include "cpu/operand.h"
#include "cpu/timing_priv.h"

/* Where a run of elements begins and which way it goes. */
struct run {
    uint8_t *host;  /* of the present element */
    uint64_t count; /* elements of the run */
};

/* Elements from `offset` on that stay in its page and do not wrap the address size. */
static uint64_t elements_in_page(const struct cpu *cpu, const struct insn *insn, unsigned seg,
                                 uint64_t offset, unsigned size)
{
    uint64_t in_page = mem_linear(cpu, seg, offset) & PAGE_MASK, mask = size_mask(insn->addr_size);
    if (cpu->s.rflags & FLAG_DF) {
        uint64_t room = in_page < offset ? in_page : offset;
        return room / size + 1;
    }
    uint64_t to_wrap = mask - offset, to_page = PAGE_SIZE - in_page;
    uint64_t room = to_wrap < to_page ? to_wrap : to_page;
    return room / size;
}

/* With modelled caches: those that stay in its line, if touching that again changes nothing. As that can hold
 * of several lines at a time, a run of several is as good as its iterations one by one. */
static uint64_t elements_in_line(struct cpu *cpu, const struct insn *insn, unsigned seg, uint64_t offset,
                                 unsigned size)
{
    uint64_t linear = mem_linear(cpu, seg, offset), bytes = timing_line_bytes(cpu->timing);
    uint64_t in_line = linear & (bytes - 1);
    if (in_line + size > bytes || !timing_is_quiet(cpu, linear))
        return 0;
    uint64_t in_page = elements_in_page(cpu, insn, seg, offset, size);
    uint64_t count = cpu->s.rflags & FLAG_DF ? in_line / size + 1 : (bytes - in_line) / size;
    return count < in_page ? count : in_page;
}

static struct run find_timed_run(struct cpu *cpu, const struct insn *insn, unsigned seg, uint64_t offset,
                                 unsigned size, enum access access)
{
    unsigned flat = access == ACCESS_READ ? cpu->flat : cpu->flat_write;
    struct run run = {.host = NULL};
    if ((flat >> seg & 1) != 0)
        run.host = tlb_hit(&cpu->tlb.map[cpu->cpl == 3], mem_linear(cpu, seg, offset), size, access);
    if (run.host != NULL)
        run.count = elements_in_line(cpu, insn, seg, offset, size);
    if (run.count == 0)
        run.host = NULL;
    return run;
}

static struct run find_run(struct cpu *cpu, const struct insn *insn, unsigned seg, unsigned reg,
                           unsigned size, enum access access, uint64_t most)
{
    uint64_t offset = gpr_read(cpu, reg, insn->addr_size);
    struct run run = {.host = NULL};
    if (cpu->timing != NULL) {
        run = find_timed_run(cpu, insn, seg, offset, size, access);
    } else {
        run.host = mem_hit(cpu, seg, offset, size, access);
        run.count = run.host != NULL ? elements_in_page(cpu, insn, seg, offset, size) : 0;
    }
    if (run.count > most)
        run.count = most;
    return run;
}

static void advance(struct cpu *cpu, const struct insn *insn, unsigned reg, unsigned size, uint64_t count)
{
    uint64_t bytes = count * size;
    gpr_write(cpu, reg, insn->addr_size, cpu->s.gpr[reg] + (cpu->s.rflags & FLAG_DF ? 0 - bytes : bytes));
}

static int64_t step_of(const struct cpu *cpu, unsigned size)
{
    return cpu->s.rflags & FLAG_DF ? -(int64_t)size : (int64_t)size;
}

/* Copy `count` elements as the iterations would. */
static void copy_elements(uint8_t *to, const uint8_t *from, unsigned size, uint64_t count, int64_t step)
{
    uint64_t bytes = count * size;
    if (step > 0 && (to <= from || to >= from + bytes)) {
        memmove(to, from, bytes);
        return;
    }
    if (step < 0 && (to >= from || to + bytes <= from)) {
        memmove(to + size - bytes, from + size - bytes, bytes);
        return;
    }
    for (uint64_t i = 0; i < count; i++, to += step, from += step)
        host_store(to, size, host_load(from, size));
}

uint64_t bulk_movs(struct cpu *cpu, const struct insn *insn, uint64_t most)
{
    unsigned size = insn->op[0].size;
    struct run from = find_run(cpu, insn, insn->seg, RSI, size, ACCESS_READ, most);
    struct run to = find_run(cpu, insn, ES, RDI, size, ACCESS_WRITE, from.count);
    if (from.host == NULL || to.host == NULL || to.count == 0)
        return 0;
    copy_elements(to.host, from.host, size, to.count, step_of(cpu, size));
    advance(cpu, insn, RSI, size, to.count);
    advance(cpu, insn, RDI, size, to.count);
    return to.count;
}

uint64_t bulk_stos(struct cpu *cpu, const struct insn *insn, uint64_t most)
{
    unsigned size = insn->op[0].size;
    struct run to = find_run(cpu, insn, ES, RDI, size, ACCESS_WRITE, most);
    if (to.host == NULL || to.count == 0)
        return 0;
    uint64_t value = gpr_read(cpu, RAX, size);
    uint64_t bytes = to.count * size;
    uint8_t *first = cpu->s.rflags & FLAG_DF ? to.host + size - bytes : to.host;
    if (value == (value & 0xFF) * (size_mask(size) / 0xFF)) { /* all bytes equal */
        memset(first, (int)(value & 0xFF), bytes);
    } else {
        for (uint64_t i = 0; i < to.count; i++)
            host_store(first + i * size, size, value);
    }
    advance(cpu, insn, RDI, size, to.count);
    return to.count;
}

/* Only the last element stays in the accumulator. */
uint64_t bulk_lods(struct cpu *cpu, const struct insn *insn, uint64_t most)
{
    unsigned size = insn->op[0].size;
    struct run from = find_run(cpu, insn, insn->seg, RSI, size, ACCESS_READ, most);
    if (from.host == NULL || from.count == 0)
        return 0;
    int64_t last = step_of(cpu, size) * (int64_t)(from.count - 1);
    gpr_write(cpu, RAX, size, host_load(from.host + last, size));
    advance(cpu, insn, RSI, size, from.count);
    return from.count;
}

uint64_t bulk_cmps(struct cpu *cpu, const struct insn *insn, uint64_t most)
{
    unsigned size = insn->op[0].size;
    struct run first = find_run(cpu, insn, insn->seg, RSI, size, ACCESS_READ, most);
    struct run second = find_run(cpu, insn, ES, RDI, size, ACCESS_READ, first.count);
    if (first.host == NULL || second.host == NULL || second.count == 0)
        return 0;
    bool while_equal = (insn->prefixes & PREFIX_REP) != 0;
    int64_t step = step_of(cpu, size);
    uint64_t a = 0, b = 0, done = 0;
    do {
        a = host_load(first.host + step * (int64_t)done, size);
        b = host_load(second.host + step * (int64_t)done, size);
        done++;
    } while (done < second.count && (a == b) == while_equal);
    flags_set(cpu, LAZY_SUB, size, a - b, a, b);
    advance(cpu, insn, RSI, size, done);
    advance(cpu, insn, RDI, size, done);
    return done;
}

uint64_t bulk_scas(struct cpu *cpu, const struct insn *insn, uint64_t most)
{
    unsigned size = insn->op[0].size;
    struct run run = find_run(cpu, insn, ES, RDI, size, ACCESS_READ, most);
    if (run.host == NULL || run.count == 0)
        return 0;
    bool while_equal = (insn->prefixes & PREFIX_REP) != 0;
    int64_t step = step_of(cpu, size);
    uint64_t a = gpr_read(cpu, RAX, size), b = 0, done = 0;
    do {
        b = host_load(run.host + step * (int64_t)done, size);
        done++;
    } while (done < run.count && (a == b) == while_equal);
    flags_set(cpu, LAZY_SUB, size, a - b, a, b);
    advance(cpu, insn, RDI, size, done);
    return done;
}
