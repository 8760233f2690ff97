/* A serial port on a TCP connection. As a server it takes one caller at a time; when that one leaves, the
 * next may come. */
#include "hostworld/chardev_priv.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tcp_options {
    char *host, *port;
    bool server, wait;
};

static enum status parse_flag(struct tcp_options *options, const char *word, struct error *err)
{
    static const struct {
        const char *word;
        bool is_wait, value;
    } words[] = {
        {"server", false, true},   {"server=on", false, true}, {"server=off", false, false},
        {"nowait", true, false},   {"wait", true, true},       {"wait=on", true, true},
        {"wait=off", true, false},
    };
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i].word, word) != 0)
            continue;
        *(words[i].is_wait ? &options->wait : &options->server) = words[i].value;
        return STATUS_OK;
    }
    return status_fail(err, STATUS_BAD_INPUT, "unknown option '%s' of a tcp character device", word);
}

/* `text` is HOST:PORT[,option...] and is cut into pieces; an IPv6 address stands in brackets. */
static enum status parse(struct tcp_options *options, char *text, struct error *err)
{
    *options = (struct tcp_options){.wait = true};
    char *flags = strchr(text, ',');
    if (flags != NULL)
        *flags++ = '\0';
    char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] == '\0')
        return status_fail(err, STATUS_BAD_INPUT, "tcp character device needs HOST:PORT, not '%s'", text);
    *colon = '\0';
    options->host = text;
    options->port = colon + 1;
    if (text[0] == '[' && colon > text && colon[-1] == ']') {
        colon[-1] = '\0';
        options->host++;
    }
    while (flags != NULL) {
        char *next = strchr(flags, ',');
        if (next != NULL)
            *next++ = '\0';
        TRY(parse_flag(options, flags, err));
        flags = next;
    }
    return STATUS_OK;
}

static enum status connect_with(struct chardev *chardev, const struct tcp_options *options, struct error *err)
{
    char notice[128];
    if (!options->server) {
        TRY(host_tcp_connect(&chardev->in, options->host, options->port, err));
        chardev->out = chardev->in;
        return STATUS_OK;
    }
    TRY(host_tcp_listen(&chardev->extra, options->host, options->port, err));
    snprintf(notice, sizeof notice, "listening on tcp port %u%s", host_tcp_port(chardev->extra),
             options->wait ? ", waiting for a connection" : "");
    chardev->notice = xstrdup(notice);
    chardev->waits = options->wait;
    return STATUS_OK;
}

static enum status tcp_open(struct chardev *chardev, const char *rest, struct error *err)
{
    struct tcp_options options;
    char *text = xstrdup(rest);
    enum status status = parse(&options, text, err);
    if (status == STATUS_OK)
        status = connect_with(chardev, &options, err);
    free(text);
    return status;
}

static void tcp_poll(struct chardev *chardev)
{
    if (chardev->in < 0 && chardev->extra >= 0)
        chardev->in = chardev->out = host_tcp_accept(chardev->extra, false);
}

const struct chardev_ops chardev_tcp = {
    .prefix = "tcp:", .open = tcp_open, .poll = tcp_poll, .close = chardev_disconnect};
