/* MC146818 real-time clock with 128 bytes of battery-backed memory, as in the PIIX3.
 *
 * Source: Motorola MC146818 data sheet (ADI856R2), in the text "DS"; IBM PC AT Technical Reference for the
 * use of the memory. Calendar, alarm, periodic and update-ended interrupts, UIP, BCD and binary, 12 and 24
 * hours. Left out: daylight saving (DSE is stored, as on most successors) and the square-wave pin.
 *
 * Time base: a 32768 Hz divider chain; clock n is tick ticks_from(n). An update ends at each whole second of
 * the chain, 73 clocks (2228 us) after UIP went high. Nothing runs while nobody looks: catch_up() brings
 * calendar and flags from the last looked-at clock to now, and an event is pending only for an interrupt that
 * is enabled and whose flag is still clear. So a guest that does not read register C causes no more events.
 *
 *              /--SET=1 or divider held: calendar frozen--\
 *   running: ...update---------------update---------------update...      flags: UF each update,
 *                    ^UIP                 ^UIP                           AF on match, PF each period
 *
 * Invariants: (1) seen <= clock of now; (2) IRQF in register C = any flag whose enable is set = wire;
 * (3) flags of register C are only cleared by reading it or by reset. */
#include "devices/mc146818.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    REG_SECONDS = 0x00,
    REG_SECONDS_ALARM = 0x01,
    REG_MINUTES = 0x02,
    REG_MINUTES_ALARM = 0x03,
    REG_HOURS = 0x04,
    REG_HOURS_ALARM = 0x05,
    REG_WEEKDAY = 0x06,
    REG_DAY = 0x07,
    REG_MONTH = 0x08,
    REG_YEAR = 0x09,
    REG_A = 0x0A,
    REG_B = 0x0B,
    REG_C = 0x0C,
    REG_D = 0x0D,
    REG_CENTURY = 0x32, /* always BCD, by convention of PC BIOSes */

    A_UIP = 0x80,
    A_DIVIDER = 0x70,
    A_DIVIDER_32768 = 0x20,
    A_RATE = 0x0F,

    B_SET = 0x80,
    B_BINARY = 0x04,
    B_24H = 0x02,

    /* The three sources have the same bit in B (enable) and C (flag). */
    PERIODIC = 0x40,
    ALARM = 0x20,
    UPDATE = 0x10,
    SOURCES = PERIODIC | ALARM | UPDATE,
    C_IRQF = 0x80,

    D_VRT = 0x80, /* the battery is good */

    HOURS_PM = 0x80,        /* 12-hour mode */
    ALARM_DONT_CARE = 0xC0, /* both top bits: matches always */

    CLOCK_HZ = 32768,
    UIP_CLOCKS = 73,
    CMOS_SIZE = 128,
    DAY_SECONDS = 86400,
};

struct mc146818_state {
    uint8_t cmos[CMOS_SIZE];
    uint8_t index;
    uint64_t seen;  /* clock up to which calendar and flags are current */
    uint64_t chain; /* clock at which the divider chain started (modulo 2^64: it may lie before clock 0);
                       updates end at chain + n * CLOCK_HZ */
};

struct mc146818 {
    struct device device;
    struct mc146818_state state;
    struct irq_wire irq;
    struct event event;
};

static struct mc146818 *self(struct device *device)
{
    return CONTAINER_OF(device, struct mc146818, device);
}

/* ---- Calendar ---- */

struct calendar {
    int64_t days; /* since 1970-01-01 */
    uint32_t second_of_day;
};

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back; years count from March so that the
 * leap day is the last day of a year. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned year_of_era = (unsigned)(year - era * 400);
    unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + (int64_t)day_of_era - 719468;
}

static void date_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned day_of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = (int64_t)year_of_era + era * 400 + (*month <= 2);
}

static uint8_t encode(const struct mc146818_state *state, unsigned value)
{
    return (uint8_t)(state->cmos[REG_B] & B_BINARY ? value : value % 10 | value / 10 % 10 << 4);
}

static unsigned decode(const struct mc146818_state *state, uint8_t value)
{
    return state->cmos[REG_B] & B_BINARY ? value : (value & 15u) + 10u * (value >> 4);
}

static uint8_t encode_hours(const struct mc146818_state *state, unsigned hour)
{
    if (state->cmos[REG_B] & B_24H)
        return encode(state, hour);
    uint8_t twelve = encode(state, hour % 12 ? hour % 12 : 12);
    return hour >= 12 ? twelve | HOURS_PM : twelve;
}

static unsigned decode_hours(const struct mc146818_state *state, uint8_t value)
{
    if (state->cmos[REG_B] & B_24H)
        return decode(state, value);
    return decode(state, value & 0x7F) % 12 + (value & HOURS_PM ? 12 : 0);
}

/* Registers may hold anything the guest wrote; out-of-range values are folded into range. */
static struct calendar calendar_get(const struct mc146818_state *state)
{
    const uint8_t *cmos = state->cmos;
    unsigned century = (cmos[REG_CENTURY] & 15u) + 10u * (cmos[REG_CENTURY] >> 4);
    unsigned month = decode(state, cmos[REG_MONTH]), day = decode(state, cmos[REG_DAY]);
    int64_t year = (int64_t)century * 100 + decode(state, cmos[REG_YEAR]) % 100;
    unsigned seconds = decode(state, cmos[REG_SECONDS]) + 60 * decode(state, cmos[REG_MINUTES]) +
                       3600 * decode_hours(state, cmos[REG_HOURS]);
    return (struct calendar){
        .days = days_from_date(year, month >= 1 && month <= 12 ? month : 1, day ? day : 1),
        .second_of_day = seconds % DAY_SECONDS,
    };
}

static void calendar_put(struct mc146818_state *state, struct calendar calendar)
{
    int64_t year;
    unsigned month, day, second = calendar.second_of_day;
    date_from_days(calendar.days, &year, &month, &day);
    uint8_t *cmos = state->cmos;
    cmos[REG_SECONDS] = encode(state, second % 60);
    cmos[REG_MINUTES] = encode(state, second / 60 % 60);
    cmos[REG_HOURS] = encode_hours(state, second / 3600);
    cmos[REG_DAY] = encode(state, day);
    cmos[REG_MONTH] = encode(state, month);
    cmos[REG_YEAR] = encode(state, (unsigned)(year % 100));
    unsigned century = (unsigned)(year / 100 % 100);
    cmos[REG_CENTURY] = (uint8_t)(century % 10 | century / 10 << 4);
}

/* The weekday is a counter of its own, 1..7. */
static void weekday_advance(struct mc146818_state *state, uint64_t days)
{
    uint8_t *weekday = &state->cmos[REG_WEEKDAY];
    *weekday = (uint8_t)((*weekday + 6 + days % 7) % 7 + 1);
}

/* ---- Alarm ---- */

static bool alarm_field(const struct mc146818_state *state, unsigned reg, uint8_t value)
{
    uint8_t alarm = state->cmos[reg];
    return (alarm & ALARM_DONT_CARE) == ALARM_DONT_CARE || alarm == value;
}

/* Some value of the field's range matches its alarm register. */
static bool alarm_possible(const struct mc146818_state *state, unsigned reg, unsigned range)
{
    for (unsigned value = 0; value < range; value++)
        if (alarm_field(state, reg, range == 24 ? encode_hours(state, value) : encode(state, value)))
            return true;
    return false;
}

/* Seconds from `second_of_day` to the next match, at least 1; 0 = never matches. Whole hours and minutes are
 * skipped, and a match exists, so there are some 200 steps at most. */
static unsigned alarm_distance(const struct mc146818_state *state, uint32_t second_of_day)
{
    if (!alarm_possible(state, REG_HOURS_ALARM, 24) || !alarm_possible(state, REG_MINUTES_ALARM, 60) ||
        !alarm_possible(state, REG_SECONDS_ALARM, 60))
        return 0;
    for (unsigned passed = 1; passed <= DAY_SECONDS;) {
        unsigned second = (second_of_day + passed) % DAY_SECONDS;
        if (!alarm_field(state, REG_HOURS_ALARM, encode_hours(state, second / 3600)))
            passed += 3600 - second % 3600;
        else if (!alarm_field(state, REG_MINUTES_ALARM, encode(state, second / 60 % 60)))
            passed += 60 - second % 60;
        else if (!alarm_field(state, REG_SECONDS_ALARM, encode(state, second % 60)))
            passed++;
        else
            return passed;
    }
    return 0;
}

/* ---- Time ---- */

static bool chain_runs(const struct mc146818_state *state)
{
    return (state->cmos[REG_A] & A_DIVIDER) == A_DIVIDER_32768;
}

static bool updates(const struct mc146818_state *state)
{
    return chain_runs(state) && !(state->cmos[REG_B] & B_SET);
}

/* Clocks between periodic interrupts, 0 = none (DS table "periodic interrupt rate"): rates 1 and 2 repeat
 * 8 and 9. */
static uint64_t period_clocks(const struct mc146818_state *state)
{
    unsigned rate = state->cmos[REG_A] & A_RATE;
    if (rate == 0 || !chain_runs(state))
        return 0;
    return UINT64_C(1) << (rate <= 2 ? rate + 6 : rate - 1);
}

static uint64_t clock_now(const struct mc146818 *rtc)
{
    const struct event_queue *queue = rtc->device.env->queue;
    return ticks_to(queue, queue->now, CLOCK_HZ);
}

/* How many multiples of `period` (counted from the start of the chain) lie in (seen, clock]. */
static uint64_t boundaries(const struct mc146818_state *state, uint64_t clock, uint64_t period)
{
    return (clock - state->chain) / period - (state->seen - state->chain) / period;
}

static void catch_up(struct mc146818 *rtc)
{
    struct mc146818_state *state = &rtc->state;
    uint64_t clock = clock_now(rtc);
    uint64_t period = period_clocks(state);
    if (period != 0 && boundaries(state, clock, period) != 0)
        state->cmos[REG_C] |= PERIODIC;
    uint64_t seconds = updates(state) ? boundaries(state, clock, CLOCK_HZ) : 0;
    state->seen = clock;
    if (seconds == 0)
        return;
    struct calendar calendar = calendar_get(state);
    unsigned alarm = alarm_distance(state, calendar.second_of_day);
    state->cmos[REG_C] |= UPDATE;
    if (alarm != 0 && alarm <= seconds)
        state->cmos[REG_C] |= ALARM;
    uint64_t second_of_day = calendar.second_of_day + seconds;
    weekday_advance(state, second_of_day / DAY_SECONDS);
    calendar.days += (int64_t)(second_of_day / DAY_SECONDS);
    calendar.second_of_day = (uint32_t)(second_of_day % DAY_SECONDS);
    calendar_put(state, calendar);
}

/* ---- Interrupts ---- */

/* The first boundary of `period` after `seen`, plus further periods. */
static uint64_t boundary_after(const struct mc146818_state *state, uint64_t period, uint64_t further)
{
    uint64_t passed = state->seen - state->chain;
    return state->chain + (passed / period + 1 + further) * period;
}

static void irq_update(struct mc146818 *rtc)
{
    struct mc146818_state *state = &rtc->state;
    uint8_t *flags = &state->cmos[REG_C];
    *flags &= SOURCES;
    if (*flags & state->cmos[REG_B] & SOURCES)
        *flags |= C_IRQF;
    irq_set(&rtc->irq, (*flags & C_IRQF) != 0);

    uint8_t waiting = state->cmos[REG_B] & (uint8_t) ~*flags & SOURCES;
    uint64_t next = UINT64_MAX, period = period_clocks(state);
    if ((waiting & PERIODIC) && period != 0)
        next = boundary_after(state, period, 0);
    if ((waiting & UPDATE) && updates(state)) {
        uint64_t update = boundary_after(state, CLOCK_HZ, 0);
        next = update < next ? update : next;
    }
    if ((waiting & ALARM) && updates(state)) {
        unsigned distance = alarm_distance(state, calendar_get(state).second_of_day);
        uint64_t match = distance ? boundary_after(state, CLOCK_HZ, distance - 1) : UINT64_MAX;
        next = match < next ? match : next;
    }
    struct event_queue *queue = rtc->device.env->queue;
    if (next == UINT64_MAX)
        event_cancel(queue, &rtc->event);
    else
        event_schedule(queue, &rtc->event, ticks_from(queue, next, CLOCK_HZ));
}

static void event_fired(struct event *event, tick_t late)
{
    (void)late;
    struct mc146818 *rtc = CONTAINER_OF(event, struct mc146818, event);
    catch_up(rtc);
    irq_update(rtc);
}

/* ---- Registers ---- */

static uint8_t read_a(const struct mc146818 *rtc)
{
    const struct mc146818_state *state = &rtc->state;
    uint8_t value = state->cmos[REG_A];
    uint64_t phase = (state->seen - state->chain) % CLOCK_HZ;
    if (updates(state) && phase >= CLOCK_HZ - UIP_CLOCKS)
        value |= A_UIP;
    return value;
}

/* Leaving divider reset starts the chain so that the first update ends half a second later (DS "divider
 * control"). */
static void write_a(struct mc146818_state *state, uint8_t value)
{
    bool was_running = chain_runs(state);
    state->cmos[REG_A] = value & (uint8_t)~A_UIP;
    if (!was_running && chain_runs(state))
        state->chain = state->seen - CLOCK_HZ / 2;
}

/* SET going high clears UIE (DS "register B: UIE"). */
static void write_b(struct mc146818_state *state, uint8_t value)
{
    if ((value & B_SET) && !(state->cmos[REG_B] & B_SET))
        value &= (uint8_t)~UPDATE;
    state->cmos[REG_B] = value;
}

static uint64_t port_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    struct mc146818 *rtc = self(device);
    struct mc146818_state *state = &rtc->state;
    if (offset == 0) /* the index is write only */
        return 0xFF;
    catch_up(rtc);
    uint8_t value = state->cmos[state->index];
    if (state->index == REG_A) {
        value = read_a(rtc);
    } else if (state->index == REG_C) {
        irq_update(rtc); /* IRQF of a flag that was set without an event */
        value = state->cmos[REG_C];
        state->cmos[REG_C] = 0;
        irq_update(rtc);
    }
    return value;
}

static void port_write(struct device *device, uint32_t offset, unsigned size, uint64_t wide)
{
    (void)size;
    struct mc146818 *rtc = self(device);
    struct mc146818_state *state = &rtc->state;
    uint8_t value = (uint8_t)wide;
    if (offset == 0) {
        state->index = value & (CMOS_SIZE - 1); /* bit 7 masks NMI: nothing here raises one */
        return;
    }
    catch_up(rtc);
    switch (state->index) {
    case REG_A: write_a(state, value); break;
    case REG_B: write_b(state, value); break;
    case REG_C:
    case REG_D: break; /* read only */
    default: state->cmos[state->index] = value; break;
    }
    irq_update(rtc);
}

/* ---- Class ---- */

/* The RESET# pin: interrupt enables and flags; the battery keeps the rest (DS "RESET"). */
static void reset(struct device *device)
{
    struct mc146818 *rtc = self(device);
    catch_up(rtc);
    rtc->state.cmos[REG_B] &= (uint8_t)~SOURCES;
    rtc->state.cmos[REG_C] = 0;
    rtc->state.index = 0;
    irq_update(rtc);
}

static void loaded(struct device *device)
{
    irq_update(self(device)); /* the state stays as it was saved: it is brought up to date at the next look */
}

static void destroy(struct device *device)
{
    struct mc146818 *rtc = self(device);
    event_cancel(device->env->queue, &rtc->event);
    free(rtc);
}

static const struct io_window windows[] = {
    {"rtc", 2, 1, 1, port_read, port_write},
};

static const struct device_class mc146818_class = {
    .name = "mc146818",
    .description = "real-time clock and CMOS memory",
    .state_offset = offsetof(struct mc146818, state),
    .state_size = sizeof(struct mc146818_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .loaded = loaded,
    .destroy = destroy,
};

struct device *mc146818_create(const struct device_env *env, const struct irq_wire *irq, int64_t seconds)
{
    struct mc146818 *rtc = xcalloc(1, sizeof *rtc);
    device_init(&rtc->device, &mc146818_class, env, 0);
    rtc->irq = *irq;
    event_init(&rtc->event, "rtc", EVENT_ORDER_DEVICE, event_fired);
    struct mc146818_state *state = &rtc->state;
    state->cmos[REG_A] = A_DIVIDER_32768 | 6; /* 1024 Hz, as the AT's BIOS sets it */
    state->cmos[REG_B] = B_24H;
    state->cmos[REG_D] = D_VRT;
    state->seen = state->chain = clock_now(rtc);
    int64_t days = (seconds >= 0 ? seconds : seconds - (DAY_SECONDS - 1)) / DAY_SECONDS;
    calendar_put(state,
                 (struct calendar){.days = days, .second_of_day = (uint32_t)(seconds - days * DAY_SECONDS)});
    state->cmos[REG_WEEKDAY] = (uint8_t)(((days % 7 + 7) % 7 + 4) % 7 + 1); /* 1970-01-01 was a Thursday */
    reset(&rtc->device);
    return &rtc->device;
}
