/* The recorder: where every cycle of a host CPU is written down (contract E4).
 *
 * A host's time line is contiguous by construction: the only way to move time is recorder_advance(), which
 * says which step the cycles belong to. Consecutive advances of the same step are one span. The sums per step
 * are always kept (they are the -stats); the spans themselves go to a trace only when one is open, and that
 * changes nothing else.
 *
 * A *step* is a named cost (vmm/cost.def), or one of the first few below. It has a layer and a category; the
 * table of steps is given at creation, so that this folder needs to know nothing of hypervisors. Step
 * 0..RECORDER_FIRST_COST-1 are built in.
 *
 * A *packet* is a frame followed through the layers by its id: marks at known points in time. A *visit* is
 * the time from one guest instruction that exits until the next guest instruction; visits have a cause (exit
 * kind and detail) and may be nested in nothing.
 *
 * The guest's own functions can be recorded, too: calls and returns of some, on the stack on which they
 * happened, and samples (vmm/probe.h). They cut spans in the trace and change nothing else.
 *
 * Units: time is ticks of the lab (base/types.h); one host, one recorder. */
#ifndef CROSSPAGE_TRACES_RECORDER_H
#define CROSSPAGE_TRACES_RECORDER_H

#include "base/status.h"
#include "base/types.h"
#include "traces/format.h"

enum layer {
#define LAYER(id, name, description) LAYER_##id,
#include "traces/layer.def"
#undef LAYER
    LAYER_COUNT
};

enum category {
#define CATEGORY(id, table, name) CATEGORY_##id,
#include "traces/category.def"
#undef CATEGORY
    CATEGORY_COUNT
};

struct step_info {
    const char *name; /* dotted, e.g. "vmm.out" */
    const char *description;
    enum layer layer;
    enum category category;
    /* Provenance, for `costs` and reports; empty for guest time. */
    const char *unit, *source, *status;
    uint64_t value; /* milli-cycles per unit */
};

/* Built-in steps. */
enum { STEP_GUEST_USER, STEP_GUEST_KERNEL, STEP_IDLE, RECORDER_FIRST_COST };

/* Points on a frame's way, in causal order. Transmit: 0..; receive: PACKET_RX_*. */
enum packet_mark {
    PACKET_TX_OUT,       /* the guest's transmitting access starts (its first cycle) */
    PACKET_TX_BACKEND,   /* the virtual NIC hands the frame on */
    PACKET_TX_NIC,       /* the physical NIC has it: CPU work for the way out is done */
    PACKET_TX_WIRE,      /* its first bit is on the wire */
    PACKET_TX_DELIVERED, /* its last bit arrived at the other end */
    PACKET_TX_RESUME,    /* the next guest instruction after the transmitting access */
    PACKET_RX_SENT,      /* the other end put the first bit on the wire */
    PACKET_RX_ARRIVED,   /* last bit at the physical NIC */
    PACKET_RX_HOST,      /* host driver took it from the NIC */
    PACKET_RX_GUEST,     /* in guest memory, descriptor returned */
    PACKET_RX_VIRQ,      /* virtual interrupt delivered to the guest */
    PACKET_MARK_COUNT
};

struct recorder;

struct recorder_config {
    const struct step_info *steps; /* steps[0..RECORDER_FIRST_COST-1] may be zero: filled in */
    unsigned step_count;
    unsigned exit_count;
    const char *const *exit_names;
    uint64_t hz; /* ticks per second */
    uint64_t ticks_per_cycle;
    bool guest_code;         /* recorder_guest() will be used */
    const char *description; /* JSON object: configuration of the run, stored in the trace header */
};

struct recorder *recorder_create(const struct recorder_config *config);
void recorder_destroy(struct recorder *recorder);

/* Write a trace from now on. Finished by recorder_close (status of the last write; called by destroy too). */
enum status recorder_open(struct recorder *recorder, const char *path, struct error *err) MUST_CHECK;
enum status recorder_close(struct recorder *recorder, struct error *err) MUST_CHECK;

/* The host CPU spent `ticks` more in `step`. */
void recorder_advance(struct recorder *recorder, unsigned step, tick_t ticks);
/* The same, and the step happened once more (for "average microseconds per event"). */
void recorder_charge(struct recorder *recorder, unsigned step, tick_t ticks);
/* End of the last span. */
tick_t recorder_now(const struct recorder *recorder);

/* A guest exit starts at recorder_now; `pc` is the guest's linear instruction address. Ends the previous
 * visit if still open. */
void recorder_visit(struct recorder *recorder, unsigned exit, uint64_t detail, uint64_t pc);
/* Back in the guest, now. */
void recorder_resume(struct recorder *recorder);

/* A frame's mark, at `when` (may lie in the future for hardware that is already scheduled). A packet exists
 * from its first mark on; `size` is the frame's size in bytes. */
void recorder_packet(struct recorder *recorder, uint64_t id, enum packet_mark mark, tick_t when,
                     uint32_t size);

/* A number for a name of the guest's, to be used in recorder_guest(); 0: there are too many. */
uint32_t recorder_name(struct recorder *recorder, const char *name);
/* Something about the guest's code, now. */
void recorder_guest(struct recorder *recorder, enum guest_mark mark, uint32_t name, uint32_t stack);

struct step_total {
    uint64_t ticks, count;
};
struct step_total recorder_total(const struct recorder *recorder, unsigned step);
const struct step_info *recorder_step(const struct recorder *recorder, unsigned step);
unsigned recorder_step_count(const struct recorder *recorder);
tick_t recorder_layer_total(const struct recorder *recorder, enum layer layer);
/* Visits by cause: how many and ticks in them. */
struct step_total recorder_exit_total(const struct recorder *recorder, unsigned exit);

const char *layer_name(enum layer layer);
const char *category_name(enum category category);

_Static_assert(LAYER_GUEST_USER == 0 && LAYER_GUEST_KERNEL == 1 && LAYER_IDLE == LAYER_COUNT - 1,
               "ORDER layer.def");

#endif
