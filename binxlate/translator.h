/* The binary translator: an engine for the CPU's run loop (cpu/engine.h).
 *
 * Translated code, the interpreter and any mix of them give the same architectural state at the same cycle
 * (contract E1): the translator may be taken away, its caches dropped or any of its fast paths switched off,
 * and the guest cannot tell. */
#ifndef CROSSPAGE_BINXLATE_TRANSLATOR_H
#define CROSSPAGE_BINXLATE_TRANSLATOR_H

#include "base/status.h"
#include "cpu/cpu.h"

struct translator;

/* Fast paths with a switch, for tests and for measuring what each brings. */
enum translator_path {
#define PATH(name, word, text) PATH_##name,
#include "binxlate/path.def"
#undef PATH
    PATH_COUNT
};

struct translator_config {
    size_t code_bytes;  /* size of the code cache; 0: the default */
    uint32_t threshold; /* executions after which a block is translated; 0: the default */
    uint32_t off;       /* bit per enum translator_path: switched off */
};

enum translator_counter {
#define COUNTER(name, text) COUNT_##name,
#include "binxlate/counter.def"
#undef COUNTER
    COUNT_COUNT,
    COUNT_FIRST_IN_HOST = COUNT_INDIRECT
};

/* Can this host run translated code? */
bool translator_supported(void);

/* What cpu_config.engine_bytes must be for a CPU that gets a translator. */
size_t translator_room(void);

enum status translator_create(struct translator **translator, struct cpu *cpu,
                              const struct translator_config *config, struct error *err) MUST_CHECK;
/* Detaches it from its CPU. */
void translator_destroy(struct translator *translator);

uint64_t translator_count(const struct translator *translator, enum translator_counter counter);
/* All counters and what instructions most often went to the interpreter, as text. */
void translator_print_stats(const struct translator *translator, FILE *file);

#endif
