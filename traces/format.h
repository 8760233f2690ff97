/* The binary trace: a gzip stream (readable with zcat) of
 *
 *     "crosspage trace 1\n"
 *     varint n, n bytes of JSON    the header: hz, ticks_per_cycle, steps, exits, description of the run
 *     records until TRACE_END      a tag byte, then varints (LEB128, unsigned; "delta" is zigzag)
 *
 *     tag             fields                              meaning
 *     TRACE_SPAN      step, ticks                         starts where the span before it ended
 *     TRACE_COUNT     step                                the step happened once more
 *     TRACE_VISIT     exit, detail, pc                    the guest exits at the end of the last span
 *     TRACE_RESUME                                        back in the guest
 *     TRACE_PACKET    id, mark, delta of time, size       time relative to the end of the last span
 *     TRACE_END       ticks                               total; a trace without it is truncated
 *
 * Only simulated quantities are stored, so equal runs give equal bytes. */
#ifndef CROSSPAGE_TRACES_FORMAT_H
#define CROSSPAGE_TRACES_FORMAT_H

#define TRACE_MAGIC "crosspage trace 1\n"

enum trace_tag { TRACE_SPAN = 1, TRACE_COUNT, TRACE_VISIT, TRACE_RESUME, TRACE_PACKET, TRACE_END };

#endif
