/* System calls: arguments are checked here, the work is done elsewhere. User memory is used in place: the
 * kernel part is mapped in the process's tables too, and a page that is not there yet comes by a page fault,
 * also when the kernel touches it. */
#include "syscall.h"
#include "abi.h"
#include "console.h"
#include "io.h"
#include "irq.h"
#include "mm.h"
#include "net.h"
#include "pci.h"
#include "nic.h"
#include "task.h"
#include "tcp.h"

static uint32_t page_faults;

void syscall_count_fault(void)
{
    page_faults++;
}

static void stats_collect(struct stats *stats)
{
    uint32_t flags = interrupts_save(); /* no interrupt is counted in one of the two only */
    nic()->stats(stats);
    stats->pic = irq_pic_accesses();
    interrupts_restore(flags);
    stats->timer_ticks = timer_ticks();
    stats->retransmits = tcp_retransmits();
    stats->idle_switches = task_idle_switches();
    stats->page_faults = page_faults;
}

typedef int32_t system_call(uint32_t a, uint32_t b, uint32_t c);

static int32_t sys_exit(uint32_t status, uint32_t b, uint32_t c)
{
    (void)b, (void)c;
    machine_exit(net_config()->exit_ways, (uint8_t)status);
}

static int32_t sys_print(uint32_t text, uint32_t length, uint32_t c)
{
    (void)c;
    if (!mm_user_range(text, length))
        return -1;
    console_write((const char *)text, length);
    return (int32_t)length;
}

static int32_t sys_config(uint32_t config, uint32_t b, uint32_t c)
{
    (void)b, (void)c;
    if (!mm_user_range(config, sizeof(struct config)))
        return -1;
    memcpy((void *)config, net_config(), sizeof(struct config));
    return 0;
}

static int32_t sys_connect(uint32_t address, uint32_t port, uint32_t c)
{
    (void)c;
    if (address != net_config()->peer || port == 0 || port > 65535)
        return -1;
    return tcp_connect((uint16_t)port) ? 0 : -1;
}

static int32_t sys_accept(uint32_t port, uint32_t b, uint32_t c)
{
    (void)b, (void)c;
    if (port == 0 || port > 65535)
        return -1;
    return tcp_accept((uint16_t)port) ? 0 : -1;
}

static int32_t sys_write(uint32_t buffer, uint32_t length, uint32_t c)
{
    (void)c;
    return mm_user_range(buffer, length) ? tcp_write((const void *)buffer, length) : -1;
}

static int32_t sys_read(uint32_t buffer, uint32_t length, uint32_t c)
{
    (void)c;
    return mm_user_range(buffer, length) ? tcp_read((void *)buffer, length) : -1;
}

static int32_t sys_shutdown(uint32_t a, uint32_t b, uint32_t c)
{
    (void)a, (void)b, (void)c;
    return tcp_shutdown() ? 0 : -1;
}

static int32_t sys_close(uint32_t a, uint32_t b, uint32_t c)
{
    (void)a, (void)b, (void)c;
    tcp_close();
    return 0;
}

static bool all_sent(void)
{
    return nic()->is_drained();
}

static int32_t sys_sendto(uint32_t buffer, uint32_t length, uint32_t c)
{
    (void)c;
    if (!mm_user_range(buffer, length) || !net_send_udp((const void *)buffer, length))
        return -1;
    return (int32_t)length;
}

static int32_t sys_clock(uint32_t result, uint32_t b, uint32_t c)
{
    (void)b, (void)c;
    if (!mm_user_range(result, sizeof(uint64_t)))
        return -1;
    *(uint64_t *)result = timer_nanoseconds();
    return 0;
}

/* Waits until the transmit ring is empty, so that the counts fit together. */
static int32_t sys_stats(uint32_t result, uint32_t b, uint32_t c)
{
    (void)b, (void)c;
    if (!mm_user_range(result, sizeof(struct stats)))
        return -1;
    task_wait(all_sent);
    stats_collect((struct stats *)result);
    return 0;
}

int32_t syscall_dispatch(uint32_t number, uint32_t a, uint32_t b, uint32_t c)
{
    static system_call *const calls[SYS_LIMIT] = {
        [SYS_EXIT] = sys_exit,         [SYS_PRINT] = sys_print, [SYS_CONFIG] = sys_config,
        [SYS_CONNECT] = sys_connect,   [SYS_WRITE] = sys_write, [SYS_READ] = sys_read,
        [SYS_SHUTDOWN] = sys_shutdown, [SYS_CLOSE] = sys_close, [SYS_SENDTO] = sys_sendto,
        [SYS_CLOCK] = sys_clock,       [SYS_STATS] = sys_stats, [SYS_ACCEPT] = sys_accept,
    };
    return number < SYS_LIMIT && calls[number] != NULL ? calls[number](a, b, c) : -1;
}
