/* Opens and closes the back ends of one run. Each is opened where its option stands, so that an error names
 * it. */
#include "hostworld/run_io.h"

#include "base/check.h"
#include "hostworld/block_file.h"
#include "hostworld/chardev.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHAR_DEBUG = BOARD_SERIAL_PORTS, CHAR_COUNT };

struct run_io {
    struct chardev *chars[CHAR_COUNT];
    struct block_file *disks[BOARD_DRIVES];
    bool terminal;
};

static enum status open_char(struct run_io *io, unsigned index, const char *spec, bool output_only,
                             struct char_backend *backend, struct error *err)
{
    struct chardev *chardev;
    TRY(output_only ? chardev_open_output(&chardev, spec, err) : chardev_open(&chardev, spec, err));
    io->chars[index] = chardev;
    *backend = chardev_backend(chardev);
    if (!chardev_is_stdio(chardev))
        return STATUS_OK;
    if (io->terminal)
        return status_fail(err, STATUS_BAD_INPUT, "only one port can be connected to stdio");
    io->terminal = true;
    return STATUS_OK;
}

static enum status open_drive(struct run_io *io, unsigned index, const struct run_io_options *options,
                              struct board_config *board, struct error *err)
{
    const struct run_drive *wanted = &options->drive[index];
    if (!wanted->present)
        return STATUS_OK;
    board->drives[index].drive.kind = wanted->cdrom ? IDE_CDROM : IDE_DISK;
    if (wanted->file == NULL)
        return STATUS_OK;
    const struct block_file_options how = {
        .cdrom = wanted->cdrom,
        .read_only = wanted->read_only,
        .snapshot = wanted->snapshot || options->snapshot,
    };
    TRY(block_file_open(&io->disks[index], wanted->file, &how, err));
    board->drives[index].backend = block_file_backend(io->disks[index]);
    return STATUS_OK;
}

enum status run_io_create(struct run_io **out, const struct run_io_options *options,
                          struct lab_config *config, struct error *err)
{
    struct run_io *io = *out = xcalloc(1, sizeof *io);
    for (unsigned i = 0; i < BOARD_DRIVES; i++)
        TRY(open_drive(io, i, options, &config->board, err));
    /* The terminal last: once it is in raw mode an error message would look odd. */
    for (unsigned i = 0; i < options->serial_count; i++)
        TRY(open_char(io, i, options->serial[i], options->output_only, &config->board.serial[i], err));
    if (options->debug_console != NULL)
        TRY(open_char(io, CHAR_DEBUG, options->debug_console, options->output_only,
                      &config->board.debug_console, err));
    return STATUS_OK;
}

enum status run_io_destroy(struct run_io *io, struct error *err)
{
    enum status result = STATUS_OK;
    if (io == NULL)
        return STATUS_OK;
    for (unsigned i = 0; i < CHAR_COUNT; i++) {
        enum status status = chardev_close(io->chars[i], err);
        if (status != STATUS_OK)
            result = status;
    }
    for (unsigned i = 0; i < BOARD_DRIVES; i++)
        block_file_close(io->disks[i]);
    free(io);
    return result;
}

bool run_io_notice(const struct run_io *io, unsigned index, char text[RUN_IO_NOTICE])
{
    for (unsigned i = 0; i < CHAR_COUNT; i++) {
        const char *notice = io->chars[i] != NULL ? chardev_notice(io->chars[i]) : NULL;
        if (notice == NULL || index-- != 0)
            continue;
        if (i == CHAR_DEBUG)
            snprintf(text, RUN_IO_NOTICE, "debug console: %s", notice);
        else
            snprintf(text, RUN_IO_NOTICE, "serial port %u: %s", i + 1, notice);
        return true;
    }
    return false;
}

void run_io_wait(struct run_io *io)
{
    for (unsigned i = 0; i < CHAR_COUNT; i++)
        if (io->chars[i] != NULL)
            chardev_wait(io->chars[i]);
}

bool run_io_poll(struct run_io *io)
{
    bool end = false;
    for (unsigned i = 0; i < CHAR_COUNT; i++)
        if (io->chars[i] != NULL)
            end |= chardev_poll(io->chars[i]);
    return end;
}

void run_io_flush(struct run_io *io)
{
    for (unsigned i = 0; i < CHAR_COUNT; i++)
        if (io->chars[i] != NULL)
            chardev_flush(io->chars[i]);
}

bool run_io_input_waits(const struct run_io *io)
{
    for (unsigned i = 0; i < CHAR_COUNT; i++)
        if (io->chars[i] != NULL && chardev_input_waits(io->chars[i]))
            return true;
    return false;
}

bool run_io_asks_end(const struct run_io *io)
{
    for (unsigned i = 0; i < CHAR_COUNT; i++)
        if (io->chars[i] != NULL && chardev_asks_end(io->chars[i]))
            return true;
    return false;
}

bool run_io_uses_terminal(const struct run_io *io)
{
    return io->terminal;
}
