/* Sorting the visits of a transfer by the register that the guest touched (accesses.h). */
#include "tools/accesses.h"

#include <string.h>

static const struct row {
    const char *name, *description;
    bool memory;
    uint64_t first, last, mask, value;
} rows[ACCESS_COUNT] = {
#define ACCESS(id, name, memory, first, last, mask, value, description)                                      \
    {name, description, memory, first, last, mask, value},
#include "tools/accesses.def"
#undef ACCESS
    {.name = "other-port", .description = "other ports"},
    {.name = "other-memory", .description = "other registers in memory"},
};

const char *access_name(enum access_row row)
{
    return rows[row].name;
}

static enum access_row row_of(bool memory, uint64_t address)
{
    for (unsigned i = 0; i < ACCESS_OTHER_PORT; i++)
        if (rows[i].memory == memory && address >= rows[i].first && address <= rows[i].last &&
            (address & rows[i].mask) == rows[i].value)
            return (enum access_row)i;
    return memory ? ACCESS_OTHER_MEMORY : ACCESS_OTHER_PORT;
}

void accesses_make(const struct report *report, const struct transfer *transfer, struct accesses *accesses)
{
    const struct analysis *a = &report->analysis;
    *accesses = (struct accesses){0};
    for (size_t i = analysis_visit_at(a, transfer->from);
         i < a->visit_count && a->visits[i].begin < transfer->to; i++) {
        const char *exit = trace_exit_name(a->trace, a->visits[i].exit);
        bool port = strcmp(exit, "IN") == 0 || strcmp(exit, "OUT") == 0;
        bool write = strcmp(exit, "OUT") == 0 || strcmp(exit, "MMIO_WRITE") == 0;
        if (!port && !write && strcmp(exit, "MMIO_READ") != 0)
            continue;
        (write ? accesses->writes : accesses->reads)[row_of(!port, a->visits[i].detail)]++;
    }
}

void accesses_text(const struct report *report, const struct transfer *transfer, FILE *out)
{
    struct accesses accesses;
    double n = (double)transfer->packets;
    uint64_t reads = 0, writes = 0;
    accesses_make(report, transfer, &accesses);
    for (unsigned i = 0; i < ACCESS_COUNT; i++) {
        reads += accesses.reads[i];
        writes += accesses.writes[i];
    }
    if (reads + writes == 0)
        return;
    fprintf(out, "\nAccesses to devices per data packet\n  %-14s %9s %9s\n", "register", "reads", "writes");
    for (unsigned i = 0; i < ACCESS_COUNT; i++)
        if (accesses.reads[i] + accesses.writes[i] > 0)
            fprintf(out, "  %-14s %9.3f %9.3f   %s\n", rows[i].name, (double)accesses.reads[i] / n,
                    (double)accesses.writes[i] / n, rows[i].description);
    fprintf(out, "  %-14s %9.3f %9.3f\n", "sum", (double)reads / n, (double)writes / n);
}
