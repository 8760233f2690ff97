/* Packet captures in pcapng (IETF draft-ietf-opsawg-pcapng): one section, any number of Ethernet interfaces,
 * nanosecond time stamps that are simulated time since power-on. Written with simulated data only: equal runs
 * give equal bytes. */
#ifndef CROSSPAGE_TRACES_PCAPNG_H
#define CROSSPAGE_TRACES_PCAPNG_H

#include "base/status.h"
#include "base/types.h"

#include <stdio.h>

struct pcapng;

enum pcapng_direction { PCAPNG_UNKNOWN = 0, PCAPNG_IN = 1, PCAPNG_OUT = 2 };

enum status pcapng_create(struct pcapng **file, const char *path, struct error *err) MUST_CHECK;
/* Finish the file; a write that failed earlier (disk full) is reported here. */
enum status pcapng_close(struct pcapng *file, struct error *err) MUST_CHECK;

/* Declare an interface; returns its number. Before the first packet on it. */
unsigned pcapng_interface(struct pcapng *file, const char *name, const char *description);

/* `id` is the frame's number in the trace, the same on every interface; 0: it has none. */
void pcapng_packet(struct pcapng *file, unsigned interface, uint64_t ns, const void *bytes, size_t size,
                   enum pcapng_direction direction, uint64_t id);

/* A comment for the packet with that id, for the caller to free, or NULL. */
typedef char *pcapng_comment_fn(void *ctx, uint64_t id);

/* Copy a capture that this program wrote, adding comments to its packets. Any damage of the file is an error;
 * `to` is then incomplete. Errors of `to` are left in the stream. */
enum status pcapng_annotate(const char *from, FILE *to, pcapng_comment_fn *comment, void *ctx,
                            struct error *err) MUST_CHECK;

#endif
