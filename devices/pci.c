/* PCI configuration space: type 0 headers, BAR sizing and decoding, interrupt pins.
 *
 * Models PCI Local Bus Specification 2.1 chapter 6. Left out: type 1 headers (no PCI-to-PCI bridges),
 * expansion ROMs, capabilities lists, parity and system errors, prefetchable and 64-bit BARs.
 *
 * A configuration write changes only bits that `writable` allows; status bits of the W1C mask are cleared
 * by writing one. After each write the decoders are brought in line with command register and BARs, so that
 * a window is mapped exactly while its space is enabled.
 *
 * Invariant: a BAR's window is mapped (once, at the BAR's address) iff the space enable bit is set and the
 * address is not zero and the range fits its space. Drivers that size a BAR with decoding enabled therefore
 * see the window move for a moment, as on the real bus. */
#include "devices/pci.h"

#include "base/bytes.h"
#include "base/check.h"

#include <string.h>

enum {
    REG_VENDOR = 0x00,
    REG_DEVICE = 0x02,
    REG_COMMAND = 0x04,
    REG_STATUS = 0x06,
    REG_REVISION = 0x08,
    REG_CLASS = 0x09,
    REG_CACHE_LINE = 0x0C,
    REG_LATENCY = 0x0D,
    REG_HEADER_TYPE = 0x0E,
    REG_BAR0 = 0x10,
    REG_SUBSYSTEM_VENDOR = 0x2C,
    REG_SUBSYSTEM = 0x2E,
    REG_INTERRUPT_LINE = 0x3C,
    REG_INTERRUPT_PIN = 0x3D,
    REG_MIN_GNT = 0x3E,
    REG_MAX_LAT = 0x3F,

    COMMAND_IO = 1 << 0,
    COMMAND_MEMORY = 1 << 1,
    COMMAND_WRITABLE = 0x0147, /* I/O, memory, master, parity response, SERR# */

    STATUS_W1C_HIGH = 0xF9, /* upper byte of status: errors reported and master data parity */
    STATUS_MEDIUM_DEVSEL = 0x0200,

    BAR_IO_FLAG = 1,
};

/* ---- Decoders ---- */

void pci_decoders_update(struct pci_function *function)
{
    const uint8_t *bytes = function->config->bytes;
    uint16_t command = get_le16(bytes + REG_COMMAND);
    for (unsigned i = 0; i < function->cls->bar_count; i++) {
        const struct pci_bar *bar = &function->cls->bars[i];
        bool is_io = bar->kind == PCI_BAR_IO;
        struct io_space *space = is_io ? function->bus->ports : function->bus->memory;
        uint32_t base = get_le32(bytes + REG_BAR0 + 4 * bar->reg) & ~(bar->size - 1);
        bool enabled = (command & (is_io ? COMMAND_IO : COMMAND_MEMORY)) != 0;
        uint64_t limit = is_io ? 0x10000 : (uint64_t)1 << 32;
        bool visible = enabled && base != 0 && (uint64_t)base + bar->size <= limit;
        if (visible && function->mapped[i] == base)
            continue;
        if (function->mapped[i] != 0)
            io_unmap(space, function->device, bar->window);
        if (visible)
            io_map(space, function->device, bar->window, base);
        function->mapped[i] = visible ? base : 0;
    }
}

/* ---- Header ---- */

static void header_init(const struct pci_class *cls, struct pci_config *config)
{
    memset(config, 0, sizeof *config);
    uint8_t *bytes = config->bytes;
    put_le16(bytes + REG_VENDOR, cls->vendor);
    put_le16(bytes + REG_DEVICE, cls->device);
    put_le16(bytes + REG_STATUS, STATUS_MEDIUM_DEVSEL);
    bytes[REG_REVISION] = cls->revision;
    bytes[REG_CLASS] = (uint8_t)cls->class_code;
    put_le16(bytes + REG_CLASS + 1, (uint16_t)(cls->class_code >> 8));
    bytes[REG_HEADER_TYPE] = cls->header_type;
    put_le16(bytes + REG_SUBSYSTEM_VENDOR, cls->subsystem_vendor);
    put_le16(bytes + REG_SUBSYSTEM, cls->subsystem);
    bytes[REG_INTERRUPT_PIN] = cls->interrupt_pin;
    bytes[REG_MIN_GNT] = cls->min_gnt;
    bytes[REG_MAX_LAT] = cls->max_lat;

    put_le16(config->writable + REG_COMMAND, COMMAND_WRITABLE);
    config->writable[REG_CACHE_LINE] = 0xFF;
    config->writable[REG_LATENCY] = 0xFF;
    if (cls->interrupt_pin != 0)
        config->writable[REG_INTERRUPT_LINE] = 0xFF;
    for (unsigned i = 0; i < cls->bar_count; i++) {
        const struct pci_bar *bar = &cls->bars[i];
        uint8_t reg = (uint8_t)(REG_BAR0 + 4 * bar->reg);
        put_le32(config->writable + reg, ~(bar->size - 1));
        if (bar->kind == PCI_BAR_IO)
            bytes[reg] = BAR_IO_FLAG;
    }
}

void pci_bus_init(struct pci_bus *bus, struct io_space *ports, struct io_space *memory, struct log *log)
{
    *bus = (struct pci_bus){.log = log, .ports = ports, .memory = memory};
}

void pci_attach(struct pci_bus *bus, struct pci_function *function, uint8_t slot, uint8_t number)
{
    unsigned index = (unsigned)slot << 3 | number;
    CHECK(slot < 32 && number < 8 && bus->functions[index] == NULL);
    CHECK(function->cls->bar_count <= PCI_BAR_COUNT);
    for (unsigned i = 0; i < function->cls->bar_count; i++) {
        const struct pci_bar *bar = &function->cls->bars[i];
        CHECK(bar->reg < PCI_BAR_COUNT && bar->size >= 4 && (bar->size & (bar->size - 1)) == 0);
        CHECK(bar->window < function->device->cls->window_count);
    }
    function->bus = bus;
    function->slot = slot;
    function->function = number;
    bus->functions[index] = function;
    header_init(function->cls, function->config);
}

void pci_function_reset(struct pci_function *function)
{
    header_init(function->cls, function->config);
    pci_decoders_update(function);
    pci_interrupt(function, false);
}

void pci_interrupt(struct pci_function *function, bool level)
{
    if (function->cls->interrupt_pin == 0)
        return;
    struct pci_bus *bus = function->bus;
    if (bus->intx != NULL)
        bus->intx(bus->intx_ctx, function->slot, function->cls->interrupt_pin, level);
}

/* ---- Configuration cycles ---- */

static struct pci_function *function_at(struct pci_bus *bus, uint8_t slot, uint8_t number)
{
    return slot < 32 && number < 8 ? bus->functions[(unsigned)slot << 3 | number] : NULL;
}

uint32_t pci_config_read(struct pci_bus *bus, uint8_t slot, uint8_t number, uint8_t reg, unsigned size)
{
    struct pci_function *function = function_at(bus, slot, number);
    uint32_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = function != NULL ? function->config->bytes[(uint8_t)(reg + i)] : 0xFF;
        value |= (uint32_t)byte << (8 * i);
    }
    return value;
}

void pci_config_write(struct pci_bus *bus, uint8_t slot, uint8_t number, uint8_t reg, unsigned size,
                      uint32_t value)
{
    struct pci_function *function = function_at(bus, slot, number);
    if (function == NULL)
        return;
    struct pci_config *config = function->config;
    for (unsigned i = 0; i < size; i++) {
        uint8_t at = (uint8_t)(reg + i), byte = (uint8_t)(value >> (8 * i));
        uint8_t mask = config->writable[at];
        config->bytes[at] = (uint8_t)((config->bytes[at] & ~mask) | (byte & mask));
        if (at == REG_STATUS + 1)
            config->bytes[at] &= (uint8_t) ~(byte & STATUS_W1C_HIGH);
    }
    if (reg < REG_SUBSYSTEM_VENDOR)
        pci_decoders_update(function);
    if (function->cls->config_written != NULL)
        function->cls->config_written(function->device, reg, size);
}
