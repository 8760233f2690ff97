/* Cases of one row at a time, and their count (see bench.h). */
#include "bench.h"

#include <stdlib.h>

enum {
    CASES_PER_ENCODING = 8,
    DEFAULT_CASES = 2000,
    DEFAULT_BLOCKS = 4000,
    DEFAULT_SEED = 20010627,
};

static uint64_t option_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

struct bench *bench_open(enum native_bits bits, const char **reason)
{
    struct native_host *host = host_open(bits, reason);
    if (host == NULL)
        return NULL;
    struct bench *bench = xcalloc(1, sizeof *bench);
    bench->options = (struct options){option_number("NATIVE_SEED", DEFAULT_SEED),
                                      (unsigned)option_number("NATIVE_CASES", DEFAULT_CASES),
                                      (unsigned)option_number("NATIVE_BLOCKS", DEFAULT_BLOCKS),
                                      (unsigned)option_number("NATIVE_SHOW", 1),
                                      getenv("NATIVE_ROW"),
                                      option_number("NATIVE_VERBOSE", 0) != 0};
    bench->host = host;
    bench->guest = guest_open(host_machine(host));
    return bench;
}

void bench_close(struct bench *bench)
{
    guest_close(bench->guest);
    host_close(bench->host);
    free(bench);
}

bool bench_wants(const struct bench *bench, const struct insn_row *row)
{
    const char *only = bench->options.row;
    return row != &insn_rows[0] && host_has(row->feature) &&
           (only == NULL || strcmp(only, row->mnemonic) == 0);
}

/* The READ column: flags that are not in it must have no influence on the host. */
static bool reads_hold(struct bench *bench, const struct native_case *c, const struct native_result *host)
{
    struct native_case flipped = *c;
    struct native_result other;
    flipped.in.rflags ^= (FLAGS_ARITH | FLAG_DF) & ~(uint64_t)c->row->read;
    memcpy(host_data(bench->host), bench->memory, DATA_SIZE);
    host_run(bench->host, &flipped, &other);
    if (!case_reads_flags(c, host, &other))
        return true;
    fprintf(stderr,
            "FAIL %s reads or keeps flags that its columns do not say: in %llx out %llx, in %llx out %llx\n",
            c->row->mnemonic, (unsigned long long)c->in.rflags, (unsigned long long)host->s.rflags,
            (unsigned long long)flipped.in.rflags, (unsigned long long)other.s.rflags);
    return false;
}

unsigned bench_encoding(struct bench *bench, struct rng *rng, struct native_case *c, unsigned printed)
{
    unsigned failures = 0;
    for (unsigned i = 0; i < CASES_PER_ENCODING; i++) {
        struct native_result host, guest;
        struct native_memories memory = {bench->memory, host_data(bench->host), guest_data(bench->guest)};
        case_randomize(rng, c, bench->memory);
        if (row_is_system(c->row))
            system_randomize(rng, c, bench->memory);
        memcpy(host_data(bench->host), bench->memory, DATA_SIZE);
        memcpy(guest_data(bench->guest), bench->memory, DATA_SIZE);
        guest_run(bench->guest, c, &guest);
        if (!host_can_run(bench->host, &guest))
            continue;
        host_run(bench->host, c, &host);
        bench->cases++;
        switch (case_compare(c, &host, &guest, &memory)) {
        case SAME: break;
        case SAME_BUT_UNDEFINED: bench->undefined++; break;
        case DIFFERENT:
            if (printed + failures < bench->options.show)
                case_print(stderr, c, &host, &guest, &memory);
            failures++;
            break;
        }
        if (i == CASES_PER_ENCODING - 1 && failures == 0 && !reads_hold(bench, c, &host))
            failures++;
    }
    return failures;
}

void bench_row(struct bench *bench, unsigned index)
{
    const struct insn_row *row = &insn_rows[index];
    const struct native_machine *machine = host_machine(bench->host);
    struct rng rng = {bench->options.seed ^ (uint64_t)index << 32 ^ (uint64_t)machine->bits << 60};
    unsigned failures = 0, decode_failures = 0, cases = 0;
    uint64_t undefined = bench->undefined;
    for (; cases < bench->options.cases; cases += CASES_PER_ENCODING) {
        struct native_case c;
        if (!case_encode(&rng, row, machine, &c))
            return;
        if (row_is_system(row))
            system_encode(&rng, &c);
        if (!guest_decodes(bench->guest, &c, decode_failures < bench->options.show ? stderr : NULL)) {
            decode_failures++;
            continue;
        }
        failures += bench_encoding(bench, &rng, &c, failures);
    }
    bench->rows++;
    if (failures || decode_failures) {
        bench->failed++;
        fprintf(stderr, "FAIL row %u %s (%u-bit): %u of %u cases differ, %u decode differently\n", index,
                row->mnemonic, 16u << machine->bits, failures, cases, decode_failures);
    } else if (bench->options.verbose && bench->undefined != undefined) {
        fprintf(stderr, "row %u %s (%u-bit): %u of %u cases differ in undefined flags\n", index,
                row->mnemonic, 16u << machine->bits, (unsigned)(bench->undefined - undefined), cases);
    }
}

void bench_report(const struct bench *bench, unsigned slice)
{
    fprintf(stderr, "%u-bit slice %u: %u rows, %llu cases, seed %llu, %llu differ in undefined flags only\n",
            16u << host_machine(bench->host)->bits, slice, bench->rows, (unsigned long long)bench->cases,
            (unsigned long long)bench->options.seed, (unsigned long long)bench->undefined);
}
