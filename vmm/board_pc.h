/* The PC: every chip of an i440FX/PIIX class board, created from one list (devices.def), wired, and reachable
 * through ports, memory-mapped registers, interrupt acknowledge and a handful of output wires.
 *
 * The board knows neither CPU nor hypervisor. Before any call, the caller has set queue->now to the tick of
 * the access. Wires of outputs are driven from inside these calls and from events.
 *
 *      PIT RTC KBD COM.. --ISA IRQ n--+--> 8259 pair --INT--> LINT0 \
 *      PCI INTA-D --PIRQ (PIIX3)--n---+--> IO-APIC pin n --bus--> local APIC --> outputs.intr
 *      SCI (PIIX4 PM) --IRQ 9---------+     (PIT on pin 2)           LINT1 --> outputs.nmi */
#ifndef CROSSPAGE_VMM_BOARD_PC_H
#define CROSSPAGE_VMM_BOARD_PC_H

#include "devices/backends.h"
#include "devices/ide.h"
#include "devices/pci.h"
#include "devices/uart16550.h"

enum {
    BOARD_SERIAL_PORTS = 4,
    BOARD_DRIVES = IDE_CHANNELS * IDE_UNITS,
    BOARD_PCI_SLOT_PIIX = 1, /* function 0 ISA bridge, 1 IDE, 3 power management */
    BOARD_PCI_SLOT_NIC = 3,
    BOARD_DEBUG_EXIT_PORT = 0x501,
};

/* Where RAM and the rest lie in guest-physical space. RAM beyond BOARD_LOW_RAM_MAX continues at 4 GB. */
#define BOARD_LOW_RAM_MAX  UINT64_C(0xC0000000)
#define BOARD_HIGH_RAM     UINT64_C(0x100000000)
#define BOARD_PCI_MMIO     UINT64_C(0xE0000000) /* to BOARD_PCI_MMIO_END: BARs */
#define BOARD_PCI_MMIO_END UINT64_C(0xFEC00000)
#define BOARD_VGA_MEMORY   UINT64_C(0xA0000) /* 128 KB; never RAM */

struct board_config {
    uint64_t ram_bytes;  /* multiple of 1 MB */
    int64_t rtc_seconds; /* date of the clock chip at tick 0: seconds since 1970-01-01 00:00 */
    struct char_backend serial[BOARD_SERIAL_PORTS]; /* COM1..COM4 */
    unsigned serial_count;                          /* ports that exist, connected or not */
    enum uart_pace serial_pace;                     /* vm_create: DEFAULT = as the hypervisor's ports are */
    struct char_backend debug_console;              /* port 0xE9 */
    struct {
        struct ide_drive_config drive;
        struct block_backend backend;
    } drives[BOARD_DRIVES]; /* hda, hdb, hdc, hdd; a zeroed one is absent */
    uint64_t bus_hz;        /* clock of the local APIC's timer; 0 = 100 MHz */
    uint32_t cpu_signature; /* CPUID leaf 1 EAX and EDX, for firmware's tables; 0 = not told */
    uint32_t cpu_features;
    uint16_t debug_exit_port; /* isa-debug-exit; 0 = BOARD_DEBUG_EXIT_PORT */
    bool no_apic;             /* neither local APIC nor IO-APIC: the 8259 drives the CPU directly */
};

/* What leaves the board. Any may be NULL. Called with the level or the fact; the VM acts at the next
 * instruction boundary. */
struct board_outputs {
    void (*intr)(void *ctx, bool level);
    void (*nmi)(void *ctx);
    void (*init)(void *ctx);  /* INIT of the processor alone: keyboard controller, port 0x92, INIT IPI */
    void (*reset)(void *ctx); /* RESET of everything: port 0xCF9. The VM calls board_reset and cpu_reset */
    void (*a20)(void *ctx, bool enabled);
    void (*power_off)(void *ctx);
    void (*guest_exit)(void *ctx, uint32_t value); /* isa-debug-exit: shell status is value << 1 | 1 */
};

struct board_pc;

struct board_pc *board_create(const struct board_config *config, const struct board_outputs *outputs,
                              void *outputs_ctx, struct event_queue *queue, struct log *log,
                              const struct dma_ops *dma, void *dma_ctx);
void board_destroy(struct board_pc *board);

/* RESET of all chips. */
void board_reset(struct board_pc *board);

/* The devices' states were overwritten (snapshot): schedule their events, map their windows, drive all wires.
 */
void board_loaded(struct board_pc *board);

/* Do the work of a BIOS (writing tables to memory by DMA), because kernels are loaded without one: interrupt
 * controllers and timer programmed, PCI windows and interrupt lines assigned, ACPI switched to its legacy
 * state, COM ports, CMOS, text mode. After board_create or board_reset, before the first instruction. */
void board_firmware_init(struct board_pc *board);

uint32_t board_port_read(struct board_pc *board, uint16_t port, unsigned size);
void board_port_write(struct board_pc *board, uint16_t port, unsigned size, uint32_t value);
uint64_t board_mmio_read(struct board_pc *board, gpa_t addr, unsigned size);
void board_mmio_write(struct board_pc *board, gpa_t addr, unsigned size, uint64_t value);

/* Interrupt acknowledge cycle: the vector. */
uint8_t board_intr_ack(struct board_pc *board);

/* The local APIC's side of CR8 and of IA32_APIC_BASE. Without an APIC: 0, ignored. */
uint8_t board_tpr_read(struct board_pc *board);
void board_tpr_write(struct board_pc *board, uint8_t tpr);
void board_apic_base_written(struct board_pc *board, uint64_t value);

/* FERR# of the processor: IRQ 13 until the guest writes port 0xF0. */
void board_ferr(struct board_pc *board, bool level);

/* Which device answers there, and the offset in its window; NULL = nothing. */
struct device *board_device_at(struct board_pc *board, bool mmio, uint64_t addr, uint32_t *offset);

/* For whoever creates further devices (NIC, disks): where they live and what they connect to. */
const struct device_env *board_env(struct board_pc *board);
struct io_space *board_ports(struct board_pc *board);
struct pci_bus *board_pci(struct board_pc *board);

/* Take ownership of a device made elsewhere; the board resets and destroys it with its own. */
void board_adopt(struct board_pc *board, struct device *device);
/* The same for a PCI function: puts it at slot.number. Its `device`, `cls` and `config` are set. */
void board_attach_pci(struct board_pc *board, struct pci_function *function, uint8_t slot, uint8_t number);

/* Where board_firmware_init has put the ACPI root pointer, 0 = no tables. */
gpa_t board_rsdp(const struct board_pc *board);

/* All devices in order of creation, for state hash, snapshot and monitor commands. */
unsigned board_device_count(const struct board_pc *board);
struct device *board_device(struct board_pc *board, unsigned index);
/* The first device of that class name, or NULL. */
struct device *board_find(struct board_pc *board, const char *class_name);

/* What firmware reports as memory map (INT 15h E820), in ascending order. Returns the number of entries. */
enum board_range_kind { BOARD_RANGE_RAM = 1, BOARD_RANGE_RESERVED = 2, BOARD_RANGE_ACPI = 3 };
struct board_range {
    uint64_t start, size;
    enum board_range_kind kind;
};
enum { BOARD_RANGES_MAX = 12 };
unsigned board_memory_map(const struct board_config *config, struct board_range ranges[BOARD_RANGES_MAX]);

#endif
