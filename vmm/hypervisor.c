/* The list of hypervisors. */
#include "vmm/hypervisor.h"

#include <string.h>

#define HYPERVISOR(ops) extern const struct hypervisor_ops ops;
#include "vmm/hypervisor.def"
#undef HYPERVISOR

static const struct hypervisor_ops *const hypervisors[] = {
#define HYPERVISOR(ops) &ops,
#include "vmm/hypervisor.def"
#undef HYPERVISOR
};

const struct hypervisor_ops *hypervisor_by_index(unsigned index)
{
    return index < ARRAY_LEN(hypervisors) ? hypervisors[index] : NULL;
}

const struct hypervisor_ops *hypervisor_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(hypervisors); i++)
        if (strcmp(hypervisors[i]->name, name) == 0)
            return hypervisors[i];
    return NULL;
}
