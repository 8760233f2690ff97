/* The peer's TCP when frames are lost: a receiver at the other end of the wire keeps what lies beyond a gap
 * and acknowledges every segment, with selective acknowledgements (RFC 2018) or without; a test says which
 * transmissions of which segments do not arrive. Numbers of segments are of the peer's stream, from 0. */
#include "tests/hostworld/peer_bench.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MSS = 1460, SEGMENTS = 400, ISS = 999, RTO_MIN = HZ / 5 };

struct receiver {
    struct bench *bench;
    bool sack;
    uint16_t window;
    uint8_t scale;
    /* True: transmission `times` (from 1) of segment `number` is lost. */
    bool (*loses)(unsigned number, unsigned times);
    unsigned lose_acks;        /* every n-th of ours is lost */
    unsigned late_by, late_at; /* segment late_at comes after the late_by that follow it */
    struct frame late;
    unsigned late_left;
    bool holds;
    unsigned times[SEGMENTS + 1], acks;
    uint32_t begin, next;   /* the peer's numbers: first byte, first missing byte */
    uint32_t edge;          /* the window's end */
    struct seq_ranges kept; /* beyond it */
    uint32_t latest;
    unsigned duplicates; /* segments that had come before */
    bool reneges; /* what was kept is forgotten when the first of the missing is lost for the third time */
    bool ended;
    tick_t ended_at;
};

static void put_ranges(uint8_t *option, const struct receiver *r, size_t *size)
{
    unsigned n = 0;
    for (unsigned pass = 0; pass < 2; pass++) { /* the one with the latest segment first */
        for (unsigned i = 0; i < r->kept.count && n < SACK_BLOCKS_MAX; i++) {
            const struct seq_range *range = &r->kept.at[i];
            bool latest = !seq_before(r->latest, range->begin) && seq_before(r->latest, range->end);
            if (latest == (pass == 0)) {
                put_be32(option + 4 + 8 * n, range->begin);
                put_be32(option + 8 + 8 * n++, range->end);
            }
        }
    }
    option[0] = option[1] = OPTION_NOP;
    option[2] = OPTION_SACK;
    option[3] = (uint8_t)(2 + 8 * n);
    *size = n ? 4 + 8 * (size_t)n : 0;
}

static void acknowledge(struct receiver *r)
{
    uint8_t option[4 + 8 * SACK_BLOCKS_MAX];
    struct segment segment = {.port = SERVICE_SOURCE, .seq = ISS + 1, .ack = r->next, .window = r->window};
    if (r->sack) {
        put_ranges(option, r, &segment.options_size);
        segment.options = option;
    }
    r->edge = r->next + ((uint32_t)r->window << r->scale);
    if (r->lose_acks && ++r->acks % r->lose_acks == 0)
        return;
    bench_send_tcp(r->bench, TCP_ACK, &segment);
}

static void take(struct receiver *r, const struct frame *frame)
{
    uint32_t size;
    const uint8_t *tcp = bench_segment(frame, &size), *data = tcp + (tcp[12] >> 4) * 4;
    uint32_t seq = get_be32(tcp + 4), end = seq + size + (tcp[13] & TCP_FIN ? 1 : 0);
    for (uint32_t i = 0; i < size; i++)
        cr_assert_eq(data[i], ' ' + (seq - r->begin + i) % 95);
    cr_assert(!seq_before(r->edge, seq + size), "%u bytes beyond the window", seq + size - r->edge);
    if (seq_before(r->next, seq)) {
        r->duplicates += !seq_ranges_add(&r->kept, seq, end);
        r->latest = seq;
    } else if (seq_before(r->next, end)) {
        r->next = seq_ranges_skip(&r->kept, end);
        seq_ranges_drop_before(&r->kept, r->next);
    } else {
        r->duplicates++;
    }
    acknowledge(r);
    if (!r->ended && r->next - r->begin == (uint32_t)SEGMENTS * MSS + 1) { /* and the FIN */
        r->ended = true;
        r->ended_at = r->bench->queue.now;
    }
}

static void segment_arrives(struct bench *bench, const struct frame *frame)
{
    struct receiver *r = bench->receiver_ctx;
    uint32_t size;
    const uint8_t *tcp = bench_segment(frame, &size);
    unsigned number = (get_be32(tcp + 4) - r->begin) / MSS;
    cr_assert_leq(number, SEGMENTS);
    if (size == 0 && !(tcp[13] & TCP_FIN))
        return;
    if (r->loses != NULL && r->loses(number, ++r->times[number])) {
        if (r->reneges && r->times[number] == 3)
            r->kept.count = 0;
        return;
    }
    if (r->late_by && number == r->late_at && r->times[number]++ == 0) {
        r->late = *frame;
        r->late_left = r->late_by;
        r->holds = true;
        return;
    }
    take(r, frame);
    if (r->holds && --r->late_left == 0) {
        r->holds = false;
        take(r, &r->late);
    }
}

/* Opens the connection; nothing but the SYN's acknowledgement has been said when it returns. */
static void receiver_open(struct receiver *r)
{
    uint8_t options[] = {OPTION_MSS, 4,        MSS >> 8,   MSS & 255,  OPTION_NOP,     OPTION_SCALE,
                         3,          r->scale, OPTION_NOP, OPTION_NOP, OPTION_SACK_OK, 2};
    uint32_t size;
    r->bench = bench_create((uint64_t)SEGMENTS * MSS);
    if (r->window == 0)
        r->window = 65535;
    bench_send_tcp(r->bench, TCP_SYN,
                   &(struct segment){.port = SERVICE_SOURCE,
                                     .seq = ISS,
                                     .window = 65535,
                                     .options = options,
                                     .options_size = r->sack ? 12 : 8});
    const uint8_t *tcp = bench_tcp(r->bench, &size);
    cr_assert_eq(tcp[13], TCP_SYN | TCP_ACK);
    cr_assert_eq((tcp[12] >> 4) * 4, TCP_HEADER + (r->sack ? 12 : 8));
    r->begin = r->next = get_be32(tcp + 4) + 1;
    r->bench->receiver = segment_arrives;
    r->bench->receiver_ctx = r;
    acknowledge(r);
}

/* Reads the whole stream; the peer's counters, which live as long as the bench. */
static const struct peer_counters *receive(struct receiver *r)
{
    receiver_open(r);
    for (int i = 0; i < 6000 && !r->ended; i++)
        bench_run_for(r->bench, HZ / 10);
    cr_assert(r->ended, "the stream stopped after %u bytes", r->next - r->begin);
    cr_assert_eq(peer_counters(r->bench->peer)->tcp_bytes_out, (uint64_t)SEGMENTS * MSS);
    return peer_counters(r->bench->peer);
}

static void receiver_close(struct receiver *r)
{
    bench_destroy(r->bench);
}

static bool loses_one(unsigned number, unsigned times)
{
    return number == 100 && times == 1;
}

static bool loses_several(unsigned number, unsigned times)
{
    return (number == 100 || number == 101 || number == 104 || number == 110 || number == 120) && times == 1;
}

static bool loses_it_again(unsigned number, unsigned times)
{
    return number == 100 && times <= 2;
}

static bool loses_the_tail(unsigned number, unsigned times)
{
    return number == SEGMENTS - 1 && times == 1;
}

static bool loses_half(unsigned number, unsigned times)
{
    return number >= 100 && number < 140 && number % 2 == 0 && times == 1;
}

Test(loss, without_any_nothing_is_sent_again)
{
    for (int sack = 0; sack < 2; sack++) {
        struct receiver r = {.sack = sack};
        const struct peer_counters *counters = receive(&r);
        cr_expect_eq(counters->retransmits + counters->recoveries + counters->timeouts, 0);
        cr_expect_eq(r.duplicates, 0);
        receiver_close(&r);
    }
}

Test(loss, each_lost_segment_is_sent_once_more_and_nothing_else)
{
    static bool (*const plans[])(unsigned, unsigned) = {loses_one, loses_several, loses_half};
    static const unsigned lost[] = {1, 5, 20};
    for (int sack = 0; sack < 2; sack++) {
        for (int i = 0; i < 3; i++) {
            struct receiver r = {.sack = sack, .loses = plans[i]};
            const struct peer_counters *counters = receive(&r);
            cr_expect_eq(counters->retransmits, lost[i], "SACK %d, plan %d: %d", sack, i,
                         (int)counters->retransmits);
            cr_expect_eq(counters->recoveries, 1);
            cr_expect_eq(counters->timeouts, 0);
            cr_expect_eq(r.duplicates, 0);
            receiver_close(&r);
        }
    }
}

/* A window that is larger than what is ever on its way. */
enum { WIDE = 4 };

/* One round trip for all of them with SACK, one for each with NewReno (RFC 6582, section 3.2). */
Test(loss, selective_acknowledgements_close_several_gaps_at_a_time)
{
    tick_t took[2];
    for (int sack = 0; sack < 2; sack++) {
        struct receiver r = {.sack = sack, .scale = WIDE, .loses = loses_half};
        receive(&r);
        took[sack] = r.ended_at;
        receiver_close(&r);
    }
    cr_expect_lt(took[1], took[0]);
}

Test(loss, a_retransmission_lost_with_sack_needs_no_timer)
{
    struct receiver r = {.sack = true, .scale = WIDE, .loses = loses_it_again};
    const struct peer_counters *counters = receive(&r);
    cr_expect_eq(counters->timeouts, 0);
    cr_expect_eq(counters->retransmits, 2);
    receiver_close(&r);
}

Test(loss, a_retransmission_lost_without_sack_waits_for_the_timer)
{
    struct receiver r = {.loses = loses_it_again};
    const struct peer_counters *counters = receive(&r);
    cr_expect_eq(counters->timeouts, 1);
    cr_expect_gt(r.ended_at, RTO_MIN);
    cr_expect_lt(r.ended_at, 2 * RTO_MIN); /* the round trip was measured: not the initial second */
    receiver_close(&r);
}

static bool loses_it_thrice(unsigned number, unsigned times)
{
    return number == 100 && times <= 3;
}

/* RFC 2018, section 8: what was SACKed may be dropped all the same. */
Test(loss, after_a_timeout_everything_is_sent_again_if_need_be)
{
    for (int reneges = 0; reneges < 2; reneges++) {
        struct receiver r = {.sack = true, .loses = loses_it_thrice, .reneges = reneges};
        const struct peer_counters *counters = receive(&r);
        cr_expect_eq(counters->timeouts, 2);
        cr_expect_eq(counters->retransmits > 3, reneges);
        receiver_close(&r);
    }
}

Test(loss, a_lost_tail_waits_for_the_timer)
{
    /* The FIN follows the last segment in one with it, so nothing tells of its loss. */
    for (int sack = 0; sack < 2; sack++) {
        struct receiver r = {.sack = sack, .loses = loses_the_tail};
        const struct peer_counters *counters = receive(&r);
        cr_expect_eq(counters->timeouts, 1);
        cr_expect_eq(counters->retransmits, 1);
        receiver_close(&r);
    }
}

Test(loss, lost_acknowledgements_cost_nothing)
{
    for (int sack = 0; sack < 2; sack++) {
        struct receiver r = {.sack = sack, .lose_acks = 2};
        const struct peer_counters *counters = receive(&r);
        cr_expect_eq(counters->retransmits, 0);
        receiver_close(&r);
    }
}

/* NewReno cannot tell that the third was wrong: each acknowledgement up to `recover` looks like a gap. */
Test(loss, two_that_overtake_are_no_loss_three_are)
{
    for (int sack = 0; sack < 2; sack++) {
        for (unsigned by = 1; by <= 3; by++) {
            struct receiver r = {.sack = sack, .late_at = 100, .late_by = by};
            const struct peer_counters *counters = receive(&r);
            if (sack)
                cr_expect_eq(counters->retransmits, by == 3, "%u overtake: %d", by,
                             (int)counters->retransmits);
            cr_expect_eq(counters->recoveries, by == 3);
            cr_expect_eq(counters->timeouts, 0);
            cr_expect_eq(r.duplicates, counters->retransmits);
            receiver_close(&r);
        }
    }
}

static bool loses_by_chance(unsigned number, unsigned times)
{
    uint32_t value = (number * 2654435761u) ^ (times * 2246822519u);
    value ^= value >> 15;
    value *= 2654435761u;
    return (value >> 24) < 38; /* 15 % */
}

Test(loss, the_stream_survives_anything)
{
    for (int sack = 0; sack < 2; sack++) {
        struct receiver r = {.sack = sack, .loses = loses_by_chance, .lose_acks = 5};
        receive(&r);
        receiver_close(&r);
    }
}

/* ---- Windows and timers ---- */

static unsigned in_flight(const struct receiver *r)
{
    return r->bench->received;
}

/* RFC 5681, section 3.1: three segments of 1460 bytes to begin with, one more for each that is acknowledged.
 */
Test(congestion, slow_start_doubles_each_round_trip)
{
    struct receiver r = {.sack = true};
    receiver_open(&r);
    r.bench->receiver = NULL;
    r.bench->received = r.bench->read = 0;
    for (unsigned expected = 3; expected <= 24; expected *= 2) {
        bench_run_for(r.bench, HZ / 100);
        cr_expect_eq(in_flight(&r), expected);
        r.bench->received = r.bench->read = 0;
        for (unsigned i = 0; i < expected; i++) {
            r.next += MSS;
            acknowledge(&r);
        }
    }
    receiver_close(&r);
}

Test(congestion, the_window_is_scaled_and_respected)
{
    struct receiver r = {.sack = true, .window = 10, .scale = 10}; /* 10240 bytes; take() looks at the edge */
    receive(&r);
    receiver_close(&r);
}

Test(congestion, the_timer_backs_off)
{
    struct receiver r = {.sack = true};
    receiver_open(&r);
    r.bench->receiver = NULL;
    r.bench->received = r.bench->read = 0;
    bench_run_for(r.bench, HZ / 100);
    cr_expect_eq(in_flight(&r), 3);
    tick_t last = r.bench->queue.now - HZ / 100;
    for (tick_t wait = RTO_MIN; wait <= 8 * RTO_MIN; wait *= 2) {
        r.bench->read = r.bench->received;
        uint32_t size;
        const uint8_t *tcp = bench_tcp(r.bench, &size);
        cr_expect_eq(get_be32(tcp + 4), r.begin);
        cr_expect_geq(r.bench->queue.now - last, wait);
        cr_expect_leq(r.bench->queue.now - last, wait + HZ / 1000);
        last = r.bench->queue.now;
    }
    receiver_close(&r);
}

Test(congestion, a_closed_window_is_probed_for_as_long_as_it_takes)
{
    struct receiver r = {.sack = true};
    receiver_open(&r);
    r.bench->receiver = NULL;
    r.bench->received = r.bench->read = 0;
    bench_run_for(r.bench, HZ / 100);
    r.next += 3 * MSS;
    r.window = 0;
    acknowledge(&r);
    for (int i = 0; i < 30; i++) { /* far more than times a lost segment is tried */
        uint32_t size;
        r.bench->read = r.bench->received;
        cr_assert_not_null(bench_tcp(r.bench, &size), "no probe %d", i);
        cr_expect_eq(size, 1);
        acknowledge(&r);
    }
    r.window = 65535;
    r.bench->receiver = segment_arrives;
    acknowledge(&r);
    for (int i = 0; i < 6000 && !r.ended; i++)
        bench_run_for(r.bench, HZ / 10);
    cr_expect(r.ended);
    receiver_close(&r);
}

/* ---- The peer receives ---- */

static struct bench *open_to(uint16_t port, uint32_t *ack)
{
    static const uint8_t options[] = {OPTION_MSS, 4,          MSS >> 8,       MSS & 255,
                                      OPTION_NOP, OPTION_NOP, OPTION_SACK_OK, 2};
    struct bench *bench = bench_create(0);
    uint32_t size;
    struct segment segment = {
        .port = port, .seq = ISS, .window = 65535, .options = options, .options_size = sizeof options};
    bench_send_tcp(bench, TCP_SYN, &segment);
    *ack = get_be32(bench_tcp(bench, &size) + 4) + 1;
    bench_send_tcp(bench, TCP_ACK,
                   &(struct segment){.port = port, .seq = ISS + 1, .ack = *ack, .window = 65535});
    return bench;
}

Test(loss, the_peer_keeps_what_lies_beyond_a_gap_and_says_so)
{
    uint32_t ack, size, first = ISS + 1;
    struct bench *bench = open_to(SERVICE_DISCARD, &ack);
    static const unsigned order[] = {1, 3, 5, 4, 2, 0}; /* hundreds of bytes */
    static const unsigned blocks[] = {1, 2, 3, 2, 1, 0}, latest[] = {1, 3, 5, 3, 1, 0};
    for (int i = 0; i < 6; i++) {
        bench_send_tcp(bench, TCP_ACK,
                       &(struct segment){.port = SERVICE_DISCARD,
                                         .seq = first + 100 * order[i],
                                         .ack = ack,
                                         .window = 65535,
                                         .size = 100});
        tick_t sent = bench->queue.now;
        const uint8_t *tcp = bench_tcp(bench, &size), *option = tcp + TCP_HEADER;
        cr_assert_not_null(tcp);
        cr_expect_lt(bench->queue.now - sent, HZ / 1000); /* at once: RFC 5681, section 4.2 */
        cr_expect_eq(get_be32(tcp + 8), i < 5 ? first : first + 600);
        cr_assert_eq((tcp[12] >> 4) * 4, TCP_HEADER + (blocks[i] ? 4 + 8 * blocks[i] : 0));
        if (blocks[i]) {
            cr_expect_eq(option[3], 2 + 8 * blocks[i]);
            cr_expect_eq(get_be32(option + 4), first + 100 * latest[i]);
        }
    }
    cr_expect_eq(peer_counters(bench->peer)->tcp_bytes_in, 600);
    bench_destroy(bench);
}

Test(loss, an_echo_is_in_order)
{
    uint32_t ack, size, first = ISS + 1;
    struct bench *bench = open_to(SERVICE_ECHO, &ack);
    uint8_t text[300], echo[300];
    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7);
    for (unsigned i = 3; i-- > 0;)
        bench_send_tcp(bench, TCP_ACK,
                       &(struct segment){.port = SERVICE_ECHO,
                                         .seq = first + 100 * i,
                                         .ack = ack,
                                         .window = 65535,
                                         .size = 100,
                                         .data = text + 100 * i});
    unsigned got = 0;
    while (got < sizeof echo) {
        const uint8_t *tcp = bench_tcp(bench, &size);
        cr_assert_not_null(tcp);
        if (size == 0)
            continue;
        cr_assert_eq(get_be32(tcp + 4), ack + got);
        memcpy(echo + got, tcp + (tcp[12] >> 4) * 4, size);
        got += size;
        bench_send_tcp(
            bench, TCP_ACK,
            &(struct segment){.port = SERVICE_ECHO, .seq = first + 300, .ack = ack + got, .window = 65535});
    }
    cr_expect_arr_eq(echo, text, sizeof text);
    bench_destroy(bench);
}

/* ---- Ranges ---- */

Test(ranges, join_and_are_cut_across_the_wrap)
{
    struct seq_ranges ranges = {0};
    uint32_t base = (uint32_t)-50;
    cr_expect(!seq_ranges_add(&ranges, base, base));
    cr_expect(seq_ranges_add(&ranges, base + 40, base + 60));
    cr_expect(seq_ranges_add(&ranges, base, base + 10));
    cr_expect(seq_ranges_add(&ranges, base + 80, base + 90));
    cr_expect_eq(ranges.count, 3);
    cr_expect(!seq_ranges_add(&ranges, base + 45, base + 60));
    cr_expect_eq(seq_ranges_skip(&ranges, base + 59), base + 60);
    cr_expect_eq(seq_ranges_skip(&ranges, base + 60), base + 60);
    cr_expect_eq(seq_ranges_next(&ranges, base + 10, base + 100), base + 40);
    cr_expect_eq(seq_ranges_next(&ranges, base + 81, base + 100), base + 100);
    cr_expect_eq(seq_ranges_below(&ranges, base + 85), 35);
    cr_expect(seq_ranges_add(&ranges, base + 10, base + 81)); /* touches, spans, overlaps */
    cr_expect_eq(ranges.count, 1);
    cr_expect_eq(ranges.at[0].begin, base);
    cr_expect_eq(ranges.at[0].end, base + 90);
    seq_ranges_drop_before(&ranges, base + 70);
    cr_expect_eq(ranges.at[0].begin, base + 70);
    seq_ranges_drop_before(&ranges, base + 90);
    cr_expect_eq(ranges.count, 0);
}

Test(ranges, a_full_set_takes_only_what_joins)
{
    struct seq_ranges ranges = {0};
    for (uint32_t i = 0; i < SEQ_RANGES_MAX; i++)
        cr_expect(seq_ranges_add(&ranges, 10 * i, 10 * i + 5));
    cr_expect(!seq_ranges_add(&ranges, 10000, 10005));
    cr_expect(seq_ranges_add(&ranges, 5, 8));
    cr_expect(seq_ranges_add(&ranges, 8, 10));
    cr_expect_eq(ranges.count, SEQ_RANGES_MAX - 1);
    cr_expect(seq_ranges_add(&ranges, 10000, 10005));
}
