/* State hash: words of 8 bytes in little-endian order, so equal on every host. Not cryptographic. */
#include "base/hash.h"

#include "base/bytes.h"

#include <string.h>

/* One step per 8 bytes: multiply by an odd constant and fold the high half down, so that every input bit
 * reaches every output bit within two steps. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

uint64_t hash_bytes(const void *bytes, size_t size, uint64_t seed)
{
    const uint8_t *p = bytes;
    uint64_t hash = mix(seed, size);
    for (; size >= 8; p += 8, size -= 8)
        hash = mix(hash, get_le64(p));
    uint8_t tail[8] = {0};
    memcpy(tail, p, size);
    return mix(hash, get_le64(tail));
}
