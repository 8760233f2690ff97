/* Back ends on the host: images with and without overlay, their error lines, character devices over pipes,
 * sockets and pseudo-terminals. */
#include "base/host_file.h"
#include "base/host_stream.h"
#include "hostworld/block_file.h"
#include "hostworld/chardev.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/crosspage-test-XXXXXX";
static char path[128];

/* A single X may well be in the name that mkdtemp() gives. */
static bool folder_made(void)
{
    return strstr(folder, "XXXXXX") == NULL;
}

static const char *make_file(const char *name, const void *data, size_t size)
{
    if (!folder_made())
        cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(data, 1, size, file), size);
    fclose(file);
    return path;
}

static void remove_folder(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (folder_made())
        cr_assert_eq(system(command), 0);
}

static uint8_t image[64 * 512];

TestSuite(block_file, .fini = remove_folder);
TestSuite(chardev, .fini = remove_folder, .timeout = 240);

/* Rounds of a millisecond at least, until what another end sent counts as lost: a busy host may be late by
 * seconds. */
enum { PATIENCE = 60000 };

Test(block_file, writes_go_to_the_image)
{
    struct error err;
    struct block_file *file;
    const struct block_file_options options = {0};
    const char *name = make_file("disk", image, sizeof image);
    cr_assert_eq(block_file_open(&file, name, &options, &err), STATUS_OK, "%s", err.text);
    struct block_backend backend = block_file_backend(file);
    cr_assert_eq(backend.size, sizeof image);
    uint8_t sector[512], again[512];
    memset(sector, 0x5A, sizeof sector);
    cr_assert(backend.ops->write(backend.ctx, 7 * 512, sector, 512));
    cr_assert(backend.ops->flush(backend.ctx));
    struct block_file *second;
    cr_assert_eq(block_file_open(&second, name, &options, &err), STATUS_HOST, "one writer only");
    block_file_close(file);
    cr_assert_eq(block_file_open(&file, name, &options, &err), STATUS_OK);
    backend = block_file_backend(file);
    cr_assert(backend.ops->read(backend.ctx, 7 * 512, again, 512));
    cr_assert_eq(memcmp(sector, again, 512), 0);
    block_file_close(file);
}

Test(block_file, a_snapshot_leaves_the_image_alone)
{
    struct error err;
    struct block_file *files[2];
    const struct block_file_options options = {.snapshot = true};
    for (unsigned i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)(i / 512);
    const char *name = make_file("disk", image, sizeof image);
    uint8_t expect[sizeof image], got[sizeof image];
    memcpy(expect, image, sizeof image);
    for (unsigned i = 0; i < 2; i++) /* two at once: neither locks the other out */
        cr_assert_eq(block_file_open(&files[i], name, &options, &err), STATUS_OK, "%s", err.text);
    struct block_backend backend = block_file_backend(files[0]);
    for (unsigned i = 3; i < 60; i += 7) {
        memset(expect + i * 512, 0xEE, 1024);
        cr_assert(backend.ops->write(backend.ctx, i * 512, expect + i * 512, 1024));
    }
    cr_assert(backend.ops->read(backend.ctx, 0, got, sizeof got));
    cr_assert_eq(memcmp(got, expect, sizeof got), 0);
    backend = block_file_backend(files[1]);
    cr_assert(backend.ops->read(backend.ctx, 0, got, sizeof got));
    cr_assert_eq(memcmp(got, image, sizeof got), 0);
    block_file_close(files[0]);
    block_file_close(files[1]);
    struct host_file file;
    cr_assert_eq(host_file_open(&file, name, false, &err), STATUS_OK);
    cr_assert(host_file_read(&file, 0, got, sizeof got));
    cr_assert_eq(memcmp(got, image, sizeof got), 0);
    host_file_close(&file);
}

Test(block_file, a_cdrom_is_never_written)
{
    struct error err;
    struct block_file *file;
    const char *name = make_file("cd", image, sizeof image);
    cr_assert_eq(block_file_open(&file, name, &(struct block_file_options){.cdrom = true}, &err), STATUS_OK);
    struct block_backend backend = block_file_backend(file);
    cr_assert(backend.read_only);
    cr_assert_not(backend.ops->write(backend.ctx, 0, image, 2048));
    block_file_close(file);
}

Test(block_file, an_image_that_shrinks_is_a_media_error)
{
    struct error err;
    struct block_file *file;
    const char *name = make_file("disk", image, sizeof image);
    cr_assert_eq(block_file_open(&file, name, &(struct block_file_options){0}, &err), STATUS_OK);
    struct block_backend backend = block_file_backend(file);
    cr_assert_eq(truncate(name, 1000), 0);
    uint8_t sector[512];
    cr_assert(backend.ops->read(backend.ctx, 0, sector, 512));
    cr_assert_not(backend.ops->read(backend.ctx, 512, sector, 512));
    block_file_close(file);
}

Test(block_file, bad_images_get_one_clear_line)
{
    static const struct {
        const char *what;
        size_t size;
        const char *magic;
        bool cdrom;
        const char *expect;
    } rows[] = {
        {"empty", 0, NULL, false, "is empty"},           {"cut", 1000, NULL, false, "truncated"},
        {"cut CD", 2048 + 512, NULL, true, "truncated"}, {"qcow2", 512, "QFI\xFB", false, "qcow2 image"},
        {"vhdx", 1024, "vhdxfile", false, "vhdx image"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t data[4096] = {0};
        struct error err;
        struct block_file *file;
        if (rows[i].magic != NULL)
            memcpy(data, rows[i].magic, strlen(rows[i].magic));
        const char *name = make_file("bad", data, rows[i].size);
        const struct block_file_options options = {.cdrom = rows[i].cdrom};
        cr_assert_eq(block_file_open(&file, name, &options, &err), STATUS_BAD_INPUT, "%s", rows[i].what);
        cr_assert_not_null(strstr(err.text, rows[i].expect), "%s: %s", rows[i].what, err.text);
        cr_assert_null(strchr(err.text, '\n'));
        cr_assert_null(file);
    }
    struct error err;
    struct block_file *file;
    cr_assert_eq(block_file_open(&file, "/nowhere/disk", &(struct block_file_options){0}, &err),
                 STATUS_NO_FILE);
    cr_assert_eq(block_file_open(&file, "/tmp", &(struct block_file_options){.read_only = true}, &err),
                 STATUS_BAD_INPUT);
    cr_assert_eq(block_file_open(&file, "/dev/null", &(struct block_file_options){0}, &err),
                 STATUS_BAD_INPUT);
}

/* ---- Characters ---- */

struct port {
    unsigned room, count;
    uint8_t got[8192];
};

static bool port_ready(void *ctx)
{
    return ((struct port *)ctx)->room > 0;
}

static void port_receive(void *ctx, uint8_t byte)
{
    struct port *port = ctx;
    cr_assert_gt(port->room--, 0);
    port->got[port->count++] = byte;
}

static const struct char_port_ops port_ops = {port_ready, port_receive};

static struct char_backend connect_port(struct chardev *chardev, struct port *port)
{
    struct char_backend backend = chardev_backend(chardev);
    backend.ops->attach(backend.ctx, &port_ops, port);
    return backend;
}

static void say(const struct char_backend *backend, const char *text)
{
    while (*text)
        backend->ops->write(backend->ctx, (uint8_t)*text++);
}

/* Poll until the port has `count` bytes. */
static void poll_until(struct chardev *chardev, struct port *port, unsigned count)
{
    for (unsigned i = 0; i < PATIENCE && port->count < count; i++) {
        chardev_poll(chardev);
        usleep(1000);
    }
    cr_assert_eq(port->count, count);
}

Test(chardev, specifications)
{
    static const char *const bad[] = {"",
                                      "stdi",
                                      "stdioo",
                                      "file:",
                                      "file:/nowhere/x",
                                      "tcp:",
                                      "tcp:1.2.3.4",
                                      "tcp:x:",
                                      "tcp:127.0.0.1:1,frob",
                                      "tcp:127.0.0.1:1",
                                      "tcp:127.0.0.1:99999999",
                                      "serial"};
    struct error err;
    struct chardev *chardev;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert_neq(chardev_open(&chardev, bad[i], &err), STATUS_OK, "%s", bad[i]);
        cr_assert_null(chardev);
        cr_assert_gt(strlen(err.text), 10, "%s", bad[i]);
    }
    cr_assert_eq(chardev_open(&chardev, "null", &err), STATUS_OK);
    struct port port = {.room = 10};
    struct char_backend backend = connect_port(chardev, &port);
    say(&backend, "nobody hears this");
    cr_assert_not(chardev_poll(chardev));
    cr_assert_eq(chardev_close(chardev, &err), STATUS_OK);
}

Test(chardev, file_output)
{
    struct error err;
    struct chardev *chardev;
    char spec[160], text[100000] = "";
    const char *name = make_file("serial", "old", 3);
    snprintf(spec, sizeof spec, "file:%s", name);
    cr_assert_eq(chardev_open(&chardev, spec, &err), STATUS_OK, "%s", err.text);
    struct port port = {0};
    struct char_backend backend = connect_port(chardev, &port);
    for (unsigned i = 0; i < 70000; i++) /* more than the buffer, and no end of line */
        backend.ops->write(backend.ctx, (uint8_t)(i * 7 | 0x80));
    cr_assert_eq(chardev_close(chardev, &err), STATUS_OK);
    FILE *file = fopen(name, "r");
    cr_assert_eq(fread(text, 1, sizeof text, file), 70000);
    fclose(file);
    for (unsigned i = 0; i < 70000; i++)
        cr_assert_eq((uint8_t)text[i], (uint8_t)(i * 7 | 0x80));
    if (access("/dev/full", W_OK) == 0) {
        cr_assert_eq(chardev_open(&chardev, "file:/dev/full", &err), STATUS_OK);
        backend = connect_port(chardev, &port);
        say(&backend, "x");
        cr_assert_eq(chardev_close(chardev, &err), STATUS_NO_FILE, "lost output is reported");
    }
}

Test(chardev, a_complete_line_is_out_at_once)
{
    struct error err;
    struct chardev *chardev;
    char spec[160], text[32] = "";
    const char *name = make_file("serial", "", 0);
    snprintf(spec, sizeof spec, "file:%s", name);
    cr_assert_eq(chardev_open(&chardev, spec, &err), STATUS_OK, "%s", err.text);
    struct port port = {0};
    struct char_backend backend = connect_port(chardev, &port);
    say(&backend, "one\ntw");
    FILE *file = fopen(name, "r");
    cr_assert_eq(fread(text, 1, sizeof text, file), 4, "without a poll");
    cr_assert_str_eq(text, "one\n");
    fclose(file);
    cr_assert_eq(chardev_close(chardev, &err), STATUS_OK);
}

Test(chardev, tcp_server_takes_one_caller_after_the_other)
{
    struct error err;
    struct chardev *chardev;
    char number[16], got[16] = "";
    cr_assert_eq(chardev_open(&chardev, "tcp:127.0.0.1:0,server,nowait", &err), STATUS_OK, "%s", err.text);
    const char *notice = chardev_notice(chardev);
    snprintf(number, sizeof number, "%s", strrchr(notice, ' ') + 1);
    struct port port = {.room = 100};
    struct char_backend backend = connect_port(chardev, &port);
    say(&backend, "dropped: nobody is there");
    chardev_poll(chardev);
    for (unsigned n = 1; n <= 2; n++) {
        int fd;
        if (host_tcp_connect(&fd, "127.0.0.1", number, &err) != STATUS_OK && strstr(err.text, "unreachable"))
            cr_skip_test("no loopback network: %s", err.text);
        cr_assert_geq(fd, 0, "%s", err.text);
        cr_assert(host_stream_write_all(fd, "abc", 3));
        poll_until(chardev, &port, 3 * n);
        say(&backend, "hello");
        chardev_poll(chardev);
        int size = 0;
        for (unsigned i = 0; i < PATIENCE && size < 5; i++, usleep(1000)) {
            int more = host_stream_read(fd, got + size, sizeof got - (size_t)size);
            size += more > 0 ? more : 0;
        }
        cr_assert_eq(size, 5);
        cr_assert_eq(memcmp(got, "hello", 5), 0);
        host_stream_close(fd);
        for (unsigned i = 0; i < 20; i++, usleep(1000))
            chardev_poll(chardev);
    }
    cr_assert_eq(chardev_close(chardev, &err), STATUS_OK);
}

Test(chardev, pseudo_terminal)
{
    struct error err;
    struct chardev *chardev;
    cr_assert_eq(chardev_open(&chardev, "pty", &err), STATUS_OK, "%s", err.text);
    struct port port = {.room = 2};
    struct char_backend backend = connect_port(chardev, &port);
    int fd = open(strchr(chardev_notice(chardev), '/'), O_RDWR | O_NOCTTY);
    cr_assert_geq(fd, 0);
    cr_assert(host_stream_write_all(fd, "a\nb\003c", 5));
    poll_until(chardev, &port, 2);
    chardev_poll(chardev);
    cr_assert_eq(port.count, 2, "a port that is not ready gets nothing");
    cr_assert(chardev_input_waits(chardev));
    port.room = 100;
    poll_until(chardev, &port, 5);
    cr_assert_eq(memcmp(port.got, "a\nb\003c", 5), 0, "raw mode");
    say(&backend, "out\n");
    chardev_poll(chardev);
    char got[8];
    int size = 0;
    for (unsigned i = 0; i < PATIENCE && size < 4; i++, usleep(1000)) {
        int more = host_stream_read(fd, got + size, sizeof got - (size_t)size);
        size += more > 0 ? more : 0;
    }
    cr_assert_eq(memcmp(got, "out\n", 4), 0);
    close(fd);
    for (unsigned i = 0; i < 70000; i++) /* nobody reads: dropped, never waiting */
        backend.ops->write(backend.ctx, 'x');
    chardev_poll(chardev);
    cr_assert_eq(chardev_close(chardev, &err), STATUS_OK);
}

/* Standard input is a pipe in a child process, so that the test's own stays as it is. */
Test(chardev, stdio_and_ctrl_a)
{
    int in[2], out[2];
    cr_assert_eq(pipe(in) | pipe(out), 0);
    cr_assert_eq(write(in[1], "ab\001\001", 4), 4); /* there before the child's first poll */
    pid_t child = fork();
    if (child == 0) {
        struct error err;
        struct chardev *chardev;
        struct port port = {.room = 100};
        bool good;
        dup2(in[0], 0);
        dup2(out[1], 1);
        good = chardev_open(&chardev, "stdio", &err) == STATUS_OK;
        struct char_backend backend = connect_port(chardev, &port);
        say(&backend, "from the guest");
        good = good && !chardev_poll(chardev) && port.count == 3 && memcmp(port.got, "ab\001", 3) == 0;
        write(out[1], "!", 1);
        for (unsigned i = 0; i < PATIENCE && !chardev_poll(chardev); i++)
            usleep(1000);
        good = good && chardev_poll(chardev) && chardev_close(chardev, &err) == STATUS_OK;
        _exit(good && port.count == 3 ? 0 : 1);
    }
    char got[64] = "";
    int status, size = 0;
    while (size < 15 && strchr(got, '!') == NULL)
        size += (int)read(out[0], got + size, sizeof got - 1 - (size_t)size);
    cr_assert_str_eq(got, "from the guest!");
    cr_assert_eq(write(in[1], "\001x", 2), 2);
    waitpid(child, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
