/* Time lines for the HTML report (report_html_spans.h). */
#include "tools/report_html_spans.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

/* ---- The pool ---- */

struct entry {
    size_t start, length;
    uint64_t hash;
};

struct pool {
    size_t count, room, size, space, slots;
    struct entry *entry;
    uint64_t *words; /* of all entries */
    size_t *slot;    /* open addressing: entry number + 1; at most half full */
};

struct pool *pool_create(void)
{
    struct pool *pool = xcalloc(1, sizeof *pool);
    pool->slots = 1024;
    pool->slot = xcalloc(pool->slots, sizeof *pool->slot);
    return pool;
}

void pool_free(struct pool *pool)
{
    free(pool->entry);
    free(pool->words);
    free(pool->slot);
    free(pool);
}

static void grow(struct pool *pool, size_t length)
{
    if (pool->count == pool->room) {
        pool->room = pool->room ? 2 * pool->room : 256;
        pool->entry = xrealloc(pool->entry, pool->room * sizeof *pool->entry);
    }
    if (pool->size + length > pool->space) {
        pool->space = 2 * (pool->size + length);
        pool->words = xrealloc(pool->words, pool->space * sizeof *pool->words);
    }
    if (2 * (pool->count + 1) <= pool->slots)
        return;
    free(pool->slot);
    pool->slots *= 2;
    pool->slot = xcalloc(pool->slots, sizeof *pool->slot);
    for (size_t i = 0; i < pool->count; i++) {
        size_t at = pool->entry[i].hash & (pool->slots - 1);
        while (pool->slot[at] != 0)
            at = (at + 1) & (pool->slots - 1);
        pool->slot[at] = i + 1;
    }
}

size_t pool_add(struct pool *pool, const uint64_t *list, size_t length)
{
    grow(pool, length);
    uint64_t hash = hash_bytes(list, length * sizeof *list, 0);
    size_t at = hash & (pool->slots - 1);
    for (; pool->slot[at] != 0; at = (at + 1) & (pool->slots - 1)) {
        const struct entry *entry = &pool->entry[pool->slot[at] - 1];
        if (entry->hash == hash && entry->length == length &&
            memcmp(pool->words + entry->start, list, length * sizeof *list) == 0)
            return pool->slot[at] - 1;
    }
    if (length > 0)
        memcpy(pool->words + pool->size, list, length * sizeof *list);
    pool->entry[pool->count] = (struct entry){pool->size, length, hash};
    pool->size += length;
    pool->slot[at] = ++pool->count;
    return pool->count - 1;
}

json_t *pool_json(const struct pool *pool)
{
    json_t *lists = json_array();
    for (size_t i = 0; i < pool->count; i++) {
        json_t *list = json_array();
        for (size_t k = 0; k < pool->entry[i].length; k++)
            json_array_append_new(list, json_integer((json_int_t)pool->words[pool->entry[i].start + k]));
        json_array_append_new(lists, list);
    }
    return lists;
}

/* ---- Periods ---- */

/* A few megabytes of text. */
enum { CHUNK_WORDS_MAX = 400 * 1000, PERIOD_WORDS_MAX = 600 * 1000 };

/* Script numbers are exact up to here; details beyond (addresses of the upper half) are left out. */
static const uint64_t exact = UINT64_C(1) << 53;

struct list {
    uint64_t *words;
    size_t count, room;
};

static void list_add(struct list *list, uint64_t word)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 256;
        list->words = xrealloc(list->words, list->room * sizeof *list->words);
    }
    list->words[list->count++] = word;
}

struct periods {
    const struct analysis *analysis;
    struct pool *chunks, *periods;
    struct list chunk, period; /* scratch */
};

/* The spans of [from, to) as one chunk of the period at hand. */
static void add_chunk(struct periods *p, tick_t from, tick_t to, const struct visit *visit)
{
    const struct analysis *a = p->analysis;
    if (from >= to)
        return;
    p->chunk.count = 0;
    list_add(&p->chunk, visit ? visit->exit : (uint64_t)-1);
    list_add(&p->chunk, visit && visit->detail < exact ? visit->detail : 0);
    for (size_t i = analysis_span_at(a, from); i < a->span_count && a->span_begin[i] < to; i++) {
        tick_t begin = a->span_begin[i] > from ? a->span_begin[i] : from;
        tick_t end = i + 1 < a->span_count ? a->span_begin[i + 1] : a->end;
        end = end < to ? end : to;
        list_add(&p->chunk, a->span_step[i]);
        list_add(&p->chunk, end - begin);
    }
    list_add(&p->period, pool_add(p->chunks, p->chunk.words, p->chunk.count));
}

static size_t add_period(struct periods *p, tick_t from, tick_t to)
{
    const struct analysis *a = p->analysis;
    tick_t at = from;
    p->period.count = 0;
    for (size_t i = analysis_visit_at(a, from); i < a->visit_count && a->visits[i].begin < to; i++) {
        const struct visit *visit = &a->visits[i];
        tick_t begin = visit->begin > at ? visit->begin : at, end = visit->end < to ? visit->end : to;
        add_chunk(p, at, begin, NULL);
        add_chunk(p, begin, end, visit);
        at = end > at ? end : at;
    }
    add_chunk(p, at, to, NULL);
    return pool_add(p->periods, p->period.words, p->period.count);
}

json_t *report_html_spans(const struct report *report)
{
    const struct receipts *r = &report->receipts;
    struct periods p = {&report->analysis, pool_create(), pool_create(), {0}, {0}};
    json_t *index = json_array();
    for (size_t i = 0; i < r->count; i++) {
        const struct receipt *receipt = &r->receipt[i];
        tick_t end = receipt->delivered > receipt->resume ? receipt->delivered : receipt->resume;
        if (receipt->next_out != TICK_NEVER)
            end = receipt->next_out;
        if (end > p.analysis->end)
            end = p.analysis->end;
        bool fits = p.chunks->size < CHUNK_WORDS_MAX && p.periods->size < PERIOD_WORDS_MAX;
        json_array_append_new(index, json_integer(fits ? (json_int_t)add_period(&p, receipt->out, end) : -1));
    }
    json_t *spans = json_pack("{s:o, s:o, s:o}", "chunks", pool_json(p.chunks), "periods",
                              pool_json(p.periods), "period", index);
    pool_free(p.chunks);
    pool_free(p.periods);
    free(p.chunk.words);
    free(p.period.words);
    return spans;
}
