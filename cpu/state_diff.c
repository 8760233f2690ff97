/* What differs between two architectural states. The fields are a table of where each lies in struct
 * cpu_state; what the table does not name is still compared, and shown by its offset. */
#include "cpu/state_diff.h"

#include "base/check.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

struct field {
    const char *name;
    uint16_t at, size, count; /* of one element; elements */
};

#define ONE(member)                                                                                          \
    {                                                                                                        \
#member, (uint16_t)offsetof(struct cpu_state, member), sizeof((struct cpu_state *)0)->member, 1      \
    }
#define ARRAY(member)                                                                                        \
    {                                                                                                        \
#member, (uint16_t)offsetof(struct cpu_state, member),                                               \
            sizeof((struct cpu_state *)0)                                                                    \
                ->member[0],                                                                                 \
                         sizeof((struct cpu_state *)0)->member / sizeof((struct cpu_state *)0)->member[0]    \
    }
#define SEGMENT(segment) ONE(segment.base), ONE(segment.limit), ONE(segment.selector), ONE(segment.attr)

static const struct field fields[] = {
    ARRAY(gpr),
    ONE(rip),
    ONE(rflags),
    SEGMENT(seg[ES]),
    SEGMENT(seg[CS]),
    SEGMENT(seg[SS]),
    SEGMENT(seg[DS]),
    SEGMENT(seg[FS]),
    SEGMENT(seg[GS]),
    SEGMENT(ldtr),
    SEGMENT(tr),
    ONE(gdtr.base),
    ONE(gdtr.limit),
    ONE(idtr.base),
    ONE(idtr.limit),
    ONE(cr0),
    ONE(cr2),
    ONE(cr3),
    ONE(cr4),
    ONE(efer),
    ONE(xcr0),
    ARRAY(pdpte),
    ARRAY(dr),
    ONE(star),
    ONE(lstar),
    ONE(cstar),
    ONE(fmask),
    ONE(kernel_gs_base),
    ONE(tsc_aux),
    ONE(sysenter_cs),
    ONE(sysenter_esp),
    ONE(sysenter_eip),
    ONE(tsc_offset),
    ARRAY(x87.significand),
    ARRAY(x87.sign_exp),
    ONE(x87.control),
    ONE(x87.status),
    ONE(x87.valid),
    ONE(x87.opcode),
    ONE(x87.ip),
    ONE(x87.dp),
    ONE(x87.cs),
    ONE(x87.ds),
    ARRAY(vec[0].q),
    ARRAY(vec[1].q),
    ARRAY(vec[2].q),
    ARRAY(vec[3].q),
    ARRAY(vec[4].q),
    ARRAY(vec[5].q),
    ARRAY(vec[6].q),
    ARRAY(vec[7].q),
    ARRAY(vec[8].q),
    ARRAY(vec[9].q),
    ARRAY(vec[10].q),
    ARRAY(vec[11].q),
    ARRAY(vec[12].q),
    ARRAY(vec[13].q),
    ARRAY(vec[14].q),
    ARRAY(vec[15].q),
    ONE(mxcsr),
    ONE(activity),
    ONE(intr_shadow),
    ONE(nmi_blocked),
    ONE(nmi_pending),
    ONE(intr_line),
    ONE(a20),
    ONE(x87_ferr),
    ONE(ignne),
    ONE(debug_pending),
    ONE(clock),
    ONE(instructions),
};

static const char *const gpr_names[GPR_COUNT] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                 "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static uint64_t word_at(const struct cpu_state *s, size_t at, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, (const uint8_t *)s + at, size);
    return word;
}

/* The names of the bits of RFLAGS in `bits`. */
static void print_flags(FILE *file, uint64_t bits)
{
    static const char *const names[] = {"cf", NULL, "pf", NULL, "af", NULL, "zf", "sf", "tf",  "if",  "df",
                                        "of", NULL, NULL, "nt", NULL, "rf", "vm", "ac", "vif", "vip", "id"};
    for (unsigned n = 0; n < ARRAY_LEN(names); n++)
        if ((bits >> n & 1) && names[n] != NULL)
            fprintf(file, " %s", names[n]);
}

static void print_name(FILE *file, const struct field *field, unsigned index)
{
    char name[32];
    if (field->at == offsetof(struct cpu_state, gpr))
        snprintf(name, sizeof name, "%s", gpr_names[index]);
    else if (field->count > 1)
        snprintf(name, sizeof name, "%s[%u]", field->name, index);
    else
        snprintf(name, sizeof name, "%s", field->name);
    fprintf(file, "  %-20s", name);
}

unsigned cpu_state_diff(FILE *file, const char *name_a, const struct cpu_state *a, const char *name_b,
                        const struct cpu_state *b)
{
    struct cpu_state rest = *b; /* made equal to *a where it was shown */
    unsigned found = 0;
    if (memcmp(a, b, sizeof *a) == 0)
        return 0;
    fprintf(file, "  %-20s %16s  %16s\n", "", name_a, name_b);
    for (unsigned n = 0; n < ARRAY_LEN(fields); n++)
        for (unsigned i = 0; i < fields[n].count; i++) {
            size_t at = fields[n].at + (size_t)i * fields[n].size;
            uint64_t left = word_at(a, at, fields[n].size), right = word_at(b, at, fields[n].size);
            if (left == right)
                continue;
            found++;
            print_name(file, &fields[n], i);
            fprintf(file, " %16" PRIx64 "  %16" PRIx64, left, right);
            if (fields[n].at == offsetof(struct cpu_state, rflags))
                print_flags(file, left ^ right);
            fputc('\n', file);
            memcpy((uint8_t *)&rest + at, (const uint8_t *)a + at, fields[n].size);
        }
    for (size_t at = 0; at < sizeof rest; at += 8)
        if (word_at(a, at, 8) != word_at(&rest, at, 8)) {
            found++;
            fprintf(file, "  state + %-12zu %16" PRIx64 "  %16" PRIx64 "\n", at, word_at(a, at, 8),
                    word_at(b, at, 8));
        }
    return found;
}
