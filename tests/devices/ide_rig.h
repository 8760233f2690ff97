/* PIIX3 IDE on a bench: a disk as primary master, a CD-ROM drive as secondary master. */
#ifndef CROSSPAGE_TESTS_DEVICES_IDE_RIG_H
#define CROSSPAGE_TESTS_DEVICES_IDE_RIG_H

#include "devices/ide.h"
#include "io_bench.h"

enum { BMI = 0xC100, DISK_SECTORS = 4096, CD_BLOCKS = 600, SECOND = BENCH_HZ };

struct ide_rig {
    struct io_bench bench;
    struct device *ide;
    struct bench_disk disk, cd;
    unsigned base; /* of the channel under test: 0x1F0 or 0x170 */
    unsigned bus_master;
};

void rig_init(struct ide_rig *rig, bool secondary);
void rig_destroy(struct ide_rig *rig);
bool rig_irq(const struct ide_rig *rig); /* level of the channel's interrupt */

uint8_t rig_in(struct ide_rig *rig, unsigned reg);
void rig_out(struct ide_rig *rig, unsigned reg, uint8_t value);
uint8_t rig_status(struct ide_rig *rig); /* alternate status: acknowledges nothing */
uint16_t rig_data(struct ide_rig *rig);
void rig_put_data(struct ide_rig *rig, uint16_t value);

/* Wait until not busy (bounded), return the alternate status. */
uint8_t rig_wait(struct ide_rig *rig);

/* A descriptor table at `at` with entries (address, size), size 0 ends it; returns nothing. */
void rig_table(struct ide_rig *rig, uint32_t at, const uint32_t (*entries)[2]);

#endif
