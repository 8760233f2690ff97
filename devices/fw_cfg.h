/* Firmware configuration device: named blobs that firmware and kernels read from their emulator. */
#ifndef CROSSPAGE_DEVICES_FW_CFG_H
#define CROSSPAGE_DEVICES_FW_CFG_H

#include "devices/device.h"

/* Windows: 0 = selector and data (0x510, two ports), 1 = DMA address (0x514, eight ports). */
enum { FW_CFG_WINDOW_IO, FW_CFG_WINDOW_DMA };

/* Well-known items with numbers instead of names. */
enum fw_cfg_key {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_KERNEL_ADDR = 0x07,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_ADDR = 0x0A,
    FW_CFG_INITRD_SIZE = 0x0B,
    FW_CFG_BOOT_MENU = 0x0E,
    FW_CFG_MAX_CPUS = 0x0F,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_ADDR = 0x13,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_ADDR = 0x16,
    FW_CFG_SETUP_SIZE = 0x17,
    FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_FILE_DIR = 0x19,
};

struct device *fw_cfg_create(const struct device_env *env);

/* Add an item; the data is copied. An item added twice replaces the first. Adding is configuration: only
 * before the guest runs. */
void fw_cfg_add_key(struct device *device, enum fw_cfg_key key, const void *data, uint32_t size);
void fw_cfg_add_u32(struct device *device, enum fw_cfg_key key, uint32_t value);

/* A named file, e.g. "etc/system-states"; the name has at most 55 characters. False when the directory is
 * full or the name too long. */
bool fw_cfg_add_file(struct device *device, const char *name, const void *data, uint32_t size) MUST_CHECK;

#endif
