/* A VM without an interpreter: the monitor's handlers are called directly, as exits would. The NIC is the
 * real chip, so that the path from its registers to the wire is the one a guest takes. */
#ifndef CROSSPAGE_TESTS_WORKSTATION_FAKE_VM_H
#define CROSSPAGE_TESTS_WORKSTATION_FAKE_VM_H

#include "hostworld/hosted.h"
#include "devices/pci.h"
#include "vmm/hypervisor.h"

enum {
    FAKE_NIC_PORT = 0xC000,
    FAKE_PIC_PORT = 0x20,
    FAKE_SERIAL_PORT = 0x3F8,
    FAKE_RAM = 1 << 20,
    FAKE_MACHINE = 3 << 20
};

/* What the far end of the wire saw and when. */
struct fake_wire {
    struct event_queue *queue;
    const struct net_port_ops *port;
    void *nic;
    struct event sent;
    unsigned frames;
    struct frame last;
    tick_t when;
};

struct vm {
    struct event_queue queue;
    struct cost_table costs;
    struct recorder *recorder;
    struct cpu cpu;
    struct host host;
    struct machine_memory machine;
    struct guest_memory memory;
    struct device_env env;
    struct fake_wire wire;
    struct hosted *hosted;
    struct device *nic;
    struct pci_bus pci;
    struct device pic, serial; /* only their class names count */
    const struct hypervisor_ops *hv;
    void *hv_ctx;
    uint64_t next_frame_id;
};

/* `overrides` is a NULL-terminated list of -cost texts, or NULL; `trace` a file to write, or NULL. */
struct vm *fake_vm_create(const char *profile, const char *const *overrides, const char *trace);
/* The same with options of the hypervisor. */
struct vm *fake_vm_create_with(const char *profile, const char *const *overrides, const char *trace,
                               const char *options);
/* The same with the host's NIC set up as `hosted` says; its host, wire and address are ours. */
struct vm *fake_vm_create_hosted(const char *profile, const char *options, struct hosted_config hosted);
void fake_vm_destroy(struct vm *vm);
uint64_t fake_in(struct vm *vm, uint16_t port, unsigned size);
void fake_out(struct vm *vm, uint16_t port, unsigned size, uint64_t value);

/* The Lance through its ports, as pcnet32 does. */
enum { LANCE_RDP = FAKE_NIC_PORT + 0x10, LANCE_RAP = FAKE_NIC_PORT + 0x12 };
void lance_write_csr(struct vm *vm, unsigned csr, unsigned value);
uint64_t lance_read_csr(struct vm *vm, unsigned csr);
/* Rings of 4 descriptors in guest memory, started with interrupts on. */
void lance_start(struct vm *vm);
/* Give the chip one frame of `size` bytes; does not demand its transmission. */
void lance_queue(struct vm *vm, unsigned slot, uint32_t size);

/* Pass time until the host's timer interrupt is behind us, so that none is due soon. */
void move_after_tick(struct vm *vm);

/* How often a step happened, over all causes. */
uint64_t step_count(const struct vm *vm, enum cost_id id);
/* Sum of a step over all causes, in hundredths of a microsecond, rounded. */
uint64_t step_centi_us(const struct vm *vm, enum cost_id id);

#endif
