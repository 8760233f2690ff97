/* Am79C970A: control and status registers, bus configuration registers, the three resets, the interrupt line.
 *
 * Data sheet: "User Accessible Registers". What a register resets to and when it may be written is in
 * pcnet_csr.def and pcnet_bcr.def; only registers with effects have code here. */
#include "devices/pcnet_priv.h"

#include <string.h>

enum csr_scope { SCOPE_NEVER, SCOPE_POWER, SCOPE_SOFT, SCOPE_STOP };
enum csr_when { WHEN_RO, WHEN_ALWAYS, WHEN_STOPPED, WHEN_SPECIAL };

struct csr_info {
    const char *name; /* NULL: reserved */
    uint16_t reset, writable;
    uint8_t scope, when;
};

static const struct csr_info csr_table[CSR_COUNT] = {
#define CSR(number, reset, scope, writable, when, name)                                                      \
    [number] = {name, reset, writable, SCOPE_##scope, WHEN_##when},
#include "devices/pcnet_csr.def"
#undef CSR
};

enum bcr_kind { BCR_PLAIN, BCR_SPECIAL };

struct bcr_info {
    const char *name;
    uint16_t reset, writable;
    uint8_t kind;
};

static const struct bcr_info bcr_table[BCR_COUNT] = {
#define BCR(number, reset, writable, kind, name) [number] = {name, reset, writable, BCR_##kind},
#include "devices/pcnet_bcr.def"
#undef BCR
};

/* ---- Interrupt line ---- */

void pcnet_update_irq(struct pcnet *nic)
{
    uint16_t *csr = nic->state.csr;
    /* Masks sit at the same bit in CSR3, one bit lower in CSR4; enables one bit lower in CSR5. */
    unsigned causes = (csr[0] & CSR0_INTERRUPTS & ~csr[CSR_MASK]) |
                      (csr[CSR_TEST] & CSR4_MASKED & ~(csr[CSR_TEST] << 1)) | (csr[CSR_TEST] & CSR4_UINT) |
                      (csr[CSR_EXTENDED] & CSR5_EVENTS & (csr[CSR_EXTENDED] << 1));
    csr[0] &= (uint16_t) ~(CSR0_INTR | CSR0_ERR);
    if (causes)
        csr[0] |= CSR0_INTR;
    if (csr[0] & CSR0_ERRORS)
        csr[0] |= CSR0_ERR;
    if (nic->pci.bus != NULL)
        pci_interrupt(&nic->pci, causes && (csr[0] & CSR0_IENA));
}

void pcnet_raise(struct pcnet *nic, uint16_t csr0_events)
{
    nic->state.csr[0] |= csr0_events;
    pcnet_update_irq(nic);
}

/* ---- Resets ---- */

/* H_RESET, S_RESET and STOP are nested: each resets what the next weaker one does, and more. */
static void reset_scope(struct pcnet *nic, enum csr_scope least)
{
    for (unsigned i = 0; i < CSR_COUNT; i++)
        if (csr_table[i].scope >= least)
            nic->state.csr[i] = csr_table[i].reset;
}

/* STOP: all activity ends at once, status is cleared, set-up stays. */
static void stop(struct pcnet *nic)
{
    struct pcnet_state *state = &nic->state;
    pcnet_transmit_abort(nic);
    state->suspend_wanted = 0;
    state->csr[0] = CSR0_STOP;
    state->csr[CSR_TEST] &= (uint16_t) ~(CSR4_EN124 | CSR4_MASKED | CSR4_UINT);
    state->csr[CSR_EXTENDED] &= (uint16_t) ~(CSR5_EVENTS | CSR5_SPND);
    reset_scope(nic, SCOPE_STOP);
    pcnet_update_irq(nic);
}

void pcnet_soft_reset(struct pcnet *nic)
{
    stop(nic);
    nic->state.rap = 0;
    reset_scope(nic, SCOPE_SOFT);
    pcnet_update_irq(nic);
}

/* Power-on. The real H_RESET leaves registers of scope NEVER alone; there their first contents are undefined,
 * here zero. */
void pcnet_hard_reset(struct pcnet *nic)
{
    pcnet_soft_reset(nic);
    reset_scope(nic, SCOPE_NEVER);
    for (unsigned i = 0; i < BCR_COUNT; i++)
        nic->state.bcr[i] = bcr_table[i].reset;
    pcnet_load_eeprom(nic);
}

/* ---- CSR0, CSR4, CSR5 ---- */

/* DTX and DRX count only at this moment. */
static void start(struct pcnet *nic)
{
    uint16_t *csr = nic->state.csr;
    csr[0] &= (uint16_t)~CSR0_STOP;
    csr[0] |= CSR0_STRT;
    if (!(csr[CSR_MODE] & CSR15_DTX))
        csr[0] |= CSR0_TXON;
    if (!(csr[CSR_MODE] & CSR15_DRX))
        csr[0] |= CSR0_RXON;
}

/* The initialization block is read in no simulated time; the chip needs about 2 us of bus time for it. */
static void initialize(struct pcnet *nic)
{
    uint16_t *csr = nic->state.csr;
    csr[0] &= (uint16_t)~CSR0_STOP;
    csr[0] |= CSR0_INIT;
    if (!pcnet_may_dma(nic))
        return;
    pcnet_read_init_block(nic);
    csr[0] |= CSR0_IDON;
}

/* Order matters: a driver may initialize, start and demand transmission in one write, and acknowledges events
 * in the same one. */
static void csr0_write(struct pcnet *nic, uint16_t value)
{
    uint16_t *csr = nic->state.csr;
    csr[0] &= (uint16_t) ~(value & CSR0_EVENTS);
    if (value & CSR0_STOP) { /* overrides everything else in the same write */
        stop(nic);
        return;
    }
    csr[0] = (uint16_t)((csr[0] & ~CSR0_IENA) | (value & CSR0_IENA));
    bool look = false;
    if ((value & CSR0_INIT) && !(csr[0] & CSR0_INIT))
        initialize(nic);
    if ((value & CSR0_STRT) && !(csr[0] & CSR0_STRT)) {
        start(nic);
        look = true;
    }
    if ((value & CSR0_TDMD) && (csr[0] & CSR0_TXON)) {
        csr[0] |= CSR0_TDMD;
        look = true;
    }
    pcnet_update_irq(nic);
    if (look)
        pcnet_transmit(nic);
}

/* Events clear by writing one, masks and features are what was written last. */
static void csr4_write(struct pcnet *nic, uint16_t value)
{
    uint16_t old = nic->state.csr[CSR_TEST];
    uint16_t events = (uint16_t)(old & (CSR4_MASKED | CSR4_UINT) & ~value); /* writing one clears */
    if (value & CSR4_UINTCMD)
        events |= CSR4_UINT;
    nic->state.csr[CSR_TEST] = (uint16_t)((value & CSR4_PLAIN) | events);
    if ((old ^ value) & CSR4_TXDPOLL)
        pcnet_polling_changed(nic);
    pcnet_update_irq(nic);
}

void pcnet_try_suspend(struct pcnet *nic)
{
    struct pcnet_state *state = &nic->state;
    if (state->suspend_wanted && state->tx_phase != TX_WIRE && state->tx_phase != TX_INSIDE)
        state->csr[CSR_EXTENDED] |= CSR5_SPND;
}

/* SPND is a request when written and an answer when read: it reads one when the transmitter has come to rest,
 * and from then on registers may be written as if stopped. */
static void csr5_write(struct pcnet *nic, uint16_t value)
{
    struct pcnet_state *state = &nic->state;
    uint16_t old = state->csr[CSR_EXTENDED];
    uint16_t keep = (uint16_t)(old & ((CSR5_EVENTS & ~value) | CSR5_SPND));
    state->csr[CSR_EXTENDED] = (uint16_t)((value & CSR5_PLAIN) | keep);
    state->suspend_wanted = (value & CSR5_SPND) != 0;
    if (state->suspend_wanted)
        pcnet_try_suspend(nic);
    else
        state->csr[CSR_EXTENDED] &= (uint16_t)~CSR5_SPND;
    pcnet_update_irq(nic);
    if ((old & CSR5_SPND) && !state->suspend_wanted)
        pcnet_transmit(nic); /* continue where the suspension began */
}

/* SWSTYLE decides SSIZE32 and CSRPCNET; a reserved style is taken as 2. */
static void style_write(struct pcnet *nic, uint16_t value)
{
    static const uint16_t derived[] = {STYLE_CSRPCNET, STYLE_SSIZE32, STYLE_SSIZE32 | STYLE_CSRPCNET,
                                       STYLE_SSIZE32 | STYLE_CSRPCNET};
    unsigned style = value & 0xFF;
    if (style >= ARRAY_LEN(derived)) {
        log_line(nic->device.env->log, LOG_GUEST_ERROR, "pcnet: reserved software style %u", style);
        style = 2;
    }
    nic->state.csr[CSR_STYLE] = (uint16_t)(style | derived[style] | (value & STYLE_APERREN));
}

/* ---- Register files ---- */

static bool stopped(const struct pcnet_state *state)
{
    return (state->csr[0] & CSR0_STOP) || (state->csr[CSR_EXTENDED] & CSR5_SPND);
}

static unsigned csr_canonical(unsigned number)
{
    return number == 16 || number == 17 ? number - 15 : number;
}

uint16_t pcnet_csr_read(struct pcnet *nic, unsigned number)
{
    number = csr_canonical(number);
    if (number >= CSR_COUNT || (number == CSR_RUNT && !(nic->state.csr[CSR_TEST] & CSR4_EN124)))
        return 0;
    return nic->state.csr[number];
}

static void csr_special_write(struct pcnet *nic, unsigned number, uint16_t value)
{
    struct pcnet_state *state = &nic->state;
    switch (number) {
    case 0: csr0_write(nic, value); break;
    case CSR_TEST: csr4_write(nic, value); break;
    case CSR_EXTENDED: csr5_write(nic, value); break;
    case CSR_STYLE:
        if (stopped(state))
            style_write(nic, value);
        break;
    case CSR_FIFO:
        if (stopped(state))
            state->csr[number] = value | 0xC000;
        break;
    case CSR_RUNT:
        if (state->csr[CSR_TEST] & CSR4_EN124)
            state->csr[number] = value & CSR124_RPA;
        break;
    default: break;
    }
}

void pcnet_csr_write(struct pcnet *nic, unsigned number, uint16_t value)
{
    number = csr_canonical(number);
    if (number >= CSR_COUNT)
        return;
    const struct csr_info *info = &csr_table[number];
    uint16_t *reg = &nic->state.csr[number];
    switch ((enum csr_when)info->when) {
    case WHEN_SPECIAL: csr_special_write(nic, number, value); return;
    case WHEN_RO: return;
    case WHEN_STOPPED:
        if (!stopped(&nic->state)) {
            log_line(nic->device.env->log, LOG_GUEST_ERROR, "pcnet: CSR%u (%s) written while running", number,
                     info->name);
            return;
        }
        break;
    case WHEN_ALWAYS: break;
    }
    *reg = (uint16_t)((*reg & ~info->writable) | (value & info->writable));
    if (number == CSR_MASK)
        pcnet_update_irq(nic);
}

/* BCR4..7: bit 15 shows whether any of the enabled signals is active. Pulse stretching is not modelled. */
static uint16_t led_read(const struct pcnet_state *state, unsigned number)
{
    enum {
        LED_XMTE = 1 << 4,
        LED_RXPOLE = 1 << 3,
        LED_LNKSTE = 1 << 6,
        LED_FDLSE = 1 << 8,
        LEDOUT = 1 << 15
    };
    enum { FDEN = 1 };
    uint16_t value = state->bcr[number];
    bool sending = state->tx_phase == TX_WIRE;
    bool full_duplex = (state->bcr[9] & FDEN) != 0;
    bool lit = ((value & (LED_LNKSTE | LED_RXPOLE)) && state->link_up) || ((value & LED_XMTE) && sending) ||
               ((value & LED_FDLSE) && state->link_up && full_duplex);
    return lit ? value | LEDOUT : value;
}

uint16_t pcnet_bcr_read(struct pcnet *nic, unsigned number)
{
    if (number >= BCR_COUNT)
        return 0;
    if (number == BCR_STYLE)
        return nic->state.csr[CSR_STYLE];
    if (number >= BCR_LED && number < BCR_LED + 4)
        return led_read(&nic->state, number);
    return nic->state.bcr[number];
}

void pcnet_bcr_write(struct pcnet *nic, unsigned number, uint16_t value)
{
    if (number >= BCR_COUNT)
        return;
    if (number == BCR_STYLE) {
        csr_special_write(nic, CSR_STYLE, value);
        return;
    }
    if (number == BCR_EEPROM && (value & BCR19_PREAD))
        pcnet_load_eeprom(nic);
    const struct bcr_info *info = &bcr_table[number];
    uint16_t *reg = &nic->state.bcr[number];
    *reg = (uint16_t)((*reg & ~info->writable) | (value & info->writable));
}
