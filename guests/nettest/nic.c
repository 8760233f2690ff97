/* The list of drivers. */
#include "nic.h"
#include "console.h"

static const struct nic_ops *const drivers[] = {&pcnet_ops, &ideal_ops};

static const struct nic_ops *found;

bool nic_start(const struct config *config)
{
    struct pci_function function;
    for (unsigned i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (pci_find(drivers[i]->pci_id, &function)) {
            found = drivers[i];
            return found->start(config, function);
        }
    console_line("no network controller");
    return false;
}

const struct nic_ops *nic(void)
{
    return found;
}
