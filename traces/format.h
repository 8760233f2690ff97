/* The binary trace: a gzip stream (readable with zcat) of
 *
 *     "crosspage trace 3\n"        or 4 if there may be TRACE_GUEST
 *     varint n, n bytes of JSON    the header: hz, ticks_per_cycle, start, steps, exits, description of the
 * run words until TRACE_END's      64 bits each, packed as below
 *
 * Records are made of words. The first one of each:
 *
 *     bits    TRACE_SPAN   TRACE_VISIT           TRACE_PACKET   TRACE_GUEST       TRACE_END
 *     1:0     the tag                                           TRACE_PACKET's
 *     2       resumed: before this record, the guest goes on
 *     3       counted      long                  0              1
 *     15:4    step         exit                  mark           mark
 *     63:16   ticks        pc, high, detail      size           name, stack
 *     words that follow    if long: detail, pc   id, time       text              total ticks
 *
 *     TRACE_SPAN     starts where the span before it ended; if `counted`, the step happened once more at its
 *                    start. A span of 2^48 ticks or more is several.
 *     TRACE_VISIT    the guest exits at the end of the last span. Unless long, bits 47:16 are the low half of
 * pc, the high half is all ones if bit 48 is set and else zero; bits 63:49 are the detail. TRACE_PACKET   id
 * relative to that of the packet record before, time to the end of the last span; both zigzag TRACE_END a
 * trace without it is truncated
 *     TRACE_GUEST    something about the guest's code, at the end of the last span (enum guest_mark): bits
 *                    39:16 are the number of a name, 63:40 of a stack. GUEST_NAME gives the next number, from
 *                    1 on, to a text: 39:16 is how many bytes come in this record, in as many words as they
 *                    fill; the next one goes on with it if 63:40 is not 0.
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

#define TRACE_MAGIC       "crosspage trace 3\n"
#define TRACE_MAGIC_GUEST "crosspage trace 4\n"

enum trace_tag { TRACE_END, TRACE_SPAN, TRACE_VISIT, TRACE_PACKET, TRACE_GUEST };

/* What TRACE_GUEST says. A stack is a number from 1 on for as long as functions are open on it. */
enum guest_mark {
    GUEST_NAME,
    GUEST_ENTER,  /* the function `name` was called, on `stack` */
    GUEST_LEAVE,  /* the innermost function open on `stack`, which is `name`, has returned */
    GUEST_LOST,   /* the same, but nobody saw it return: its stack was left some other way */
    GUEST_STACK,  /* the guest goes on with `stack`; 0: one on which no function is open */
    GUEST_SAMPLE, /* it is in `name` now */
    GUEST_MARK_COUNT
};

enum {
    TRACE_TAG_MASK = 3,
    TRACE_RESUMED = 1 << 2,
    TRACE_COUNTED = 1 << 3, /* of a span */
    TRACE_LONG = 1 << 3,    /* of a visit */
    TRACE_OF_GUEST = 1 << 3,
    TRACE_INDEX_SHIFT = 4, /* step, exit, mark */
    TRACE_INDEX_LIMIT = 1 << 12,
    TRACE_VALUE_SHIFT = 16, /* ticks, pc, size */
    TRACE_HIGH_SHIFT = 48,
    TRACE_DETAIL_SHIFT = 49,
    TRACE_STACK_SHIFT = 40,
    TRACE_NAME_LIMIT = 1 << 24, /* numbers of names and stacks are below */
    TRACE_PIECE_BYTES = 40,     /* of a name, per record */
    TRACE_NAME_BYTES = 512,     /* longer ones are cut */
    /* However damaged a trace is, a byte of it stands for no more words than this. */
    TRACE_RUN_MAX = 4096,
};

#endif
