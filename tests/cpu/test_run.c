/* The run loop's boundaries: code breakpoints and RF, TF, the shadows of STI and MOV SS, deadlines, and where
 * pending events are taken (SDM vol. 3, 6.8, 6.9, 17.3.1; contract E2). Each case runs with fast handlers on
 * and off. What is said of REP and MOV SS was also seen on the host CPU, with TF and under ptrace. */
#include "cpu/cpu_priv.h"
#include "cpu/exec.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>

#include <string.h>

enum { INTR_VECTOR = 0x20, DR7_LE_CODE0 = 1 };

#define CODE(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void each(void (*check)(bool fast))
{
    check(false);
    check(true);
}

static struct harness *begin(bool fast, const uint8_t *code, size_t size)
{
    struct harness *h = harness_create("pentium3", HARNESS_32, fast);
    harness_code(h, code, size);
    return h;
}

/* Enable a code breakpoint at HARNESS_CODE + offset. */
static void set_break(struct harness *h, unsigned offset)
{
    h->cpu->s.dr[0] = HARNESS_CODE + offset;
    h->cpu->s.dr[7] = DR7_FIXED | DR7_LE_CODE0;
    cpu_state_changed(h->cpu);
}

/* Up to and including the delivery of the next event: the handlers are HLT. */
static int next_event(struct harness *h)
{
    (void)harness_run(h);
    return harness_fault(h);
}

/* The frame of a same-level event: [error code], EIP, CS, EFLAGS. */
static uint32_t frame(struct harness *h, unsigned slot)
{
    uint32_t value;
    harness_peek(h, (uint32_t)h->cpu->s.gpr[RSP] + 4 * slot, &value, 4);
    return value;
}

static unsigned frame_offset(struct harness *h)
{
    return frame(h, 0) - HARNESS_CODE;
}

/* IRET from a handler's HLT with other flags in the image. */
static void go_back(struct harness *h, uint32_t set, uint32_t clear)
{
    struct cpu_state *s = &h->cpu->s;
    uint32_t flags = (frame(h, 2) & ~clear) | set;
    harness_poke(h, (uint32_t)s->gpr[RSP] + 8, &flags, 4);
    harness_poke(h, HARNESS_HANDLER + 0xFF0, "\xCF", 1);
    s->rip = HARNESS_HANDLER + 0xFF0;
    s->activity = ACTIVITY_RUNNING;
    s->dr[6] = DR6_FIXED;
    cpu_state_changed(h->cpu);
}

/* ---- Code breakpoints ---- */

static void code_breakpoint_comes_before_its_instruction(bool fast)
{
    /* 0: inc eax; 1: inc ebx; 2: inc eax; 3: jmp 1 */
    struct harness *h = begin(fast, CODE(0x40, 0x43, 0x40, 0xEB, 0xFC));
    set_break(h, 1);
    cr_expect_eq(next_event(h), VEC_DB);
    cr_expect_eq(frame_offset(h), 1);
    cr_expect_eq(h->cpu->s.gpr[RBX], 0, "not executed");
    cr_expect_eq(h->cpu->s.dr[6] & 0xF, DR6_B0);
    cr_expect_eq(frame(h, 2) & FLAG_RF, 0, "RF stays out of the image");

    go_back(h, FLAG_RF, 0);
    cr_expect_eq(next_event(h), VEC_DB, "RF holds for one instruction: the next time round");
    cr_expect_eq(h->cpu->s.gpr[RBX], 1);
    cr_expect_eq(frame_offset(h), 1);

    go_back(h, 0, FLAG_RF);
    cr_expect_eq(next_event(h), VEC_DB, "without RF at once again");
    cr_expect_eq(h->cpu->s.gpr[RBX], 1);
    harness_destroy(h);
}

static void rf_is_in_the_image_of_faults(bool fast)
{
    struct harness *h = begin(fast, CODE(0x90, 0x0F, 0x0B));
    cr_expect_eq(next_event(h), VEC_UD);
    cr_expect_eq(frame_offset(h), 1);
    cr_expect_neq(frame(h, 2) & FLAG_RF, 0);
    cr_expect_eq(harness_flags(h) & FLAG_RF, 0, "the handler starts without");
    harness_destroy(h);
}

/* The breakpoint on a faulting instruction reports once, though the instruction is started twice. */
static void rf_of_a_fault_suppresses_the_breakpoint(bool fast)
{
    struct harness *h = begin(fast, CODE(0x0F, 0x0B, 0xF4));
    set_break(h, 0);
    cr_expect_eq(next_event(h), VEC_DB);
    go_back(h, FLAG_RF, 0);
    cr_expect_eq(next_event(h), VEC_UD);
    harness_poke(h, HARNESS_CODE, "\x40\x90", 2);
    uint32_t rsp = (uint32_t)h->cpu->s.gpr[RSP];
    go_back(h, 0, 0);
    cr_expect_eq(next_event(h), -1);
    cr_expect_eq(h->cpu->s.gpr[RAX], 1);
    cr_expect_eq(h->cpu->s.gpr[RSP], rsp + 12);
    harness_destroy(h);
}

static void code_breakpoint_on_rep_comes_once(bool fast)
{
    struct harness *h = begin(fast, CODE(0xF3, 0xAA, 0xF4)); /* rep stosb */
    h->cpu->s.gpr[RCX] = 5;
    h->cpu->s.gpr[RDI] = HARNESS_DATA;
    set_break(h, 0);
    cr_expect_eq(next_event(h), VEC_DB);
    cr_expect_eq(h->cpu->s.gpr[RCX], 5);
    go_back(h, FLAG_RF, 0);
    cr_expect_eq(next_event(h), -1);
    cr_expect_eq(h->cpu->s.gpr[RCX], 0);
    harness_destroy(h);
}

/* ---- Single step ---- */

static void tf_traps_after_each_instruction(bool fast)
{
    struct harness *h = begin(fast, CODE(0x40, 0x40, 0x90, 0xF4));
    harness_set_flags(h, FLAG_TF);
    for (unsigned offset = 1; offset <= 3; offset++) {
        cr_expect_eq(next_event(h), VEC_DB);
        cr_expect_eq(frame_offset(h), offset);
        cr_expect_eq(h->cpu->s.dr[6] & (DR6_BS | 0xF), DR6_BS);
        cr_expect_eq(frame(h, 2) & (FLAG_TF | FLAG_RF), FLAG_TF);
        cr_expect_eq(harness_flags(h) & FLAG_TF, 0);
        go_back(h, 0, 0);
    }
    harness_destroy(h);
}

/* Each iteration is a step; RF says that the instruction has not ended. */
static void tf_in_rep(bool fast)
{
    struct harness *h = begin(fast, CODE(0xF3, 0xAA, 0x90, 0xF4));
    h->cpu->s.gpr[RDI] = HARNESS_DATA;
    h->cpu->s.gpr[RCX] = 3;
    harness_set_flags(h, FLAG_TF);
    for (unsigned left = 3; left-- > 0;) {
        cr_expect_eq(next_event(h), VEC_DB);
        cr_expect_eq(h->cpu->s.gpr[RCX], left);
        cr_expect_eq(frame_offset(h), left ? 0 : 2);
        cr_expect_eq(frame(h, 2) & FLAG_RF, left ? FLAG_RF : 0, "%u left", left);
        go_back(h, 0, 0);
    }
    harness_destroy(h);
}

static void popf_that_sets_tf_is_not_stepped(bool fast)
{
    struct harness *h = begin(fast, CODE(0x68, 0x02, 0x01, 0, 0, 0x9D, 0x40, 0xF4)); /* push 0x102; popf */
    cr_expect_eq(next_event(h), VEC_DB);
    cr_expect_eq(frame_offset(h), 7);
    harness_destroy(h);
}

/* ---- Shadows ---- */

static void sti_holds_interrupts_for_one_instruction(bool fast)
{
    struct harness *h = begin(fast, CODE(0xFB, 0x40, 0x40, 0xF4)); /* sti; inc eax; inc eax */
    cpu_set_intr(h->cpu, true);
    cr_expect_eq(next_event(h), INTR_VECTOR);
    cr_expect_eq(frame_offset(h), 2);
    cr_expect_eq(h->cpu->s.gpr[RAX], 1);
    harness_destroy(h);
}

static void sti_with_if_set_holds_nothing(bool fast)
{
    struct harness *h = begin(fast, CODE(0xFB, 0x40, 0xF4));
    harness_set_flags(h, FLAG_IF);
    harness_step(h, 1);
    cpu_set_intr(h->cpu, true);
    cr_expect_eq(next_event(h), INTR_VECTOR);
    cr_expect_eq(frame_offset(h), 1);
    harness_destroy(h);
}

static void sti_cli_lets_nothing_in(bool fast)
{
    struct harness *h = begin(fast, CODE(0xFB, 0xFA, 0x40, 0xF4)); /* sti; cli; inc eax; hlt */
    cpu_set_intr(h->cpu, true);
    cr_expect_eq(next_event(h), -1);
    cr_expect_eq(h->cpu->s.gpr[RAX], 1);
    harness_destroy(h);
}

static void sti_hlt_wakes(bool fast)
{
    struct harness *h = begin(fast, CODE(0xFB, 0xF4, 0x40, 0xF4));
    cpu_set_intr(h->cpu, true);
    cr_expect_eq(next_event(h), INTR_VECTOR);
    cr_expect_eq(frame_offset(h), 2);
    cr_expect_eq(h->cpu->s.gpr[RAX], 0);
    harness_destroy(h);
}

/* MOV SS, and so POP SS, holds interrupts, NMI, steps and code breakpoints. */
static void mov_ss_holds_everything(bool fast)
{
    const uint8_t code[] = {0x8E, 0xD0, 0x43, 0x90, 0xF4}; /* mov ss, eax; inc ebx; nop */
    enum { INTR, NMI, STEP, BREAK, EVENTS };
    static const int vector[EVENTS] = {INTR_VECTOR, VEC_NMI, VEC_DB, -1};
    for (unsigned event = INTR; event < EVENTS; event++) {
        struct harness *h = begin(fast, code, sizeof code);
        h->cpu->s.gpr[RAX] = HARNESS_DS0;
        harness_set_flags(h, (event == INTR ? FLAG_IF : 0) | (event == STEP ? FLAG_TF : 0));
        if (event == BREAK)
            set_break(h, 2);
        if (event == STEP) {
            cr_expect_eq(next_event(h), VEC_DB);
        } else {
            harness_step(h, 1);
            if (event == INTR)
                cpu_set_intr(h->cpu, true);
            if (event == NMI)
                cpu_raise_nmi(h->cpu);
            cr_expect_eq(next_event(h), vector[event], "event %u", event);
        }
        cr_expect_eq(h->cpu->s.gpr[RBX], 1, "event %u", event);
        if (event != BREAK)
            cr_expect_eq(frame_offset(h), 3, "event %u", event);
        harness_destroy(h);
    }
}

/* ---- Deadlines ---- */

/* 0: inc eax; imul; mov [], eax; xchg []; rep stosb of 3; dec edx; jnz 0; hlt: all prices, branches, a REP.
 */
static const uint8_t busy[] = {0x40, 0x0F, 0xAF, 0xC3, 0xA3, 0x00, 0x00, 0x01, 0x00, 0x87, 0x05,
                               0x04, 0x00, 0x01, 0x00, 0xB9, 0x03, 0x00, 0x00, 0x00, 0xBF, 0x10,
                               0x00, 0x01, 0x00, 0xF3, 0xAA, 0x4A, 0x75, 0xE2, 0xF4};

static struct harness *begin_busy(bool fast)
{
    struct harness *h = begin(fast, busy, sizeof busy);
    h->cpu->s.gpr[RDX] = 6;
    h->cpu->s.gpr[RBX] = 3;
    return h;
}

/* Every deadline stops at the first boundary at or after it, with the state that single stepping has there.
 */
static void deadlines_are_exact(bool fast)
{
    enum { MOST = 400 };
    static struct {
        uint64_t clock, rip, rcx, instructions;
    } boundary[MOST];
    unsigned count = 0;
    struct harness *h = begin_busy(false);
    do {
        struct cpu_state *s = &h->cpu->s;
        boundary[count].clock = s->clock;
        boundary[count].rip = s->rip;
        boundary[count].rcx = s->gpr[RCX];
        boundary[count++].instructions = s->instructions;
    } while (count < MOST && cpu_run(h->cpu, h->cpu->s.clock + 1) == CPU_STOP_DEADLINE);
    harness_destroy(h);
    cr_assert_gt(count, 50);
    cr_assert_lt(count, MOST);
    for (unsigned n = 0; n + 1 < count; n++)
        for (uint64_t deadline = boundary[n].clock + 1; deadline <= boundary[n + 1].clock; deadline++) {
            h = begin_busy(fast);
            struct cpu_state *s = &h->cpu->s;
            enum cpu_stop stop = cpu_run(h->cpu, deadline);
            cr_expect(stop == CPU_STOP_DEADLINE && s->clock == boundary[n + 1].clock &&
                          s->rip == boundary[n + 1].rip && s->gpr[RCX] == boundary[n + 1].rcx &&
                          s->instructions == boundary[n + 1].instructions,
                      "deadline %llu: clock %llu rip %llx", (unsigned long long)deadline,
                      (unsigned long long)s->clock, (unsigned long long)s->rip);
            harness_destroy(h);
        }
}

static void a_deadline_in_the_past_runs_nothing(bool fast)
{
    struct harness *h = begin_busy(fast);
    cpu_raise_nmi(h->cpu);
    cr_expect_eq(cpu_run(h->cpu, h->cpu->s.clock), CPU_STOP_DEADLINE);
    cr_expect_eq(h->cpu->s.rip, HARNESS_CODE, "not even an event");
    cr_expect_eq(h->cpu->s.instructions, 0);
    harness_destroy(h);
}

/* ---- Events ---- */

static void a_pending_interrupt_comes_before_the_first_instruction(bool fast)
{
    struct harness *h = begin(fast, CODE(0x40, 0xF4));
    harness_set_flags(h, FLAG_IF);
    cpu_set_intr(h->cpu, true);
    cr_expect_eq(next_event(h), INTR_VECTOR);
    cr_expect_eq(frame_offset(h), 0);
    cr_expect_eq(h->cpu->s.gpr[RAX], 0);
    harness_destroy(h);
}

static void port_write_interrupts(void *ctx, uint16_t port, unsigned size, uint32_t value)
{
    struct harness *h = ctx;
    (void)port, (void)size, (void)value;
    cpu_set_intr(h->cpu, true);
}

/* Raised by a device inside OUT, in the middle of a block: taken right after it. */
static void an_interrupt_from_a_device_comes_after_the_instruction(bool fast)
{
    struct harness *h = begin(fast, CODE(0x40, 0xE6, 0x80, 0x40, 0x40, 0xF4)); /* inc; out; inc; inc */
    h->bus.port_write = port_write_interrupts;
    harness_set_flags(h, FLAG_IF);
    cr_expect_eq(next_event(h), INTR_VECTOR);
    cr_expect_eq(frame_offset(h), 3);
    cr_expect_eq(h->cpu->s.gpr[RAX], 1);
    harness_destroy(h);
}

/* Between iterations of a REP: the image names the REP, with RF, and going back finishes it. */
static void an_interrupt_in_rep(bool fast)
{
    struct harness *h = begin(fast, CODE(0xF3, 0xAA, 0xF4));
    h->cpu->s.gpr[RCX] = 1000;
    h->cpu->s.gpr[RDI] = HARNESS_DATA;
    h->cpu->s.gpr[RAX] = 0x5A;
    harness_set_flags(h, FLAG_IF);
    cr_expect_eq(cpu_run(h->cpu, h->cpu->s.clock + 100), CPU_STOP_DEADLINE);
    uint64_t left = h->cpu->s.gpr[RCX];
    cr_expect(left > 0 && left < 1000);
    cpu_set_intr(h->cpu, true);
    cr_expect_eq(next_event(h), INTR_VECTOR);
    cr_expect_eq(h->cpu->s.gpr[RCX], left);
    cr_expect_eq(frame_offset(h), 0);
    cr_expect_neq(frame(h, 2) & FLAG_RF, 0);
    go_back(h, 0, 0);
    cr_expect_eq(next_event(h), -1);
    cr_expect_eq(h->cpu->s.gpr[RCX], 0);
    cr_expect_eq(h->cpu->s.gpr[RDI], HARNESS_DATA + 1000);
    cr_expect_eq(harness_flags(h) & FLAG_RF, 0);
    harness_destroy(h);
}

/* SDM vol. 3, table 6-2: trap of the last instruction, NMI, INTR, code breakpoint on the next. Row n has all
 * but the first n of them. */
static void events_have_an_order(bool fast)
{
    static const int order[] = {VEC_DB, VEC_NMI, INTR_VECTOR, VEC_DB};
    for (unsigned n = 0; n < ARRAY_LEN(order); n++) {
        struct harness *h = begin(fast, CODE(0x40, 0x43, 0xF4)); /* inc eax; inc ebx */
        struct cpu_state *s = &h->cpu->s;
        set_break(h, 1);
        harness_set_flags(h, FLAG_IF | (n == 0 ? FLAG_TF : 0));
        (void)cpu_run(h->cpu, s->clock + 1);
        cr_assert_eq(s->rip, HARNESS_CODE + 1);
        if (n <= 1)
            cpu_raise_nmi(h->cpu);
        if (n <= 2)
            cpu_set_intr(h->cpu, true);
        (void)cpu_run(h->cpu, s->clock + 1);
        cr_expect_eq(harness_fault(h), order[n], "row %u: %d", n, harness_fault(h));
        cr_expect_eq(frame_offset(h), 1, "row %u", n);
        cr_expect_eq(s->dr[6] & (DR6_BS | DR6_B0), n == 0 ? DR6_BS : n == 3 ? DR6_B0 : 0, "row %u", n);
        cr_expect_eq(s->gpr[RBX], 0, "row %u", n);
        harness_destroy(h);
    }
}

#define CASE(suite, name)                                                                                    \
    Test(suite, name)                                                                                        \
    {                                                                                                        \
        each(name);                                                                                          \
    }

CASE(run, code_breakpoint_comes_before_its_instruction)
CASE(run, rf_is_in_the_image_of_faults)
CASE(run, rf_of_a_fault_suppresses_the_breakpoint)
CASE(run, code_breakpoint_on_rep_comes_once)
CASE(run, tf_traps_after_each_instruction)
CASE(run, tf_in_rep)
CASE(run, popf_that_sets_tf_is_not_stepped)
CASE(run, sti_holds_interrupts_for_one_instruction)
CASE(run, sti_with_if_set_holds_nothing)
CASE(run, sti_cli_lets_nothing_in)
CASE(run, sti_hlt_wakes)
CASE(run, mov_ss_holds_everything)
CASE(run, deadlines_are_exact)
CASE(run, a_deadline_in_the_past_runs_nothing)
CASE(run, a_pending_interrupt_comes_before_the_first_instruction)
CASE(run, an_interrupt_from_a_device_comes_after_the_instruction)
CASE(run, an_interrupt_in_rep)
CASE(run, events_have_an_order)
