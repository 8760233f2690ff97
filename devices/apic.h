/* The APICs of a PC: one local APIC (in the processor) and one I/O APIC, and the messages between them. */
#ifndef CROSSPAGE_DEVICES_APIC_H
#define CROSSPAGE_DEVICES_APIC_H

#include "devices/device.h"

/* Delivery modes, as encoded in ICR, LVT and redirection entries. */
enum apic_mode {
    APIC_MODE_FIXED = 0,
    APIC_MODE_LOWEST = 1,
    APIC_MODE_SMI = 2,
    APIC_MODE_NMI = 4,
    APIC_MODE_INIT = 5,
    APIC_MODE_STARTUP = 6,
    APIC_MODE_EXTINT = 7,
};

/* An interrupt message on the APIC bus. */
struct apic_message {
    uint8_t vector;
    uint8_t mode;        /* enum apic_mode */
    uint8_t destination; /* APIC id, or logical destination set */
    bool logical, level; /* destination mode; trigger mode */
};

/* ---- Local APIC ---- */

enum { LAPIC_DEFAULT_BASE = 0xFEE00000 };
#define LAPIC_BASE_ENABLE UINT64_C(0x800) /* IA32_APIC_BASE bit 11 */
#define LAPIC_BASE_BSP    UINT64_C(0x100)
#define LAPIC_BASE_ADDR   UINT64_C(0xFFFFFF000)

/* What a local APIC drives. All must be set. */
struct lapic_outputs {
    void (*intr)(void *ctx, bool level); /* INTR of the processor core */
    void (*nmi)(void *ctx);
    void (*init)(void *ctx);
    uint8_t (*external_acknowledge)(void *ctx);          /* INTA cycle on the bus: the 8259 answers */
    void (*end_of_interrupt)(void *ctx, uint8_t vector); /* EOI message of a level-triggered interrupt */
    void *ctx;
};

/* One window of 4 KB, which the board maps at the base address. `bus_hz` drives the timer. */
struct device *lapic_create(const struct device_env *env, uint8_t id, uint64_t bus_hz,
                            const struct lapic_outputs *outputs);

/* Pins LINT0 (8259) and LINT1 (NMI). */
struct irq_wire lapic_lint(struct device *lapic, unsigned pin);

/* A message from the I/O APIC. Returns whether this processor is addressed and takes it. */
bool lapic_deliver(struct device *lapic, const struct apic_message *message);

/* Interrupt acknowledge by the core. */
uint8_t lapic_acknowledge(struct device *lapic);

/* Task priority as CR8 shows it: 0..15. */
uint8_t lapic_tpr(struct device *lapic);
void lapic_set_tpr(struct device *lapic, uint8_t class_number);

/* IA32_APIC_BASE was written. Disabling resets the APIC and connects LINT0 and LINT1 to INTR and NMI. */
void lapic_set_base(struct device *lapic, uint64_t value);
uint64_t lapic_base(struct device *lapic);

/* ---- I/O APIC ---- */

enum { IOAPIC_PINS = 24, IOAPIC_BASE = 0xFEC00000 };

struct ioapic_outputs {
    bool (*deliver)(void *ctx, const struct apic_message *message);
    void *ctx;
};

/* One window of 4 KB. */
struct device *ioapic_create(const struct device_env *env, uint8_t id, const struct ioapic_outputs *outputs);

/* Input pin; level = asserted, whatever polarity the redirection entry names. */
struct irq_wire ioapic_input(struct device *ioapic, unsigned pin);

/* EOI message from the APIC bus. */
void ioapic_end_of_interrupt(struct device *ioapic, uint8_t vector);

#endif
