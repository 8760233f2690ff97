/* The model of branch prediction, against sequences worked out by hand: two sets of two branches, a return
 * stack of two. */
#include "cpu/predictor.h"

#include <criterion/criterion.h>

enum { WRONG = 11, DECODED = 5 };

static struct predictor create(void)
{
    const struct predictor_config config = {
        .sets = 2, .ways = 2, .returns = 2, .mispredicted = WRONG, .decoded = DECODED};
    struct predictor predictor;
    struct error err;
    cr_assert_eq(predictor_check(&config, &err), STATUS_OK);
    predictor_init(&predictor, &config);
    return predictor;
}

/* A quiet outcome costs nothing and changes nothing. */
static uint32_t conditional(struct predictor *predictor, uint64_t address, bool backward, bool taken)
{
    bool quiet = predictor_is_quiet(predictor, address, taken, backward);
    uint64_t hash = predictor_hash(predictor, 0);
    const struct branch branch = {.kind = BRANCH_CONDITIONAL,
                                  .taken = taken,
                                  .backward = backward,
                                  .address = address,
                                  .next = address + 2,
                                  .target = backward ? address - 8 : address + 8};
    struct predicted predicted = predictor_branch(predictor, &branch);
    cr_expect(!quiet || (predicted.cycles == 0 && predictor_hash(predictor, 0) == hash));
    cr_expect_eq((predicted.quiet & QUIET_TAKEN) != 0, predictor_is_quiet(predictor, address, true, false));
    cr_expect_eq((predicted.quiet & QUIET_FORWARD) != 0,
                 predictor_is_quiet(predictor, address, false, false));
    cr_expect_eq((predicted.quiet & QUIET_BACKWARD) != 0,
                 predictor_is_quiet(predictor, address, false, true));
    return predicted.cycles;
}

static uint32_t other(struct predictor *predictor, enum branch_kind kind, uint64_t address, uint64_t target)
{
    const struct branch branch = {
        .kind = kind, .taken = true, .address = address, .next = address + 5, .target = target};
    return predictor_branch(predictor, &branch).cycles;
}

Test(predictor, static_prediction_by_direction)
{
    struct predictor p = create();
    cr_expect_eq(conditional(&p, 0x1000, false, false), 0);
    cr_expect(predictor_is_quiet(&p, 0x1000, false, false), "never taken, forward: not in the buffer");
    cr_expect_eq(conditional(&p, 0x1000, false, true), WRONG);
    cr_expect_eq(conditional(&p, 0x2000, true, true), DECODED);
    cr_expect_eq(conditional(&p, 0x3000, true, false), WRONG);
    predictor_destroy(&p);
}

/* Entered as taken: weakly, with a history of taken. Once more makes it certain. */
Test(predictor, a_loop_becomes_quiet_and_loses_once_at_its_end)
{
    struct predictor p = create();
    cr_expect_eq(conditional(&p, 0x2000, true, true), DECODED);
    cr_expect(!predictor_is_quiet(&p, 0x2000, true, true));
    cr_expect_eq(conditional(&p, 0x2000, true, true), 0);
    cr_expect(predictor_is_quiet(&p, 0x2000, true, true));
    cr_expect_eq(conditional(&p, 0x2000, true, true), 0);
    cr_expect_eq(conditional(&p, 0x2000, true, false), WRONG);
    cr_expect(!predictor_is_quiet(&p, 0x2000, true, true));
    cr_expect_eq(conditional(&p, 0x2000, true, true), 0, "history 1110 says weakly taken");
    predictor_destroy(&p);
}

/* Taken, not, taken, not: after some wrong guesses each history of four knows what follows. */
Test(predictor, a_pattern_is_learnt)
{
    struct predictor p = create();
    uint32_t lost = 0;
    for (unsigned n = 0; n < 64; n++)
        conditional(&p, 0x2000, true, n % 2 == 0);
    for (unsigned n = 0; n < 64; n++)
        lost += conditional(&p, 0x2000, true, n % 2 == 0);
    cr_expect_eq(lost, 0);
    predictor_destroy(&p);
}

Test(predictor, never_taken_again_becomes_quiet)
{
    struct predictor p = create();
    conditional(&p, 0x1000, false, true);
    for (unsigned n = 0; n < 16; n++)
        conditional(&p, 0x1000, false, false);
    cr_expect(predictor_is_quiet(&p, 0x1000, false, false));
    predictor_destroy(&p);
}

/* 0x1000, 0x1020 and 0x1040 share a set of two. */
Test(predictor, the_least_recently_used_branch_goes)
{
    struct predictor p = create();
    cr_expect_eq(other(&p, BRANCH_DIRECT, 0x1000, 1), DECODED);
    cr_expect_eq(other(&p, BRANCH_DIRECT, 0x1020, 1), DECODED);
    cr_expect(!predictor_is_quiet(&p, 0x1000, true, false));
    cr_expect_eq(other(&p, BRANCH_DIRECT, 0x1000, 1), 0);
    cr_expect(predictor_is_quiet(&p, 0x1000, true, false));
    cr_expect_eq(other(&p, BRANCH_DIRECT, 0x1040, 1), DECODED);
    cr_expect_eq(other(&p, BRANCH_DIRECT, 0x1020, 1), DECODED, "it was least recently used");
    cr_expect_eq(other(&p, BRANCH_DIRECT, 0x1010, 1), DECODED, "the other set");
    const struct branch branch = {.kind = BRANCH_DIRECT, .taken = true, .address = 0x1000, .target = 1};
    cr_expect_eq(predictor_branch(&p, &branch).displaced, 0x1020);
    cr_expect_eq(predictor_branch(&p, &branch).displaced, UINT64_MAX);
    predictor_destroy(&p);
}

Test(predictor, indirect_branches_go_where_they_last_went)
{
    struct predictor p = create();
    cr_expect_eq(other(&p, BRANCH_INDIRECT, 0x1000, 0x5000), WRONG);
    cr_expect_eq(other(&p, BRANCH_INDIRECT, 0x1000, 0x5000), 0);
    cr_expect_eq(other(&p, BRANCH_INDIRECT, 0x1000, 0x6000), WRONG);
    cr_expect_eq(other(&p, BRANCH_INDIRECT, 0x1000, 0x6000), 0);
    cr_expect_eq(p.count.indirect, 2);
    predictor_destroy(&p);
}

/* Three calls deep into a stack of two: the outermost return is lost. */
Test(predictor, returns_come_from_a_stack)
{
    struct predictor p = create();
    other(&p, BRANCH_CALL, 0x1000, 0x2000);
    other(&p, BRANCH_CALL, 0x2000, 0x3000);
    cr_expect_eq(other(&p, BRANCH_RETURN, 0x3005, 0x2005), 0);
    other(&p, BRANCH_CALL_INDIRECT, 0x2010, 0x3000);
    other(&p, BRANCH_CALL, 0x3000, 0x4000);
    cr_expect_eq(other(&p, BRANCH_RETURN, 0x4005, 0x3005), 0);
    cr_expect_eq(other(&p, BRANCH_RETURN, 0x3006, 0x2015), 0);
    cr_expect_eq(other(&p, BRANCH_RETURN, 0x2016, 0x1005), WRONG);
    cr_expect_eq(p.count.returns, 1);
    predictor_destroy(&p);
}

Test(predictor, quiet_means_quiet)
{
    struct predictor a = create(), b = create();
    uint64_t random = 5;
    for (unsigned n = 0; n < 50000; n++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint64_t address = 0x1000 + (random >> 50 & 0x7F);
        bool taken = (random >> 40 & 7) < (address & 7);
        cr_assert_eq(conditional(&a, address, (address & 1) != 0, taken),
                     conditional(&b, address, (address & 1) != 0, taken));
    }
    cr_expect(predictor_equal(&a, &b));
    conditional(&a, 0x9000, true, true);
    cr_expect(!predictor_equal(&a, &b));
    predictor_destroy(&a);
    predictor_destroy(&b);
}
