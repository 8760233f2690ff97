/* String instructions: MOVS CMPS STOS LODS SCAS INS OUTS, with and without REP (SDM vol. 2).
 *
 * One iteration is the specification: addresses by the address size, checks before commit, pointers and count
 * updated when it is done. repeat() runs iterations; every boundary between two is an instruction boundary at
 * which the instruction may stop (EXEC_REPEAT) because cpu->limit is reached, or fault with the iterations
 * before it committed.
 *
 * Time: each iteration charges COST_STRING_ITER as it ends; the row's own cost (STRING) comes with the last.
 *
 * cpu/string_bulk.c does many iterations at once where nobody can tell; it says how many it did. */
#include "cpu/cpu_priv.h"
#include "cpu/flags.h"
#include "cpu/operand.h"
#include "cpu/string_bulk.h"

typedef bool iterate_fn(struct cpu *cpu, const struct insn *insn);

static ALWAYS_INLINE uint64_t string_offset(const struct cpu *cpu, const struct insn *insn, unsigned reg)
{
    return gpr_read(cpu, reg, insn->addr_size);
}

/* Move an index register by one element. */
static ALWAYS_INLINE void string_advance(struct cpu *cpu, const struct insn *insn, unsigned reg,
                                         unsigned size)
{
    uint64_t delta = cpu->s.rflags & FLAG_DF ? 0 - (uint64_t)size : size;
    gpr_write(cpu, reg, insn->addr_size, cpu->s.gpr[reg] + delta);
}

/* ---- REP ---- */

/* Does a conditional repeat (CMPS, SCAS) go on after this comparison? */
static bool condition_holds(const struct cpu *cpu, const struct insn *insn)
{
    return flag_zero(cpu) == ((insn->prefixes & PREFIX_REP) != 0);
}

/* How many iterations may run before the limit must be looked at: the boundary after the last of them is the
 * first with clock >= limit. */
static uint64_t iterations_until_limit(const struct cpu *cpu, unsigned price)
{
    if (cpu->s.clock >= cpu->limit)
        return 1;
    return (cpu->limit - cpu->s.clock + price - 1) / price;
}

/* A repeated CMPS or SCAS changes the flags when it is done; stopped before by a fault or an interrupt it has
 * not changed them (SDM vol. 2, REP). Arithmetic flags as they were when it started or went on. */
struct string_flags {
    uint64_t rflags;
    struct lazy_flags lazy;
};

static ALWAYS_INLINE struct string_flags string_flags_save(const struct cpu *cpu)
{
    return (struct string_flags){cpu->s.rflags, cpu->lazy};
}

static ALWAYS_INLINE enum exec string_flags_restore(struct cpu *cpu, const struct string_flags *flags,
                                                    enum exec result)
{
    cpu->s.rflags = flags->rflags;
    cpu->lazy = flags->lazy;
    return result;
}

static ALWAYS_INLINE enum exec repeat(struct cpu *cpu, const struct insn *insn, iterate_fn *iterate,
                                      string_bulk_fn *bulk, bool conditional)
{
    if ((insn->prefixes & (PREFIX_REP | PREFIX_REPNE)) == 0)
        return iterate(cpu, insn) ? EXEC_NEXT : EXEC_FAULT;
    unsigned price = cpu->config.cost[cpu->cpl == 3][COST_STRING_ITER];
    uint64_t count = gpr_read(cpu, RCX, insn->addr_size);
    const struct string_flags before = string_flags_save(cpu);
    while (count != 0) {
        uint64_t done = 0;
        if (bulk != NULL && count > 1 && cpu->config.fast_paths) {
            uint64_t most = iterations_until_limit(cpu, price);
            done = bulk(cpu, insn, most < count ? most : count);
        }
        if (done == 0) {
            if (!iterate(cpu, insn))
                return string_flags_restore(cpu, &before, EXEC_FAULT);
            done = 1;
        }
        count -= done;
        gpr_write(cpu, RCX, insn->addr_size, count);
        cpu->s.clock += done * price;
        if (conditional && !condition_holds(cpu, insn))
            break;
        if (count != 0 && cpu->s.clock >= cpu->limit) {
            (void)string_flags_restore(cpu, &before, EXEC_REPEAT);
            cpu->s.rflags |= FLAG_RF; /* the rest is no new instruction (SDM vol. 3, 17.3.1.1) */
            return EXEC_REPEAT;
        }
    }
    return EXEC_NEXT;
}

/* ---- Iterations ---- */

static bool movs_once(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    uint64_t value;
    if (!mem_read(cpu, insn->seg, string_offset(cpu, insn, RSI), size, &value) ||
        !mem_write(cpu, ES, string_offset(cpu, insn, RDI), size, value))
        return false;
    string_advance(cpu, insn, RSI, size);
    string_advance(cpu, insn, RDI, size);
    return true;
}

static bool stos_once(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    if (!mem_write(cpu, ES, string_offset(cpu, insn, RDI), size, gpr_read(cpu, RAX, size)))
        return false;
    string_advance(cpu, insn, RDI, size);
    return true;
}

static bool lods_once(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    uint64_t value;
    if (!mem_read(cpu, insn->seg, string_offset(cpu, insn, RSI), size, &value))
        return false;
    gpr_write(cpu, RAX, size, value);
    string_advance(cpu, insn, RSI, size);
    return true;
}

static bool cmps_once(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    uint64_t a, b;
    /* The second operand is read first: its fault wins. */
    if (!mem_read(cpu, ES, string_offset(cpu, insn, RDI), size, &b) ||
        !mem_read(cpu, insn->seg, string_offset(cpu, insn, RSI), size, &a))
        return false;
    flags_set(cpu, LAZY_SUB, size, a - b, a, b);
    string_advance(cpu, insn, RSI, size);
    string_advance(cpu, insn, RDI, size);
    return true;
}

static bool scas_once(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    uint64_t a = gpr_read(cpu, RAX, size), b;
    if (!mem_read(cpu, ES, string_offset(cpu, insn, RDI), size, &b))
        return false;
    flags_set(cpu, LAZY_SUB, size, a - b, a, b);
    string_advance(cpu, insn, RDI, size);
    return true;
}

/* The destination is checked before the port is read: a device must not lose what a fault then drops. */
static bool ins_once(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    uint16_t port = (uint16_t)cpu->s.gpr[RDX];
    uint64_t offset = string_offset(cpu, insn, RDI);
    if (!mem_check_write(cpu, ES, offset, size) ||
        !mem_write(cpu, ES, offset, size, port_read(cpu, port, size)))
        return false;
    string_advance(cpu, insn, RDI, size);
    return true;
}

static bool outs_once(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[1].size;
    uint16_t port = (uint16_t)cpu->s.gpr[RDX];
    uint64_t value;
    if (!mem_read(cpu, insn->seg, string_offset(cpu, insn, RSI), size, &value))
        return false;
    port_write(cpu, port, size, (uint32_t)value);
    string_advance(cpu, insn, RSI, size);
    return true;
}

/* ---- Handlers ---- */

enum exec exec_movs(struct cpu *cpu, const struct insn *insn)
{
    return repeat(cpu, insn, movs_once, bulk_movs, false);
}

enum exec exec_stos(struct cpu *cpu, const struct insn *insn)
{
    return repeat(cpu, insn, stos_once, bulk_stos, false);
}

enum exec exec_lods(struct cpu *cpu, const struct insn *insn)
{
    return repeat(cpu, insn, lods_once, bulk_lods, false);
}

enum exec exec_cmps(struct cpu *cpu, const struct insn *insn)
{
    return repeat(cpu, insn, cmps_once, bulk_cmps, true);
}

enum exec exec_scas(struct cpu *cpu, const struct insn *insn)
{
    return repeat(cpu, insn, scas_once, bulk_scas, true);
}

/* The right to the port is checked first, even when there is nothing to repeat. */
enum exec exec_ins(struct cpu *cpu, const struct insn *insn)
{
    if (!io_allowed(cpu, (uint16_t)cpu->s.gpr[RDX], insn->op[0].size))
        return EXEC_FAULT;
    return repeat(cpu, insn, ins_once, NULL, false);
}

enum exec exec_outs(struct cpu *cpu, const struct insn *insn)
{
    if (!io_allowed(cpu, (uint16_t)cpu->s.gpr[RDX], insn->op[1].size))
        return EXEC_FAULT;
    return repeat(cpu, insn, outs_once, NULL, false);
}
