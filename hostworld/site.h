/* A PC of a lab: clock, costs, recorder, host, VM, and what stands between the VM's NIC and the wire.
 *
 *     none          virtual NIC ------------------------------------------ wire
 *     workstation   virtual NIC -- VMNet bridge -- host NIC (driver, DMA) -- wire
 *
 * Put together in steps, because the wire lies between two of them: site_load(), the wire, site_assemble().
 */
#ifndef CROSSPAGE_HOSTWORLD_SITE_H
#define CROSSPAGE_HOSTWORLD_SITE_H

#include "hostworld/lab.h"
#include "hostworld/net_tap.h"

struct site {
    struct lab_config config;
    struct event_queue queue;
    struct cost_table costs;
    struct recorder *recorder;
    struct host host;
    struct vm *vm;
    struct hosted *hosted; /* the host under a hosted monitor */
    struct direct *direct; /* the NIC of bare metal */
    struct device *pcnet;  /* the guest's NIC, if it is one */
    struct net_tap tap;    /* on the guest's NIC, if `seen` is set */
    net_tap_fn *seen;
    void *seen_ctx;
    struct inputs *inputs; /* from outside; made by the lab between the host and the rest */
};

/* The costs of its profile, with overrides. */
enum status site_load(struct site *site, const struct lab_config *config, struct error *err) MUST_CHECK;
/* Clock, recorder and host; a tick is 1/tick_hz second, tick_hz a multiple of the CPU's clock. */
enum status site_create_host(struct site *site, uint64_t tick_hz, uint64_t *next_frame_id,
                             struct error *err) MUST_CHECK;
/* All else. `wire` is its end of it; ops NULL: no NIC. */
enum status site_assemble(struct site *site, const struct net_backend *wire, struct error *err) MUST_CHECK;

struct lab_losses site_losses(const struct site *site);

/* Also of one that is not complete, or zero. The wire must still be there. */
void site_destroy_vm(struct site *site);
/* After the wire is gone. Finishes the trace. */
enum status site_destroy(struct site *site, struct error *err) MUST_CHECK;

#endif
