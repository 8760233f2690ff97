/* CPUID of the host (SDM vol. 2, CPUID). */
#include "base/host_cpu.h"

#include "base/check.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

enum { REG_EBX, REG_ECX, REG_EDX };

static const struct feature {
    const char *name;
    uint32_t leaf;
    uint8_t reg, bit;
    bool wide; /* needs YMM state */
} features[] = {
    {"mmx", 1, REG_EDX, 23, false},    {"sse", 1, REG_EDX, 25, false},
    {"sse2", 1, REG_EDX, 26, false},   {"pni", 1, REG_ECX, 0, false},
    {"ssse3", 1, REG_ECX, 9, false},   {"sse4_1", 1, REG_ECX, 19, false},
    {"sse4_2", 1, REG_ECX, 20, false}, {"popcnt", 1, REG_ECX, 23, false},
    {"movbe", 1, REG_ECX, 22, false},  {"abm", 0x80000001, REG_ECX, 5, false},
    {"bmi1", 7, REG_EBX, 3, false},    {"bmi2", 7, REG_EBX, 8, false},
    {"aes", 1, REG_ECX, 25, false},    {"pclmulqdq", 1, REG_ECX, 1, false},
    {"sha_ni", 7, REG_EBX, 29, false}, {"lahf_lm", 0x80000001, REG_ECX, 0, false},
    {"avx", 1, REG_ECX, 28, true},     {"avx2", 7, REG_EBX, 5, true},
    {"fma", 1, REG_ECX, 12, true},     {"f16c", 1, REG_ECX, 29, true},
    {"vaes", 7, REG_ECX, 9, true},
};

static bool is_intel(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx && c == signature_INTEL_ecx &&
           d == signature_INTEL_edx;
}

/* The operating system enabled XMM and YMM state (SDM vol. 1, 14.3). */
static bool saves_ymm(void)
{
    enum { OSXSAVE = 1 << 27, XMM_AND_YMM = 6 };
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & OSXSAVE) == 0)
        return false;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & XMM_AND_YMM) == XMM_AND_YMM;
}

bool host_cpu_has(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(features); i++) {
        const struct feature *feature = &features[i];
        unsigned a, reg[3];
        if (strcmp(feature->name, name) != 0)
            continue;
        return __get_cpuid_count(feature->leaf, 0, &a, &reg[REG_EBX], &reg[REG_ECX], &reg[REG_EDX]) &&
               (reg[feature->reg] >> feature->bit & 1) != 0 && (!feature->wide || saves_ymm());
    }
    return false;
}
#else
static bool is_intel(void)
{
    return false;
}

bool host_cpu_has(const char *name)
{
    (void)name;
    return false;
}
#endif

bool host_cpu_can_translate(void)
{
    return host_cpu_has("bmi2") && host_cpu_has("lahf_lm");
}

bool host_cpu_has_fast_pext(void)
{
    return host_cpu_has("bmi2") && (is_intel() || host_cpu_has("vaes"));
}
