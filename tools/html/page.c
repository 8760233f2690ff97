/* Writing a page (page.h). Errors of `out` are the caller's to see (ferror). */
#include "tools/html/page.h"

/* '<' stands only inside strings of JSON, where it may be written as an escape. */
static int write_escaped(const char *text, size_t size, void *data)
{
    FILE *out = data;
    size_t from = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '<')
            continue;
        fwrite(text + from, 1, i - from, out);
        fputs("\\u003c", out);
        from = i + 1;
    }
    fwrite(text + from, 1, size - from, out);
    return 0;
}

void page_write(const struct page *page, const json_t *data, FILE *out)
{
    fwrite(page->before, 1, page->before_size, out);
    json_dump_callback(data, write_escaped, out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));
    fwrite(page->after, 1, page->after_size, out);
}
