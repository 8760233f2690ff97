/* The pool of packets: a free list, guarded by the interrupt flag because the driver's interrupt handler
 * takes and releases packets too. */
#include "packet.h"
#include "io.h"

enum {
    POOL_SIZE = 160,   /* the send buffer is 37; the receive ring holds 32 */
    POOL_RESERVE = 48, /* kept for receiving and for answers */
};

struct pool {
    struct packet packets[POOL_SIZE];
    struct packet *free;
    unsigned count, held; /* free ones; those with several users */
};

static struct pool pool;

void packet_pool_init(void)
{
    for (unsigned i = 0; i < POOL_SIZE; i++) {
        pool.packets[i].next = pool.free;
        pool.free = &pool.packets[i];
    }
    pool.count = POOL_SIZE;
}

struct packet *packet_take(void)
{
    uint32_t flags = interrupts_save();
    struct packet *packet = pool.free;
    if (packet != NULL) {
        pool.free = packet->next;
        pool.count--;
        packet->next = packet->next_sent = NULL;
        packet->users = 1;
        packet->length = packet->payload = packet->sum = 0;
        packet->fin = false;
    }
    interrupts_restore(flags);
    return packet;
}

void packet_hold(struct packet *packet)
{
    uint32_t flags = interrupts_save();
    pool.held += packet->users++ == 1;
    interrupts_restore(flags);
}

void packet_release(struct packet *packet)
{
    uint32_t flags = interrupts_save();
    pool.held -= packet->users == 2;
    if (--packet->users == 0) {
        packet->next = pool.free;
        pool.free = packet;
        pool.count++;
    }
    interrupts_restore(flags);
}

unsigned packets_held(void)
{
    return *(volatile unsigned *)&pool.held;
}

bool packet_plenty(void)
{
    return *(volatile unsigned *)&pool.count > POOL_RESERVE;
}
