/* Children by posix_spawn. A handler for signals would need file-scope state, so they are held back and
 * waited for: SIGCHLD, too, which otherwise would be ignored. */
#define _GNU_SOURCE
#include "base/host_process.h"

#include "base/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum status host_program_folder(char *folder, size_t size, struct error *err)
{
    ssize_t length = readlink(HOST_PROGRAM_FILE, folder, size);
    if (length < 0 || (size_t)length >= size)
        return status_fail(err, STATUS_HOST, "cannot tell where the program is");
    folder[length] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    return STATUS_OK;
}

unsigned host_cpu_count(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? (unsigned)count : 1;
}

/* ---- Signals ---- */

struct host_signals {
    sigset_t held, before;
    bool asked;
};

struct host_signals *host_signals_hold(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    struct host_signals *signals = xcalloc(1, sizeof *signals);
    sigemptyset(&signals->held);
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++)
        sigaddset(&signals->held, numbers[i]);
    pthread_sigmask(SIG_BLOCK, &signals->held, &signals->before);
    return signals;
}

void host_signals_release(struct host_signals *signals)
{
    if (signals == NULL)
        return;
    const struct timespec now = {0, 0};
    while (sigtimedwait(&signals->held, NULL, &now) > 0)
        continue; /* what was asked while it was held */
    pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
    free(signals);
}

bool host_signals_wait(struct host_signals *signals, double seconds)
{
    struct timespec wait = {.tv_sec = (time_t)seconds};
    wait.tv_nsec = (long)((seconds - (double)wait.tv_sec) * 1e9);
    int number = sigtimedwait(&signals->held, NULL, &wait);
    if (number > 0 && number != SIGCHLD)
        signals->asked = true;
    return signals->asked;
}

void host_signals_ignore_pipe(void)
{
    signal(SIGPIPE, SIG_IGN);
}

/* ---- Children ---- */

static int set_up(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes, const char *errors,
                  const struct host_signals *signals)
{
    int failed = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(files, STDERR_FILENO, errors, O_WRONLY | O_CREAT | O_TRUNC,
                                                  0666);
    if (!failed)
        failed = posix_spawnattr_setsigmask(attributes, &signals->before);
    sigset_t standard;
    sigemptyset(&standard);
    sigaddset(&standard, SIGPIPE);
    if (!failed)
        failed = posix_spawnattr_setsigdefault(attributes, &standard);
    if (!failed)
        failed = posix_spawnattr_setpgroup(attributes, 0);
    if (!failed)
        failed = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                          POSIX_SPAWN_SETPGROUP);
    return failed;
}

enum status host_process_start(struct host_process *process, char *const *words, const char *errors,
                               const struct host_signals *signals, struct error *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    process->pid = 0;
    if (posix_spawn_file_actions_init(&files) != 0)
        return status_fail(err, STATUS_NO_MEMORY, "no memory for a process");
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return status_fail(err, STATUS_NO_MEMORY, "no memory for a process");
    }
    pid_t pid = 0;
    int failed = set_up(&files, &attributes, errors, signals);
    if (!failed)
        failed = posix_spawn(&pid, HOST_PROGRAM_FILE, &files, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (failed)
        return status_fail(err, STATUS_HOST, "cannot start a process: %s", strerror(failed));
    process->pid = (int)pid;
    return STATUS_OK;
}

static int exit_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool host_process_ended(struct host_process *process, int *status)
{
    int how;
    pid_t pid = waitpid((pid_t)process->pid, &how, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return false;
    process->pid = 0;
    *status = pid < 0 ? 127 : exit_status(how);
    return true;
}

void host_process_end(struct host_process *process)
{
    int how;
    if (process->pid == 0)
        return;
    kill((pid_t)process->pid, SIGKILL);
    while (waitpid((pid_t)process->pid, &how, 0) < 0 && errno == EINTR)
        continue;
    process->pid = 0;
}

/* ---- Folders ---- */

enum status host_folder_make(const char *path, struct error *err)
{
    char *copy = xstrdup(path);
    for (char *p = copy + 1; *copy != '\0' && *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        mkdir(copy, 0777); /* what goes wrong here goes wrong again below */
        *p = '/';
    }
    struct stat info;
    bool there =
        mkdir(copy, 0777) == 0 || (errno == EEXIST && stat(copy, &info) == 0 && S_ISDIR(info.st_mode));
    int reason = errno;
    free(copy);
    return there
               ? STATUS_OK
               : status_fail(err, STATUS_NO_FILE, "cannot make the folder '%s': %s", path, strerror(reason));
}

enum status host_folder_temporary(char *path, size_t size, struct error *err)
{
    const char *parent = getenv("TMPDIR");
    int length =
        snprintf(path, size, "%s/crosspage-XXXXXX", parent != NULL && *parent != '\0' ? parent : "/tmp");
    if (length < 0 || (size_t)length >= size || mkdtemp(path) == NULL)
        return status_fail(err, STATUS_NO_FILE, "cannot make a temporary folder '%s': %s", path,
                           strerror(errno));
    return STATUS_OK;
}

void host_folder_remove(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(dirfd(folder), entry->d_name, 0) != 0)
            unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR);
    closedir(folder);
    rmdir(path);
}
