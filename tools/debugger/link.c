/* Links (link.h) over base/host_stream.h: one descriptor each way and a buffer each way. */
#include "tools/debugger/link.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINK_IN = 1 << 16, LINK_OUT = 1 << 20 };

struct link {
    int in, out, listener; /* -1: none */
    bool stdio;
    char *path; /* unix: */
    char *notice;
    unsigned callers;
    size_t in_at, in_count, out_count;
    uint8_t in_bytes[LINK_IN], out_bytes[LINK_OUT];
};

/* ---- Opening ---- */

static enum status check_words(char *words, struct error *err)
{
    static const char *const known[] = {"server", "server=on", "nowait", "wait=off"};
    for (char *rest = NULL, *word = strtok_r(words, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        bool found = false;
        for (unsigned i = 0; i < ARRAY_LEN(known); i++)
            found |= strcmp(word, known[i]) == 0;
        if (!found)
            return status_fail(err, STATUS_BAD_INPUT,
                               "unknown word '%s': we listen and do not wait (server, nowait)", word);
    }
    return STATUS_OK;
}

static enum status open_tcp(struct link *link, char *text, struct error *err)
{
    char notice[160];
    char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] == '\0')
        return status_fail(err, STATUS_BAD_INPUT, "tcp: needs [HOST]:PORT, not '%s'", text);
    *colon = '\0';
    size_t length = strlen(text);
    if (length > 1 && text[0] == '[' && text[length - 1] == ']') {
        text[length - 1] = '\0';
        text++;
    }
    const char *host = *text ? text : "127.0.0.1";
    TRY(host_tcp_listen(&link->listener, host, colon + 1, err));
    snprintf(notice, sizeof notice, "listening on %.100s port %u", host, host_tcp_port(link->listener));
    link->notice = xstrdup(notice);
    return STATUS_OK;
}

static enum status open_unix(struct link *link, const char *path, struct error *err)
{
    char notice[160];
    TRY(host_unix_listen(&link->listener, path, err));
    link->path = xstrdup(path);
    snprintf(notice, sizeof notice, "listening on %.120s", path);
    link->notice = xstrdup(notice);
    return STATUS_OK;
}

static enum status open_spec(struct link *link, char *text, struct error *err)
{
    char *words = strchr(text, ',');
    if (words != NULL) {
        *words++ = '\0';
        TRY(check_words(words, err));
    }
    if (strncmp(text, "tcp:", 4) == 0)
        return open_tcp(link, text + 4, err);
    if (strncmp(text, "unix:", 5) == 0)
        return open_unix(link, text + 5, err);
    if (strcmp(text, "stdio") != 0)
        return status_fail(err, STATUS_BAD_INPUT, "'%s' is none of tcp:[HOST]:PORT, unix:PATH, stdio", text);
    link->stdio = true;
    link->in = STDIN_FILENO;
    link->out = STDOUT_FILENO;
    link->callers = 1;
    return STATUS_OK;
}

enum status link_open(struct link **out, const char *spec, struct error *err)
{
    struct link *link = xcalloc(1, sizeof *link);
    char *text = xstrdup(spec);
    link->in = link->out = link->listener = -1;
    enum status status = open_spec(link, text, err);
    free(text);
    if (status != STATUS_OK) {
        link_close(link);
        link = NULL;
    }
    *out = link;
    return status;
}

bool link_is_stdio(const struct link *link)
{
    return link->stdio;
}

const char *link_notice(const struct link *link)
{
    return link->notice;
}

/* ---- The caller ---- */

bool link_connected(const struct link *link)
{
    return link->in >= 0;
}

unsigned link_callers(const struct link *link)
{
    return link->callers;
}

void link_hang_up(struct link *link)
{
    if (!link->stdio)
        host_stream_close(link->in);
    link->in = link->out = -1;
    link->in_at = link->in_count = link->out_count = 0;
}

static void send_out(struct link *link)
{
    size_t done = 0;
    while (link->out >= 0 && done < link->out_count) {
        int put = host_stream_write(link->out, link->out_bytes + done, link->out_count - done);
        if (put == STREAM_CLOSED) {
            link_hang_up(link);
            return;
        }
        if (put == STREAM_LATER)
            break;
        done += (size_t)put;
    }
    link->out_count -= done;
    memmove(link->out_bytes, link->out_bytes + done, link->out_count);
}

static bool accept_caller(struct link *link)
{
    if (link->in >= 0 || link->listener < 0)
        return false;
    link->in = link->out = host_tcp_accept(link->listener, false);
    if (link->in < 0)
        return false;
    link->callers++;
    return true;
}

bool link_poll(struct link *link)
{
    bool fresh = accept_caller(link);
    if (link->in_at == link->in_count)
        link->in_at = link->in_count = 0;
    if (link->in >= 0 && link->in_count < LINK_IN) {
        int got = host_stream_read(link->in, link->in_bytes + link->in_count, LINK_IN - link->in_count);
        if (got == STREAM_CLOSED) {
            link_hang_up(link);
            return true;
        }
        link->in_count += (size_t)got;
    }
    send_out(link);
    return fresh || link->in_at < link->in_count;
}

bool link_peek(const struct link *link, uint8_t *byte)
{
    if (link->in_at == link->in_count)
        return false;
    *byte = link->in_bytes[link->in_at];
    return true;
}

bool link_get(struct link *link, uint8_t *byte)
{
    if (!link_peek(link, byte))
        return false;
    link->in_at++;
    return true;
}

void link_put(struct link *link, const void *from, size_t size)
{
    if (link->out < 0)
        return;
    if (size > LINK_OUT - link->out_count)
        send_out(link);
    if (size > LINK_OUT - link->out_count) {
        link_hang_up(link);
        return;
    }
    memcpy(link->out_bytes + link->out_count, from, size);
    link->out_count += size;
    send_out(link);
}

struct host_wait link_wait(const struct link *link)
{
    int fd = link->in >= 0 ? link->in : link->listener;
    return (struct host_wait){.fd = fd, .write = link->out_count != 0};
}

void link_close(struct link *link)
{
    if (link == NULL)
        return;
    send_out(link);
    link_hang_up(link);
    if (link->path != NULL)
        host_unix_remove(link->listener, link->path);
    else
        host_stream_close(link->listener);
    free(link->path);
    free(link->notice);
    free(link);
}
