/* Many iterations of a repeated string instruction at once (cpu/string_bulk.c). Private to cpu/. */
#ifndef CROSSPAGE_CPU_STRING_BULK_H
#define CROSSPAGE_CPU_STRING_BULK_H

#include "cpu/exec.h"

/* Do up to `most` iterations, as far as the pages of the present element reach; pointers and flags are
 * updated, count and clock are the caller's. CMPS and SCAS stop after the iteration that ends the repeat.
 * Returns how many were done; 0 when one iteration must be done the slow way. */
typedef uint64_t string_bulk_fn(struct cpu *cpu, const struct insn *insn, uint64_t most);

string_bulk_fn bulk_movs, bulk_stos, bulk_lods, bulk_cmps, bulk_scas;

#endif
