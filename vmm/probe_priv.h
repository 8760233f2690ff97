/* What the files of probe.h share: probe.c, which has calls and stacks, and probe_target.c, which knows where
 * functions are. */
#ifndef CROSSPAGE_VMM_PROBE_PRIV_H
#define CROSSPAGE_VMM_PROBE_PRIV_H

#include "vmm/probe.h"
#include "vmm/symbols.h"

enum {
    TARGETS_MAX = 4096,
    WANTED_MAX = 1024,
    MODULES_MAX = 512, /* a guest may say that it starts modules for ever */
};

/* What an arrival at an address means. */
enum target_kind {
    TARGET_CALL = 1 << 0,   /* of a probed function */
    TARGET_SWITCH = 1 << 1, /* Linux goes on with another task's stack */
    TARGET_MODULE = 1 << 2, /* Linux is about to start a module */
};

struct target {
    uint64_t address;
    uint32_t name;
    uint8_t kinds; /* enum target_kind; 0: it was a target before a reset */
    bool used;     /* this place of the table */
    bool fixed;    /* asked for by address */
};

/* A function asked for by name. */
struct wanted {
    char name[SYMBOL_NAME_MAX];
    uint32_t number; /* of the name in the trace; 0: none yet */
    bool found;
};

struct targets {
    struct target slot[2 * TARGETS_MAX]; /* hashed by address */
    unsigned count, refused, modules;
    struct wanted *wanted;
    unsigned wanted_count;
    struct symbols symbols;
    bool from_guest; /* symbols are in the guest's memory */
    bool known;      /* the kernel's are */
    cycle_t next_look;
    struct cpu *cpu;
    struct recorder *recorder;
    const struct machine_memory *machine;
    uint64_t hz;
};

/* host->cpu and host->recorder are there. */
enum status targets_create(struct targets *targets, const struct probe_config *config, struct host *host,
                           const struct machine_memory *machine, const char *kernel,
                           struct error *err) MUST_CHECK;
void targets_destroy(struct targets *targets);
/* NULL: nothing is wanted there. */
const struct target *targets_at(const struct targets *targets, uint64_t address);
/* The guest's memory may hold the kernel's symbols now. */
void targets_look(struct targets *targets);
/* TARGET_MODULE was reached. */
void targets_module(struct targets *targets);
/* The guest starts over: its symbols may move. */
void targets_reset(struct targets *targets);
/* Number of the name of the function that an address is in, in the trace. */
uint32_t targets_name(struct targets *targets, uint64_t address);

#endif
