/* Child processes that run this same program, and ending signals as a question: for commands that hand their
 * work to processes. Linux: a child is started from /proc/self/exe, so that it is this program even when the
 * file was replaced meanwhile. */
#ifndef CROSSPAGE_BASE_HOST_PROCESS_H
#define CROSSPAGE_BASE_HOST_PROCESS_H

#include "base/status.h"

/* The running program's file, for reading it. */
#define HOST_PROGRAM_FILE "/proc/self/exe"

/* Its folder as an absolute path, without a slash at the end. */
enum status host_program_folder(char *folder, size_t size, struct error *err) MUST_CHECK;

unsigned host_cpu_count(void);

/* ---- Signals ---- */

struct host_signals; /* remembers what was blocked before */

/* Hold SIGINT, SIGTERM and SIGHUP back, so that there is always somebody to end the children. */
struct host_signals *host_signals_hold(void);
void host_signals_release(struct host_signals *signals);
/* Wait until a child ends, somebody asks us to end (the result), or `seconds` have passed. */
bool host_signals_wait(struct host_signals *signals, double seconds) MUST_CHECK;

/* Writing to a pipe that nobody reads any more is an error from now on, not the end of the program. Children
 * do not inherit it. */
void host_signals_ignore_pipe(void);

/* ---- Children ---- */

struct host_process {
    int pid; /* 0: none */
};

/* Start this program with `words` (argv, with the program's name, to a NULL). No input, no output; errors go
 * to the file `errors`. Signals are as before `signals` held them; the terminal's do not reach the child. */
enum status host_process_start(struct host_process *process, char *const *words, const char *errors,
                               const struct host_signals *signals, struct error *err) MUST_CHECK;
/* True once it has ended; *status is its exit status, or 128 + the signal that ended it. */
bool host_process_ended(struct host_process *process, int *status) MUST_CHECK;
/* End it now, if there is one. */
void host_process_end(struct host_process *process);

/* ---- Folders ---- */

/* Make a folder and those above it; one that exists is fine. */
enum status host_folder_make(const char *path, struct error *err) MUST_CHECK;
/* A new empty folder in the host's folder for temporary files. */
enum status host_folder_temporary(char *path, size_t size, struct error *err) MUST_CHECK;
/* Remove a folder and the files in it; folders in it must be empty. What does not exist is fine. */
void host_folder_remove(const char *path);

#endif
