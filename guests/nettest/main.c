/* The nettest guest: a small kernel in the shape of Linux 2.2 with one process, which sends or receives one
 * TCP stream through an AMD Lance and prints the throughput. It is the fixed workload of tests and the demo
 * that needs no download.
 *
 * Started by boot.S with paging on and interrupts off, on the idle task's stack. */
#include "abi.h"
#include "console.h"
#include "cpu.h"
#include "irq.h"
#include "mm.h"
#include "net.h"
#include "options.h"
#include "pci.h"
#include "nic.h"
#include "task.h"

void kernel_main(void);

void kernel_main(void)
{
    struct config config;
    console_init();
    if (!options_parse(boot_command_line, &config))
        machine_exit(config.exit_ways, 2);
    net_init(&config);
    mm_init();
    cpu_init();
    packet_pool_init();
    irq_init();
    if (!nic_start(&config))
        machine_exit(config.exit_ways, 1);
    task_init(&config);
    task_idle();
}
