/* The binary trace: a gzip stream (readable with zcat) of
 *
 *     "crosspage trace 3\n"
 *     varint n, n bytes of JSON    the header: hz, ticks_per_cycle, start, steps, exits, description of the
 * run words until TRACE_END's      64 bits each, packed as below
 *
 * Records are made of words. The first one of each:
 *
 *     bits    TRACE_SPAN   TRACE_VISIT           TRACE_PACKET   TRACE_END
 *     1:0     the tag
 *     2       resumed: before this record, the guest goes on
 *     3       counted      long
 *     15:4    step         exit                  mark
 *     63:16   ticks        pc, high, detail      size
 *     words that follow    if long: detail, pc   id, time       total ticks
 *
 *     TRACE_SPAN     starts where the span before it ended; if `counted`, the step happened once more at its
 *                    start. A span of 2^48 ticks or more is several.
 *     TRACE_VISIT    the guest exits at the end of the last span. Unless long, bits 47:16 are the low half of
 * pc, the high half is all ones if bit 48 is set and else zero; bits 63:49 are the detail. TRACE_PACKET   id
 * relative to that of the packet record before, time to the end of the last span; both zigzag TRACE_END a
 * trace without it is truncated
 *
 * A guest repeats itself, and so does its trace: 97 words of 100 are the ones that followed when the same
 * came before. Those are not written. What is written is, in turns,
 *
 *     varint 2n + k    the next n words, at most TRACE_RUN_MAX, are as expected
 *     varint           the word after those, which is not (or after TRACE_RUN_MAX may be); if k is 1, only
 * its bits 63:16, the others being as expected
 *
 * where traces/words.h says what is expected, the same for writer and reader. All varints are unsigned
 * LEB128. Every span, count, visit and mark of the run is there; what is expected is only told in fewer
 * bytes.
 *
 * Only simulated quantities are stored, so equal runs give equal bytes. */
#ifndef CROSSPAGE_TRACES_FORMAT_H
#define CROSSPAGE_TRACES_FORMAT_H

#define TRACE_MAGIC "crosspage trace 3\n"

enum trace_tag { TRACE_END, TRACE_SPAN, TRACE_VISIT, TRACE_PACKET };

enum {
    TRACE_TAG_MASK = 3,
    TRACE_RESUMED = 1 << 2,
    TRACE_COUNTED = 1 << 3, /* of a span */
    TRACE_LONG = 1 << 3,    /* of a visit */
    TRACE_INDEX_SHIFT = 4,  /* step, exit, mark */
    TRACE_INDEX_LIMIT = 1 << 12,
    TRACE_VALUE_SHIFT = 16, /* ticks, pc, size */
    TRACE_HIGH_SHIFT = 48,
    TRACE_DETAIL_SHIFT = 49,
    /* However damaged a trace is, a byte of it stands for no more words than this. */
    TRACE_RUN_MAX = 4096,
};

#endif
