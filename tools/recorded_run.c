/* Describing a run, and comparing two descriptions (recorded_run.h). Values are flat: a name and a number or
 * text each, so that a difference is one line. */
#include "tools/recorded_run.h"

#include "base/check.h"
#include "base/host_file.h"
#include "base/host_process.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char SCHEMA[] = "crosspage recorded run 1";

/* ---- The machine ---- */

static enum status put_file(json_t *list, const char *name, const char *path, struct error *err)
{
    uint64_t size, hash;
    char text[80];
    TRY(host_file_digest(path, &size, &hash, err));
    snprintf(text, sizeof text, "%" PRIu64 " bytes, hash %016" PRIx64, size, hash);
    json_object_set_new(list, name, json_string(text));
    return STATUS_OK;
}

/* One file, or Multiboot modules: "FILE WORDS,FILE WORDS". */
static enum status put_initrd(json_t *list, const char *spec, struct error *err)
{
    if (access(spec, R_OK) == 0)
        return put_file(list, "initrd", spec, err);
    char *copy = xstrdup(spec), *rest = copy, *module;
    enum status status = STATUS_OK;
    for (unsigned i = 0; status == STATUS_OK && (module = strtok_r(rest, ",", &rest)) != NULL; i++) {
        char name[32];
        snprintf(name, sizeof name, "module %u", i + 1);
        module[strcspn(module, " ")] = '\0';
        status = put_file(list, name, module, err);
    }
    json_object_set_new(list, "modules", json_string(spec));
    free(copy);
    return status;
}

static enum status put_drives(json_t *list, const struct run_io_options *io, struct error *err)
{
    for (unsigned i = 0; i < BOARD_DRIVES; i++) {
        const struct run_drive *drive = &io->drive[i];
        char name[32];
        if (!drive->present)
            continue;
        snprintf(name, sizeof name, "drive %u", i);
        json_object_set_new(list, name,
                            json_string(drive->cdrom       ? "CD-ROM"
                                        : drive->read_only ? "read-only disk"
                                                           : "disk"));
        snprintf(name, sizeof name, "image of drive %u", i);
        if (drive->file != NULL)
            TRY(put_file(list, name, drive->file, err));
    }
    return STATUS_OK;
}

static void put_text(json_t *list, const char *name, const char *text)
{
    json_object_set_new(list, name, json_string(text != NULL ? text : ""));
}

static void put_number(json_t *list, const char *name, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, number);
    put_text(list, name, text);
}

static void put_address(json_t *list, const char *name, const uint8_t *bytes, unsigned count)
{
    char text[32] = "";
    for (unsigned i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%02x", i ? ":" : "", bytes[i]);
    put_text(list, name, text);
}

static enum status describe_machine(const struct run_options *options, json_t *list, struct error *err)
{
    const struct lab_config *lab = &options->lab;
    put_text(list, "cpu", lab->cpu_model ? lab->cpu_model : "the profile's");
    put_number(list, "memory", lab->board.ram_bytes);
    TRY(put_file(list, "kernel", lab->kernel, err));
    if (lab->initrd != NULL)
        TRY(put_initrd(list, lab->initrd, err));
    put_text(list, "append", lab->cmdline);
    TRY(put_drives(list, &options->io, err));
    put_number(list, "serial ports", lab->board.serial_count);
    put_number(list, "connected serial ports", options->io.serial_count);
    put_number(list, "serial-pace", lab->board.serial_pace);
    put_text(list, "debugcon", options->io.debug_console ? "connected" : "none");
    put_number(list, "rtc", (uint64_t)lab->board.rtc_seconds);
    put_number(list, "seed", lab->random_seed);
    put_text(list, "no-reboot", lab->no_reboot ? "on" : "off");
    put_text(list, "nic", !lab->nic ? "none" : lab->user ? "user" : "peer");
    put_address(list, "nic mac", lab->nic_mac, sizeof lab->nic_mac);
    put_address(list, "nic ip", lab->peer.ip, sizeof lab->peer.ip);
    put_number(list, "nic limit", lab->peer.source_limit);
    put_number(list, "nic lose", lab->peer.lose_one_of);
    return STATUS_OK;
}

/* ---- Prices ---- */

static void put_cost(json_t *list, const char *name, const struct cost_value *value)
{
    char text[40];
    snprintf(text, sizeof text, "%" PRIu64 ".%03u cycles", value->milli_cycles / 1000,
             (unsigned)(value->milli_cycles % 1000));
    put_text(list, name, text);
}

static enum status describe_prices(const struct run_options *options, json_t *list, struct error *err)
{
    const struct lab_config *lab = &options->lab;
    struct cost_table *table = xcalloc(1, sizeof *table);
    put_text(list, "hypervisor", lab->hypervisor);
    put_text(list, "hypervisor options", lab->hypervisor_options);
    put_text(list, "nic model", lab->nic_model == NIC_IDEAL ? "ideal" : "pcnet");
    put_number(list, "nic rate", lab->wire_bits_per_second);
    put_number(list, "nic delay", lab->wire_delay_ns);
    put_number(list, "nic latency", lab->peer.latency_ns);
    put_number(list, "nic coalesce", lab->coalesce_frames);
    put_number(list, "nic coalesce-delay", lab->coalesce_ns);
    put_number(list, "nic sent", lab->sent);
    put_text(list, "profile", lab->profile);
    put_text(list, "timing", lab->caches ? "cache" : "table");
    enum status status = cost_table_load(table, lab->profile, err);
    for (unsigned i = 0; status == STATUS_OK && i < lab->override_count; i++)
        status = cost_table_override(table, lab->overrides[i], err);
    put_number(list, "cpu_hz", table->cpu_hz);
    for (unsigned i = 0; status == STATUS_OK && i < COST_ID_COUNT; i++)
        put_cost(list, cost_name((enum cost_id)i), &table->value[i]);
    for (unsigned i = 0; status == STATUS_OK && i < COST_CLASS_COUNT; i++) {
        char name[64];
        snprintf(name, sizeof name, "insn.%s", cost_class_name((enum cost_class)i));
        put_cost(list, name, &table->insn[i]);
    }
    for (unsigned i = 0; status == STATUS_OK && i < TIMING_COUNT && lab->caches; i++)
        put_cost(list, timing_name((enum timing_id)i), &table->timing[i]);
    free(table);
    return status;
}

/* ---- The whole ---- */

static enum status describe_host(const struct run_options *options, json_t *hosts, struct error *err)
{
    json_t *machine = json_object(), *prices = json_object();
    json_array_append_new(hosts, json_pack("{s:o, s:o}", "machine", machine, "prices", prices));
    TRY(describe_machine(options, machine, err));
    return describe_prices(options, prices, err);
}

enum status recorded_run_describe(struct run_options *const *options, unsigned hosts,
                                  const struct words_of_run *words, const char *command_line, json_t **run,
                                  struct error *err)
{
    json_t *arguments = json_array(), *list = json_array();
    for (int i = 0; i < words->count; i++)
        json_array_append_new(arguments, json_string(words->word[i]));
    *run = json_pack("{s:s, s:s, s:o, s:f, s:o}", "schema", SCHEMA, "command_line", command_line, "arguments",
                     arguments, "stop_after", options[0]->stop_after, "hosts", list);
    if (*run == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "a command line to be recorded must be UTF-8");
    enum status status = put_file(*run, "program", HOST_PROGRAM_FILE, err);
    for (unsigned i = 0; status == STATUS_OK && i < hosts; i++)
        status = describe_host(options[i], list, err);
    if (status != STATUS_OK) {
        json_decref(*run);
        *run = NULL;
    }
    return status;
}

static bool valid(const json_t *run, unsigned hosts)
{
    const char *schema = json_string_value(json_object_get(run, "schema"));
    const json_t *arguments = json_object_get(run, "arguments"), *list = json_object_get(run, "hosts"), *item;
    size_t i;
    if (schema == NULL || strcmp(schema, SCHEMA) != 0 || !json_is_array(arguments) ||
        json_array_size(list) != hosts || !json_is_string(json_object_get(run, "command_line")) ||
        !json_is_number(json_object_get(run, "stop_after")))
        return false;
    json_array_foreach (arguments, i, item)
        if (!json_is_string(item))
            return false;
    json_array_foreach (list, i, item)
        if (!json_is_object(json_object_get(item, "machine")) ||
            !json_is_object(json_object_get(item, "prices")))
            return false;
    return true;
}

enum status recorded_run_parse(const struct recording *recording, const char *path, json_t **run,
                               struct error *err)
{
    *run = json_loads(recording->header, JSON_REJECT_DUPLICATES, NULL);
    if (*run != NULL && valid(*run, recording->hosts))
        return STATUS_OK;
    json_decref(*run);
    *run = NULL;
    return status_fail(err, STATUS_BAD_INPUT, "'%s' is not a readable recording: its header is damaged",
                       path);
}

/* ---- Comparing ---- */

static const char *value(const json_t *list, const char *name)
{
    const char *text = json_string_value(json_object_get(list, name));
    return text != NULL ? text : "none";
}

/* The next name, at or after *position in `recorded`, then of those only `now` has, whose values differ; or
 * NULL. */
static const char *next_difference(const json_t *recorded, const json_t *now, size_t *position)
{
    size_t at = 0;
    const json_t *lists[] = {recorded, now};
    for (unsigned i = 0; i < 2; i++)
        for (void *item = json_object_iter((json_t *)(uintptr_t)lists[i]); item != NULL;
             item = json_object_iter_next((json_t *)(uintptr_t)lists[i], item)) {
            const char *name = json_object_iter_key(item);
            if (at++ < *position || (i == 1 && json_object_get(recorded, name) != NULL) ||
                strcmp(value(recorded, name), value(now, name)) == 0)
                continue;
            *position = at;
            return name;
        }
    return NULL;
}

static const json_t *list_of(const json_t *run, unsigned host, const char *name)
{
    return json_object_get(json_array_get(json_object_get(run, "hosts"), host), name);
}

/* A profile or clock moves every cost; these are told as one. */
static char *list_prices(const json_t *recorded, const json_t *now, unsigned host, char *before)
{
    enum { SHOWN = 8 };
    size_t position = 0, size;
    const char *name;
    unsigned count = 0;
    char *text;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    if (before != NULL)
        fputs(before, out);
    while ((name = next_difference(recorded, now, &position)) != NULL && ++count <= SHOWN)
        fprintf(out, "%s%s%s %s, recorded: %s", before != NULL || count > 1 ? "; " : "",
                host ? "second host's " : "", name, value(now, name), value(recorded, name));
    for (; name != NULL; name = next_difference(recorded, now, &position))
        count++;
    if (count > SHOWN + 1)
        fprintf(out, "; and %u more", count - SHOWN - 1);
    fclose(out);
    free(before);
    if (*text != '\0')
        return text;
    free(text);
    return NULL;
}

enum status recorded_run_compare(const json_t *recorded, const json_t *now, const char *path, char **prices,
                                 struct error *err)
{
    *prices = NULL;
    size_t hosts = json_array_size(json_object_get(recorded, "hosts"));
    if (json_array_size(json_object_get(now, "hosts")) != hosts)
        return status_fail(err, STATUS_BAD_INPUT, "recording '%s' is of %zu host%s", path, hosts,
                           hosts == 1 ? "" : "s");
    for (unsigned i = 0; i < hosts; i++) {
        const json_t *old = list_of(recorded, i, "machine"), *new = list_of(now, i, "machine");
        size_t position = 0;
        const char *name = next_difference(old, new, &position);
        if (name != NULL)
            return status_fail(err, STATUS_BAD_INPUT,
                               "recording '%s' is of another run: %s%s is '%.80s', recorded: '%.80s'", path,
                               i ? "second host's " : "", name, value(new, name), value(old, name));
    }
    for (unsigned i = 0; i < hosts; i++)
        *prices = list_prices(list_of(recorded, i, "prices"), list_of(now, i, "prices"), i, *prices);
    return STATUS_OK;
}

const char *recorded_run_price(const json_t *recorded, const char *name)
{
    return value(list_of(recorded, 0, "prices"), name);
}
