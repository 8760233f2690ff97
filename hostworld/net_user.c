/* The station that libslirp is (net_user.h): its callbacks, its timers, and a queue of frames for the guest.
 *
 * libslirp's clock is the simulated one, so its own time-outs and the guest's are of the same time. Left out:
 * IPv6, TFTP, SMB. */
#include "hostworld/net_user.h"

#include "base/check.h"
#include "base/host_stream.h"
#include "hostworld/pace.h"

#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_MAX = 512, POLLS_MAX = 1024, TIMERS_MAX = 8, FRAME_LEAST = 60 };

struct timer {
    SlirpTimerCb fn;
    void *ctx;
    int64_t due_ms; /* INT64_MAX: not running */
};

struct net_user {
    struct net_user_config config;
    struct net_backend wire;
    Slirp *slirp;
    struct pace pace;
    struct event look;
    struct timer timer[TIMERS_MAX];
    unsigned poll_count;
    struct host_poll polls[POLLS_MAX];
    /* For the guest: a ring. */
    bool sending, looking;
    unsigned first, count;
    struct frame frames[FRAMES_MAX];
};

static int64_t now_ns(const struct net_user *user)
{
    return (int64_t)ticks_to(user->config.queue, user->config.queue->now, 1000000000);
}

/* ---- To the guest ---- */

static void send_next(struct net_user *user)
{
    if (user->sending || user->count == 0)
        return;
    const struct frame *frame = &user->frames[user->first];
    user->first = (user->first + 1) % FRAMES_MAX;
    user->count--;
    user->sending = true;
    user->wire.ops->send(user->wire.ctx, frame);
}

static void on_sent(void *nic)
{
    struct net_user *user = nic;
    user->sending = false;
    send_next(user);
}

/* A full ring drops it, as the protocol allows. */
static ssize_t put_frame(const void *bytes, size_t size, void *ctx)
{
    struct net_user *user = ctx;
    if (user->count == FRAMES_MAX || size > FRAME_MAX)
        return (ssize_t)size;
    struct frame *frame = &user->frames[(user->first + user->count++) % FRAMES_MAX];
    memset(frame->data, 0, FRAME_LEAST);
    memcpy(frame->data, bytes, size);
    frame->id = 0;
    frame->size = (uint32_t)(size < FRAME_LEAST ? FRAME_LEAST : size);
    inputs_note_frame(user->config.inputs, user->looking, frame);
    return (ssize_t)size;
}

/* ---- From the guest ---- */

/* What came at this point of the recorded run. */
static void replay_frames(struct net_user *user, bool looking)
{
    const struct input *input;
    while ((input = inputs_next_frame(user->config.inputs, looking)) != NULL)
        put_frame(input->frame, input->size, user);
}

static void on_receive(void *nic, const struct frame *frame)
{
    struct net_user *user = nic;
    if (user->slirp != NULL)
        slirp_input(user->slirp, frame->data, (int)frame->size);
    else
        replay_frames(user, false);
}

static void on_link(void *nic, bool up)
{
    (void)nic;
    (void)up;
}

/* ---- libslirp's surroundings ---- */

static void on_guest_error(const char *text, void *ctx)
{
    const struct net_user *user = ctx;
    log_line(user->config.log, LOG_GUEST_ERROR, "user network: %s", text);
}

static int64_t on_clock(void *ctx)
{
    return now_ns(ctx);
}

static void *on_timer_new(SlirpTimerCb fn, void *fn_ctx, void *ctx)
{
    struct net_user *user = ctx;
    for (unsigned i = 0; i < TIMERS_MAX; i++)
        if (user->timer[i].fn == NULL) {
            user->timer[i] = (struct timer){.fn = fn, .ctx = fn_ctx, .due_ms = INT64_MAX};
            return &user->timer[i];
        }
    CHECK(!"libslirp has more timers than it had");
    return NULL;
}

static void on_timer_free(void *timer, void *ctx)
{
    (void)ctx;
    *(struct timer *)timer = (struct timer){.fn = NULL};
}

static void on_timer_mod(void *timer, int64_t due_ms, void *ctx)
{
    (void)ctx;
    ((struct timer *)timer)->due_ms = due_ms;
}

static void on_poll_fd(int fd, void *ctx)
{
    (void)fd;
    (void)ctx;
}

static void on_notify(void *ctx)
{
    (void)ctx;
}

static void run_timers(struct net_user *user)
{
    int64_t now_ms = now_ns(user) / 1000000;
    for (unsigned i = 0; i < TIMERS_MAX; i++) {
        struct timer *timer = &user->timer[i];
        if (timer->fn == NULL || timer->due_ms > now_ms)
            continue;
        timer->due_ms = INT64_MAX;
        timer->fn(timer->ctx);
    }
}

/* ---- The look at the host's sockets ---- */

static int add_poll(int fd, int events, void *ctx)
{
    struct net_user *user = ctx;
    if (user->poll_count == POLLS_MAX)
        return -1;
    user->polls[user->poll_count] =
        (struct host_poll){.fd = fd,
                           .wanted = ((events & SLIRP_POLL_IN) != 0 ? HOST_POLL_IN : 0u) |
                                     ((events & SLIRP_POLL_OUT) != 0 ? HOST_POLL_OUT : 0u) |
                                     ((events & SLIRP_POLL_PRI) != 0 ? HOST_POLL_URGENT : 0u)};
    return (int)user->poll_count++;
}

static int get_events(int index, void *ctx)
{
    const struct net_user *user = ctx;
    if (index < 0)
        return 0;
    unsigned got = user->polls[index].got;
    return (got & HOST_POLL_IN ? SLIRP_POLL_IN : 0) | (got & HOST_POLL_OUT ? SLIRP_POLL_OUT : 0) |
           (got & HOST_POLL_URGENT ? SLIRP_POLL_PRI : 0) | (got & HOST_POLL_ERROR ? SLIRP_POLL_ERR : 0) |
           (got & HOST_POLL_CLOSED ? SLIRP_POLL_HUP : 0);
}

static void look_at_host(struct net_user *user)
{
    uint32_t timeout = 0;
    user->poll_count = 0;
    slirp_pollfds_fill(user->slirp, &timeout, add_poll, user);
    bool good =
        host_poll(user->polls, user->poll_count, pace_wait_ms(&user->pace, (double)now_ns(user) * 1e-9));
    slirp_pollfds_poll(user->slirp, !good, get_events, user);
    run_timers(user);
}

static void look(struct net_user *user)
{
    user->looking = true;
    if (user->slirp != NULL)
        look_at_host(user);
    else
        replay_frames(user, true);
    user->looking = false;
    send_next(user);
}

static void look_due(struct event *event, tick_t late)
{
    struct net_user *user = CONTAINER_OF(event, struct net_user, look);
    struct event_queue *queue = user->config.queue;
    look(user);
    event_schedule(queue, event, queue->now - late + ticks_from(queue, NET_USER_LOOK_US, 1000000));
}

/* ---- Forwarded ports ---- */

struct forward {
    bool udp;
    struct in_addr host, guest;
    int host_port, guest_port;
};

/* "[ADDRESS]:PORT", up to `end`. */
static bool parse_end(const char *text, const char *end, struct in_addr *address, int *port)
{
    char name[64], *rest;
    const char *colon = memchr(text, ':', (size_t)(end - text));
    if (colon == NULL || (size_t)(colon - text) >= sizeof name)
        return false;
    memcpy(name, text, (size_t)(colon - text));
    name[colon - text] = '\0';
    if (name[0] != '\0' && inet_pton(AF_INET, name, address) != 1)
        return false;
    long value = strtol(colon + 1, &rest, 10);
    *port = (int)value;
    return rest == end && rest != colon + 1 && value > 0 && value < 65536;
}

static bool parse_forward(const char *text, struct forward *forward)
{
    *forward = (struct forward){.udp = strncmp(text, "udp:", 4) == 0};
    inet_pton(AF_INET, "127.0.0.1", &forward->host);
    inet_pton(AF_INET, "10.0.2.15", &forward->guest);
    if (!forward->udp && strncmp(text, "tcp:", 4) != 0)
        return false;
    text += 4;
    const char *dash = strchr(text, '-');
    return dash != NULL && parse_end(text, dash, &forward->host, &forward->host_port) &&
           parse_end(dash + 1, dash + strlen(dash), &forward->guest, &forward->guest_port);
}

enum status net_user_check_forward(const char *text, struct error *err)
{
    struct forward forward;
    return parse_forward(text, &forward)
               ? STATUS_OK
               : status_fail(err, STATUS_BAD_INPUT, "hostfwd=%s: write tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT",
                             text);
}

static enum status add_forwards(struct net_user *user, struct error *err)
{
    for (unsigned i = 0; i < user->config.forward_count; i++) {
        struct forward forward;
        TRY(net_user_check_forward(user->config.forward[i], err));
        (void)parse_forward(user->config.forward[i], &forward);
        if (slirp_add_hostfwd(user->slirp, forward.udp, forward.host, forward.host_port, forward.guest,
                              forward.guest_port) != 0)
            return status_fail(err, STATUS_HOST, "hostfwd=%s: cannot listen there", user->config.forward[i]);
    }
    return STATUS_OK;
}

/* ---- Life ---- */

static void open_slirp(struct net_user *user)
{
    static const SlirpCb callbacks = {
        .send_packet = put_frame,
        .guest_error = on_guest_error,
        .clock_get_ns = on_clock,
        .timer_new = on_timer_new,
        .timer_free = on_timer_free,
        .timer_mod = on_timer_mod,
        .register_poll_fd = on_poll_fd,
        .unregister_poll_fd = on_poll_fd,
        .notify = on_notify,
    };
    SlirpConfig config = {.version = 1, .restricted = user->config.restricted, .in_enabled = true};
    inet_pton(AF_INET, "10.0.2.0", &config.vnetwork);
    inet_pton(AF_INET, "255.255.255.0", &config.vnetmask);
    inet_pton(AF_INET, "10.0.2.2", &config.vhost);
    inet_pton(AF_INET, "10.0.2.15", &config.vdhcp_start);
    inet_pton(AF_INET, "10.0.2.3", &config.vnameserver);
    user->slirp = slirp_new(&config, &callbacks, user);
    CHECK(user->slirp != NULL);
}

enum status net_user_create(struct net_user **out, const struct net_user_config *config,
                            struct net_backend wire, struct error *err)
{
    static const struct net_port_ops port = {.receive = on_receive, .sent = on_sent, .link = on_link};
    struct net_user *user = *out = xcalloc(1, sizeof *user);
    user->config = *config;
    user->wire = wire;
    if (!inputs_replayed(config->inputs))
        open_slirp(user);
    wire.ops->attach(wire.ctx, &port, user);
    event_init(&user->look, "net.user", EVENT_ORDER_LAST, look_due);
    event_schedule(config->queue, &user->look, ticks_from(config->queue, NET_USER_LOOK_US, 1000000));
    return user->slirp != NULL ? add_forwards(user, err) : STATUS_OK;
}

void net_user_destroy(struct net_user *user)
{
    if (user == NULL)
        return;
    if (user->slirp != NULL)
        slirp_cleanup(user->slirp);
    free(user);
}
