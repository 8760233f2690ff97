/* An experiment: a question, the runs that answer it, and what to take from each. Experiments are data
 * (tools/experiments/, one file each, listed in experiments.def); one that needs more has functions `plan`
 * and `conclude`.
 *
 * Runs are variants times swept values. A run's label is its variant's name and the values:
 * "2.0-733/write=4096"; published figures (tools/published.def) and expectations name runs by it. */
#ifndef CROSSPAGE_TOOLS_LABORATORY_EXPERIMENT_H
#define CROSSPAGE_TOOLS_LABORATORY_EXPERIMENT_H

#include "tools/laboratory/laboratory.h"
#include "tools/laboratory/sweep.h"

enum {
    EXPERIMENT_VARIANTS = 24,
    EXPERIMENT_SWEEPS = 8,
    EXPERIMENT_VIEWS = 6,
    EXPERIMENT_EXPECTATIONS = 16,
    VIEW_COLUMNS = 32,
    RUN_LABEL = 256,
    RUN_NAME = 96
};

/* Lists end with a NULL name (text, metric). */
struct variant {
    const char *name;     /* short, for labels */
    const char *title;    /* for tables; NULL: that of the machine its settings begin with */
    const char *settings; /* configuration_apply, on top of the experiment's base */
};

struct column {
    const char *metric; /* or a sum of several (job_metric) */
    const char *head;
    unsigned digits;
};

/* A table of the result. */
struct view {
    enum { VIEW_RUNS, VIEW_METRICS, VIEW_PIVOT } kind;
    const char *title;
    struct column columns[VIEW_COLUMNS]; /* RUNS: a row per run. METRICS: a row per metric, a column per run.
                                            PIVOT: the one metric of the cells */
    const char *by; /* PIVOT: the parameter of the rows; columns are the variants. Becomes a plot, too */
};

/* What the experiment expects, so that the result says whether it was found. Sides are "LABEL:METRIC" or a
 * number. */
struct expectation {
    const char *text;
    const char *left;
    enum { IS_LESS, IS_MORE, IS_ABOUT } relation; /* ABOUT: within 10 % of the right side */
    const char *right;
};

struct run {
    char label[RUN_LABEL];
    char variant[RUN_NAME], title[RUN_NAME]; /* its names */
    unsigned choice[EXPERIMENT_SWEEPS];      /* value number per sweep */
    struct configuration configuration;
    struct job *job;
};

/* An experiment at work. */
struct outcome {
    const struct experiment *experiment;
    struct laboratory *laboratory; /* NULL: configurations only, no jobs */
    const char *name;              /* as in experiments.def */
    const char *of;                /* -of: the result in question */
    const char *against;           /* -against: settings of the other run */
    bool recorded;                 /* -replay: base and variants do not count, the recording does */
    struct configuration changes;  /* -set: on top of everything */
    bool varied;                   /* the user varies what the experiment does not: its views do not fit */
    bool other_values;             /* the user varies anything: runs of the experiment may be missing */
    unsigned sweep_count;
    struct sweep sweeps[EXPERIMENT_SWEEPS];
    unsigned count;
    struct run *run;
    unsigned left_out_count;
    struct left_out {
        char variant[RUN_NAME];
        struct error reason;
    } left_out[EXPERIMENT_VARIANTS]; /* what the guest cannot do */
};

struct experiment {
    const char *title;   /* what is asked, in a line */
    const char *expects; /* and what should come out, and why */
    const char *base;    /* settings of all runs, on top of the laboratory's */
    struct variant variants[EXPERIMENT_VARIANTS];
    const char *vary[EXPERIMENT_SWEEPS]; /* as -vary */
    struct view views[EXPERIMENT_VIEWS];
    struct expectation expectations[EXPERIMENT_EXPECTATIONS];
    bool keep_traces;
    /* Add runs (outcome_add); called again after they are done, until it adds none. NULL: variants x vary. */
    enum status (*plan)(struct outcome *outcome, struct error *err);
    /* Add tables (table.h), plots and findings to the result. */
    enum status (*conclude)(struct outcome *outcome, json_t *result, struct error *err);
};

/* What all runs start from. */
#define EXPERIMENT_BASE "profile=pc-733 hypervisor=workstation mode=send total=10M write=4096 stop-after=1000"

/* The paper's test bed: one of its two PCs measured, the other one natively at the other end of the wire. */
#define TEST_BED_733 "far=native-350"
#define TEST_BED_350 "far=native-733"

/* The variants times the sweeps; what `plan` = NULL does. */
enum status outcome_plan(struct outcome *outcome, struct error *err) MUST_CHECK;
/* One run: base, the variant's settings, the user's changes, the chosen values (NULL: none). A label that is
 * there already adds nothing. */
enum status outcome_add(struct outcome *outcome, const struct variant *variant, const unsigned *choice,
                        struct error *err) MUST_CHECK;
/* Its sweeps: those of the experiment, but for what the user varies (`vary`, NULL at the end). */
enum status outcome_sweeps(struct outcome *outcome, const char *const *vary, struct error *err) MUST_CHECK;
const struct run *outcome_find(const struct outcome *outcome, const char *label);
void outcome_free(struct outcome *outcome);

/* The whole result as JSON (docs/experiments.md), from jobs that are done, failed or were not run. */
enum status outcome_result(struct outcome *outcome, json_t **result, struct error *err) MUST_CHECK;

/* ---- The list ---- */

const struct experiment *experiment_find(const char *name);
/* NULL past the last; *in_all: part of `all`. */
const char *experiment_by_index(unsigned index, const struct experiment **experiment, bool *in_all);

#endif
