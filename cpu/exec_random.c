/* RDRAND and RDSEED (SDM vol. 1, 7.3.17; vol. 2): always successful, CF = 1, the other flags clear.
 *
 * The numbers are architectural: a generator whose state is in cpu_state and starts from the configuration,
 * so equal runs get equal numbers. It is splitmix64 (Steele 2014); nothing secret should depend on it. */
#include "cpu/flags.h"
#include "cpu/operand.h"

static uint64_t next_random(struct cpu *cpu)
{
    uint64_t z = cpu->s.random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

enum exec exec_rdrand(struct cpu *cpu, const struct insn *insn)
{
    gpr_write(cpu, insn->op[0].reg, insn->op[0].size, next_random(cpu));
    flags_write(cpu, FLAG_CF, FLAGS_ARITH);
    return EXEC_NEXT;
}
