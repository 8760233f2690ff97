/* A pending unmasked x87 exception stops every x87 and MMX row of the instruction table that waits (SDM vol.
 * 1, 8.7, 9.5.3): with CR0.NE by #MF, without by FERR# and a wait for IGNNE# or an interrupt. Rows that do
 * not wait run. */
#include "cpu/cpu_priv.h"
#include "cpu/exec.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>

#include <string.h>

struct wait_case {
    const struct insn_row *row;
    uint8_t code[16];
    unsigned length;
    bool memory;
};

static void put(struct wait_case *c, unsigned byte)
{
    c->code[c->length++] = (uint8_t)byte;
}

/* The row with registers 1, or [RBX] in memory; then HLT. False when it has no such form in this mode. */
static bool encode(const struct insn_row *row, bool memory, struct wait_case *c)
{
    static const uint8_t mandatory[] = {[P66] = 0x66, [PF3] = 0xF3, [PF2] = 0xF2};
    unsigned kind = row->modrm & RM_REG;
    *c = (struct wait_case){.row = row, .memory = memory};
    if ((row->attr & ATTR_NO64) != 0 || (kind == RM_REG && memory) || (kind == RM_MEM && !memory) ||
        (kind == 0 && memory))
        return false;
    if (row->prefix >= P66)
        put(c, mandatory[row->prefix]);
    if (row->map != M1)
        put(c, 0x0F);
    if (row->map > M0F)
        put(c, row->map == M0F38 ? 0x38 : 0x3A);
    put(c, row->opcode);
    unsigned extension = row->modrm & RM_HAS_EXT ? (row->modrm & 7u) << 3 : 0;
    if (row->modrm & RM_EXACT)
        put(c, row->modrm & 0xFFu);
    else if (kind != 0)
        put(c, memory ? extension | 3 : 0xC0 | extension | 1);
    for (unsigned i = 0; i < 3; i++)
        if (row->operand[i] == OC_Ib)
            put(c, 0);
    return true;
}

/* With a memory source that is no MMX register, CVTPI2PD neither switches to MMX nor waits (SDM vol. 2). */
static bool waits(const struct wait_case *c)
{
    bool is_cvtpi2pd = strcmp(c->row->mnemonic, "cvtpi2pd") == 0;
    return strcmp(c->row->mnemonic, "fwait") == 0 ||
           ((c->row->attr & (ATTR_FPU | ATTR_MMX)) != 0 && !(is_cvtpi2pd && c->memory));
}

/* Run it with an invalid-operation exception pending. */
static void start(struct harness *h, const struct wait_case *c, bool numeric_error)
{
    struct cpu_state *s = &h->cpu->s;
    harness_reset(h, HARNESS_64);
    harness_poke(h, HARNESS_DATA, (uint8_t[1024]){0}, 1024);
    harness_poke(h, HARNESS_CODE + c->length, "\xF4", 1);
    harness_code(h, c->code, c->length);
    s->gpr[RBX] = s->gpr[RDI] = HARNESS_DATA;
    s->cr0 = numeric_error ? s->cr0 | CR0_NE : s->cr0 & ~(uint64_t)CR0_NE;
    s->ignne = 0;
    s->x87.control = 0x037E;
    s->x87.status = 0x8081;
    cpu_state_changed(h->cpu);
    (void)cpu_run(h->cpu, s->clock + 1000);
}

static void check(struct harness *h, const struct wait_case *c)
{
    struct cpu_state *s = &h->cpu->s;
    const char *name = c->row->mnemonic, *form = c->memory ? "memory" : "register";
    start(h, c, true);
    cr_expect_eq(harness_fault(h), waits(c) ? VEC_MF : -1, "%s (%s): vector %d", name, form,
                 harness_fault(h));

    start(h, c, false);
    if (!waits(c)) {
        cr_expect_eq(s->rip, HARNESS_CODE + c->length + 1, "%s (%s) does not wait", name, form);
        return;
    }
    cr_expect_eq(s->rip, HARNESS_CODE, "%s (%s) waits; rip %llx", name, form, (unsigned long long)s->rip);
    cr_expect(s->x87_ferr, "%s (%s) asserts FERR#", name, form);
    cr_expect_eq(s->x87.status, 0x8081, "%s (%s) changes nothing", name, form);
    s->ignne = 1;
    (void)cpu_run(h->cpu, s->clock + 1000);
    cr_expect_eq(s->rip, HARNESS_CODE + c->length + 1, "%s (%s) with IGNNE#; rip %llx", name, form,
                 (unsigned long long)s->rip);
}

Test(x87_wait, every_row)
{
    struct harness *h = harness_create("max", HARNESS_64, true);
    unsigned count = 0;
    for (unsigned i = 1; i < insn_row_count; i++) {
        const struct insn_row *row = &insn_rows[i];
        bool concerned =
            (row->attr & (ATTR_FPU | ATTR_FPU_NOWAIT | ATTR_MMX)) != 0 || strcmp(row->mnemonic, "fwait") == 0;
        for (unsigned memory = 0; concerned && memory < 2; memory++) {
            struct wait_case c;
            if (!encode(row, memory != 0, &c))
                continue;
            check(h, &c);
            count++;
        }
    }
    cr_expect_gt(count, 200, "%u forms", count);
    harness_destroy(h);
}

/* The interrupt that FERR# raises ends the wait, with the instruction not executed. */
Test(x87_wait, an_interrupt_ends_it)
{
    const struct insn_row *row = NULL;
    struct wait_case c;
    struct harness *h = harness_create("max", HARNESS_64, true);
    for (unsigned i = 1; i < insn_row_count; i++)
        if ((insn_rows[i].attr & ATTR_MMX) != 0 && encode(&insn_rows[i], false, &c))
            row = &insn_rows[i];
    cr_assert_not_null(row);
    cr_assert(encode(row, false, &c));
    start(h, &c, false);
    cr_assert_eq(h->cpu->s.rip, HARNESS_CODE);
    harness_set_flags(h, FLAG_IF);
    cpu_set_intr(h->cpu, true);
    (void)cpu_run(h->cpu, h->cpu->s.clock + 1);
    uint64_t return_rip = 0;
    harness_peek(h, h->cpu->s.gpr[RSP], &return_rip, 8);
    cr_expect_eq(harness_fault(h), 0x20);
    cr_expect_eq(return_rip, HARNESS_CODE);
    harness_destroy(h);
}
