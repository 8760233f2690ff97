/* Building a table byte by byte: little-endian fields appended to a buffer, checksums. */
#ifndef CROSSPAGE_DEVICES_ACPI_TABLE_WRITER_H
#define CROSSPAGE_DEVICES_ACPI_TABLE_WRITER_H

#include "base/check.h"

#include <string.h>

enum { TABLE_BYTES_MAX = 3072 };

struct table {
    uint8_t bytes[TABLE_BYTES_MAX];
    size_t size;
};

static inline void table_bytes(struct table *table, const void *from, size_t size)
{
    CHECK(size <= TABLE_BYTES_MAX - table->size);
    memcpy(table->bytes + table->size, from, size);
    table->size += size;
}

static inline void table_int(struct table *table, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    table_bytes(table, bytes, size);
}

static inline void table_u8(struct table *table, uint8_t value)
{
    table_int(table, value, 1);
}

static inline void table_u16(struct table *table, uint16_t value)
{
    table_int(table, value, 2);
}

static inline void table_u32(struct table *table, uint32_t value)
{
    table_int(table, value, 4);
}

static inline void table_zeros(struct table *table, size_t count)
{
    while (count-- > 0)
        table_u8(table, 0);
}

/* Overwrite a field that was left open. */
static inline void table_patch(struct table *table, size_t at, uint64_t value, size_t size)
{
    CHECK(at + size <= table->size);
    for (size_t i = 0; i < size; i++)
        table->bytes[at + i] = (uint8_t)(value >> (8 * i));
}

/* Set the byte at `at` so that the first `size` bytes add up to zero. */
static inline void table_checksum(struct table *table, size_t at, size_t size)
{
    uint8_t sum = 0;
    table->bytes[at] = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + table->bytes[i]);
    table->bytes[at] = (uint8_t)(0 - sum);
}

#endif
