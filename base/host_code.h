/* Memory for generated machine code: one set of pages, mapped twice. The writable view is never executable
 * and the executable view never writable, so no mapping is both at any time. */
#ifndef CROSSPAGE_BASE_HOST_CODE_H
#define CROSSPAGE_BASE_HOST_CODE_H

#include "base/status.h"

struct host_code {
    uint8_t *write;         /* read and write */
    const uint8_t *execute; /* read and execute: the same bytes */
    size_t bytes;
    int fd;
};

enum status host_code_create(struct host_code *code, size_t bytes, struct error *err) MUST_CHECK;
void host_code_destroy(struct host_code *code);

#endif
