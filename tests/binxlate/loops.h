/* Short loops with vector instructions, in the interpreter, translated, and translated with fast paths
 * switched off: state and memory must be equal at the end. */
#ifndef CROSSPAGE_TESTS_BINXLATE_LOOPS_H
#define CROSSPAGE_TESTS_BINXLATE_LOOPS_H

#include "base/types.h"

enum { LOOP_ROUNDS = 200 };

/* RBX: data; RCX: LOOP_ROUNDS to 1, and all end with DEC RCX, JNZ, HLT. XMM0..7 are numbers, XMM1 is zero.
 * The data are words for MXCSR, of which the one at [rbx + 5*4] unmasks division by zero. XCR0 enables all.
 */
struct loop {
    const char *name;
    uint8_t bytes[64], size;
    int fault;     /* vector, or -1 */
    unsigned slow; /* instructions per round that are the interpreter's */
};

/* Each on a CPU of `model`; `off` (bits by enum translator_path) must give the interpreter more to do. */
void loops_compare(const struct loop *loops, unsigned count, const char *model, uint32_t off);

#endif
