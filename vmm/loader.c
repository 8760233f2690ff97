/* What the two boot protocols share: reading files, placing bytes in RAM, the CPU state at entry. */
#include "vmm/loader_priv.h"

#include "base/check.h"
#include "base/host_file.h"

#include <stdlib.h>
#include <string.h>

enum status image_read(struct image *image, const struct guest_memory *memory, const char *path,
                       struct error *err)
{
    uint64_t room = memory->pages << PAGE_SHIFT;
    *image = (struct image){.path = path};
    return host_file_load(path, room < UINT32_MAX ? room : UINT32_MAX, &image->bytes, &image->size, err);
}

void image_free(struct image *image)
{
    free(image->bytes);
    image->bytes = NULL;
    image->size = 0;
}

uint64_t ram_end(const struct boot_config *config, uint64_t addr)
{
    for (unsigned i = 0; i < config->range_count; i++) {
        const struct board_range *range = &config->ranges[i];
        if (range->kind == BOARD_RANGE_RAM && addr >= range->start && addr - range->start < range->size)
            return range->start + range->size;
    }
    return 0;
}

enum status load_bytes(struct guest_memory *memory, uint64_t addr, const void *bytes, size_t size,
                       const char *path, struct error *err)
{
    uint64_t end = addr + size;
    for (uint64_t page = addr & ~PAGE_MASK; page < end; page += PAGE_SIZE)
        if (memory_frame(memory, gpa(page)) == NULL)
            return status_fail(
                err, STATUS_BAD_INPUT,
                "'%s' does not fit: it needs memory up to 0x%llx (give the guest more with -m)", path,
                (unsigned long long)end);
    return memory_write(memory, gpa(addr), bytes, size)
               ? STATUS_OK
               : status_fail(err, STATUS_BAD_INPUT, "'%s' does not fit into guest memory", path);
}

void enter_protected_mode(struct cpu *cpu, uint16_t code, uint16_t data, uint32_t entry)
{
    struct cpu_state *s = &cpu->s;
    const struct segment flat_code = {
        .limit = UINT32_MAX,
        .selector = code,
        .attr = SEG_ACCESSED | SEG_READABLE | SEG_CODE | SEG_S | SEG_P | SEG_DB | SEG_G,
    };
    const struct segment flat_data = {
        .limit = UINT32_MAX,
        .selector = data,
        .attr = SEG_ACCESSED | SEG_WRITABLE | SEG_S | SEG_P | SEG_DB | SEG_G,
    };
    for (int i = 0; i < SREG_COUNT; i++)
        s->seg[i] = i == CS ? flat_code : flat_data;
    memset(s->gpr, 0, sizeof s->gpr);
    s->cr0 = CR0_PE | CR0_ET;
    s->rflags = FLAG_ONE;
    s->rip = entry;
    s->a20 = 1;
}

enum status loader_boot(const struct boot_config *config, struct guest_memory *memory, struct cpu *cpu,
                        struct error *err)
{
    struct image kernel;
    TRY(image_read(&kernel, memory, config->kernel, err));
    enum status status = multiboot_recognize(&kernel) ? multiboot_load(config, &kernel, memory, cpu, err)
                                                      : linux_load(config, &kernel, memory, cpu, err);
    image_free(&kernel);
    if (status == STATUS_OK)
        cpu_state_changed(cpu);
    return status;
}
