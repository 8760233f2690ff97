/* CPU models: the rows of models.def and questions about them. CPUID itself is exec_cpuid.c. */
#include "cpu/model.h"

#include "cpu/cpu_priv.h"

#include <string.h>

static const struct cpu_model models[] = {
#define F(feature) (UINT64_C(1) << FEAT_##feature)
#define MODEL(id, model_name, model_brand, fam, mod, step, bits, hz, leaf, feats)                            \
    {.name = model_name,                                                                                     \
     .brand = model_brand,                                                                                   \
     .family = fam,                                                                                          \
     .model = mod,                                                                                           \
     .stepping = step,                                                                                       \
     .physical_bits = bits,                                                                                  \
     .max_leaf = leaf,                                                                                       \
     .bus_hz = hz,                                                                                           \
     .features = {(feats) | F(BASE), 0}},
#include "cpu/models.def"
#undef MODEL
#undef F
};

const struct cpu_model *cpu_model_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(models); i++)
        if (strcmp(models[i].name, name) == 0)
            return &models[i];
    return NULL;
}

const struct cpu_model *cpu_model_by_index(unsigned index)
{
    return index < ARRAY_LEN(models) ? &models[index] : NULL;
}

const char *cpu_model_name(const struct cpu_model *model)
{
    return model->name;
}

uint64_t cpu_model_bus_hz(const struct cpu_model *model)
{
    return model->bus_hz;
}

const uint64_t *cpu_model_features(const struct cpu_model *model)
{
    return model->features;
}

bool cpu_model_has_apic(const struct cpu_model *model)
{
    return (model->features[FEAT_APIC / 64] >> (FEAT_APIC % 64) & 1) != 0;
}

bool cpu_has(const struct cpu *cpu, enum insn_feature feature)
{
    if (cpu->config.no_apic && (feature == FEAT_APIC || feature == FEAT_TSC_DEADLINE))
        return false;
    if (cpu->config.no_pcid && (feature == FEAT_PCID || feature == FEAT_INVPCID))
        return false;
    return (cpu->model->features[feature / 64] >> (feature % 64) & 1) != 0;
}

uint32_t cpu_model_signature(const struct cpu_model *model)
{
    return (uint32_t)model->stepping | (model->model & 0xFu) << 4 | (uint32_t)model->family << 8 |
           (uint32_t)(model->model >> 4) << 16;
}

unsigned cpu_model_physical_bits(const struct cpu_model *model)
{
    return model->physical_bits;
}

uint64_t cpu_model_xcr0(const struct cpu_model *model)
{
    if (!(model->features[0] >> FEAT_XSAVE & 1))
        return XCR0_X87;
    return XCR0_X87 | (model->features[0] >> FEAT_AVX & 1 ? XCR0_YMM : XCR0_SSE);
}
