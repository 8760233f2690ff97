/* See ide_rig.h. Mapped and enabled as a board and its firmware do it. */
#include "ide_rig.h"

#include <string.h>

void rig_init(struct ide_rig *rig, bool secondary)
{
    memset(rig, 0, sizeof *rig);
    bench_init(&rig->bench);
    bench_disk_init(&rig->disk, DISK_SECTORS * 512);
    bench_disk_init(&rig->cd, CD_BLOCKS * 2048);
    struct ide_config config = {{bench_wire(&rig->bench, 14), bench_wire(&rig->bench, 15)}};
    rig->ide = ide_create(&rig->bench.env, &config);
    pci_attach(&rig->bench.pci, ide_pci(rig->ide), 1, 1);
    struct block_backend disk = bench_disk_backend(&rig->disk), cd = bench_disk_backend(&rig->cd);
    ide_attach(rig->ide, 0, 0, &(struct ide_drive_config){.kind = IDE_DISK}, &disk);
    ide_attach(rig->ide, 1, 0, &(struct ide_drive_config){.kind = IDE_CDROM}, &cd);
    rig->ide->cls->reset(rig->ide);
    io_map(&rig->bench.ports, rig->ide, IDE_WINDOW_PRIMARY, 0x1F0);
    io_map(&rig->bench.ports, rig->ide, IDE_WINDOW_PRIMARY_CONTROL, 0x3F6);
    io_map(&rig->bench.ports, rig->ide, IDE_WINDOW_SECONDARY, 0x170);
    io_map(&rig->bench.ports, rig->ide, IDE_WINDOW_SECONDARY_CONTROL, 0x376);
    pci_config_write(&rig->bench.pci, 1, 1, 0x20, 4, BMI);
    pci_config_write(&rig->bench.pci, 1, 1, 4, 2, 5);
    pci_config_write(&rig->bench.pci, 1, 1, 0x40, 4, 0x80008000);
    rig->base = secondary ? 0x170 : 0x1F0;
    rig->bus_master = BMI + (secondary ? 8 : 0);
}

void rig_destroy(struct ide_rig *rig)
{
    rig->ide->cls->destroy(rig->ide);
    bench_disk_destroy(&rig->disk);
    bench_disk_destroy(&rig->cd);
    bench_destroy(&rig->bench);
}

bool rig_irq(const struct ide_rig *rig)
{
    return rig->bench.line[rig->base == 0x1F0 ? 14 : 15];
}

uint8_t rig_in(struct ide_rig *rig, unsigned reg)
{
    return (uint8_t)io_read(&rig->bench.ports, rig->base + reg, 1);
}

void rig_out(struct ide_rig *rig, unsigned reg, uint8_t value)
{
    io_write(&rig->bench.ports, rig->base + reg, 1, value);
}

uint8_t rig_status(struct ide_rig *rig)
{
    return (uint8_t)io_read(&rig->bench.ports, rig->base + 0x206, 1);
}

uint16_t rig_data(struct ide_rig *rig)
{
    return (uint16_t)io_read(&rig->bench.ports, rig->base, 2);
}

void rig_put_data(struct ide_rig *rig, uint16_t value)
{
    io_write(&rig->bench.ports, rig->base, 2, value);
}

uint8_t rig_wait(struct ide_rig *rig)
{
    for (unsigned i = 0; i < 100000 && (rig_status(rig) & 0x80); i++)
        bench_run(&rig->bench, 10000);
    return rig_status(rig);
}

void rig_table(struct ide_rig *rig, uint32_t at, const uint32_t (*entries)[2])
{
    for (unsigned i = 0; entries[i][1] != 0; i++, at += 8) {
        bench_put32(&rig->bench, at, entries[i][0]);
        bench_put32(&rig->bench, at + 4,
                    (entries[i][1] & 0xFFFF) | (entries[i + 1][1] == 0 ? 0x80000000 : 0));
    }
}
