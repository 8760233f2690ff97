/* VMware Workstation's hosted monitor: what the hv_workstation_*.c files share. */
#ifndef CROSSPAGE_VMM_HV_WORKSTATION_PRIV_H
#define CROSSPAGE_VMM_HV_WORKSTATION_PRIV_H

#include "vmm/hypervisor.h"
#include "vmm/shadow.h"

/* Who does a guest's device access. The optimizations change the answer for one kind of access each; so the
 * question has one function, placement_of(). */
enum placement {
    PLACE_MONITOR_CHIP,        /* timers, interrupt controller: emulated in the VMM */
    PLACE_MONITOR_PIC,         /* interrupt controller, in the VMM that handles I/O ports */
    PLACE_MONITOR_PIC_MOVE,    /* pic=cheap: memory semantics, inlined */
    PLACE_MONITOR_PIC_SPECIAL, /* pic=cheap: code for this register alone */
    PLACE_MONITOR_RAP,         /* Lance register address port: memory semantics, handled in the VMM */
    PLACE_MONITOR_MOVE,        /* the same as a plain move, inlined */
    PLACE_MONITOR_STATUS,      /* Lance data port, needs no real I/O: handled in the VMM */
    PLACE_MONITOR_QUEUE,       /* transmission put off: the frame stays in the virtual Lance's ring */
    PLACE_VMAPP,               /* world switch to the VMApp */
};

/* What a device is to the monitor. */
enum device_kind { KIND_OTHER, KIND_PIC, KIND_MONITOR_CHIP, KIND_LANCE, KIND_IDEAL };

enum { KNOWN_CLASSES_MAX = 16 };

struct known_class {
    const struct device_class *cls;
    enum device_kind kind;
};

/* hv_workstation.c lists and explains them. */
struct workstation_options {
    bool shadow, io_in_vmm, send_combining, irq_notify, spin, cheap_pic, bypass;
    unsigned combine_limit; /* frames that may wait */
    unsigned combine_rate;  /* world switches per second from which they may */
};

/* How often the world is switched: an exponentially decaying counter (Sugerman 2001, section 3). */
struct switch_rate {
    cycle_t period_end; /* of the period being counted */
    unsigned count;     /* switches in it */
    unsigned average;   /* per period, scaled by SWITCH_RATE_SCALE */
};

/* Transmissions that were put off. Invariant: nic is the device of all of them; NULL with none. */
struct put_off {
    struct device *nic;
    unsigned count;
};

struct workstation {
    struct vm *vm;
    const struct host_services *services;
    struct workstation_options options;
    struct pmap pmap;
    struct shadow *shadow; /* NULL: option shadow=off */
    struct switch_rate rate;
    struct put_off put_off;
    unsigned known_count;
    struct known_class known[KNOWN_CLASSES_MAX]; /* classes of devices accessed so far */
    bool cold;                                   /* back from the host, the guest has not run since */
    bool halted;                                 /* the VMApp waits for something to wake the guest */
    bool intr_before_halt;                       /* level of INTR when it began to */
};

/* hv_workstation_switch.c: the world switch, either direction. */
void workstation_to_host(struct workstation *workstation);
void workstation_to_vmm(struct workstation *workstation);
void workstation_resumed(void *ctx);

/* hv_workstation_io.c */
void workstation_io(void *ctx, struct io_access *access);

/* hv_workstation_combine.c: send combining. */
void switch_rate_count(struct workstation *workstation);
bool combining_puts_off(struct workstation *workstation);
void combining_put_off(struct workstation *workstation, struct io_access *access, struct device *nic);
/* The VMApp has control: frames that wait are sent. */
void combining_flush(struct workstation *workstation);
/* An access that transmits sends what waited, too. */
void combining_flushed(struct workstation *workstation);
/* The host's timer had to fetch a frame: the guest does not send that fast. */
void combining_give_up(struct workstation *workstation);

/* hv_workstation_irq.c */
void workstation_host_interrupt(void *ctx);
bool workstation_halt(void *ctx, cycle_t limit);

/* hv_workstation_exit.c */
void workstation_exit(void *ctx, enum cpu_exit exit, uint64_t detail);
void workstation_cpl_changed(void *ctx, unsigned from, unsigned to);

#endif
