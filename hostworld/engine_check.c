/* Running two labs side by side (see engine_check.h).
 *
 * A replay follows the path by which the difference was found, a list of legs: up to `end`, stopping every
 * `slice` cycles. Where a lab stops is no input of the simulation, but it decides how much of its
 * translations an engine uses, so a replay must stop where the first run did. */
#include "hostworld/engine_check.h"

#include "base/check.h"
#include "cpu/disasm.h"
#include "cpu/state_diff.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    FINER = 16, /* each replay's slices are so much shorter */
    LEGS_MAX = 16,
    WHOLE_EVERY = 512, /* stops between two comparisons of memory and devices */
    LAST_INSNS = 24,   /* shown before a difference */
    MEMORY_SHOWN = 8,  /* differing words */
};

struct leg {
    cycle_t end, slice;
};

struct check {
    const struct engine_check_config *config;
    struct lab *lab[CHECK_SIDES];
    enum vm_stop stop[CHECK_SIDES];
    struct leg leg[LEGS_MAX];
    unsigned legs;
    cycle_t every;        /* config->every, or from its points */
    uint64_t whole_every; /* stops between two comparisons of memory and devices */
    uint64_t stops, whole_stops;
    bool memory; /* compare memory at every stop: it is what differed */
};

static struct cpu *cpu_of(const struct check *check, unsigned side)
{
    return lab_host(check->lab[side])->cpu;
}

/* ---- Two labs ---- */

static void close_labs(struct check *check)
{
    for (unsigned side = 0; side < CHECK_SIDES; side++) {
        if (check->lab[side] != NULL)
            check->config->close(check->config->ctx, side, check->lab[side]);
        check->lab[side] = NULL;
    }
}

static enum status open_labs(struct check *check, bool again, struct error *err)
{
    close_labs(check);
    for (unsigned side = 0; side < CHECK_SIDES; side++) {
        check->stop[side] = VM_STOP_LIMIT;
        TRY(check->config->open(check->config->ctx, side, again, &check->lab[side], err));
    }
    return STATUS_OK;
}

static bool cpus_equal(struct check *check)
{
    struct cpu *a = cpu_of(check, 0), *b = cpu_of(check, 1);
    cpu_sync(a);
    cpu_sync(b);
    return check->stop[0] == check->stop[1] && memcmp(&a->s, &b->s, sizeof a->s) == 0;
}

/* With -timing cache: all that is in timing_hash(). */
static bool caches_equal(const struct check *check)
{
    const struct timing *a = cpu_of(check, 0)->timing, *b = cpu_of(check, 1)->timing;
    return a == NULL || b == NULL ? a == b : timing_equal(a, b);
}

static bool pages_equal(const struct guest_memory *a, const struct guest_memory *b, uint64_t page)
{
    const uint8_t *left = memory_frame(a, gpa(page << PAGE_SHIFT));
    const uint8_t *right = memory_frame(b, gpa(page << PAGE_SHIFT));
    if (left == NULL || right == NULL)
        return left == right;
    return memcmp(left, right, PAGE_SIZE) == 0;
}

static bool devices_equal(struct device *a, struct device *b)
{
    return memcmp(device_state(a), device_state(b), a->cls->state_size) == 0;
}

/* Caches, memory and devices, byte for byte: all that is in vm_state_hash() beside the CPU. */
static bool rest_equal(struct check *check)
{
    const struct guest_memory *left = cpu_of(check, 0)->memory, *right = cpu_of(check, 1)->memory;
    struct board_pc *a = vm_board(lab_vm(check->lab[0])), *b = vm_board(lab_vm(check->lab[1]));
    check->whole_stops++;
    if (!caches_equal(check))
        return false;
    for (uint64_t page = 0; page < left->pages; page++)
        if (!pages_equal(left, right, page))
            return false;
    for (unsigned n = 0; n < board_device_count(a); n++)
        if (!devices_equal(board_device(a, n), board_device(b, n)))
            return false;
    return true;
}

/* Both to `limit`; false: they differ there. */
static bool advance(struct check *check, cycle_t limit)
{
    for (unsigned side = 0; side < CHECK_SIDES; side++)
        if (check->stop[side] == VM_STOP_LIMIT)
            check->stop[side] = lab_run(check->lab[side], limit);
    check->stops++;
    if (!cpus_equal(check))
        return false;
    bool whole = check->memory || check->stops % check->whole_every == 0 || check->stop[0] != VM_STOP_LIMIT;
    if (!whole || rest_equal(check))
        return true;
    check->memory = true;
    return false;
}

/* From `from` to `end` by slices. Returns the last stop at which they were equal; that is `end` when all is
 * well, or when the guest has ended before. */
static cycle_t advance_by(struct check *check, cycle_t from, cycle_t end, cycle_t slice)
{
    while (from < end && check->stop[0] == VM_STOP_LIMIT) {
        cycle_t to = end - from > slice ? from + slice : end;
        if (!advance(check, to))
            return from;
        from = to;
    }
    return end;
}

/* ---- Closing in ---- */

/* New labs, run along the legs. False: they differ on the way, which they did not before. */
static enum status replay(struct check *check, bool *same, struct error *err)
{
    cycle_t at = 0;
    TRY(open_labs(check, true, err));
    *same = true;
    bool memory = check->memory;
    check->memory = false;
    for (unsigned n = 0; n < check->legs && *same; n++) {
        *same = advance_by(check, at, check->leg[n].end, check->leg[n].slice) == check->leg[n].end;
        at = check->leg[n].end;
    }
    check->memory = memory;
    return STATUS_OK;
}

/* The labs differ between result->after and result->at_latest. Make that shorter while the difference comes
 * back. Memory was not compared at every stop of the first run, so there is more to look through. */
static enum status close_in(struct check *check, struct engine_check_result *result, struct error *err)
{
    struct leg *leg = check->leg;
    cycle_t slice = check->memory ? check->every * FINER : check->every;
    bool same = true;
    leg[0] = (struct leg){result->after, check->every};
    check->legs = 1;
    while (slice >= FINER && check->legs < LEGS_MAX) {
        TRY(replay(check, &same, err));
        slice /= FINER;
        if (!same)
            break;
        cycle_t found = advance_by(check, result->after, result->at_latest, slice);
        if (found >= result->at_latest)
            break;
        result->after = found;
        result->at_latest = found + slice < result->at_latest ? found + slice : result->at_latest;
        leg[check->legs++] = (struct leg){found, slice};
    }
    return STATUS_OK;
}

/* ---- The report ---- */

/* Run the reference to `end` instruction by instruction and show the last ones. */
static void show_instructions(struct check *check, cycle_t end)
{
    char(*line)[DISASM_TEXT + 40] = xcalloc(LAST_INSNS, sizeof *line);
    struct cpu *cpu = cpu_of(check, CHECK_REFERENCE);
    unsigned count = 0;
    while (cpu->s.clock < end && check->stop[CHECK_REFERENCE] == VM_STOP_LIMIT) {
        uint8_t bytes[15] = {0};
        char text[DISASM_TEXT];
        size_t size = sizeof bytes;
        uint64_t pc = cpu_pc(cpu), clock = cpu->s.clock;
        while (size > 0 && !cpu_peek(cpu, gva(pc), bytes, size))
            size--;
        if (disasm_insn(cpu->mode, bytes, size, pc, text) == 0 && size == 0)
            snprintf(text, sizeof text, "(not mapped)");
        snprintf(line[count++ % LAST_INSNS], sizeof *line, "%12" PRIu64 "  %#" PRIx64 "  %s", clock, pc,
                 text);
        check->stop[CHECK_REFERENCE] = lab_run(check->lab[CHECK_REFERENCE], clock + 1);
    }
    FILE *file = check->config->report;
    fprintf(file, "last instructions (cycle, address):\n");
    for (unsigned n = count > LAST_INSNS ? count - LAST_INSNS : 0; n < count; n++)
        fprintf(file, "  %s\n", line[n % LAST_INSNS]);
    free(line);
}

static void show_caches(const struct check *check)
{
    if (cpu_of(check, 0)->timing != NULL)
        timing_diff(check->config->report, cpu_of(check, 0)->timing, cpu_of(check, 1)->timing);
}

static void show_memory(const struct check *check)
{
    const struct guest_memory *a = cpu_of(check, 0)->memory, *b = cpu_of(check, 1)->memory;
    unsigned shown = 0;
    for (uint64_t page = 0; page < a->pages; page++) {
        if (pages_equal(a, b, page))
            continue;
        const uint64_t *left = (const void *)memory_frame(a, gpa(page << PAGE_SHIFT));
        const uint64_t *right = (const void *)memory_frame(b, gpa(page << PAGE_SHIFT));
        for (unsigned i = 0; i < PAGE_SIZE / 8 && shown < MEMORY_SHOWN; i++) {
            if (left[i] == right[i])
                continue;
            fprintf(check->config->report, "  [%#" PRIx64 "]%*s %016" PRIx64 "  %016" PRIx64 "\n",
                    (page << PAGE_SHIFT) + 8 * i, 4, "", left[i], right[i]);
            shown++;
        }
    }
}

static void show_devices(const struct check *check)
{
    struct board_pc *a = vm_board(lab_vm(check->lab[0])), *b = vm_board(lab_vm(check->lab[1]));
    for (unsigned n = 0; n < board_device_count(a); n++)
        if (!devices_equal(board_device(a, n), board_device(b, n)))
            fprintf(check->config->report, "  device %s differs\n", board_device(a, n)->cls->name);
}

static enum status report(struct check *check, const struct engine_check_result *result, struct error *err)
{
    FILE *file = check->config->report;
    bool same;
    /* The last leg ends where they were equal; from there to the difference in one go, and step by step. */
    TRY(replay(check, &same, err));
    fprintf(file, "the engines differ: equal at cycle %" PRIu64 ", not at %" PRIu64 "\n", result->after,
            result->at_latest);
    if (!same)
        fprintf(file, "(in a second run they differed before: the difference does not come back)\n");
    check->stop[CHECK_OTHER] = lab_run(check->lab[CHECK_OTHER], result->at_latest);
    show_instructions(check, result->at_latest);
    if (check->stop[0] != check->stop[1])
        fprintf(file, "one has ended (%d), the other has not (%d)\n", (int)check->stop[0],
                (int)check->stop[1]);
    cpu_sync(cpu_of(check, 0));
    cpu_sync(cpu_of(check, 1));
    if (cpu_state_diff(file, check->config->name[0], &cpu_of(check, 0)->s, check->config->name[1],
                       &cpu_of(check, 1)->s) == 0)
        fprintf(file, "registers are equal, caches, memory or devices differ:\n");
    show_caches(check);
    show_memory(check);
    show_devices(check);
    return STATUS_OK;
}

/* ---- The run ---- */

static cycle_t limit_of(const struct check *check, struct lab *lab)
{
    double seconds = check->config->seconds, hz = (double)lab_host(lab)->hz;
    return seconds > 0 ? (cycle_t)(seconds * hz) : UINT64_MAX;
}

/* The other engine alone, in one go: how long the run is, and the state that it ends in. */
static enum status measure(struct check *check, cycle_t *length, uint64_t *hash, struct error *err)
{
    struct lab **lab = &check->lab[CHECK_OTHER];
    TRY(check->config->open(check->config->ctx, CHECK_OTHER, true, lab, err));
    (void)lab_run(*lab, limit_of(check, *lab)); /* why it stops is compared in the run proper */
    *length = cpu_of(check, CHECK_OTHER)->s.clock;
    *hash = vm_state_hash(lab_vm(*lab));
    close_labs(check);
    return STATUS_OK;
}

/* Side by side up to the end or a difference. `equal` in the result; returns the last stop at which CPU
 * states were equal, and in *whole the last at which all was. */
static cycle_t run_side_by_side(struct check *check, struct engine_check_result *result, cycle_t *whole)
{
    cycle_t at = 0, limit = limit_of(check, check->lab[0]);
    while (at < limit && check->stop[0] == VM_STOP_LIMIT) {
        cycle_t end = limit - at > check->every ? at + check->every : limit;
        if (!advance(check, end))
            break;
        at = end;
        if (check->stops % check->whole_every == 0)
            *whole = at;
        result->equal = check->stop[0] != VM_STOP_LIMIT || at == limit;
    }
    if (result->equal && !rest_equal(check)) {
        result->equal = false;
        check->memory = true;
    }
    return at;
}

static enum status run(struct check *check, struct engine_check_result *result, struct error *err)
{
    cycle_t length = 0, whole = 0;
    uint64_t hash = 0;
    if (check->config->points != 0) {
        TRY(measure(check, &length, &hash, err));
        check->every = length / check->config->points + 1;
        check->whole_every = 1;
    }
    TRY(open_labs(check, false, err));
    cycle_t at = run_side_by_side(check, result, &whole);
    result->stop = check->stop[0];
    result->exit_value = vm_exit_value(lab_vm(check->lab[0]));
    result->cycles = cpu_of(check, 0)->s.clock;
    result->instructions = cpu_of(check, 0)->s.instructions;
    result->stops = check->stops;
    result->whole_stops = check->whole_stops;
    if (result->equal) {
        result->state_hash = vm_state_hash(lab_vm(check->lab[0]));
        if (check->config->points != 0 && (result->cycles != length || result->state_hash != hash))
            return status_fail(err, STATUS_HOST, "%s with stops and without do not end alike",
                               check->config->name[CHECK_OTHER]);
        return STATUS_OK;
    }
    result->after = check->memory ? whole : at;
    result->at_latest = at + check->every;
    TRY(close_in(check, result, err));
    return report(check, result, err);
}

enum status engine_check_run(const struct engine_check_config *config, struct engine_check_result *result,
                             struct error *err)
{
    struct check check = {.config = config, .every = config->every, .whole_every = WHOLE_EVERY};
    *result = (struct engine_check_result){.equal = false};
    enum status status = run(&check, result, err);
    close_labs(&check);
    return status;
}
