/* Memory and numbers: "x", "xp", "p". Formats as in gdb: x d u o c for numbers, i for instructions; b h w g
 * for 1, 2, 4, 8 bytes. */
#include "tools/debugger/monitor.h"

#include "cpu/disasm.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Expressions ---- */

enum { DEEPEST = 64 };

struct expression {
    struct cpu *cpu;
    const char *at;
    unsigned depth;
    bool bad;
};

static uint64_t sum(struct expression *e);

static uint64_t reg_value(struct expression *e)
{
    static const char *const names[GPR_COUNT] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                 "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    static const char *const segments[SREG_COUNT] = {"es", "cs", "ss", "ds", "fs", "gs"};
    char name[8] = "";
    size_t length = 0;
    while (isalnum((unsigned char)*e->at) && length + 1 < sizeof name)
        name[length++] = *e->at++;
    for (unsigned n = 0; n < GPR_COUNT; n++) {
        if (strcmp(names[n], name) == 0)
            return e->cpu->s.gpr[n];
        if (n < 8 && name[0] == 'e' && strcmp(names[n] + 1, name + 1) == 0)
            return (uint32_t)e->cpu->s.gpr[n];
    }
    for (unsigned n = 0; n < SREG_COUNT; n++)
        if (strcmp(segments[n], name) == 0)
            return e->cpu->s.seg[n].selector;
    if (strcmp(name, "pc") == 0)
        return cpu_pc(e->cpu);
    if (strcmp(name, "rip") == 0 || strcmp(name, "eip") == 0)
        return e->cpu->s.rip;
    if (strcmp(name, "eflags") == 0)
        return e->cpu->s.rflags;
    if (strcmp(name, "cr0") == 0)
        return e->cpu->s.cr0;
    if (strcmp(name, "cr2") == 0)
        return e->cpu->s.cr2;
    if (strcmp(name, "cr3") == 0)
        return e->cpu->s.cr3;
    if (strcmp(name, "cr4") == 0)
        return e->cpu->s.cr4;
    e->bad = true;
    return 0;
}

static uint64_t primary(struct expression *e)
{
    uint64_t value;
    if (e->depth++ > DEEPEST)
        e->bad = true;
    if (e->bad)
        return 0;
    switch (*e->at) {
    case '(':
        e->at++;
        value = sum(e);
        e->bad |= *e->at != ')';
        e->at += *e->at == ')';
        return value;
    case '-': e->at++; return 0 - primary(e);
    case '~': e->at++; return ~primary(e);
    case '$': e->at++; return reg_value(e);
    }
    char *end;
    e->bad |= !isdigit((unsigned char)*e->at);
    value = strtoull(e->at, &end, 0);
    e->at = end;
    return value;
}

static uint64_t product(struct expression *e)
{
    uint64_t value = primary(e), other;
    while (!e->bad && (*e->at == '*' || *e->at == '/')) {
        char op = *e->at++;
        e->depth = 0;
        other = primary(e);
        e->bad |= op == '/' && other == 0;
        if (!e->bad)
            value = op == '*' ? value * other : value / other;
    }
    return value;
}

/* + - and & | ^ bind alike, from left to right. */
static uint64_t sum(struct expression *e)
{
    uint64_t value = product(e);
    while (!e->bad && *e->at != '\0' && strchr("+-&|^", *e->at) != NULL) {
        char op = *e->at++;
        uint64_t other = product(e);
        value = op == '+'   ? value + other
                : op == '-' ? value - other
                : op == '&' ? value & other
                : op == '|' ? value | other
                            : value ^ other;
    }
    return value;
}

/* The words together are one expression. */
static bool evaluate(struct debugger *debugger, char **words, uint64_t *value)
{
    char text[1024] = "";
    for (; *words != NULL; words++)
        strncat(text, *words, sizeof text - strlen(text) - 1);
    struct expression e = {.cpu = debugger->cpu, .at = text};
    cpu_sync(debugger->cpu);
    *value = sum(&e);
    return !e.bad && *e.at == '\0';
}

/* ---- Formats ---- */

struct format {
    unsigned count, size;
    char as;
};

/* "/8xw" */
static bool parse_format(const char *text, struct format *format)
{
    enum { COUNT_MAX = 4096 };
    char *end;
    if (*text++ != '/')
        return false;
    if (isdigit((unsigned char)*text)) {
        unsigned long count = strtoul(text, &end, 10);
        format->count = count < COUNT_MAX ? (unsigned)count : COUNT_MAX;
        text = end;
    }
    for (; *text != '\0'; text++) {
        const char *sizes = "bhwg", *size = strchr(sizes, *text);
        if (size != NULL)
            format->size = 1u << (size - sizes);
        else if (strchr("xduoci", *text) != NULL)
            format->as = *text;
        else
            return false;
    }
    return true;
}

static void print_number(const struct format *format, uint64_t value, FILE *out)
{
    unsigned unused = 64 - 8 * format->size;
    int64_t with_sign = (int64_t)(value << unused) >> unused;
    switch (format->as) {
    case 'd': fprintf(out, "%" PRId64, with_sign); break;
    case 'u': fprintf(out, "%" PRIu64, value); break;
    case 'o': fprintf(out, "%#" PRIo64, value); break;
    case 'c':
        fprintf(out, isprint((int)(value & 0xFF)) ? "'%c'" : "'\\%03o'", (unsigned)(value & 0xFF));
        break;
    default: fprintf(out, "0x%0*" PRIx64, (int)(2 * format->size), value);
    }
}

typedef bool read_fn(struct debugger *debugger, uint64_t address, void *to, size_t size);

static bool read_physical(struct debugger *debugger, uint64_t address, void *to, size_t size)
{
    uint8_t *bytes = to;
    for (size_t i = 0; i < size; i++)
        if (memory_frame(debugger->cpu->memory, gpa(address + i)) == NULL ||
            !memory_read(debugger->cpu->memory, gpa(address + i), bytes + i, 1))
            return false;
    return true;
}

static void print_insns(struct debugger *debugger, read_fn *read, uint64_t at, unsigned count, FILE *out)
{
    for (unsigned i = 0; i < count; i++) {
        uint8_t bytes[15];
        char text[DISASM_TEXT];
        size_t have = 0;
        while (have < sizeof bytes && read(debugger, at + have, bytes + have, 1))
            have++;
        unsigned length = disasm_insn(debugger->cpu->mode, bytes, have, at, text);
        fprintf(out, "0x%016" PRIx64 ":  %s\n", at, have ? text : "(not there)");
        if (have == 0)
            return;
        at += length ? length : 1;
    }
}

static void print_numbers(struct debugger *debugger, read_fn *read, uint64_t at, const struct format *format,
                          FILE *out)
{
    unsigned row = 16 / format->size;
    for (unsigned i = 0; i < format->count; i++, at += format->size) {
        uint64_t value = 0;
        if (i % row == 0)
            fprintf(out, "%s%016" PRIx64 ":", i ? "\n" : "", at);
        if (!read(debugger, at, &value, format->size)) {
            fputs(" (not there)", out);
            break;
        }
        fputc(' ', out);
        print_number(format, value, out);
    }
    fputc('\n', out);
}

static bool examine(struct debugger *debugger, read_fn *read, char **words, FILE *out)
{
    struct format format = {.count = 1, .size = 4, .as = 'x'};
    uint64_t at;
    if (words[0] != NULL && words[0][0] == '/' && !parse_format(*words++, &format))
        return false;
    if (words[0] == NULL || !evaluate(debugger, words, &at))
        return false;
    if (format.as == 'i')
        print_insns(debugger, read, at, format.count, out);
    else
        print_numbers(debugger, read, at, &format, out);
    return true;
}

bool monitor_examine(struct debugger *debugger, char **words, FILE *out)
{
    return examine(debugger, debugger_read, words, out);
}

bool monitor_examine_physical(struct debugger *debugger, char **words, FILE *out)
{
    return examine(debugger, read_physical, words, out);
}

bool monitor_print(struct debugger *debugger, char **words, FILE *out)
{
    struct format format = {.size = 8, .as = 0};
    uint64_t value;
    if (words[0] != NULL && words[0][0] == '/' && !parse_format(*words++, &format))
        return false;
    if (words[0] == NULL || !evaluate(debugger, words, &value))
        return false;
    if (format.as == 0)
        fprintf(out, "0x%" PRIx64, value);
    else
        print_number(&format, value, out);
    fputc('\n', out);
    return true;
}
