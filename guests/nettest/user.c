/* The process of the nettest guest, in ring 3: what the paper's nettest does. One connection, a total amount,
 * a size per call; the same buffer is sent again and again; prints bytes, time and megabits per second.
 *
 * Linked on its own pages (link.ld): it has no static data and calls nothing of the kernel but INT 0x80. */
#include "abi.h"
#include "text.h"

#include <stdbool.h>

void user_main(void);

static int32_t system_call(enum syscall_number number, uint32_t a, uint32_t b)
{
    int32_t result;
    __asm__ volatile("int %1"
                     : "=a"(result)
                     : "i"(SYSCALL_VECTOR), "0"(number), "b"(a), "c"(b), "d"(0)
                     : "memory", "cc");
    return result;
}

static uint32_t user_address(const void *pointer)
{
    return (uint32_t)(uintptr_t)pointer;
}

static void text_print(struct text *text)
{
    text_char(text, '\n');
    system_call(SYS_PRINT, user_address(text->data), (uint32_t)text->length);
    text->length = 0;
}

static uint64_t clock_now(void)
{
    uint64_t now = 0;
    system_call(SYS_CLOCK, user_address(&now), 0);
    return now;
}

static uint32_t chunk_of(const struct config *config, uint64_t done)
{
    uint64_t left = config->total - done;
    return left < config->chunk ? (uint32_t)left : config->chunk;
}

/* The amount that was moved before an error, which is all of it if there was none. */
static uint64_t run_send(const struct config *config)
{
    uint64_t done = 0;
    for (uint32_t i = 0; i < config->chunk; i++)
        ((volatile uint8_t *)USER_BUFFER)[i] = (uint8_t)('a' + i % 26);
    enum syscall_number call = config->mode == MODE_UDP ? SYS_SENDTO : SYS_WRITE;
    while (done < config->total) {
        uint32_t chunk = chunk_of(config, done);
        if (system_call(call, USER_BUFFER, chunk) != (int32_t)chunk)
            break;
        done += chunk;
    }
    return done;
}

/* The peer's source: printable characters in turn (in the spirit of RFC 864), here from the `phase`th on. */
static bool is_stream(const uint8_t *bytes, uint32_t count, uint32_t phase)
{
    for (uint32_t i = 0; i < count; i++) {
        if (bytes[i] != ' ' + phase)
            return false;
        phase = phase == 94 ? 0 : phase + 1;
    }
    return true;
}

/* As a client until it has all it wants, as a server until the peer closes. */
static uint64_t run_receive(struct config *config)
{
    uint64_t done = 0;
    uint32_t phase = 0;
    int32_t count = 0;
    while (config->mode == MODE_SERVE || done < config->total) {
        uint32_t chunk = config->mode == MODE_SERVE ? config->chunk : chunk_of(config, done);
        count = system_call(SYS_READ, USER_BUFFER, chunk);
        if (count <= 0)
            break;
        if (config->verify && !is_stream((const uint8_t *)USER_BUFFER, (uint32_t)count, phase))
            break;
        phase = (phase + (uint32_t)count) % 95;
        done += (uint32_t)count;
    }
    if (config->mode == MODE_SERVE)
        config->total = done + (count < 0);
    return done;
}

static bool receives(const struct config *config)
{
    return config->mode == MODE_RECV || config->mode == MODE_SERVE;
}

static bool open_connection(const struct config *config)
{
    if (config->mode == MODE_SERVE || config->mode == MODE_SOURCE)
        return system_call(SYS_ACCEPT, config->port, 0) >= 0;
    return config->mode == MODE_UDP || system_call(SYS_CONNECT, config->peer, config->port) >= 0;
}

static void print_result(const struct config *config, uint64_t bytes, uint64_t nanoseconds)
{
    struct text text;
    uint32_t microseconds = (uint32_t)divide64(nanoseconds, 1000, NULL), rest;
    uint64_t hundredths = divide64(bytes * 800, microseconds != 0 ? microseconds : 1, NULL);
    text.length = 0;
    text_string(&text, receives(config) ? "nettest: received " : "nettest: sent ");
    text_decimal(&text, bytes, 1);
    text_string(&text, " bytes in ");
    text_decimal(&text, divide64(microseconds, 1000000, &rest), 1);
    text_char(&text, '.');
    text_decimal(&text, rest, 6);
    text_string(&text, " s, ");
    text_decimal(&text, divide64(hundredths, 100, &rest), 1);
    text_char(&text, '.');
    text_decimal(&text, rest, 2);
    text_string(&text, " Mb/s");
    text_print(&text);
}

static void field(struct text *text, const char *name, uint32_t value)
{
    text_char(text, ' ');
    text_string(text, name);
    text_char(text, '=');
    text_decimal(text, value, 1);
}

static void print_stats(const struct stats *stats)
{
    struct text text;
    text.length = 0;
    text_string(&text, "nettest: packets");
    field(&text, "tx", stats->tx_packets);
    field(&text, "rx", stats->rx_packets);
    field(&text, "tx_errors", stats->tx_errors);
    field(&text, "rx_errors", stats->rx_errors);
    field(&text, "rx_dropped", stats->rx_dropped);
    field(&text, "retransmits", stats->retransmits);
    text_print(&text);
    text_string(&text, "nettest: ports");
    field(&text, "rap", stats->rap);
    field(&text, "rdp", stats->rdp);
    field(&text, "pic", stats->pic);
    if (stats->ideal != 0)
        field(&text, "ideal", stats->ideal);
    text_print(&text);
    text_string(&text, "nettest: interrupts");
    field(&text, "nic", stats->nic_irqs);
    field(&text, "tx_only", stats->tx_irqs);
    field(&text, "rx_only", stats->rx_irqs);
    field(&text, "both", stats->both_irqs);
    field(&text, "empty", stats->empty_irqs);
    field(&text, "rounds", stats->rounds);
    field(&text, "timer", stats->timer_ticks);
    text_print(&text);
    text_string(&text, "nettest: system");
    field(&text, "idle_switches", stats->idle_switches);
    field(&text, "page_faults", stats->page_faults);
    text_print(&text);
}

static _Noreturn void finish(const char *message, uint32_t status)
{
    struct text text;
    text.length = 0;
    text_string(&text, "nettest: ");
    text_string(&text, message);
    text_print(&text);
    for (;;)
        system_call(SYS_EXIT, status, 0);
}

/* Where the kernel enters: link.ld puts it first. No stack frame above it. */
__attribute__((section(".user.start"), noreturn)) void user_main(void)
{
    struct config config;
    struct stats stats;
    system_call(SYS_CONFIG, user_address(&config), 0);
    if (!open_connection(&config))
        finish("cannot connect", 1);
    uint64_t start = clock_now();
    uint64_t bytes = receives(&config) ? run_receive(&config) : run_send(&config);
    if ((config.mode == MODE_SEND || config.mode == MODE_SOURCE) && system_call(SYS_SHUTDOWN, 0, 0) < 0)
        bytes = bytes < config.total ? bytes : config.total - 1; /* not all of it arrived */
    system_call(SYS_STATS, user_address(&stats), 0);
    uint64_t end = clock_now();
    if (config.mode != MODE_UDP)
        system_call(SYS_CLOSE, 0, 0);
    print_result(&config, bytes, end - start);
    print_stats(&stats);
    if (bytes != config.total)
        finish("FAILED", 1);
    finish("done", 0);
}
