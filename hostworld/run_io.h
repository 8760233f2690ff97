/* From the words of a command line (stdio, file:F, disk images...) to the back ends of a lab's devices, and
 * back to nothing at the end. */
#ifndef CROSSPAGE_HOSTWORLD_RUN_IO_H
#define CROSSPAGE_HOSTWORLD_RUN_IO_H

#include "hostworld/lab.h"

struct run_drive {
    const char *file; /* NULL: none (or, for a CD-ROM, no medium) */
    bool present, cdrom, snapshot, read_only;
};

struct run_io_options {
    const char *serial[BOARD_SERIAL_PORTS]; /* as given, see chardev.h */
    unsigned serial_count;
    const char *debug_console; /* or NULL */
    struct run_drive drive[BOARD_DRIVES];
    bool snapshot;    /* for all disks */
    bool output_only; /* nothing comes in: stdio is standard output, nobody can connect */
};

struct run_io;

/* Open everything and connect it in `config`. On failure *io is to be destroyed all the same. */
enum status run_io_create(struct run_io **io, const struct run_io_options *options, struct lab_config *config,
                          struct error *err) MUST_CHECK;
/* Reports output that could not be written. NULL is nothing to do. */
enum status run_io_destroy(struct run_io *io, struct error *err) MUST_CHECK;

/* What the user has to know to connect ("serial port 1: pseudo-terminal /dev/pts/3"): line `index` into
 * `text`, false when there are no more. To be printed before run_io_wait(), which waits for callers. */
enum { RUN_IO_NOTICE = 200 };
bool run_io_notice(const struct run_io *io, unsigned index, char text[RUN_IO_NOTICE]);
void run_io_wait(struct run_io *io);

/* Pass input on, write out what is buffered; true when the user asked to end the run. */
bool run_io_poll(struct run_io *io);
void run_io_flush(struct run_io *io);
/* Input has been fetched that a port is not ready for. */
bool run_io_input_waits(const struct run_io *io);
/* Has the user asked to end the run? Nothing is passed on. For a guest that stands still. */
bool run_io_asks_end(const struct run_io *io);
/* The guest's console is on standard output: no progress line. */
bool run_io_uses_terminal(const struct run_io *io);

#endif
