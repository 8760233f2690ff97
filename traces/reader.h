/* Reading a trace back (format.h). Any damage is one clear error, never a crash: traces are input from users.
 */
#ifndef CROSSPAGE_TRACES_READER_H
#define CROSSPAGE_TRACES_READER_H

#include "traces/format.h"
#include "traces/recorder.h"

struct trace_step {
    char *name, *description, *unit, *source, *status;
    enum layer layer;
    enum category category;
    uint64_t milli_cycles;
};

struct trace_reader; /* opaque */

/* One record; times are absolute ticks. Only the fields of its kind are set. */
struct trace_record {
    enum trace_tag tag;
    bool resumed;        /* before it, at `begin`, the guest went on */
    tick_t begin, end;   /* the same but for SPAN */
    unsigned step;       /* SPAN */
    bool counted;        /* SPAN: the step happened once more, at `begin` */
    unsigned exit;       /* VISIT */
    uint64_t detail, pc; /* VISIT */
    uint64_t packet;     /* PACKET */
    enum packet_mark mark;
    tick_t when;
    uint32_t size;
    enum guest_mark guest; /* GUEST */
    uint32_t name, stack;  /* numbers; GUEST_NAME: of the new one */
};

enum status trace_open(struct trace_reader **reader, const char *path, struct error *err) MUST_CHECK;
void trace_close(struct trace_reader *reader);

/* The next record; tag TRACE_END is the last one. A trace that ends before it is an error. */
enum status trace_next(struct trace_reader *reader, struct trace_record *record,
                       struct error *err) MUST_CHECK;

uint64_t trace_hz(const struct trace_reader *reader); /* ticks per second */
uint64_t trace_ticks_per_cycle(const struct trace_reader *reader);
tick_t trace_start(const struct trace_reader *reader);
unsigned trace_step_count(const struct trace_reader *reader);
const struct trace_step *trace_step(const struct trace_reader *reader, unsigned step);
unsigned trace_exit_count(const struct trace_reader *reader);
const char *trace_exit_name(const struct trace_reader *reader, unsigned exit);
/* The guest's name with this number, which a record had. */
const char *trace_name(const struct trace_reader *reader, uint32_t name);
/* How many there are so far, and number 0, which is none. */
uint32_t trace_name_count(const struct trace_reader *reader);
/* The run's description as compact JSON text. */
const char *trace_description(const struct trace_reader *reader);

#endif
