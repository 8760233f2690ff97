/* Memory for generated machine code: one set of pages, mapped twice. The writable view is never executable
 * and the executable view never writable, so no mapping is both at any time. */
#ifndef CROSSPAGE_BASE_HOST_CODE_H
#define CROSSPAGE_BASE_HOST_CODE_H

#include "base/status.h"

struct host_code {
    uint8_t *write;         /* read and write */
    const uint8_t *execute; /* read and execute: the same bytes */
    size_t bytes;
    size_t huge; /* up to here host_code_reach() has been */
    int fd;
};

enum status host_code_create(struct host_code *code, size_t bytes, struct error *err) MUST_CHECK;
/* Code is about to be written up to `end`: ask for huge pages there, if that was not done yet. Generated code
 * is large and visited all over, so translating its addresses is a good part of the cost of running it. */
void host_code_reach(struct host_code *code, size_t end);
void host_code_destroy(struct host_code *code);

#endif
