/* Calls of probed functions (probe.h): which are open on which stack.
 *
 * Invariants: (1) the calls of a stack are in the order in which they were entered, and their slots, the
 * addresses of the words they return by, never ascend; (2) a stack is in the table exactly while it has open
 * calls; (3) every change is in the trace, at the clock's cycle. */
#include "vmm/probe.h"

#include "base/check.h"
#include "cpu/probe.h"
#include "vmm/probe_priv.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    STACKS_MAX = 4096,
    STACK_BUCKETS = 1024,
    CALLS_MAX = 512,
    STACK_BYTES_32 = 8192,
    STACK_BYTES_64 = 16384
};

struct open_call {
    uint64_t slot, target; /* where the return address lies, and what it is */
    uint64_t function;
    uint32_t name;
};

struct probe_stack {
    uint64_t area;
    struct open_call *call;
    unsigned count, room;
    uint16_t next; /* in its bucket, or of the free ones */
};

struct probes {
    struct host *host;
    struct cpu *cpu;
    const char *functions; /* as given */
    uint32_t stack_bytes;
    cycle_t sample, next_sample;
    uint64_t calls, not_followed;
    uint16_t bucket[STACK_BUCKETS], free_stacks, stacks_used;
    struct probe_stack stack[STACKS_MAX]; /* [0] is none */
    struct targets targets;
};

/* ---- Stacks ---- */

static uint64_t area_of(const struct probes *probes, uint64_t sp)
{
    uint32_t standard = probes->cpu->long64 ? STACK_BYTES_64 : STACK_BYTES_32;
    return sp & ~(uint64_t)((probes->stack_bytes ? probes->stack_bytes : standard) - 1);
}

static uint16_t *bucket_of(struct probes *probes, uint64_t area)
{
    return &probes->bucket[area * UINT64_C(0x9E3779B97F4A7C15) >> 54];
}
_Static_assert(STACK_BUCKETS == 1 << (64 - 54), "hash width");

/* Number of the stack with open calls that is there; 0: none. */
static uint16_t find_stack(struct probes *probes, uint64_t area)
{
    uint16_t n = *bucket_of(probes, area);
    while (n != 0 && probes->stack[n].area != area)
        n = probes->stack[n].next;
    return n;
}

/* A new one; 0: there are too many. */
static uint16_t take_stack(struct probes *probes, uint64_t area)
{
    uint16_t n = probes->free_stacks, *bucket = bucket_of(probes, area);
    if (n != 0)
        probes->free_stacks = probes->stack[n].next;
    else if (probes->stacks_used + 1 < STACKS_MAX)
        n = ++probes->stacks_used;
    else
        return 0;
    probes->stack[n].area = area;
    probes->stack[n].next = *bucket;
    *bucket = n;
    return n;
}

static void release_stack(struct probes *probes, uint16_t n)
{
    struct probe_stack *stack = &probes->stack[n];
    uint16_t *at = bucket_of(probes, stack->area);
    while (*at != n)
        at = &probes->stack[*at].next;
    *at = stack->next;
    stack->next = probes->free_stacks;
    probes->free_stacks = n;
}

/* ---- Calls ---- */

/* The innermost call ends. */
static void end_call(struct probes *probes, uint16_t n, bool returned)
{
    struct probe_stack *stack = &probes->stack[n];
    const struct open_call *call = &stack->call[--stack->count];
    recorder_guest(probes->host->recorder, returned ? GUEST_LEAVE : GUEST_LOST, call->name, n);
    if (stack->count == 0)
        release_stack(probes, n);
}

/* All calls from number `from` on. */
static void end_calls(struct probes *probes, uint16_t n, unsigned from, bool returned)
{
    struct probe_stack *stack = &probes->stack[n];
    for (unsigned left = stack->count; left > from; left--)
        end_call(probes, n, returned);
}

/* Whatever was called below the stack pointer is over; it has returned if that leads here. */
static void end_popped(struct probes *probes, uint16_t n, uint64_t sp, uint64_t here)
{
    struct probe_stack *stack = &probes->stack[n];
    for (unsigned left = stack->count; left > 0 && stack->call[left - 1].slot < sp; left--)
        end_call(probes, n, stack->call[left - 1].target == here);
}

/* The outermost function of a stack that begins where the stack ends returns to a stack pointer that is not
 * in it any more: Linux's soft interrupts on i686 do. */
static void end_emptied(struct probes *probes, uint64_t sp, uint64_t here)
{
    uint64_t area = area_of(probes, sp - 1);
    uint16_t n = area != area_of(probes, sp) ? find_stack(probes, area) : 0;
    if (n != 0 && probes->stack[n].call[0].target == here)
        end_popped(probes, n, sp, here);
}

static bool peek_word(struct cpu *cpu, uint64_t address, unsigned word, uint64_t *value)
{
    *value = 0;
    return cpu_peek(cpu, gva(address), value, word); /* the host is little-endian, too (base/types.h) */
}

/* So are those whose return address was overwritten, and what they called. */
static void end_overwritten(struct probes *probes, uint16_t n, unsigned word)
{
    struct probe_stack *stack = &probes->stack[n];
    for (unsigned i = 0; i < stack->count; i++) {
        uint64_t value;
        if (peek_word(probes->cpu, stack->call[i].slot, word, &value) && value == stack->call[i].target)
            continue;
        end_calls(probes, n, i, false);
        return;
    }
}

/* A function jumped to the start of one that is open at this slot: that one goes on, those that it had jumped
 * to are over. True: there is one. */
static bool starts_over(struct probes *probes, uint16_t n, uint64_t sp, uint64_t function)
{
    const struct probe_stack *stack = &probes->stack[n];
    for (unsigned i = stack->count; i > 0 && stack->call[i - 1].slot == sp; i--)
        if (stack->call[i - 1].function == function) {
            end_calls(probes, n, i, true);
            return true;
        }
    return false;
}

static void enter(struct probes *probes, const struct target *target, uint64_t sp, unsigned word)
{
    uint64_t area = area_of(probes, sp), back;
    uint16_t n = find_stack(probes, area);
    probes->calls++;
    if (n != 0)
        end_overwritten(probes, n, word);
    n = find_stack(probes, area);
    if (n != 0 && starts_over(probes, n, sp, target->address))
        return;
    if (!peek_word(probes->cpu, sp, word, &back) || !cpu_probe_add(probes->cpu, back) ||
        (n == 0 && (n = take_stack(probes, area)) == 0) || probes->stack[n].count == CALLS_MAX) {
        probes->not_followed++;
        return;
    }
    struct probe_stack *stack = &probes->stack[n];
    if (stack->count == stack->room) {
        stack->room = stack->room ? 2 * stack->room : 8;
        stack->call = xrealloc(stack->call, stack->room * sizeof *stack->call);
    }
    stack->call[stack->count++] = (struct open_call){sp, back, target->address, target->name};
    recorder_guest(probes->host->recorder, GUEST_ENTER, target->name, n);
}

/* Bytes of a return address in the present mode; 0: calls are not followed. */
static unsigned word_bytes(const struct cpu *cpu)
{
    unsigned code = cpu->mode & MODE_CODE_MASK;
    return cpu->cpl == 3 || code == MODE_CODE16 ? 0 : code == MODE_CODE64 ? 8 : 4;
}

static void on_arrival(void *ctx, uint64_t linear)
{
    struct probes *probes = ctx;
    struct cpu *cpu = probes->cpu;
    unsigned word = word_bytes(cpu);
    if (word == 0)
        return;
    uint64_t sp = (cpu->seg_base[SS] + cpu->s.gpr[RSP]) & cpu->linear_mask;
    uint16_t n = find_stack(probes, area_of(probes, sp));
    host_account_guest(probes->host, cpu->cpl);
    end_emptied(probes, sp, linear);
    if (n != 0)
        end_popped(probes, n, sp, linear);
    const struct target *target = targets_at(&probes->targets, linear);
    if (target == NULL)
        return;
    if (target->kinds & TARGET_SWITCH)
        recorder_guest(probes->host->recorder, GUEST_STACK, 0, find_stack(probes, area_of(probes, sp)));
    if (target->kinds & TARGET_CALL)
        enter(probes, target, sp, word);
    if (target->kinds & TARGET_MODULE)
        targets_module(&probes->targets);
}

/* ---- Life ---- */

enum status probes_create(struct probes **out, const struct probe_config *config, struct host *host,
                          const struct machine_memory *machine, const char *kernel, struct error *err)
{
    struct probes *probes = xcalloc(1, sizeof *probes);
    *out = probes;
    probes->host = host;
    probes->cpu = host->cpu;
    probes->functions = config->functions;
    probes->stack_bytes = config->stack_bytes;
    probes->sample = config->sample;
    probes->next_sample = config->sample ? config->sample : UINT64_MAX;
    cpu_probes_create(host->cpu, on_arrival, probes);
    return targets_create(&probes->targets, config, host, machine, kernel, err);
}

void probes_destroy(struct probes *probes)
{
    if (probes == NULL)
        return;
    for (unsigned n = 0; n < STACKS_MAX; n++)
        free(probes->stack[n].call);
    targets_destroy(&probes->targets);
    free(probes);
}

cycle_t probes_due(const struct probes *probes)
{
    cycle_t look = probes->targets.next_look;
    return look < probes->next_sample ? look : probes->next_sample;
}

/* The guest is sampled where it runs: when the cycle lies in what a monitor or the host did since, nothing is
 * said, or all that time would fall to the instruction that asked for it. */
static void take_sample(struct probes *probes)
{
    struct host *host = probes->host;
    cycle_t due = probes->next_sample;
    probes->next_sample = (host_now(host) / probes->sample + 1) * probes->sample;
    if (due * host->ticks_per_cycle < recorder_now(host->recorder) || probes->cpu->cpl == 3)
        return;
    host_account_guest(host, probes->cpu->cpl);
    uint32_t name = targets_name(&probes->targets, cpu_pc(probes->cpu));
    if (name != 0)
        recorder_guest(host->recorder, GUEST_SAMPLE, name, 0);
}

void probes_run(struct probes *probes)
{
    if (host_now(probes->host) >= probes->next_sample)
        take_sample(probes);
    targets_look(&probes->targets);
}

void probes_reset(struct probes *probes)
{
    for (uint16_t n = 1; n < STACKS_MAX; n++)
        if (probes->stack[n].count > 0)
            end_calls(probes, n, 0, false);
    targets_reset(&probes->targets);
}

bool probes_notice(const struct probes *probes, unsigned n, char text[PROBE_NOTICE])
{
    const struct targets *targets = &probes->targets;
    if (!targets->known && (targets->wanted_count > 0 || probes->sample != 0)) {
        snprintf(text, PROBE_NOTICE,
                 "no guest symbols: no Linux kernel with kallsyms tables was found in the "
                 "guest's memory (-symbols FILE gives them)");
        return n == 0;
    }
    for (unsigned i = 0; i < targets->wanted_count; i++)
        if (!targets->wanted[i].found && n-- == 0) {
            snprintf(text, PROBE_NOTICE, "-probe: the guest has no function '%.100s', nor have its modules",
                     targets->wanted[i].name);
            return true;
        }
    if (targets->refused > 0 && n-- == 0) {
        snprintf(text, PROBE_NOTICE, "-probe: too many functions: %u are left out", targets->refused);
        return true;
    }
    if (targets->count > 0 && probes->calls == 0 && *probes->functions != 0 && n-- == 0) {
        snprintf(text, PROBE_NOTICE, "-probe: none of the functions was called%s",
                 targets->from_guest
                     ? ""
                     : " (if KASLR moved the kernel, its file has other addresses: try nokaslr)");
        return true;
    }
    if (probes->not_followed > 0 && n-- == 0) {
        snprintf(text, PROBE_NOTICE,
                 "-probe: %" PRIu64 " calls were not followed: too many at a time, or no stack",
                 probes->not_followed);
        return true;
    }
    return false;
}
