/* The laboratory: runs configurations in parallel processes of this program, each configuration once, and
 * keeps what came out.
 *
 * A job is one configuration. It is `crosspage run` with a trace, then `crosspage report -format summary`;
 * what the two say becomes the job's record, one JSON file FOLDER/runs/KEY.json. The key is a hash of
 * everything that decides the result: configuration, this program, the guest's files. A job whose record is
 * there is done; that is how an interrupted sweep goes on and how experiments share runs.
 *
 *     WAITING --> RUNNING --> MEASURING --> DONE        DONE also at once, when there is a record
 *                    \-----------\--------> FAILED      with one line of text; no record is kept
 *
 * The folder is locked: one laboratory at a time. */
#ifndef CROSSPAGE_TOOLS_LABORATORY_LABORATORY_H
#define CROSSPAGE_TOOLS_LABORATORY_LABORATORY_H

#include "base/host_process.h"
#include "tools/laboratory/configuration.h"

#include <jansson.h>

enum { LABORATORY_FOLDER = 2048, LABORATORY_PATH = LABORATORY_FOLDER + 256, JOB_KEY = 33 };

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_MEASURING, JOB_DONE, JOB_FAILED };

struct job {
    char key[JOB_KEY];
    struct configuration configuration;
    enum job_state state;
    bool keep_trace;
    bool found;     /* the record is from an earlier time */
    json_t *record; /* docs/experiments.md; NULL unless DONE */
    struct error error;
    struct host_process process;
    double started; /* host seconds */
};

struct laboratory_options {
    const char *folder; /* NULL: a temporary one, removed at the end */
    struct guest guest;
    unsigned jobs;  /* processes at a time */
    double timeout; /* host seconds a run may take */
    bool fresh;     /* do not look for earlier records */
    bool traces;    /* keep all traces */
    bool quiet;     /* no progress */
};

struct laboratory;

enum status laboratory_open(struct laboratory **laboratory, const struct laboratory_options *options,
                            struct error *err) MUST_CHECK;
void laboratory_close(struct laboratory *laboratory);

/* The job of a configuration, new or known. `keep_trace`: its trace is wanted (job_trace). */
struct job *laboratory_job(struct laboratory *laboratory, const struct configuration *configuration,
                           bool keep_trace);
/* Run all jobs that are waiting. False: somebody asked us to end; jobs may still be waiting. */
bool laboratory_run(struct laboratory *laboratory) MUST_CHECK;

struct laboratory_counts {
    unsigned run, found, failed, waiting;
};
struct laboratory_counts laboratory_counts(const struct laboratory *laboratory);
/* Hashes of this program and of the guest's files. */
const char *laboratory_build(const struct laboratory *laboratory);
const char *laboratory_guest(const struct laboratory *laboratory);
const struct guest *laboratory_guest_files(const struct laboratory *laboratory);
const char *laboratory_guest_name(const struct laboratory *laboratory);
/* Where the job's trace is, or would be. */
void laboratory_trace(const struct laboratory *laboratory, const struct job *job, char path[LABORATORY_PATH]);

/* A metric of the job's record, or a sum of several: "a + b - c". False when there is none, or no record. */
bool job_metric(const struct job *job, const char *expression, double *value) MUST_CHECK;

#endif
