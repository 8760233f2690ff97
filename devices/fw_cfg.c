/* Firmware configuration device, port and DMA interface.
 *
 * Source: QEMU documentation docs/specs/fw_cfg.rst (the device is an interface between emulator and firmware,
 * not a chip), in the text "FC". Read-only items: old numbered keys and named files. Left out: writing items
 * (a DMA write reports an error), the memory-mapped layout.
 *
 *   selector (0x510, 16 bit): choose an item, offset back to 0
 *   data     (0x511,  8 bit): next byte of the item, 0 behind its end
 *   DMA      (0x514, 64 bit, big endian): physical address of {control, length, address}, all big endian; the
 *            write of the low half (0x518) starts the transfer, control becomes 0 or ERROR
 *
 * Items are configuration, not state: state is what is selected, and where in it. A transfer is cut to
 * DMA_CHUNK pieces of the host, and its length is bounded by the item: what lies behind reads as zero,
 * written to guest memory page by page only up to DMA_ZERO_MAX. */
#include "devices/fw_cfg.h"

#include "base/bytes.h"
#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_FILE = 0x20,
    FILES_MAX = 64,
    ITEMS = FIRST_FILE + FILES_MAX,
    NAME_SIZE = 56,
    DIRECTORY_ENTRY = 64, /* size u32, select u16, reserved u16, name[56]; big endian */

    ID_TRADITIONAL = 1,
    ID_DMA = 2,

    DMA_ERROR = 1,
    DMA_READ = 2,
    DMA_SKIP = 4,
    DMA_SELECT = 8,
    DMA_WRITE = 16,
    DMA_CHUNK = 4096,
    DMA_ZERO_MAX = 1 << 20,
};

struct fw_cfg_state {
    uint64_t dma_address;
    uint32_t offset; /* in the selected item */
    uint16_t selected;
};

struct item {
    uint8_t *data; /* owned */
    uint32_t size;
};

struct fw_cfg {
    struct device device;
    struct fw_cfg_state state;
    struct item items[ITEMS];
    char names[FILES_MAX][NAME_SIZE];
    unsigned file_count;
};

static struct fw_cfg *self(struct device *device)
{
    return CONTAINER_OF(device, struct fw_cfg, device);
}

/* ---- Items ---- */

static void item_set(struct fw_cfg *cfg, unsigned key, const void *data, uint32_t size)
{
    struct item *item = &cfg->items[key];
    uint8_t *copy = xcalloc(size, 1);
    if (size != 0)
        memcpy(copy, data, size);
    free(item->data);
    *item = (struct item){.data = copy, .size = size};
}

void fw_cfg_add_key(struct device *device, enum fw_cfg_key key, const void *data, uint32_t size)
{
    CHECK((unsigned)key < FIRST_FILE);
    item_set(self(device), key, data, size);
}

void fw_cfg_add_u32(struct device *device, enum fw_cfg_key key, uint32_t value)
{
    const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                              (uint8_t)(value >> 24)};
    fw_cfg_add_key(device, key, bytes, sizeof bytes);
}

static void directory_update(struct fw_cfg *cfg)
{
    uint8_t directory[4 + FILES_MAX * DIRECTORY_ENTRY] = {0};
    put_be32(directory, cfg->file_count);
    for (unsigned i = 0; i < cfg->file_count; i++) {
        uint8_t *entry = directory + 4 + i * DIRECTORY_ENTRY;
        unsigned key = FIRST_FILE + i;
        put_be32(entry, cfg->items[key].size);
        entry[4] = (uint8_t)(key >> 8);
        entry[5] = (uint8_t)key;
        memcpy(entry + 8, cfg->names[i], NAME_SIZE);
    }
    item_set(cfg, FW_CFG_FILE_DIR, directory, 4 + cfg->file_count * DIRECTORY_ENTRY);
}

bool fw_cfg_add_file(struct device *device, const char *name, const void *data, uint32_t size)
{
    struct fw_cfg *cfg = self(device);
    size_t length = strlen(name);
    if (length >= NAME_SIZE)
        return false;
    unsigned index = 0;
    while (index < cfg->file_count && strcmp(cfg->names[index], name) != 0)
        index++;
    if (index == FILES_MAX)
        return false;
    if (index == cfg->file_count)
        memcpy(cfg->names[cfg->file_count++], name, length + 1);
    item_set(cfg, FIRST_FILE + index, data, size);
    directory_update(cfg);
    return true;
}

/* ---- Reading ---- */

/* Keys have flag bits 14 (write) and 15 (architecture-local), which select nothing here. */
static const struct item *selected_item(const struct fw_cfg *cfg)
{
    return cfg->state.selected < ITEMS ? &cfg->items[cfg->state.selected] : NULL;
}

static void select_item(struct fw_cfg *cfg, uint16_t key)
{
    cfg->state.selected = key;
    cfg->state.offset = 0;
}

static uint32_t left_in_item(const struct fw_cfg *cfg)
{
    const struct item *item = selected_item(cfg);
    return item != NULL && cfg->state.offset < item->size ? item->size - cfg->state.offset : 0;
}

static uint64_t io_port_read(struct device *device, uint32_t offset, unsigned size)
{
    struct fw_cfg *cfg = self(device);
    if (offset != 1 || size != 1) /* the selector is write only */
        return 0;
    return left_in_item(cfg) ? selected_item(cfg)->data[cfg->state.offset++] : 0;
}

static void io_port_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    if (offset == 0 && size == 2)
        select_item(self(device), (uint16_t)value);
}

/* ---- DMA ---- */

static void dma_to_guest(struct fw_cfg *cfg, gpa_t to, uint32_t length)
{
    const struct device_env *env = cfg->device.env;
    uint32_t from_item = left_in_item(cfg);
    from_item = from_item < length ? from_item : length;
    for (uint32_t done = 0; done < from_item;) {
        uint32_t piece = from_item - done < DMA_CHUNK ? from_item - done : DMA_CHUNK;
        dma_write(env, gpa(to.v + done), selected_item(cfg)->data + cfg->state.offset + done, piece);
        done += piece;
    }
    static const uint8_t zeros[DMA_CHUNK];
    uint32_t rest = length - from_item < DMA_ZERO_MAX ? length - from_item : DMA_ZERO_MAX;
    for (uint32_t done = 0; done < rest;) {
        uint32_t piece = rest - done < DMA_CHUNK ? rest - done : DMA_CHUNK;
        dma_write(env, gpa(to.v + from_item + done), zeros, piece);
        done += piece;
    }
    cfg->state.offset += from_item;
}

static void dma_start(struct fw_cfg *cfg)
{
    const struct device_env *env = cfg->device.env;
    gpa_t descriptor = gpa(cfg->state.dma_address);
    cfg->state.dma_address = 0;
    uint8_t bytes[16];
    dma_read(env, descriptor, bytes, sizeof bytes);
    uint32_t control = get_be32(bytes), length = get_be32(bytes + 4), result = 0;
    gpa_t address = gpa((uint64_t)get_be32(bytes + 8) << 32 | get_be32(bytes + 12));
    if (control & DMA_SELECT)
        select_item(cfg, (uint16_t)(control >> 16));
    if (control & DMA_READ) {
        dma_to_guest(cfg, address, length);
    } else if (control & DMA_SKIP) {
        uint32_t left = left_in_item(cfg);
        cfg->state.offset += length < left ? length : left;
    } else if (control & DMA_WRITE) {
        result = DMA_ERROR;
    }
    put_be32(bytes, result);
    dma_write(env, descriptor, bytes, 4);
}

/* Reads show the signature "QEMU CFG" (FC "DMA interface"). */
static uint64_t dma_port_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)device;
    static const char signature[] = "QEMU CFG";
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)(uint8_t)signature[offset + i] << (8 * i);
    return value;
}

static void dma_port_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    struct fw_cfg *cfg = self(device);
    if (size != 4)
        return;
    uint32_t word = __builtin_bswap32((uint32_t)value);
    if (offset == 0) {
        cfg->state.dma_address = (uint64_t)word << 32;
    } else if (offset == 4) {
        cfg->state.dma_address |= word;
        dma_start(cfg);
    }
}

/* ---- Class ---- */

static void reset(struct device *device)
{
    struct fw_cfg *cfg = self(device);
    memset(&cfg->state, 0, sizeof cfg->state);
}

static void destroy(struct device *device)
{
    struct fw_cfg *cfg = self(device);
    for (unsigned i = 0; i < ITEMS; i++)
        free(cfg->items[i].data);
    free(cfg);
}

static const struct io_window windows[] = {
    [FW_CFG_WINDOW_IO] = {"fw-cfg", 2, 1, 2, io_port_read, io_port_write},
    [FW_CFG_WINDOW_DMA] = {"fw-cfg-dma", 8, 1, 4, dma_port_read, dma_port_write},
};

static const struct device_class fw_cfg_class = {
    .name = "fw-cfg",
    .description = "firmware configuration device",
    .state_offset = offsetof(struct fw_cfg, state),
    .state_size = sizeof(struct fw_cfg_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .destroy = destroy,
};

struct device *fw_cfg_create(const struct device_env *env)
{
    struct fw_cfg *cfg = xcalloc(1, sizeof *cfg);
    device_init(&cfg->device, &fw_cfg_class, env, 0);
    fw_cfg_add_key(&cfg->device, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add_u32(&cfg->device, FW_CFG_ID, ID_TRADITIONAL | ID_DMA);
    directory_update(cfg);
    return &cfg->device;
}
