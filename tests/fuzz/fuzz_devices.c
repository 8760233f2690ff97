/* fuzz_devices [--accesses N] [--descriptors N] [--seed S]
 *
 * N random port and memory accesses to every device of the board, one device after the other with the rest of
 * the machine alive, then N descriptors for the NIC (see fuzz_nic.c). Each part runs twice from the same seed
 * and has to end in the same state. A single access that takes longer than ALARM_SECONDS ends the program
 * with SIGALRM. */
#include "fuzz.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ALARM_SECONDS = 60, BATCH = 256 };

struct options {
    uint64_t accesses, descriptors, seed;
};

/* A window of the device under test, as the bus has it now: PCI windows come and go while we fuzz. */
static const struct io_mapping *pick_window(struct fuzz *fuzz, const struct device *device, bool *memory)
{
    struct io_space *spaces[2] = {board_ports(fuzz->board), board_pci(fuzz->board)->memory};
    const struct io_mapping *found = NULL;
    unsigned count = 0;
    for (unsigned s = 0; s < 2; s++) {
        for (size_t i = 0; i < spaces[s]->count; i++) {
            const struct io_mapping *mapping = &spaces[s]->mappings[i];
            if (mapping->size == 0 || mapping->device != device || fuzz_below(fuzz, ++count) != 0)
                continue;
            found = mapping;
            *memory = s == 1;
        }
    }
    return found;
}

static void access_at(struct fuzz *fuzz, bool memory, uint64_t addr)
{
    uint64_t value = fuzz_random(fuzz);
    bool write = fuzz_below(fuzz, 2);
    unsigned size = 1u << fuzz_below(fuzz, memory ? 4 : 3);
    if (fuzz_below(fuzz, 4) == 0)
        value &= 0xFF; /* small numbers reach more commands */
    if (memory && write)
        board_mmio_write(fuzz->board, gpa(addr), size, value);
    else if (memory)
        board_mmio_read(fuzz->board, gpa(addr), size);
    else if (write)
        board_port_write(fuzz->board, (uint16_t)addr, size, (uint32_t)value);
    else
        board_port_read(fuzz->board, (uint16_t)addr, size);
}

/* PCI functions also get configuration cycles, as a guest makes them. */
static void config_access(struct fuzz *fuzz)
{
    uint32_t address = 0x80000000 | ((uint32_t)fuzz_random(fuzz) & 0x3FFC);
    board_port_write(fuzz->board, 0xCF8, 4, address);
    access_at(fuzz, false, 0xCFC + fuzz_below(fuzz, 4));
}

static void attack(struct fuzz *fuzz, const struct device *device, uint64_t accesses)
{
    for (uint64_t i = 0; i < accesses; i++) {
        bool memory = false;
        const struct io_mapping *window = pick_window(fuzz, device, &memory);
        if (i % BATCH == 0)
            alarm(ALARM_SECONDS);
        if (window != NULL)
            access_at(fuzz, memory, window->base + fuzz_below(fuzz, window->size));
        else
            config_access(fuzz);
        switch (fuzz_below(fuzz, 64)) {
        case 0: config_access(fuzz); break;
        case 1: access_at(fuzz, false, fuzz_below(fuzz, 0x10000)); break;
        case 2: access_at(fuzz, true, BOARD_PCI_MMIO + fuzz_below(fuzz, 0x1FFFFFFF)); break;
        case 3:
        case 4: fuzz_outside(fuzz); break;
        case 5: fuzz_run(fuzz, fuzz_below(fuzz, FUZZ_HZ / 1000)); break;
        default: fuzz_run(fuzz, fuzz_below(fuzz, 256)); break;
        }
    }
}

/* One device after the other; a reset and fresh firmware before each, so that its windows are there. */
static uint64_t fuzz_accesses(const struct options *options, bool talk)
{
    struct fuzz fuzz;
    fuzz_create(&fuzz, options->seed);
    fuzz_fill(&fuzz);
    for (unsigned i = 0; i < board_device_count(fuzz.board); i++) {
        struct device *device = board_device(fuzz.board, i);
        board_reset(fuzz.board);
        fuzz_firmware(&fuzz);
        attack(&fuzz, device, options->accesses);
        if (talk)
            printf("%-16s %u: %" PRIu64 " accesses\n", device->cls->name, device->instance,
                   options->accesses);
    }
    uint64_t digest = fuzz_digest(&fuzz);
    if (talk)
        printf("resets %" PRIu64 ", interrupts %" PRIu64 ", frames sent %" PRIu64 ", state %016" PRIx64 "\n",
               fuzz.resets, fuzz.interrupts, fuzz.frames, digest);
    fuzz_destroy(&fuzz);
    return digest;
}

static uint64_t fuzz_descriptors(const struct options *options, bool talk)
{
    struct fuzz fuzz;
    fuzz_create(&fuzz, options->seed);
    fuzz_fill(&fuzz);
    for (uint64_t done = 0; done < options->descriptors; done += 1024) {
        alarm(ALARM_SECONDS);
        fuzz_nic(&fuzz, 1024);
    }
    uint64_t digest = fuzz_digest(&fuzz);
    if (talk)
        printf("NIC: %" PRIu64 " descriptors, frames sent %" PRIu64 ", interrupts %" PRIu64
               ", state %016" PRIx64 "\n",
               options->descriptors, fuzz.frames, fuzz.interrupts, digest);
    fuzz_destroy(&fuzz);
    return digest;
}

static bool parse(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        uint64_t *target = strcmp(argv[i], "--accesses") == 0      ? &options->accesses
                           : strcmp(argv[i], "--descriptors") == 0 ? &options->descriptors
                           : strcmp(argv[i], "--seed") == 0        ? &options->seed
                                                                   : NULL;
        char *end;
        if (target == NULL || i + 1 == argc)
            return false;
        *target = strtoull(argv[i + 1], &end, 0);
        if (*end != '\0')
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {.accesses = 5000, .descriptors = 10000, .seed = 1};
    if (!parse(&options, argc, argv)) {
        fprintf(stderr, "usage: fuzz_devices [--accesses N] [--descriptors N] [--seed S]\n");
        return 2;
    }
    printf("seed %" PRIu64 "\n", options.seed);
    bool same = fuzz_accesses(&options, true) == fuzz_accesses(&options, false);
    same &= fuzz_descriptors(&options, true) == fuzz_descriptors(&options, false);
    if (!same)
        fprintf(stderr, "fuzz_devices: the same seed gave two different states\n");
    return same ? 0 : 1;
}
