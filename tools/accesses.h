/* A guest's accesses to its devices during a transfer, by register and direction. */
#ifndef CROSSPAGE_TOOLS_ACCESSES_H
#define CROSSPAGE_TOOLS_ACCESSES_H

#include "tools/transfer.h"

/* What accesses.def lists, then the rest. */
enum access_row {
#define ACCESS(id, name, memory, first, last, mask, value, description) ACCESS_##id,
#include "tools/accesses.def"
#undef ACCESS
    ACCESS_OTHER_PORT,
    ACCESS_OTHER_MEMORY,
    ACCESS_COUNT
};

struct accesses {
    uint64_t reads[ACCESS_COUNT], writes[ACCESS_COUNT];
};

void accesses_make(const struct report *report, const struct transfer *transfer, struct accesses *accesses);
const char *access_name(enum access_row row);

/* A table: per data packet. Nothing if there were none. */
void accesses_text(const struct report *report, const struct transfer *transfer, FILE *out);

#endif
