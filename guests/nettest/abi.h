/* What the user program and the kernel agree on: system calls through INT 0x80 (number in EAX, arguments in
 * EBX, ECX, EDX, result in EAX, negative for failure) and the structures they pass. */
#ifndef NETTEST_ABI_H
#define NETTEST_ABI_H

#include <stdint.h>

enum syscall_number {
    SYS_EXIT = 1, /* (status): power off, does not return */
    SYS_PRINT,    /* (text, length) */
    SYS_CONFIG,   /* (struct config *): the options of the kernel command line */
    SYS_CONNECT,  /* (address, port): open the one TCP connection */
    SYS_ACCEPT,   /* (port): wait until the peer opens it; its ARP request tells its address */
    SYS_WRITE,    /* (buffer, length): all of it; blocks while the socket buffer is full */
    SYS_READ,     /* (buffer, length): at least one byte, 0 at end of stream */
    SYS_SHUTDOWN, /* (): no more writing; returns when the peer has acknowledged everything */
    SYS_CLOSE,    /* (): waits a while for the peer to close too */
    SYS_SENDTO,   /* (buffer, length): one UDP datagram to the configured peer */
    SYS_CLOCK,    /* (uint64_t *): nanoseconds since boot */
    SYS_STATS,    /* (struct stats *) */
    SYS_LIMIT,
};

enum { SYSCALL_VECTOR = 0x80 };

/* The user program's memory: its image is mapped read-only at USER_TEXT (see link.ld); buffer and stack get
 * a zeroed page at the first touch. */
#define USER_TEXT        0x08048000u
#define USER_BUFFER      0x10000000u
#define USER_BUFFER_SIZE 0x00100000u
#define USER_STACK_TOP   0xbffff000u
#define USER_STACK_SIZE  0x00010000u

/* SERVE and SOURCE wait for the peer to connect, then receive or send. */
enum mode { MODE_SEND, MODE_RECV, MODE_UDP, MODE_SERVE, MODE_SOURCE };

enum { EXIT_ISA_DEBUG = 1, EXIT_ACPI = 2 };

struct config {
    uint64_t total;             /* bytes to move; MODE_SERVE takes what comes */
    uint32_t chunk;             /* bytes per write(), read() or datagram */
    uint32_t ip, peer;          /* host byte order */
    uint32_t port;              /* 0: 9 (discard), or 19 (chargen) for RECV and SOURCE */
    uint32_t exit_ways;         /* EXIT_ bits */
    uint32_t tx_ring;           /* transmit descriptors in use at a time, 1 to 16 */
    uint32_t wide;              /* nonzero: 32-bit descriptors (SWSTYLE 2), zero: 16-bit ones */
    uint32_t path;              /* mean cycles of net_path() per packet sent or received */
    uint32_t path_is_even;      /* nonzero: the same for every packet */
    uint32_t idle_keeps_tables; /* nonzero: the idle task runs on the page tables of the process before it */
    uint32_t verify;            /* nonzero: RECV looks at what it got, which must be a chargen stream */
    enum mode mode;
};

/* Counted by the driver and the interrupt code, so that a run can be checked against papers' counts:
 * rap + rdp = 2 tx_packets + 6 nic_irqs + 4 rounds. */
struct stats {
    uint32_t tx_packets, rx_packets, tx_errors, rx_errors, rx_dropped;
    uint32_t rap, rdp;    /* accesses to the Lance address and data port since the chip was started */
    uint32_t nic_irqs;    /* entries into the driver's interrupt handler */
    uint32_t tx_irqs;     /* of these, with a finished transmission only */
    uint32_t rx_irqs;     /* with a received packet only */
    uint32_t both_irqs;   /* with both */
    uint32_t empty_irqs;  /* with neither */
    uint32_t rounds;      /* turns of the handler's loop: one per interrupt unless something came meanwhile */
    uint32_t pic;         /* accesses to the interrupt controllers by NIC interrupts */
    uint32_t timer_ticks; /* 100 Hz */
    uint32_t retransmits; /* TCP segments sent again */
    uint32_t idle_switches; /* from the process to the idle task */
    uint32_t page_faults;
    uint32_t ideal; /* accesses to the idealized NIC since it was started */
};

#endif
