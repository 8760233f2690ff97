/* A job's record: made from the files that its processes left in the job's folder, saved, found again. */
#ifndef CROSSPAGE_TOOLS_LABORATORY_RECORD_H
#define CROSSPAGE_TOOLS_LABORATORY_RECORD_H

#include "tools/laboratory/laboratory.h"

/* Files in the job's folder. */
#define RECORD_TRACE   "trace"
#define RECORD_STATS   "stats"
#define RECORD_SERIAL  "serial"
#define RECORD_SUMMARY "summary"
#define RECORD_ERRORS  "errors"

/* `identity` says what the key is a hash of; `command` is for the user to repeat the run. The guest ran
 * nettest to its end, or it is `any_guest`'s run that was recorded. */
enum status record_make(const char *folder, const struct configuration *configuration, const char *identity,
                        const char *command, bool any_guest, json_t **record, struct error *err) MUST_CHECK;
/* The first line that a process wrote to its errors, but that it is counterfactual; "" if none. */
void record_first_error(const char *folder, char *line, size_t size);

/* NULL when there is none of this identity, or it cannot be read: then the job is run (again). */
json_t *record_load(const char *path, const char *identity);
/* Whole or not at all. */
enum status record_save(const json_t *record, const char *path, struct error *err) MUST_CHECK;

#endif
