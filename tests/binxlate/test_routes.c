/* Units of several blocks: that they are made, give the interpreter's state and time, and go when the code of
 * any of their blocks is written. */
#include "binxlate/translator.h"
#include "cpu/state_diff.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>
#include <string.h>

enum { SLICE = 300, SLICES_MAX = 100000 };

struct program {
    const char *name;
    uint8_t bytes[64];
    unsigned address_at; /* of a 32-bit address in it, which is that of the byte `address`; 0: none */
    unsigned address;
    uint32_t eax; /* at the end */
};

static const struct program programs[] = {
    {"skip one of four",
     {
         0xB9, 0x20, 0x4E, 0, 0, /* 0: mov ecx, 20000 */
         0xF6, 0xC1, 0x03,       /* 5: test cl, 3 */
         0x75, 0x03,             /* 8: jnz 13 */
         0x83, 0xC0, 0x05,       /* 10: add eax, 5 */
         0x40,                   /* 13: inc eax */
         0x49, 0x75, 0xF4, 0xF4, /* 14: dec ecx; jnz 5; hlt */
     },
     0,
     0,
     20000 + 5 * 5000},
    {"a loop closed by JMP",
     {
         0xB9, 0x20, 0x4E, 0, 0, /* 0: mov ecx, 20000 */
         0x49, 0x74, 0x04,       /* 5: dec ecx; jz 12 */
         0x40, 0x40, 0xEB, 0xF9, /* 8: inc eax; inc eax; jmp 5 */
         0xF4,                   /* 12: hlt */
     },
     0,
     0,
     2 * 19999},
    {"recursion",
     {
         0xB9, 0xC8, 0,    0,    0,    /* 0: mov ecx, 200 */
         0xBA, 0x32, 0,    0,    0,    /* 5: mov edx, 50 */
         0xE8, 0x04, 0,    0,    0,    /* 10: call 19 */
         0x49, 0x75, 0xF3, 0xF4,       /* 15: dec ecx; jnz 5; hlt */
         0x4A, 0x74, 0x06,             /* 19: dec edx; jz 28 */
         0x40,                         /* 22: inc eax */
         0xE8, 0xF7, 0xFF, 0xFF, 0xFF, /* 23: call 19 */
         0xC3,                         /* 28: ret */
     },
     0,
     0,
     200 * 49},
    /* The second block of the inner loop adds what the outer loop counts up in its immediate. */
    {"a block that is written",
     {
         0xB9, 0x0A, 0,    0,    0,    /* 0: mov ecx, 10 */
         0xBA, 0xE8, 0x03, 0,    0,    /* 5: mov edx, 1000 */
         0x45, 0xEB, 0x01, 0xCC,       /* 10: inc ebp; jmp 14; int3 */
         0x05, 1,    0,    0,    0,    /* 14: add eax, 1 */
         0x4A, 0x75, 0xF4,             /* 19: dec edx; jnz 10 */
         0xFF, 0x05, 0,    0,    0, 0, /* 22: inc dword [15] */
         0x49, 0x75, 0xE6, 0xF4,       /* 28: dec ecx; jnz 5; hlt */
     },
     24,
     15,
     1000 * 55},
};

struct outcome {
    struct cpu_state end;
    uint64_t routes;
};

static void run(const struct program *p, const struct translator_config *config, struct outcome *outcome)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_32, true);
    struct translator *t = NULL;
    struct error err;
    uint8_t code[sizeof p->bytes];
    uint32_t address = HARNESS_CODE + p->address;
    memcpy(code, p->bytes, sizeof code);
    if (p->address_at != 0)
        memcpy(code + p->address_at, &address, 4);
    if (config != NULL)
        cr_assert_eq(translator_create(&t, h->cpu, config, &err), STATUS_OK, "%s", err.text);
    harness_code(h, code, sizeof code);
    enum cpu_stop stop = CPU_STOP_DEADLINE;
    for (unsigned n = 0; n < SLICES_MAX && stop == CPU_STOP_DEADLINE; n++)
        stop = cpu_run(h->cpu, h->cpu->s.clock + SLICE);
    cr_expect_eq(stop, CPU_STOP_HALTED, "%s", p->name);
    outcome->end = h->cpu->s;
    outcome->routes = t != NULL ? translator_count(t, COUNT_ROUTES) : 0;
    translator_destroy(t);
    harness_destroy(h);
}

static void compare(const struct program *p, const struct translator_config *config, bool routes)
{
    struct outcome want, got;
    run(p, NULL, &want);
    run(p, config, &got);
    cr_expect_eq(want.end.gpr[RAX], p->eax, "%s: %u", p->name, (unsigned)want.end.gpr[RAX]);
    cr_expect(memcmp(&want.end, &got.end, sizeof want.end) == 0, "%s: states differ", p->name);
    cpu_state_diff(stderr, "interpreter", &want.end, "translator", &got.end);
    cr_expect_eq(got.routes > 0, routes, "%s: %u routes", p->name, (unsigned)got.routes);
}

Test(routes, as_interpreted)
{
    const struct translator_config on = {.code_bytes = 1 << 20, .threshold = 1};
    const struct translator_config off = {.code_bytes = 1 << 20, .threshold = 1, .off = 1u << PATH_ROUTE};
    if (!translator_supported())
        cr_skip_test("no translator for this host");
    for (unsigned n = 0; n < ARRAY_LEN(programs); n++) {
        compare(&programs[n], &on, true);
        compare(&programs[n], &off, false);
    }
}
