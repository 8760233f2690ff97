/* A 64-bit hash for state comparison: fast, the same on every host (little endian words), not cryptographic.
 */
#ifndef CROSSPAGE_BASE_HASH_H
#define CROSSPAGE_BASE_HASH_H

#include "base/types.h"

uint64_t hash_bytes(const void *bytes, size_t size, uint64_t seed);

#endif
