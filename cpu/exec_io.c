/* Port I/O: IN, OUT, and the permission check they share with INS and OUTS (SDM vol. 1, chapter 19).
 *
 * In protected mode with CPL > IOPL, and always in virtual-8086 mode, the I/O permission bitmap of the 32-bit
 * (or 64-bit) TSS decides: every bit of the access must be clear, and the two bytes read must lie within the
 * TSS limit. */
#include "cpu/cpu_priv.h"
#include "cpu/operand.h"

enum { TSS_IO_MAP_BASE = 102 };

static bool io_denied(struct cpu *cpu)
{
    cpu_fault_code(cpu, VEC_GP, 0);
    return false;
}

static bool tss_allows(struct cpu *cpu, uint16_t port, unsigned size)
{
    const struct segment *tr = &cpu->s.tr;
    bool is_tss32 = (tr->attr & SEG_P) != 0 && (tr->attr & (SEG_TYPE & ~SYSTEM_BUSY)) == SYSTEM_TSS32;
    uint64_t base, bits;
    if (!is_tss32 || tr->limit < TSS_IO_MAP_BASE + 1)
        return io_denied(cpu);
    if (!sys_read(cpu, tr->base + TSS_IO_MAP_BASE, 2, &base))
        return false;
    uint64_t at = base + port / 8u;
    if (at + 1 > tr->limit)
        return io_denied(cpu);
    if (!sys_read(cpu, tr->base + at, 2, &bits))
        return false;
    return (bits >> (port & 7) & ((1u << size) - 1)) == 0 || io_denied(cpu);
}

bool io_allowed(struct cpu *cpu, uint16_t port, unsigned size)
{
    bool is_protected = (cpu->s.cr0 & CR0_PE) != 0;
    bool v86 = is_protected && (cpu->s.rflags & FLAG_VM) != 0;
    if (!is_protected || (!v86 && cpu->cpl <= cpu_iopl(cpu)))
        return true;
    return tss_allows(cpu, port, size);
}

uint32_t port_read(struct cpu *cpu, uint16_t port, unsigned size)
{
    uint32_t value = cpu->bus->port_read(cpu->bus->ctx, port, size);
    if (cpu->debug_enabled != 0)
        debug_io_access(cpu, port, size);
    return value;
}

void port_write(struct cpu *cpu, uint16_t port, unsigned size, uint32_t value)
{
    cpu->bus->port_write(cpu->bus->ctx, port, size, value);
    if (cpu->debug_enabled != 0)
        debug_io_access(cpu, port, size);
}

/* The port operand: DX or an immediate byte. */
static uint16_t port_of(const struct cpu *cpu, const struct insn *insn, unsigned n)
{
    return (uint16_t)(insn->op[n].kind == OPK_IMM ? insn->imm : cpu->s.gpr[RDX]);
}

enum exec exec_in(struct cpu *cpu, const struct insn *insn)
{
    uint16_t port = port_of(cpu, insn, 1);
    unsigned size = insn->op[0].size;
    if (!io_allowed(cpu, port, size))
        return EXEC_FAULT;
    gpr_write(cpu, RAX, size, port_read(cpu, port, size));
    return EXEC_NEXT;
}

enum exec exec_out(struct cpu *cpu, const struct insn *insn)
{
    uint16_t port = port_of(cpu, insn, 0);
    unsigned size = insn->op[1].size;
    if (!io_allowed(cpu, port, size))
        return EXEC_FAULT;
    port_write(cpu, port, size, (uint32_t)gpr_read(cpu, RAX, size));
    return EXEC_NEXT;
}
