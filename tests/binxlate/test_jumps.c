/* Indirect jumps that the jump cache must not take for others. */
#include "binxlate/translator.h"
#include "cpu/exec.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>
#include <string.h>

/* A program that calls its target until that is in the jump cache, drops the mapping of its page, so that the
 * same address is looked up as another one, and jumps to the target plus delta << 48. */
static void run(int delta, bool translated, struct cpu_state *end)
{
    uint8_t code[] = {
        0x48, 0x8D, 0x1D, 0x20, 0,    0,    0,          /* lea rbx, target */
        0xB9, 4,    0,    0,    0,                      /* mov ecx, 4 */
        0xFF, 0xD3, 0xFF, 0xC9, 0x75, 0xFA,             /* call rbx; dec ecx; jnz -6 */
        0x0F, 0x01, 0x3B, 0x0F, 0x01, 0x3B,             /* invlpg [rbx], twice */
        0x48, 0xB8, 0,    0,    0,    0,    0, 0, 0, 0, /* mov rax, delta << 48 */
        0x48, 0x01, 0xC3, 0xFF, 0xE3,                   /* add rbx, rax; jmp rbx */
        0xC3,                                           /* target: ret */
    };
    const struct translator_config config = {.threshold = 1, .code_bytes = 4 << 20};
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    struct translator *t = NULL;
    struct error err;
    uint64_t offset = (uint64_t)delta << 48;
    memcpy(code + 26, &offset, 8);
    if (translated)
        cr_assert_eq(translator_create(&t, h->cpu, &config, &err), STATUS_OK);
    harness_code(h, code, sizeof code);
    harness_run(h);
    *end = h->cpu->s;
    if (translated)
        translator_destroy(t);
    harness_destroy(h);
}

/* Such a jump is #GP, even if the sum of target and the number of an address space is one in the cache. */
Test(jumps, not_canonical)
{
    if (!translator_supported())
        return;
    for (int delta = -6; delta <= 6; delta++) {
        struct cpu_state want, got;
        run(delta, false, &want);
        run(delta, true, &got);
        cr_expect(memcmp(&want, &got, sizeof want) == 0, "delta %d: rsp %llx %llx, clock %llu %llu", delta,
                  (unsigned long long)want.gpr[RSP], (unsigned long long)got.gpr[RSP],
                  (unsigned long long)want.clock, (unsigned long long)got.clock);
    }
}
