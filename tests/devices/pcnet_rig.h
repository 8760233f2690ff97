/* Am79C970A on a bench: short names for registers, rings in any software style, and a back end that keeps
 * what it gets. */
#ifndef CROSSPAGE_TESTS_DEVICES_PCNET_RIG_H
#define CROSSPAGE_TESTS_DEVICES_PCNET_RIG_H

#include "devices/pcnet.h"
#include "io_bench.h"

enum {
    IO_BASE = 0xC000,
    INIT_BLOCK = 0x1000,
    RX_RING = 0x2000,
    TX_RING = 0x3000,
    RX_BUFFERS = 0x10000,
    TX_BUFFERS = 0x40000,
    BUFFER_SIZE = 1536,
    RING = 4,
};

enum { OWN = 1u << 31, ERR = 1u << 30, STP = 1u << 25, ENP = 1u << 24 };

struct nic_rig {
    struct io_bench bench;
    struct device *nic;
    bool dwio;
    unsigned style;
    /* the back end */
    const struct net_port_ops *port;
    void *port_ctx;
    bool at_once; /* `sent` from inside send */
    unsigned sends;
    struct frame last;
};

extern const struct pcnet_config nic_config;
extern const uint8_t broadcast[6], stranger[6], group[6];

void nic_init(struct nic_rig *rig, bool connected);
void nic_destroy(struct nic_rig *rig);
uint32_t nic_in(struct nic_rig *rig, unsigned offset, unsigned size);
void nic_out(struct nic_rig *rig, unsigned offset, unsigned size, uint32_t value);
void nic_set_rap(struct nic_rig *rig, unsigned number);
uint16_t nic_csr(struct nic_rig *rig, unsigned number);
void nic_csr_set(struct nic_rig *rig, unsigned number, uint16_t value);
uint16_t nic_bcr(struct nic_rig *rig, unsigned number);
void nic_bcr_set(struct nic_rig *rig, unsigned number, uint16_t value);
uint32_t nic_desc_at(const struct nic_rig *rig, uint32_t ring, unsigned index);
void nic_put_desc(struct nic_rig *rig, uint32_t ring, unsigned index, uint32_t flags, uint32_t addr,
                  unsigned size);
uint32_t nic_desc_flags(const struct nic_rig *rig, uint32_t ring, unsigned index);
uint32_t nic_desc_message(const struct nic_rig *rig, uint32_t ring, unsigned index);
void nic_put_init_block(struct nic_rig *rig, uint16_t mode, uint64_t ladrf);
void nic_fresh_rx(struct nic_rig *rig);
void nic_go(struct nic_rig *rig, uint16_t mode, uint64_t ladrf);
void nic_fill(struct nic_rig *rig, uint32_t at, unsigned size, const uint8_t *to);
struct frame nic_frame_to(const uint8_t *to, unsigned size);
void nic_arrive(struct nic_rig *rig, const struct frame *frame);

/* Style, access width, and whether the back end is done at once. */
struct combination {
    unsigned style;
    bool dwio, at_once;
};

enum { COMBINATIONS = 7 };
extern const struct combination combinations[COMBINATIONS];
void nic_for(struct nic_rig *rig, const struct combination *row);

#endif
