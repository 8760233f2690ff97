/* Memory from the host operating system: large shared mappings that are only paid for when touched. */
#ifndef CROSSPAGE_BASE_HOST_MEMORY_H
#define CROSSPAGE_BASE_HOST_MEMORY_H

#include "base/status.h"

/* A zero-filled shared mapping behind a file descriptor, so that parts of it can be mapped a second time.
 * `slack` readable and writable bytes follow it. */
struct host_memory {
    uint8_t *base;
    uint64_t bytes, slack;
    int fd;
};

enum status host_memory_create(struct host_memory *memory, uint64_t bytes, uint64_t slack,
                               struct error *err) MUST_CHECK;
void host_memory_destroy(struct host_memory *memory);
/* For each page of `page_size`: may it hold anything but zeros? The others were never written. Touches none.
 */
void host_memory_touched(const struct host_memory *memory, uint64_t page_size, bool *touched);

/* Zero-filled memory for tables that are looked into at random: at a multiple of a huge page, and made of
 * those if the host has them. Never NULL. */
void *host_tables_create(size_t bytes);
void host_tables_destroy(void *tables, size_t bytes);

#endif
