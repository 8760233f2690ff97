/* CPUID (SDM vol. 2, CPUID): leaves made from the model's features and the simulated clock.
 *
 * Feature bits are rows; leaves 2 and 4 describe plausible caches (they have no effect); 15h and 16h state
 * the simulated frequency, so that a guest need not calibrate its TSC against another timer.
 *
 * Left out: leaves for features no model has read as zero (thermal, performance monitoring, topology beyond
 * one logical processor). */
#include "base/number.h"
#include "cpu/model.h"
#include "cpu/protect.h"

#include <stdio.h>

struct regs {
    uint32_t a, b, c, d;
};

enum feature_word { W_1_EDX, W_1_ECX, W_7_EBX, W_7_EDX, W_6_EAX, W_81_EDX, W_81_ECX, W_87_EDX, W_D1_EAX };

static const struct {
    uint8_t feature, word, bit;
} feature_bits[] = {
    {FEAT_FPU, W_1_EDX, 0},       {FEAT_VME, W_1_EDX, 1},       {FEAT_DE, W_1_EDX, 2},
    {FEAT_PSE, W_1_EDX, 3},       {FEAT_TSC, W_1_EDX, 4},       {FEAT_MSR, W_1_EDX, 5},
    {FEAT_PAE, W_1_EDX, 6},       {FEAT_MCE, W_1_EDX, 7},       {FEAT_CX8, W_1_EDX, 8},
    {FEAT_SEP, W_1_EDX, 11},      {FEAT_MTRR, W_1_EDX, 12},     {FEAT_PGE, W_1_EDX, 13},
    {FEAT_MCA, W_1_EDX, 14},      {FEAT_CMOV, W_1_EDX, 15},     {FEAT_PAT, W_1_EDX, 16},
    {FEAT_PSE36, W_1_EDX, 17},    {FEAT_CLFLUSH, W_1_EDX, 19},  {FEAT_MMX, W_1_EDX, 23},
    {FEAT_FXSR, W_1_EDX, 24},     {FEAT_SSE, W_1_EDX, 25},      {FEAT_SSE2, W_1_EDX, 26},
    {FEAT_SSE3, W_1_ECX, 0},      {FEAT_MONITOR, W_1_ECX, 3},   {FEAT_SSSE3, W_1_ECX, 9},
    {FEAT_CX16, W_1_ECX, 13},     {FEAT_PCID, W_1_ECX, 17},     {FEAT_SSE41, W_1_ECX, 19},
    {FEAT_SSE42, W_1_ECX, 20},    {FEAT_POPCNT, W_1_ECX, 23},   {FEAT_TSC_DEADLINE, W_1_ECX, 24},
    {FEAT_XSAVE, W_1_ECX, 26},    {FEAT_FSGSBASE, W_7_EBX, 0},  {FEAT_SMEP, W_7_EBX, 7},
    {FEAT_ERMS, W_7_EBX, 9},      {FEAT_INVPCID, W_7_EBX, 10},  {FEAT_SMAP, W_7_EBX, 20},
    {FEAT_ARCH_CAP, W_7_EDX, 29}, {FEAT_ARAT, W_6_EAX, 2},      {FEAT_SYSCALL, W_81_EDX, 11},
    {FEAT_NX, W_81_EDX, 20},      {FEAT_PDPE1GB, W_81_EDX, 26}, {FEAT_RDTSCP, W_81_EDX, 27},
    {FEAT_LM, W_81_EDX, 29},      {FEAT_LAHF_LM, W_81_ECX, 0},  {FEAT_PREFETCHW, W_81_ECX, 8},
    {FEAT_INVTSC, W_87_EDX, 8},   {FEAT_MOVBE, W_1_ECX, 22},    {FEAT_BMI1, W_7_EBX, 3},
    {FEAT_BMI2, W_7_EBX, 8},      {FEAT_LZCNT, W_81_ECX, 5},    {FEAT_PCLMULQDQ, W_1_ECX, 1},
    {FEAT_AES, W_1_ECX, 25},      {FEAT_RDRAND, W_1_ECX, 30},   {FEAT_RDSEED, W_7_EBX, 18},
    {FEAT_SHA, W_7_EBX, 29},      {FEAT_FMA, W_1_ECX, 12},      {FEAT_F16C, W_1_ECX, 29},
    {FEAT_XSAVEOPT, W_D1_EAX, 0}, {FEAT_AVX, W_1_ECX, 28},      {FEAT_AVX2, W_7_EBX, 5},
};

static uint32_t feature_word(const struct cpu *cpu, enum feature_word word)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < ARRAY_LEN(feature_bits); i++)
        if (feature_bits[i].word == word && cpu_has(cpu, feature_bits[i].feature))
            bits |= UINT32_C(1) << feature_bits[i].bit;
    return bits;
}

/* ---- Basic leaves ---- */

static void leaf_vendor(const struct cpu *cpu, struct regs *r)
{
    *r = (struct regs){cpu->model->max_leaf, 0x756E6547, 0x6C65746E, 0x49656E69}; /* GenuineIntel */
}

static void leaf_version(const struct cpu *cpu, struct regs *r)
{
    r->a = cpu_model_signature(cpu->model);
    if (cpu->model->family == 6 && cpu->model->model == 8)
        r->b = 2; /* brand index: "Intel Pentium III" (SDM vol. 2, table 3-14) */
    if (cpu_has(cpu, FEAT_CLFLUSH))
        r->b |= 8 << 8 | 1 << 16; /* 64-byte lines, one logical processor, APIC ID 0 */
    r->c = feature_word(cpu, W_1_ECX);
    r->d = feature_word(cpu, W_1_EDX);
    if (cpu->s.cr4 & CR4_OSXSAVE)
        r->c |= UINT32_C(1) << 27;
    if (cpu_has(cpu, FEAT_APIC) && (cpu->s.apic_base & 1 << 11) != 0)
        r->d |= 1 << 9;
}

/* Cache and TLB descriptors. */
static void leaf_descriptors(const struct cpu *cpu, struct regs *r)
{
    if (cpu_has(cpu, FEAT_LM))
        *r = (struct regs){0x55035A01, 0x00F0B2E4, 0, 0x09CA212C};
    else
        *r = (struct regs){0x03020101, 0, 0, 0x0C040882};
}

static void leaf_caches(uint32_t subleaf, struct regs *r)
{
    /* type, level, ways, KB; lines of 64 bytes. The last is shared by the package. */
    static const struct {
        uint8_t type, level, ways;
        uint16_t kilobytes;
    } caches[] = {{1, 1, 8, 32}, {2, 1, 4, 32}, {3, 2, 8, 256}, {3, 3, 16, 8192}};
    if (subleaf >= ARRAY_LEN(caches))
        return;
    unsigned ways = caches[subleaf].ways;
    r->a = (uint32_t)caches[subleaf].type | (uint32_t)caches[subleaf].level << 5 | 1 << 8;
    r->b = 63 | (ways - 1) << 22;
    r->c = caches[subleaf].kilobytes * 1024u / 64 / ways - 1;
    r->d = caches[subleaf].level == 3 ? 2 : 0; /* inclusive */
}

static void leaf_topology(uint32_t subleaf, struct regs *r)
{
    r->c = subleaf & 0xFF;
    if (subleaf < 2) {
        r->b = 1;
        r->c |= (subleaf + 1) << 8;
    }
}

static void leaf_xsave(const struct cpu *cpu, uint32_t subleaf, struct regs *r)
{
    enum { LEGACY_BYTES = 512 + 64, AVX_BYTES = 256 };
    uint32_t supported = (uint32_t)cpu_model_xcr0(cpu->model);
    if (!cpu_has(cpu, FEAT_XSAVE))
        return;
    if (subleaf == 0) {
        *r = (struct regs){supported, LEGACY_BYTES, LEGACY_BYTES, 0};
        r->b += cpu->s.xcr0 & XCR0_AVX ? AVX_BYTES : 0;
        r->c += supported & XCR0_AVX ? AVX_BYTES : 0;
    } else if (subleaf == 1) {
        r->a = feature_word(cpu, W_D1_EAX);
    } else if (subleaf == 2 && (supported & XCR0_AVX)) {
        *r = (struct regs){AVX_BYTES, LEGACY_BYTES, 0, 0};
    }
}

/* TSC = crystal x EBX / EAX. Guests multiply in 32 bits with kHz, so an unwieldy ratio is rounded. */
static void leaf_tsc(const struct cpu *cpu, struct regs *r)
{
    uint64_t hz = cpu->config.hz, crystal = cpu->model->bus_hz;
    uint64_t divisor = number_gcd(hz, crystal);
    uint64_t numerator = hz / divisor, denominator = crystal / divisor;
    if (numerator > UINT32_MAX / (crystal / 1000)) {
        denominator = 1000;
        numerator = (hz * denominator + crystal / 2) / crystal;
    }
    *r = (struct regs){(uint32_t)denominator, (uint32_t)numerator, (uint32_t)crystal, 0};
}

static void leaf_frequency(const struct cpu *cpu, struct regs *r)
{
    uint32_t mhz = (uint32_t)((cpu->config.hz + 500000) / 1000000);
    *r = (struct regs){mhz & 0xFFFF, mhz & 0xFFFF, 100, 0};
}

static void basic_leaf(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf, struct regs *r)
{
    switch (leaf) {
    case 0: leaf_vendor(cpu, r); break;
    case 1: leaf_version(cpu, r); break;
    case 2: leaf_descriptors(cpu, r); break;
    case 4: leaf_caches(subleaf, r); break;
    case 6: r->a = feature_word(cpu, W_6_EAX); break;
    case 7:
        if (subleaf == 0) {
            r->b = feature_word(cpu, W_7_EBX);
            r->c = cpu_has(cpu, FEAT_UMIP) ? 1 << 2 : 0;
            r->d = feature_word(cpu, W_7_EDX);
        }
        break;
    case 0xB: leaf_topology(subleaf, r); break;
    case 0xD: leaf_xsave(cpu, subleaf, r); break;
    case 0x15: leaf_tsc(cpu, r); break;
    case 0x16: leaf_frequency(cpu, r); break;
    default: break;
    }
}

/* ---- Extended leaves ---- */

static void leaf_brand(const struct cpu *cpu, unsigned part, struct regs *r)
{
    char text[49] = {0};
    uint64_t centi = (cpu->config.hz + 5000000) / 10000000;
    snprintf(text, sizeof text, "%s @ %u.%02uGHz", cpu->model->brand, (unsigned)(centi / 100),
             (unsigned)(centi % 100));
    memcpy(r, text + 16 * part, 16);
}

static void extended_leaf(const struct cpu *cpu, uint32_t leaf, struct regs *r)
{
    switch (leaf & 0xFFFF) {
    case 0: r->a = 0x80000008; break;
    case 1:
        r->c = feature_word(cpu, W_81_ECX);
        r->d = feature_word(cpu, W_81_EDX);
        if (!cpu->long64) /* Intel reports SYSCALL in 64-bit mode only */
            r->d &= ~(UINT32_C(1) << 11);
        break;
    case 2:
    case 3:
    case 4: leaf_brand(cpu, (leaf & 0xFFFF) - 2, r); break;
    case 6: r->c = 256u << 16 | 6 << 12 | 64; break; /* L2: 256 KB, 8 ways */
    case 7: r->d = feature_word(cpu, W_87_EDX); break;
    case 8: r->a = cpu->model->physical_bits | 48 << 8; break;
    default: break;
    }
}

static void cpuid(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf, struct regs *r)
{
    bool extended = cpu->model->brand != NULL && leaf >= 0x80000000 && leaf <= 0x80000008;
    if (extended) {
        extended_leaf(cpu, leaf, r);
        return;
    }
    /* Beyond the last leaf, Intel processors answer with the last basic one. */
    basic_leaf(cpu, leaf <= cpu->model->max_leaf ? leaf : cpu->model->max_leaf, subleaf, r);
}

enum exec exec_cpuid(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    uint32_t leaf = (uint32_t)cpu->s.gpr[RAX];
    struct regs r = {0, 0, 0, 0};
    cpuid(cpu, leaf, (uint32_t)cpu->s.gpr[RCX], &r);
    cpu_exit(cpu, CPU_EXIT_CPUID, leaf);
    cpu->s.gpr[RAX] = r.a;
    cpu->s.gpr[RBX] = r.b;
    cpu->s.gpr[RCX] = r.c;
    cpu->s.gpr[RDX] = r.d;
    return EXEC_NEXT;
}
