/* The lists, and access to what is in them (registers.h). */
#include "tools/debugger/registers.h"

#include "base/bytes.h"
#include "cpu/sse.h"
#include "cpu/x87.h"

#include <stdio.h>
#include <string.h>

/* ---- The lists ---- */

static void add(struct gdb_registers *list, const char *name, enum register_kind kind, unsigned index,
                unsigned bytes, const char *type, const char *group)
{
    CHECK(list->count < GDB_REGISTERS_MAX);
    struct gdb_register *reg = &list->reg[list->count++];
    *reg = (struct gdb_register){.kind = (uint8_t)kind,
                                 .index = (uint8_t)index,
                                 .bytes = (uint8_t)bytes,
                                 .type = type,
                                 .group = group};
    snprintf(reg->name, sizeof reg->name, "%s", name);
}

static void add_row(struct gdb_registers *list, const char *prefix, unsigned count, enum register_kind kind,
                    unsigned bytes, const char *type, const char *group)
{
    char name[24];
    const char *suffix = kind == GDB_YMM_HIGH ? "h" : "";
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s%u%s", prefix, i, suffix);
        add(list, name, kind, i, bytes, type, group);
    }
}

static void add_general(struct gdb_registers *list)
{
    static const char *const names32[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    static const char *const names64[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"};
    static const uint8_t order64[] = {RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP};
    const char *plain = list->long_mode ? "int64" : "int32";
    unsigned bytes = list->long_mode ? 8 : 4;
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = list->long_mode ? order64[i] : i;
        add(list, list->long_mode ? names64[i] : names32[i], GDB_GPR, n, bytes,
            n == RSP || n == RBP ? "data_ptr" : plain, "general");
    }
    for (unsigned i = R8; list->long_mode && i <= R15; i++) {
        char name[24];
        snprintf(name, sizeof name, "r%u", i);
        add(list, name, GDB_GPR, i, bytes, plain, "general");
    }
    add(list, list->long_mode ? "rip" : "eip", GDB_RIP, 0, bytes, "code_ptr", "general");
    add(list, "eflags", GDB_FLAGS, 0, 4, "x86_flags", "general");
}

static void add_core(struct gdb_registers *list)
{
    static const struct {
        const char *name;
        enum sreg n;
    } segments[] = {{"cs", CS}, {"ss", SS}, {"ds", DS}, {"es", ES}, {"fs", FS}, {"gs", GS}};
    static const char *const x87[X87_REGISTERS] = {"fctrl", "fstat", "ftag",  "fiseg",
                                                   "fioff", "foseg", "fooff", "fop"};
    add_general(list);
    for (unsigned i = 0; i < ARRAY_LEN(segments); i++)
        add(list, segments[i].name, GDB_SEGMENT, segments[i].n, 4, "int32", "general");
    add_row(list, "st", 8, GDB_ST, 10, "i387_ext", "float");
    for (unsigned i = 0; i < X87_REGISTERS; i++)
        add(list, x87[i], GDB_X87, i, 4, "int32", "float");
    list->reg[0].feature = "org.gnu.gdb.i386.core";
}

static void add_vectors(struct gdb_registers *list, const struct cpu *cpu)
{
    unsigned first = list->count, vectors = list->long_mode ? 16 : 8;
    add_row(list, "xmm", vectors, GDB_XMM, 16, "vec128", "vector");
    add(list, "mxcsr", GDB_MXCSR, 0, 4, "x86_mxcsr", "vector");
    list->reg[first].feature = "org.gnu.gdb.i386.sse";
    if (!cpu_has(cpu, FEAT_AVX))
        return;
    first = list->count;
    add_row(list, "ymm", vectors, GDB_YMM_HIGH, 16, "uint128", "vector");
    list->reg[first].feature = "org.gnu.gdb.i386.avx";
}

static void add_system(struct gdb_registers *list)
{
    static const uint8_t crs[] = {0, 2, 3, 4, 8};
    unsigned first = list->count, bytes = list->long_mode ? 8 : 4;
    const char *plain = list->long_mode ? "int64" : "int32";
    add(list, "fs_base", GDB_BASE, FS, bytes, plain, "system");
    add(list, "gs_base", GDB_BASE, GS, bytes, plain, "system");
    list->reg[first].feature = list->long_mode ? "org.gnu.gdb.i386.segments" : "org.crosspage.system";
    first = list->count;
    if (list->long_mode)
        add(list, "k_gs_base", GDB_BASE, KERNEL_GS, bytes, plain, "system");
    for (unsigned i = 0; i < ARRAY_LEN(crs); i++) {
        char name[24];
        snprintf(name, sizeof name, "cr%u", crs[i]);
        if (crs[i] != 8 || list->long_mode)
            add(list, name, GDB_CR, crs[i], bytes, plain, "system");
    }
    add(list, "efer", GDB_CR, CR_EFER, bytes, plain, "system");
    if (list->long_mode)
        list->reg[first].feature = "org.crosspage.system";
}

void gdb_registers_list(struct gdb_registers *list, const struct cpu *cpu)
{
    *list = (struct gdb_registers){.long_mode = cpu_has(cpu, FEAT_LM)};
    add_core(list);
    add_vectors(list, cpu);
    add_system(list);
}

/* ---- Reading ---- */

static uint64_t x87_word(const struct cpu *cpu, unsigned index)
{
    const struct x87_state *x87 = &cpu->s.x87;
    switch (index) {
    case X87_FCTRL: return x87->control;
    case X87_FSTAT: return x87->status;
    case X87_FTAG: return x87_full_tags(cpu);
    case X87_FISEG: return x87->cs;
    case X87_FIOFF: return (uint32_t)x87->ip;
    case X87_FOSEG: return x87->ds;
    case X87_FOOFF: return (uint32_t)x87->dp;
    default: return x87->opcode;
    }
}

static uint64_t control(struct cpu *cpu, unsigned number)
{
    switch (number) {
    case 0: return cpu->s.cr0;
    case 2: return cpu->s.cr2;
    case 3: return cpu->s.cr3;
    case 4: return cpu->s.cr4;
    case 8: return cpu->bus->tpr_read(cpu->bus->ctx);
    default: return cpu->s.efer;
    }
}

/* Of a register that is a number. */
static uint64_t number(const struct gdb_registers *list, const struct gdb_register *reg, struct cpu *cpu)
{
    bool narrow = list->long_mode && !cpu->long64;
    switch (reg->kind) {
    case GDB_GPR:
        if (narrow)
            return reg->index < R8 ? (uint32_t)cpu->s.gpr[reg->index] : 0;
        return cpu->s.gpr[reg->index];
    case GDB_RIP: return cpu->s.rip;
    case GDB_FLAGS: return cpu->s.rflags;
    case GDB_SEGMENT: return cpu->s.seg[reg->index].selector;
    case GDB_X87: return x87_word(cpu, reg->index);
    case GDB_MXCSR: return cpu->s.mxcsr;
    case GDB_BASE: return reg->index == KERNEL_GS ? cpu->s.kernel_gs_base : cpu->s.seg[reg->index].base;
    default: return control(cpu, reg->index);
    }
}

void gdb_register_get(const struct gdb_registers *list, const struct gdb_register *reg, struct cpu *cpu,
                      uint8_t bytes[GDB_REGISTER_BYTES])
{
    cpu_sync(cpu);
    memset(bytes, 0, GDB_REGISTER_BYTES);
    struct f80 st;
    uint64_t value;
    switch (reg->kind) {
    case GDB_ST:
        st = x87_get(cpu, reg->index);
        memcpy(bytes, &st.significand, 8);
        memcpy(bytes + 8, &st.sign_exp, 2);
        return;
    case GDB_XMM: memcpy(bytes, &cpu->s.vec[reg->index].q[0], 16); return;
    case GDB_YMM_HIGH: memcpy(bytes, &cpu->s.vec[reg->index].q[2], 16); return;
    default: value = number(list, reg, cpu); memcpy(bytes, &value, reg->bytes < 8 ? reg->bytes : 8);
    }
}

/* ---- Writing ---- */

enum {
    FLAGS_WRITABLE = FLAGS_ARITH | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_RF | FLAG_AC |
                     FLAG_VIF | FLAG_VIP | FLAG_ID
};

static uint64_t sign_extended(uint64_t linear)
{
    return (uint64_t)((int64_t)(linear << 16) >> 16);
}

static bool permitted(const struct gdb_registers *list, const struct gdb_register *reg, const struct cpu *cpu,
                      uint64_t value)
{
    bool narrow = list->long_mode && !cpu->long64;
    switch (reg->kind) {
    case GDB_GPR: return !narrow || (reg->index < R8 && value <= UINT32_MAX);
    case GDB_RIP: return cpu->long64 ? sign_extended(value) == value : value <= UINT32_MAX;
    case GDB_FLAGS: return ((value ^ cpu->s.rflags) & ~(uint64_t)FLAGS_WRITABLE) == 0;
    case GDB_SEGMENT: return (cpu->mode & MODE_REAL) != 0 && value <= UINT16_MAX;
    case GDB_X87:
        return reg->index == X87_FCTRL && (value & ~(uint64_t)X87_CONTROL_WRITABLE) == X87_CONTROL_FIXED;
    case GDB_MXCSR: return (value & ~(uint64_t)sse_mxcsr_mask(cpu)) == 0;
    case GDB_BASE: return cpu->long64 && sign_extended(value) == value;
    case GDB_ST:
    case GDB_XMM:
    case GDB_YMM_HIGH: return true;
    default: return false;
    }
}

enum register_set gdb_register_check(const struct gdb_registers *list, const struct gdb_register *reg,
                                     struct cpu *cpu, const uint8_t bytes[GDB_REGISTER_BYTES])
{
    uint8_t now[GDB_REGISTER_BYTES];
    uint64_t value = 0;
    gdb_register_get(list, reg, cpu, now);
    if (memcmp(now, bytes, reg->bytes) == 0)
        return REGISTER_SAME;
    memcpy(&value, bytes, reg->bytes < 8 ? reg->bytes : 8);
    return permitted(list, reg, cpu, value) ? REGISTER_CHANGED : REGISTER_REFUSED;
}

static void set_number(const struct gdb_register *reg, struct cpu *cpu, uint64_t value)
{
    struct segment *segment;
    switch (reg->kind) {
    case GDB_GPR: cpu->s.gpr[reg->index] = value; break;
    case GDB_RIP: cpu->s.rip = value; break;
    case GDB_FLAGS: cpu->s.rflags = value; break;
    case GDB_SEGMENT:
        segment = &cpu->s.seg[reg->index];
        segment->selector = (uint16_t)value;
        segment->base = value << 4;
        break;
    case GDB_X87: cpu->s.x87.control = (uint16_t)value; break;
    case GDB_MXCSR: cpu->s.mxcsr = (uint32_t)value; break;
    case GDB_BASE:
        if (reg->index == KERNEL_GS)
            cpu->s.kernel_gs_base = value;
        else
            cpu->s.seg[reg->index].base = value;
        break;
    }
}

void gdb_register_set(const struct gdb_registers *list, const struct gdb_register *reg, struct cpu *cpu,
                      const uint8_t bytes[GDB_REGISTER_BYTES])
{
    uint64_t value = 0;
    struct f80 st;
    (void)list;
    cpu_sync(cpu);
    switch (reg->kind) {
    case GDB_ST:
        memcpy(&st.significand, bytes, 8);
        memcpy(&st.sign_exp, bytes + 8, 2);
        x87_set(cpu, reg->index, st);
        break;
    case GDB_XMM: memcpy(&cpu->s.vec[reg->index].q[0], bytes, 16); break;
    case GDB_YMM_HIGH: memcpy(&cpu->s.vec[reg->index].q[2], bytes, 16); break;
    default: memcpy(&value, bytes, reg->bytes < 8 ? reg->bytes : 8); set_number(reg, cpu, value);
    }
    cpu_state_changed(cpu);
}

/* ---- The description ---- */

static const char flags_xml[] =
    "<flags id=\"x86_flags\" size=\"4\">\n"
    "<field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"\" start=\"1\" end=\"1\"/>"
    "<field name=\"PF\" start=\"2\" end=\"2\"/><field name=\"AF\" start=\"4\" end=\"4\"/>"
    "<field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/>"
    "<field name=\"TF\" start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/>"
    "<field name=\"DF\" start=\"10\" end=\"10\"/><field name=\"OF\" start=\"11\" end=\"11\"/>"
    "<field name=\"IOPL\" start=\"12\" end=\"13\"/><field name=\"NT\" start=\"14\" end=\"14\"/>"
    "<field name=\"RF\" start=\"16\" end=\"16\"/><field name=\"VM\" start=\"17\" end=\"17\"/>"
    "<field name=\"AC\" start=\"18\" end=\"18\"/><field name=\"VIF\" start=\"19\" end=\"19\"/>"
    "<field name=\"VIP\" start=\"20\" end=\"20\"/><field name=\"ID\" start=\"21\" end=\"21\"/>\n"
    "</flags>\n";

static const char vector_xml[] =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>\n<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>\n"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>\n<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>\n"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>\n<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>\n"
    "<union id=\"vec128\">\n<field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
    "<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
    "<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
    "<field name=\"uint128\" type=\"uint128\"/>\n</union>\n"
    "<flags id=\"x86_mxcsr\" size=\"4\">\n"
    "<field name=\"IE\" start=\"0\" end=\"0\"/><field name=\"DE\" start=\"1\" end=\"1\"/>"
    "<field name=\"ZE\" start=\"2\" end=\"2\"/><field name=\"OE\" start=\"3\" end=\"3\"/>"
    "<field name=\"UE\" start=\"4\" end=\"4\"/><field name=\"PE\" start=\"5\" end=\"5\"/>"
    "<field name=\"DAZ\" start=\"6\" end=\"6\"/><field name=\"IM\" start=\"7\" end=\"7\"/>"
    "<field name=\"DM\" start=\"8\" end=\"8\"/><field name=\"ZM\" start=\"9\" end=\"9\"/>"
    "<field name=\"OM\" start=\"10\" end=\"10\"/><field name=\"UM\" start=\"11\" end=\"11\"/>"
    "<field name=\"PM\" start=\"12\" end=\"12\"/><field name=\"RC\" start=\"13\" end=\"14\"/>"
    "<field name=\"FZ\" start=\"15\" end=\"15\"/>\n</flags>\n";

char *gdb_target_xml(const struct gdb_registers *list)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    fprintf(out,
            "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n"
            "<architecture>%s</architecture>\n",
            list->long_mode ? "i386:x86-64" : "i386");
    for (unsigned i = 0; i < list->count; i++) {
        const struct gdb_register *reg = &list->reg[i];
        if (reg->feature != NULL)
            fprintf(out, "%s<feature name=\"%s\">\n%s", i ? "</feature>\n" : "", reg->feature,
                    i == 0                 ? flags_xml
                    : reg->kind == GDB_XMM ? vector_xml
                                           : "");
        fprintf(out, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" group=\"%s\"/>\n", reg->name,
                8u * reg->bytes, reg->type, reg->group);
    }
    fputs("</feature>\n</target>\n", out);
    CHECK(fclose(out) == 0);
    return text;
}
