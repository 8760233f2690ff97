/* VMDriver: the host kernel driver through which the VMApp enters the monitor, and into which the monitor
 * switches. */
#include "hostworld/hosted_priv.h"

void vmdriver_return(struct host *host)
{
    host_charge(host, COST_ID_VMDRIVER_RETURN);
    host_charge(host, COST_ID_VMAPP_DISPATCH);
}

void vmdriver_call(struct host *host)
{
    host_charge(host, COST_ID_VMDRIVER_IOCTL);
}

void vmdriver_reassert(struct host *host, uint16_t taken)
{
    host_charge(host, COST_ID_VMDRIVER_REASSERT);
    host->irq_pending |= taken;
    host_poll_irqs(host);
}
