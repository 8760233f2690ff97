/* IDE function of the Intel 82371SB (PIIX3) with ATA disks and ATAPI CD-ROM drives. See ide.c for what is
 * modelled. */
#ifndef CROSSPAGE_DEVICES_IDE_H
#define CROSSPAGE_DEVICES_IDE_H

#include "devices/backends.h"
#include "devices/pci.h"

/* The board maps windows 0..3 at 0x1F0, 0x3F6, 0x170 and 0x376 when it builds the machine; they answer only
 * while the guest (or its firmware) has enabled the channel in the IDETIM register, configuration offsets 41h
 * and 43h bit 7, which is off after reset. Window 4 belongs to BAR 4. */
enum ide_window {
    IDE_WINDOW_PRIMARY,
    IDE_WINDOW_PRIMARY_CONTROL,
    IDE_WINDOW_SECONDARY,
    IDE_WINDOW_SECONDARY_CONTROL,
    IDE_WINDOW_BUS_MASTER,
};

enum { IDE_CHANNELS = 2, IDE_UNITS = 2 };

struct ide_config {
    struct irq_wire irq[IDE_CHANNELS]; /* 14 and 15 */
};

enum ide_kind { IDE_NONE, IDE_DISK, IDE_CDROM };

struct ide_drive_config {
    enum ide_kind kind;
    const char *model;  /* up to 40 characters; NULL = a default */
    const char *serial; /* up to 20 characters; NULL = a default */
};

struct device *ide_create(const struct device_env *env, const struct ide_config *config);

/* For pci_attach(). */
struct pci_function *ide_pci(struct device *device);

/* Put a drive on a channel before the machine runs. A CD-ROM drive may be without medium (backend NULL or
 * with NULL ops). `backend` is copied. */
void ide_attach(struct device *device, unsigned channel, unsigned unit, const struct ide_drive_config *config,
                const struct block_backend *backend);

/* Change or remove (NULL) the medium of a CD-ROM drive; the guest is told by UNIT ATTENTION. False when there
 * is no such drive or the guest has locked the tray. */
bool ide_change_medium(struct device *device, unsigned channel, unsigned unit,
                       const struct block_backend *backend);

#endif
