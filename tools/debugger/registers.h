/* The registers that a gdb sees: a list in the order in which it numbers them, and the XML text that tells it
 * so ("Debugging with GDB", appendix G, Target Descriptions; features org.gnu.gdb.i386.*).
 *
 * There are two lists. A CPU model with long mode has that of x86-64, any other that of i386; in 16- and
 * 32-bit code the former shows the low halves of the general registers, and R8 to R15 as zeros, as QEMU's
 * does. The features of gdb come first, then one of our own with the system registers that gdb has no names
 * for. */
#ifndef CROSSPAGE_TOOLS_DEBUGGER_REGISTERS_H
#define CROSSPAGE_TOOLS_DEBUGGER_REGISTERS_H

#include "cpu/cpu.h"

enum register_kind {
    GDB_GPR,
    GDB_RIP,
    GDB_FLAGS,
    GDB_SEGMENT,
    GDB_ST,
    GDB_X87, /* enum register_x87 */
    GDB_XMM,
    GDB_MXCSR,
    GDB_YMM_HIGH,
    GDB_BASE, /* of segment `index`; KERNEL_GS */
    GDB_CR,   /* number, or CR_EFER */
};
enum { KERNEL_GS = SREG_COUNT };
enum { CR_EFER = 16 };
/* The order in which gdb wants them. */
enum register_x87 {
    X87_FCTRL,
    X87_FSTAT,
    X87_FTAG,
    X87_FISEG,
    X87_FIOFF,
    X87_FOSEG,
    X87_FOOFF,
    X87_FOP,
    X87_REGISTERS
};

struct gdb_register {
    char name[12];
    uint8_t kind, index;
    uint8_t bytes;
    const char *type, *group;
    const char *feature; /* the one that begins with this register, else NULL */
};

enum { GDB_REGISTERS_MAX = 112, GDB_REGISTER_BYTES = 16 };

struct gdb_registers {
    bool long_mode;
    unsigned count;
    struct gdb_register reg[GDB_REGISTERS_MAX];
};

/* Those of this CPU's model. */
void gdb_registers_list(struct gdb_registers *list, const struct cpu *cpu);

/* Little endian, reg->bytes of them. */
void gdb_register_get(const struct gdb_registers *list, const struct gdb_register *reg, struct cpu *cpu,
                      uint8_t bytes[GDB_REGISTER_BYTES]);

enum register_set { REGISTER_SAME, REGISTER_CHANGED, REGISTER_REFUSED };
/* May it be given this value, and is it another one? Registers that decide how the machine works (control
 * registers, segments outside of real mode, EFLAGS.VM) and the x87 tags and pointers are refused. */
enum register_set gdb_register_check(const struct gdb_registers *list, const struct gdb_register *reg,
                                     struct cpu *cpu, const uint8_t bytes[GDB_REGISTER_BYTES]);
/* Give it; it is one that gdb_register_check() does not refuse. At an instruction boundary. */
void gdb_register_set(const struct gdb_registers *list, const struct gdb_register *reg, struct cpu *cpu,
                      const uint8_t bytes[GDB_REGISTER_BYTES]);

/* The target description; for the caller to free. */
char *gdb_target_xml(const struct gdb_registers *list);

#endif
