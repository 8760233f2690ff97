/* Replay of recordings that no run made, by every rule: the guest may do as it does, the run ends. */
#include "hostworld/lab.h"

#include <criterion/criterion.h>
#include <string.h>

enum { INPUTS = 40 };

static uint64_t random_number(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(0x2545F4914F6CDD1D);
}

static void drop_attach(void *ctx, const struct char_port_ops *ops, void *port)
{
    (void)ctx, (void)ops, (void)port;
}

static void drop_byte(void *ctx, uint8_t byte)
{
    (void)ctx, (void)byte;
}

static const struct char_backend_ops silent = {.attach = drop_attach, .write = drop_byte};

static struct inputs_counts replay(const struct recording *recording, enum replay_rule rule)
{
    struct lab_config config;
    struct lab *lab;
    struct error err;
    lab_config_default(&config);
    config.kernel = NETTEST_ELF;
    config.cmdline = "exit=acpi total=20000";
    config.board.ram_bytes = 32 << 20;
    config.board.serial[0].ops = &silent;
    config.nic = true;
    config.no_reboot = true;
    config.replay = recording;
    config.replay_rule = rule;
    cr_assert_eq(lab_create(&lab, &config, &err), STATUS_OK, "%s", err.text);
    lab_run(lab, 733000000);
    struct inputs_counts counts = lab_inputs(lab, 0);
    cr_assert_eq(lab_destroy(lab, &err), STATUS_OK, "%s", err.text);
    cr_assert_leq(counts.given, counts.all);
    return counts;
}

Test(replay, recordings_of_nothing)
{
    static const enum replay_rule rules[] = {REPLAY_EXACT, REPLAY_ANSWER, REPLAY_TIME};
    struct input inputs[INPUTS];
    uint64_t seed = 1;
    for (unsigned n = 0; n < 60; n++) {
        tick_t when = 0;
        for (unsigned i = 0; i < INPUTS; i++) {
            when += random_number(&seed) >> (random_number(&seed) % 3 ? 44 : 38);
            inputs[i] =
                (struct input){.kind = i == INPUTS - 1 && n % 2   ? INPUT_STOP
                                       : random_number(&seed) % 9 ? INPUT_BYTE
                                                                  : INPUT_PACE,
                               .host = random_number(&seed) % 20 == 0,
                               .port = (uint8_t)(random_number(&seed) % 20 ? 0 : random_number(&seed) % 8),
                               .byte = (uint8_t)random_number(&seed),
                               .when = when,
                               .lines = random_number(&seed) % 4,
                               .column = random_number(&seed) % 20,
                               .since = random_number(&seed) >> (random_number(&seed) % 4 ? 50 : 1)};
        }
        const struct recording recording = {.tick_hz = n % 3 ? 733000000 : random_number(&seed) | 1,
                                            .hosts = 1,
                                            .count = INPUTS,
                                            .input = inputs};
        replay(&recording, rules[n % 3]);
    }
}

/* At another price of the clock an input keeps its distance, in simulated time, from the line it answers; one
 * that answers what is never said comes when the port has been silent for long enough. */
Test(replay, answers_keep_their_distance)
{
    struct input inputs[] = {
        {.kind = INPUT_BYTE, .byte = 'x', .when = 5, .lines = 1, .since = 1000},
        {.kind = INPUT_STOP, .when = 6, .lines = 1, .column = 0, .since = 2000},
    };
    const struct recording recording = {.tick_hz = 1000000, .hosts = 1, .count = 2, .input = inputs};
    struct inputs_counts counts = replay(&recording, REPLAY_ANSWER);
    cr_assert_eq(counts.given, 2, "%d given", (int)counts.given);
    cr_assert_eq(counts.impatient, 0);
    inputs[0].lines = inputs[1].lines = 1000; /* nettest ends before anybody loses patience */
    counts = replay(&recording, REPLAY_ANSWER);
    cr_assert_eq(counts.given, 0);
}
