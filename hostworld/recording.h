/* What came into a run from outside, as a file: `crosspage run -record`, `-replay`. docs/replay.md describes
 * the format.
 *
 * A run without such inputs depends on its command line and the files it names alone (contract E1). With them
 * it depends on them and on the tick at which each came, so both are kept: in the order in which they came,
 * per host. Two things come from outside: bytes of a serial line, and the wish to end the run. How often the
 * outside is looked at is kept, too, since a look is an event in a host's queue. */
#ifndef CROSSPAGE_HOSTWORLD_RECORDING_H
#define CROSSPAGE_HOSTWORLD_RECORDING_H

#include "base/status.h"

#define RECORDING_MAGIC "crosspage recording 2\n"

enum { RECORDING_HOSTS = 2, RECORDING_PORTS = 8, RECORDING_FRAME_MAX = 1 << 16 };

enum input_kind {
    INPUT_BYTE,  /* received by serial port `port` */
    INPUT_STOP,  /* the user ends the run (Ctrl-A X, a signal) */
    INPUT_PACE,  /* from now on, input waits for a port that is not ready (`byte` 1), or no longer (0) */
    INPUT_END,   /* of the file */
    INPUT_FRAME, /* of the real network (net_user.h); `byte`: it came at a look at the sockets (1), or at once
                    (0) */
};

/* `lines` and `column` say what the guest had sent on the port until then: bytes since the last end of a
 * line, and ends of lines; `since` how long ago it sent the last of these (or was switched on): where a
 * counterfactual run looks for the input's place. */
struct input {
    uint8_t kind, host, port, byte;
    tick_t when;           /* of the event in which it came */
    uint64_t instructions; /* that the guest had executed: a check */
    uint64_t lines, column;
    tick_t since;
    uint8_t *frame; /* of INPUT_FRAME, else NULL */
    uint32_t size;
};

/* How a host's run ended. */
struct recording_end {
    unsigned stop; /* enum vm_stop; only of the first host */
    uint64_t cycles, instructions, state_hash;
};

struct recording {
    char *header;     /* JSON text: what was run (tools/recorded_run.h) */
    uint64_t tick_hz; /* ticks per second of `when` and `since` */
    unsigned hosts;
    size_t count;
    struct input *input;
    struct recording_end end[RECORDING_HOSTS];
};

/* A damaged, truncated or foreign file is an error of one line. */
enum status recording_load(struct recording *recording, const char *path, struct error *err) MUST_CHECK;
/* The same of the unpacked bytes of a file. */
enum status recording_parse(struct recording *recording, const uint8_t *bytes, size_t size, const char *name,
                            struct error *err) MUST_CHECK;
/* Also of one that is zero. */
void recording_free(struct recording *recording);

/* ---- Writing ---- */

struct recording_writer;

enum status recording_create(struct recording_writer **writer, const char *path,
                             struct error *err) MUST_CHECK;
/* First of all. */
void recording_begin(struct recording_writer *writer, const char *header, uint64_t tick_hz, unsigned hosts);
void recording_add(struct recording_writer *writer, const struct input *input);
/* So that also of a run that is killed there is what came until now. */
void recording_flush(struct recording_writer *writer);
/* At the end; without it the file counts as truncated. */
void recording_finish(struct recording_writer *writer, const struct recording_end end[RECORDING_HOSTS]);
/* Reports what could not be written. NULL is nothing to do. */
enum status recording_close(struct recording_writer *writer, struct error *err) MUST_CHECK;

#endif
