/* A translator as a whole: create, destroy, what the CPU tells it, statistics. */
#include "binxlate/priv.h"

#include "base/host_cpu.h"

#include <inttypes.h>
#include <stdlib.h>

enum { DEFAULT_CODE_BYTES = 128 << 20, CODE_BYTES_LEAST = 256 << 10 };

static const struct host_ops *const hosts[] = {&host_x64};

static const struct host_ops *find_host(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(hosts); i++)
        if (hosts[i]->supported())
            return hosts[i];
    return NULL;
}

bool translator_supported(void)
{
    return find_host() != NULL;
}

size_t translator_room(void)
{
    return sizeof(struct xlat_frame);
}

static void forget_block(void *ctx, struct block *block)
{
    struct translator *t = ctx;
    units_forget(t, block);
}

static void forget_all(void *ctx)
{
    code_flush(ctx);
}

enum status translator_create(struct translator **out, struct cpu *cpu,
                              const struct translator_config *config, struct error *err)
{
    const struct host_ops *host = find_host();
    if (host == NULL)
        return status_fail(err, STATUS_HOST, "this host cannot run translated code; use -engine interp");
    struct translator *t = xcalloc(1, sizeof *t);
    t->cpu = cpu;
    t->host = host;
    t->config = *config;
    if (log_wants(cpu->log,
                  LOG_EXEC)) /* every block is to come by the dispatcher, and a shadow by the run loop */
        t->config.off |=
            1u << PATH_LINK | 1u << PATH_CACHE | 1u << PATH_LOOP | 1u << PATH_ROUTE | 1u << PATH_SYSTEM;
    if (!host_cpu_has_fast_pext())
        t->config.off |= 1u << PATH_NEAR | 1u << PATH_RECENT;
    t->frame = cpu_engine_room(cpu);
    size_t bytes = config->code_bytes != 0 ? config->code_bytes : DEFAULT_CODE_BYTES;
    if (bytes < CODE_BYTES_LEAST)
        bytes = CODE_BYTES_LEAST;
    enum status status = host_code_create(&t->code, (bytes + PAGE_MASK) & ~(size_t)PAGE_MASK, err);
    if (status != STATUS_OK) {
        free(t);
        return status;
    }
    t->slow_rows = xcalloc(insn_row_count, sizeof *t->slow_rows);
    t->vector_rows = xcalloc(insn_row_count, sizeof *t->vector_rows);
    CHECK(host->make_thunks(t));
    code_regions_create(t);
    recent_create(t);
    jump_cache_clear(t);
    near_create(t);
    timed_create(t);
    t->engine = (struct cpu_engine){
        .run = translator_run,
        .forget_block = forget_block,
        .forget_all = forget_all,
        .ctx = t,
        .threshold = config->threshold != 0 ? config->threshold : DEFAULT_THRESHOLD,
    };
    cpu_set_engine(cpu, &t->engine);
    *out = t;
    return STATUS_OK;
}

void translator_destroy(struct translator *t)
{
    if (t == NULL)
        return;
    cpu_set_engine(t->cpu, NULL);
    host_code_destroy(&t->code);
    free(t->slow_rows);
    free(t->vector_rows);
    code_regions_destroy(t);
    free(t);
}

uint64_t translator_count(const struct translator *t, enum translator_counter counter)
{
    return counter < COUNT_FIRST_IN_HOST ? t->count[counter]
                                         : t->frame->counted[counter - COUNT_FIRST_IN_HOST];
}

/* ---- Statistics ---- */

static void print_slow_rows(const struct translator *t, FILE *file)
{
    enum { SHOWN = 24 };
    uint64_t below = UINT64_MAX;
    unsigned after = 0;
    for (unsigned shown = 0; shown < SHOWN; shown++) {
        unsigned best = insn_row_count;
        for (unsigned row = 0; row < insn_row_count; row++) {
            uint64_t count = t->slow_rows[row];
            bool left = count < below || (count == below && row > after);
            if (left && (best == insn_row_count || count > t->slow_rows[best]))
                best = row;
        }
        if (best == insn_row_count || t->slow_rows[best] == 0)
            return;
        below = t->slow_rows[best];
        after = best;
        fprintf(file, "%14" PRIu64 "  %s (%02x)\n", below, insn_rows[best].mnemonic, insn_rows[best].opcode);
    }
}

void translator_print_stats(const struct translator *t, FILE *file)
{
    static const char *const names[] = {
#define COUNTER(name, text) text,
#include "binxlate/counter.def"
#undef COUNTER
    };
    for (unsigned n = 0; n < COUNT_COUNT; n++)
        fprintf(file, "%14" PRIu64 "  %s\n", translator_count(t, n), names[n]);
    fprintf(file, "instructions given to the interpreter:\n");
    print_slow_rows(t, file);
}
