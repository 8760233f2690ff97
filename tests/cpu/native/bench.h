/* Rows of the instruction table in the host CPU and in the interpreter, case by case: what the tests of this
 * folder share. Each case depends on the seed, the row and the mode only, so a failing row can be run alone.
 *
 *     NATIVE_SEED=n     another sequence of cases (it is printed)
 *     NATIVE_CASES=n    cases per row and mode (default 2000)
 *     NATIVE_ROW=text   only rows of this mnemonic
 *     NATIVE_SHOW=n     failing cases printed per row (default 1)
 *     NATIVE_VERBOSE=1  also rows that differ only in flags the manual leaves undefined */
#ifndef CROSSPAGE_TESTS_NATIVE_BENCH_H
#define CROSSPAGE_TESTS_NATIVE_BENCH_H

#include "native.h"

struct options {
    uint64_t seed;
    unsigned cases, blocks, show;
    const char *row;
    bool verbose;
};

struct bench {
    struct native_host *host;
    struct native_guest *guest;
    struct options options;
    uint8_t memory[DATA_SIZE];
    unsigned rows, failed;
    uint64_t cases, undefined;
};

/* Host and interpreter for one mode, or NULL with the reason why this host cannot. */
struct bench *bench_open(enum native_bits bits, const char **reason);
void bench_close(struct bench *bench);

/* Is it the row asked for, and does the host have it? */
bool bench_wants(const struct bench *bench, const struct insn_row *row);
/* One encoding with several states. Returns the number of failing cases; `printed` were shown before. */
unsigned bench_encoding(struct bench *bench, struct rng *rng, struct native_case *c, unsigned printed);
/* All cases of a row, counted in bench->rows and bench->failed; nothing when the mode has no such row. */
void bench_row(struct bench *bench, unsigned index);
/* What was done, on stderr. */
void bench_report(const struct bench *bench, unsigned slice);

#endif
