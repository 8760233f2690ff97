/* The processor's part of what a BIOS leaves behind: memory types (MTRRs).
 *
 * Source: Intel SDM volume 3, section "Memory type range registers". All memory is write-back except the VGA
 * window and the space for devices below 4 GB, which are uncached. Caches are not modelled; kernels take
 * blank MTRRs for a broken BIOS and give up on memory types (PAT) altogether.
 *
 * Left out: everything else a BIOS does to a processor (microcode, feature control, thermal set-up). */
#include "vmm/firmware_cpu.h"

enum {
    TYPE_UNCACHED = 0,
    TYPE_WRITE_BACK = 6,
    DEF_TYPE_FIXED = 1 << 10,
    DEF_TYPE_ENABLE = 1 << 11,
    MASK_VALID = 1 << 11,

    FIXED_16K_A0000 = 2, /* index of the register for 0xA0000..0xBFFFF, after 00000 and 80000 */
};

#define ALL_WRITE_BACK UINT64_C(0x0606060606060606)
#define DEVICES_START  UINT64_C(0xC0000000)
#define DEVICES_SIZE   UINT64_C(0x40000000)

void firmware_cpu_init(struct cpu *cpu)
{
    struct cpu_state *s = &cpu->s;
    uint64_t physical = (UINT64_C(1) << cpu->paging.physical_bits) - 1;
    for (size_t i = 0; i < ARRAY_LEN(s->mtrr_fixed); i++)
        s->mtrr_fixed[i] = i == FIXED_16K_A0000 ? 0 : ALL_WRITE_BACK;
    s->mtrr_base[0] = DEVICES_START | TYPE_UNCACHED;
    s->mtrr_mask[0] = (physical & ~(DEVICES_SIZE - 1)) | MASK_VALID;
    s->mtrr_def_type = DEF_TYPE_ENABLE | DEF_TYPE_FIXED | TYPE_WRITE_BACK;
}
