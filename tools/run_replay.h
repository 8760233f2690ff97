/* -record and -replay of `crosspage run`: from the command line to a lab's configuration, and what there is
 * to say at the end. docs/replay.md tells the user. */
#ifndef CROSSPAGE_TOOLS_RUN_REPLAY_H
#define CROSSPAGE_TOOLS_RUN_REPLAY_H

#include "tools/recorded_run.h"

struct run_replay {
    char path[RUN_PATH];
    bool inputs_by_time; /* inputs=time */
    struct recording recording;
    json_t *recorded;          /* its header */
    struct words_of_run words; /* what the replay is run with; options point into it */
    char *counterfactual;      /* NULL: an exact one */
};

struct run_record {
    struct recording_writer *writer;
    json_t *run;
};

/* -replay FILE[,inputs=answer|time]: the recording, and the words that the command line `given` becomes with
 * it. */
enum status run_replay_open(struct run_replay *replay, const char *spec, const struct words_of_run *given,
                            struct error *err) MUST_CHECK;
/* Once the words are options: is it the same machine, and at which prices? Puts the inputs in the first
 * host's configuration. The command line is for the trace's header. */
enum status run_replay_start(struct run_replay *replay, struct run_options *const *options, unsigned hosts,
                             const char **command_line, struct error *err) MUST_CHECK;
/* Says how it went; an exact replay that is none is an error. */
enum status run_replay_finish(const struct run_replay *replay, const struct run_options *options,
                              struct lab *lab, enum vm_stop stop, struct error *err) MUST_CHECK;
void run_replay_close(struct run_replay *replay);

/* -record FILE. */
enum status run_record_open(struct run_record *record, struct run_options *const *options, unsigned hosts,
                            const struct words_of_run *words, const char *command_line,
                            struct error *err) MUST_CHECK;
void run_record_begin(const struct run_record *record, const struct lab *lab);
void run_record_finish(const struct run_record *record, struct lab *lab, enum vm_stop stop);
/* Reports what could not be written. */
enum status run_record_close(struct run_record *record, struct error *err) MUST_CHECK;

#endif
