/* The options of `crosspage run`, parsed. */
#ifndef CROSSPAGE_TOOLS_RUN_OPTIONS_H
#define CROSSPAGE_TOOLS_RUN_OPTIONS_H

#include "hostworld/run_io.h"
#include "tools/debugger/debugger.h"
#include "tools/options.h"

enum { RUN_PATH = 4096 };

struct run_options {
    struct lab_config lab;
    struct run_io_options io;
    struct debugger_options debugger;
    const char *stats; /* file, or "-" */
    const char *log_file;
    const char *record, *replay; /* files, or NULL; the second with its properties (run_replay.h) */
    unsigned log_mask;
    bool nographic, help, quiet;
    bool check;                /* -engine check */
    cycle_t check_every;       /* cycles between two comparisons; or: */
    uint64_t check_points;     /* comparisons in the whole run */
    double stop_after;         /* simulated seconds; 0 = never */
    const char *wire_property; /* the last one given of -nic that is the wire's or the peer's, or NULL */
    struct run_drive parsing;  /* of the -drive being parsed */
    unsigned parsing_index;
    char parsing_file[RUN_PATH], drive_file[BOARD_DRIVES][RUN_PATH]; /* file= without its doubled commas */
    char hypervisor[32];
    char forward[NET_USER_FORWARDS][64]; /* hostfwd= */
};

void run_options_default(struct run_options *options);
/* Of the host at the other end of the wire: its NIC has another address. */
void run_options_default_second(struct run_options *options);
extern const struct option run_option_table[];

/* What only makes sense once all options are known. True: something was printed (a list), exit 0. */
enum status run_options_finish(struct run_options *options, bool *printed, struct error *err) MUST_CHECK;
/* The same of a second host, beside `first`: what belongs to the whole run is the first's. */
enum status run_options_finish_second(struct run_options *options, struct run_options *first, bool *printed,
                                      struct error *err) MUST_CHECK;

#endif
