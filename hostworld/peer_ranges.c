/* Sets of sequence numbers as ascending ranges, of which no two touch. They wrap around with TCP's numbers:
 * all of a set lie within 2^31 of each other. A full set forgets what is new, which its users may: an
 * acknowledgement less, a segment not kept. */
#include "hostworld/peer_tcp_priv.h"

#include <string.h>

bool seq_ranges_add(struct seq_ranges *ranges, uint32_t begin, uint32_t end)
{
    struct seq_range *at = ranges->at;
    unsigned first = 0, after;
    if (begin == end)
        return false;
    while (first < ranges->count && seq_before(at[first].end, begin))
        first++;
    for (after = first; after < ranges->count && !seq_before(end, at[after].begin); after++)
        ;
    if (first < after) { /* it joins first .. after - 1 */
        if (after - first == 1 && !seq_before(begin, at[first].begin) && !seq_before(at[first].end, end))
            return false;
        begin = seq_before(at[first].begin, begin) ? at[first].begin : begin;
        end = seq_before(end, at[after - 1].end) ? at[after - 1].end : end;
    } else if (ranges->count == SEQ_RANGES_MAX) {
        return false;
    }
    memmove(at + first + 1, at + after, (ranges->count - after) * sizeof *at);
    at[first] = (struct seq_range){begin, end};
    ranges->count += 1 - (after - first);
    return true;
}

void seq_ranges_drop_before(struct seq_ranges *ranges, uint32_t edge)
{
    unsigned gone = 0;
    while (gone < ranges->count && !seq_before(edge, ranges->at[gone].end))
        gone++;
    ranges->count -= gone;
    memmove(ranges->at, ranges->at + gone, ranges->count * sizeof *ranges->at);
    if (ranges->count > 0 && seq_before(ranges->at[0].begin, edge))
        ranges->at[0].begin = edge;
}

uint32_t seq_ranges_skip(const struct seq_ranges *ranges, uint32_t seq)
{
    for (unsigned i = 0; i < ranges->count && !seq_before(seq, ranges->at[i].begin); i++)
        if (seq_before(seq, ranges->at[i].end))
            return ranges->at[i].end;
    return seq;
}

uint32_t seq_ranges_next(const struct seq_ranges *ranges, uint32_t seq, uint32_t limit)
{
    for (unsigned i = 0; i < ranges->count; i++)
        if (!seq_before(ranges->at[i].begin, seq))
            return seq_before(ranges->at[i].begin, limit) ? ranges->at[i].begin : limit;
    return limit;
}

uint32_t seq_ranges_below(const struct seq_ranges *ranges, uint32_t edge)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < ranges->count && seq_before(ranges->at[i].begin, edge); i++)
        sum += (seq_before(edge, ranges->at[i].end) ? edge : ranges->at[i].end) - ranges->at[i].begin;
    return sum;
}
