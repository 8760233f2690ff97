/* `crosspage run` options: QEMU's spellings where QEMU has the thing, our own for the rest. */
#include "tools/run_options.h"

#include "base/check.h"
#include "tools/check_engines.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECK_EVERY = 1000000 }; /* cycles, of -engine check */

/* ---- Setters ---- */

static enum status one_of(const char *arg, const char *const *names, unsigned count, unsigned *index,
                          struct error *err)
{
    char list[256] = "";
    for (*index = 0; *index < count; ++*index) {
        if (strcmp(arg, names[*index]) == 0)
            return STATUS_OK;
        strncat(list, *index ? ", " : "", sizeof list - strlen(list) - 1);
        strncat(list, names[*index], sizeof list - strlen(list) - 1);
    }
    const char *near = suggest(arg, names, count);
    if (near != NULL)
        return status_fail(err, STATUS_BAD_INPUT, "unknown value; did you mean '%s'?", near);
    return status_fail(err, STATUS_BAD_INPUT, "unknown value; known: %s", list);
}

/* Options that take one word so far. */
static enum status only(const char *word, const char *arg, struct error *err)
{
    unsigned index;
    return one_of(arg, &word, 1, &index, err);
}

static enum status set_memory(void *target, const char *arg, struct error *err)
{
    struct run_options *options = target;
    if (strncmp(arg, "size=", 5) == 0)
        arg += 5;
    uint64_t bytes;
    TRY(options_parse_size(arg, 1 << 20, &bytes, err));
    if (bytes < 2 << 20 || bytes > UINT64_C(64) << 30 || bytes % (1 << 20))
        return status_fail(err, STATUS_BAD_INPUT, "memory is 2M to 64G, in whole megabytes");
    options->lab.board.ram_bytes = bytes;
    return STATUS_OK;
}

/* One off=PATH of -engine translate. */
static enum status switch_path_off(struct translator_config *translator, const char *name, struct error *err)
{
    static const char *const names[PATH_COUNT] = {
#define PATH(name, word, text) word,
#include "binxlate/path.def"
#undef PATH
    };
    unsigned index;
    TRY(one_of(name, names, PATH_COUNT, &index, err));
    translator->off |= 1u << index;
    return STATUS_OK;
}

static enum status set_engine_option(struct translator_config *translator, const char *word,
                                     struct error *err)
{
    uint64_t value;
    if (strncmp(word, "off=", 4) == 0)
        return switch_path_off(translator, word + 4, err);
    if (strncmp(word, "cache=", 6) == 0) {
        TRY(options_parse_size(word + 6, 1 << 20, &value, err));
        if (value < 1 << 20 || value > 1 << 30)
            return status_fail(err, STATUS_BAD_INPUT, "the code cache is 1M to 1G");
        translator->code_bytes = value;
        return STATUS_OK;
    }
    if (strncmp(word, "threshold=", 10) == 0) {
        TRY(options_parse_size(word + 10, 1, &value, err));
        if (value < 1 || value > 1000000)
            return status_fail(err, STATUS_BAD_INPUT, "the threshold is 1 to 1000000 executions");
        translator->threshold = (uint32_t)value;
        return STATUS_OK;
    }
    return status_fail(err, STATUS_BAD_INPUT,
                       "unknown engine option '%s'; known: cache=, threshold=, off=", word);
}

static enum status set_check_every(struct run_options *options, const char *text, struct error *err)
{
    uint64_t value;
    TRY(options_parse_size(text, 1, &value, err));
    if (value < 1 || value > UINT64_C(1) << 40)
        return status_fail(err, STATUS_BAD_INPUT, "engines are compared every 1 to 1T cycles");
    options->check_every = value;
    return STATUS_OK;
}

static enum status set_check_points(struct run_options *options, const char *text, struct error *err)
{
    uint64_t value;
    TRY(options_parse_size(text, 1, &value, err));
    if (value < 1 || value > 1000000)
        return status_fail(err, STATUS_BAD_INPUT, "engines are compared at 1 to 1000000 points");
    options->check_points = value;
    return STATUS_OK;
}

static enum status set_check_option(struct run_options *options, const char *word, struct error *err)
{
    if (strncmp(word, "every=", 6) == 0)
        return set_check_every(options, word + 6, err);
    if (strncmp(word, "points=", 7) == 0)
        return set_check_points(options, word + 7, err);
    return set_engine_option(&options->lab.translator, word, err);
}

static enum status set_engine(void *target, const char *arg, struct error *err)
{
    static const char *const names[] = {"interp", "translate", "check"};
    struct run_options *options = target;
    struct lab_config *lab = &options->lab;
    char word[64];
    unsigned index;
    size_t length = strcspn(arg, ",");
    snprintf(word, sizeof word, "%.*s", (int)length, arg);
    TRY(one_of(word, names, ARRAY_LEN(names), &index, err));
    lab->translate = index >= 1;
    options->check = index == 2;
    options->check_every = CHECK_EVERY;
    options->check_points = 0;
    for (arg += length; *arg == ','; arg += length) {
        length = strcspn(++arg, ",");
        snprintf(word, sizeof word, "%.*s", (int)length, arg);
        if (!lab->translate)
            return status_fail(err, STATUS_BAD_INPUT, "the interpreter has no option '%s'", word);
        if (options->check)
            TRY(set_check_option(options, word, err));
        else
            TRY(set_engine_option(&lab->translator, word, err));
    }
    return STATUS_OK;
}

static enum status set_fast_paths(void *target, const char *arg, struct error *err)
{
    static const char *const names[] = {"off", "on"};
    unsigned index;
    TRY(one_of(arg, names, ARRAY_LEN(names), &index, err));
    ((struct run_options *)target)->lab.fast_paths = index == 1;
    return STATUS_OK;
}

static enum status set_timing(void *target, const char *arg, struct error *err)
{
    static const char *const names[] = {"table", "cache"};
    unsigned index;
    TRY(one_of(arg, names, ARRAY_LEN(names), &index, err));
    ((struct run_options *)target)->lab.caches = index == 1;
    return STATUS_OK;
}

static enum status set_display(void *target, const char *arg, struct error *err)
{
    (void)target;
    return only("none", arg, err);
}

static enum status set_machine(void *target, const char *arg, struct error *err)
{
    (void)target;
    return only("pc", arg, err);
}

static enum status add_cost(void *target, const char *arg, struct error *err)
{
    struct lab_config *lab = &((struct run_options *)target)->lab;
    if (lab->override_count == LAB_OVERRIDES)
        return status_fail(err, STATUS_BAD_INPUT, "more than %d -cost options", LAB_OVERRIDES);
    lab->overrides[lab->override_count++] = arg;
    return STATUS_OK;
}

static enum status set_hypervisor(void *target, const char *arg, struct error *err)
{
    struct run_options *options = target;
    size_t length = strcspn(arg, ",");
    if (length >= sizeof options->hypervisor)
        return status_fail(err, STATUS_BAD_INPUT, "unknown hypervisor");
    memcpy(options->hypervisor, arg, length);
    options->hypervisor[length] = '\0';
    options->lab.hypervisor = options->hypervisor;
    options->lab.hypervisor_options = arg + length + (arg[length] == ',');
    return STATUS_OK;
}

static enum status add_serial(void *target, const char *arg, struct error *err)
{
    struct run_options *options = target;
    if (options->io.serial_count == BOARD_SERIAL_PORTS)
        return status_fail(err, STATUS_BAD_INPUT, "a PC has %d serial ports", BOARD_SERIAL_PORTS);
    options->io.serial[options->io.serial_count++] = arg;
    return STATUS_OK;
}

static enum status set_serial_pace(void *target, const char *arg, struct error *err)
{
    static const char *const names[] = {
        [UART_PACE_DEFAULT] = "auto", [UART_PACE_BAUD] = "baud", [UART_PACE_INSTANT] = "instant"};
    unsigned index;
    TRY(one_of(arg, names, ARRAY_LEN(names), &index, err));
    ((struct run_options *)target)->lab.board.serial_pace = (enum uart_pace)index;
    return STATUS_OK;
}

static enum status set_stop_after(void *target, const char *arg, struct error *err)
{
    char *end;
    double seconds = strtod(arg, &end);
    if (end == arg || *end != '\0' || !(seconds > 0) || !isfinite(seconds) || seconds > 1e6)
        return status_fail(err, STATUS_BAD_INPUT, "expects simulated seconds");
    ((struct run_options *)target)->stop_after = seconds;
    return STATUS_OK;
}

static enum status set_seed(void *target, const char *arg, struct error *err)
{
    return options_parse_number(arg, UINT64_MAX, &((struct run_options *)target)->lab.random_seed, err);
}

static enum status set_log(void *target, const char *arg, struct error *err)
{
    static const struct {
        const char *name;
        unsigned mask;
    } items[] = {
        {"guest_errors", LOG_GUEST_ERROR},
        {"unimp", LOG_UNIMP},
        {"in_asm", LOG_IN_ASM},
        {"int", LOG_INT},
        {"exec", LOG_EXEC},
        {"io", LOG_IO},
        {"mmu", LOG_MMU},
        {"net", LOG_NET},
        {"cpu_reset", LOG_CPU_RESET},
        {"out_asm", LOG_OUT_ASM},
        {"jit-stats", LOG_JIT_STATS},
    };
    struct run_options *options = target;
    const char *names[ARRAY_LEN(items)];
    for (unsigned i = 0; i < ARRAY_LEN(items); i++)
        names[i] = items[i].name;
    while (*arg != '\0') {
        char word[32];
        size_t length = strcspn(arg, ",");
        snprintf(word, sizeof word, "%.*s", (int)length, arg);
        unsigned index;
        TRY(one_of(word, names, ARRAY_LEN(names), &index, err));
        options->log_mask |= items[index].mask;
        arg += length + (arg[length] == ',');
    }
    return STATUS_OK;
}

/* ---- Drives ---- */

static enum status add_drive(struct run_options *options, unsigned index, const char *file, bool cdrom,
                             struct error *err)
{
    if (options->io.drive[index].present)
        return status_fail(err, STATUS_BAD_INPUT, "IDE drive %u is given twice", index);
    options->io.drive[index] = (struct run_drive){.file = file, .present = true, .cdrom = cdrom};
    return STATUS_OK;
}

static enum status set_hda(void *target, const char *arg, struct error *err)
{
    return add_drive(target, 0, arg, false, err);
}

static enum status set_hdb(void *target, const char *arg, struct error *err)
{
    return add_drive(target, 1, arg, false, err);
}

static enum status set_hdc(void *target, const char *arg, struct error *err)
{
    return add_drive(target, 2, arg, false, err);
}

static enum status set_hdd(void *target, const char *arg, struct error *err)
{
    return add_drive(target, 3, arg, false, err);
}

static enum status set_cdrom(void *target, const char *arg, struct error *err)
{
    return add_drive(target, 2, arg, true, err);
}

static enum status drive_pair(void *target, const char *name, const char *value, struct error *err)
{
    static const char *const names[] = {"file", "if", "index", "media", "snapshot", "format", "readonly"};
    struct run_options *options = target;
    unsigned index;
    uint64_t number;
    if (one_of(name, names, ARRAY_LEN(names), &index, err) != STATUS_OK)
        return status_fail(err, STATUS_BAD_INPUT, "unknown property '%s'", name);
    switch (index) {
    case 0:
        if (strlen(value) >= sizeof options->parsing_file)
            return status_fail(err, STATUS_BAD_INPUT, "file= is too long");
        strcpy(options->parsing_file, value);
        options->parsing.file = options->parsing_file;
        return STATUS_OK;
    case 2:
        TRY(options_parse_number(value, BOARD_DRIVES - 1, &number, err));
        options->parsing_index = (unsigned)number;
        return STATUS_OK;
    case 4: options->parsing.snapshot = strcmp(value, "on") == 0; return STATUS_OK;
    case 6: options->parsing.read_only = strcmp(value, "on") == 0; return STATUS_OK;
    case 3: options->parsing.cdrom = strcmp(value, "cdrom") == 0; return STATUS_OK;
    case 1:
        return strcmp(value, "ide") == 0 ? STATUS_OK
                                         : status_fail(err, STATUS_BAD_INPUT, "if=ide is what there is");
    }
    return strcmp(value, "raw") == 0 ? STATUS_OK
                                     : status_fail(err, STATUS_BAD_INPUT, "format=raw is what there is");
}

static enum status set_drive(void *target, const char *arg, struct error *err)
{
    struct run_options *options = target;
    options->parsing = (struct run_drive){.present = true};
    options->parsing_index = 0;
    while (options->parsing_index < BOARD_DRIVES - 1 && options->io.drive[options->parsing_index].present)
        options->parsing_index++;
    TRY(options_parse_pairs(arg, drive_pair, options, err));
    if (options->parsing.file == NULL && !options->parsing.cdrom)
        return status_fail(err, STATUS_BAD_INPUT, "a disk needs file=");
    unsigned index = options->parsing_index;
    TRY(add_drive(options, index, NULL, false, err));
    options->io.drive[index] = options->parsing;
    if (options->parsing.file != NULL)
        options->io.drive[index].file = strcpy(options->drive_file[index], options->parsing_file);
    return STATUS_OK;
}

/* ---- Network ---- */

static enum status parse_mac(const char *text, uint8_t mac[6], struct error *err)
{
    unsigned b[6];
    char rest;
    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &rest) != 6 ||
        b[0] & 1)
        return status_fail(err, STATUS_BAD_INPUT, "mac=%s is no unicast Ethernet address", text);
    for (int i = 0; i < 6; i++)
        mac[i] = (uint8_t)b[i];
    return STATUS_OK;
}

static enum status parse_ip(const char *text, uint8_t ip[4], struct error *err)
{
    unsigned b[4];
    char rest;
    if (sscanf(text, "%3u.%3u.%3u.%3u%c", &b[0], &b[1], &b[2], &b[3], &rest) != 4 || b[0] > 255 ||
        b[1] > 255 || b[2] > 255 || b[3] > 255)
        return status_fail(err, STATUS_BAD_INPUT, "ip=%s is no IPv4 address", text);
    for (int i = 0; i < 4; i++)
        ip[i] = (uint8_t)b[i];
    return STATUS_OK;
}

static enum status add_forward(struct run_options *options, const char *text, struct error *err)
{
    struct net_user_config *user = &options->lab.user_network;
    if (user->forward_count == NET_USER_FORWARDS)
        return status_fail(err, STATUS_BAD_INPUT, "more than %d hostfwd", NET_USER_FORWARDS);
    TRY(net_user_check_forward(text, err));
    user->forward[user->forward_count] = options->forward[user->forward_count];
    snprintf(options->forward[user->forward_count++], sizeof options->forward[0], "%s", text);
    return STATUS_OK;
}

static enum status nic_pair(void *target, const char *name, const char *value, struct error *err)
{
    static const char *const names[] = {
        "peer",  "none",     "model",          "mac",  "ip",   "rate",    "delay",    "latency",
        "limit", "coalesce", "coalesce-delay", "sent", "user", "hostfwd", "restrict", "lose"};
    static const char *const moments[] = {[HOST_NIC_SENT_LEFT] = "left",
                                          [HOST_NIC_SENT_FETCHED] = "fetched",
                                          [HOST_NIC_SENT_DRAINED] = "drained"};
    static const char *const models[] = {[NIC_PCNET] = "pcnet", [NIC_IDEAL] = "ideal"};
    static const char *const switches[] = {"off", "on"};
    static const bool of_wire[ARRAY_LEN(names)] = {
        [1] = true, [4] = true,  [5] = true,  [6] = true,  [7] = true,
        [8] = true, [12] = true, [13] = true, [14] = true, [15] = true};
    struct run_options *options = target;
    struct lab_config *lab = &options->lab;
    unsigned index;
    uint64_t number;
    if (one_of(name, names, ARRAY_LEN(names), &index, err) != STATUS_OK)
        return status_fail(err, STATUS_BAD_INPUT, "unknown property '%s'", name);
    if (of_wire[index])
        options->wire_property = names[index];
    switch (index) {
    case 0:
    case 1:
        lab->nic = index == 0;
        lab->user = false;
        return STATUS_OK;
    case 12: lab->nic = lab->user = true; return STATUS_OK;
    case 13: return add_forward(options, value, err);
    case 14:
        TRY(one_of(value, switches, ARRAY_LEN(switches), &index, err));
        lab->user_network.restricted = index == 1;
        return STATUS_OK;
    case 2:
        TRY(one_of(value, models, ARRAY_LEN(models), &index, err));
        lab->nic_model = (enum nic_model)index;
        return STATUS_OK;
    case 3: return parse_mac(value, lab->nic_mac, err);
    case 4: return parse_ip(value, lab->peer.ip, err);
    case 5:
        TRY(options_parse_number(value, 100000, &number, err));
        lab->wire_bits_per_second = number * 1000000;
        return number ? STATUS_OK : status_fail(err, STATUS_BAD_INPUT, "rate is in Mb/s, at least 1");
    case 6: return options_parse_number(value, UINT64_C(10000000000), &lab->wire_delay_ns, err);
    case 7: return options_parse_number(value, UINT64_C(10000000000), &lab->peer.latency_ns, err);
    case 9:
        TRY(options_parse_number(value, 1000, &number, err));
        lab->coalesce_frames = (unsigned)number;
        return number ? STATUS_OK : status_fail(err, STATUS_BAD_INPUT, "coalesce is in frames, at least 1");
    case 10: return options_parse_number(value, UINT64_C(10000000000), &lab->coalesce_ns, err);
    case 11:
        TRY(one_of(value, moments, ARRAY_LEN(moments), &index, err));
        lab->sent = (enum host_nic_sent)index;
        return STATUS_OK;
    case 15:
        TRY(options_parse_number(value, 1000000000, &number, err));
        lab->peer.lose_one_of = (unsigned)number;
        return number != 1 ? STATUS_OK : status_fail(err, STATUS_BAD_INPUT, "lose=1 would lose every frame");
    }
    return options_parse_size(value, 1, &lab->peer.source_limit, err);
}

static enum status set_nic(void *target, const char *arg, struct error *err)
{
    return options_parse_pairs(arg, nic_pair, target, err);
}

static enum status set_device(void *target, const char *arg, struct error *err)
{
    (void)target;
    /* Always there, at its usual place; accepted so that QEMU command lines work. */
    return strncmp(arg, "isa-debug-exit", 14) == 0
               ? STATUS_OK
               : status_fail(err, STATUS_BAD_INPUT,
                             "the devices of the board are fixed; the NIC is given by -nic");
}

/* ---- Debugger ---- */

static enum status set_gdb(void *target, const char *arg, struct error *err)
{
    (void)arg;
    (void)err;
    ((struct run_options *)target)->debugger.gdb = "tcp::1234";
    return STATUS_OK;
}

/* ---- Clock ---- */

static enum status rtc_pair(void *target, const char *name, const char *value, struct error *err)
{
    struct run_options *options = target;
    int y, mo, d, h = 0, mi = 0, s = 0;
    if (strcmp(name, "base") != 0)
        return status_fail(err, STATUS_BAD_INPUT, "the property is base=");
    int n = sscanf(value, "%d-%d-%dT%d:%d:%d", &y, &mo, &d, &h, &mi, &s);
    if ((n != 3 && n != 6) || y < 1980 || y > 2099 || mo < 1 || mo > 12 || d < 1 || d > 31 || h < 0 ||
        h > 23 || mi < 0 || mi > 59 || s < 0 || s > 59)
        return status_fail(err, STATUS_BAD_INPUT,
                           "base=%s: write 2001-06-25 or 2001-06-25T09:30:00 (never the host's clock)",
                           value);
    /* Days since 1970-01-01 in the proleptic Gregorian calendar, counting years from March. */
    int64_t year = y - (mo <= 2), month = mo + (mo <= 2 ? 12 : 0);
    int64_t days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + d - 719469;
    options->lab.board.rtc_seconds = ((days * 24 + h) * 60 + mi) * 60 + s;
    return STATUS_OK;
}

static enum status set_rtc(void *target, const char *arg, struct error *err)
{
    return options_parse_pairs(arg, rtc_pair, target, err);
}

/* ---- Probes ---- */

static enum status set_sample(void *target, const char *arg, struct error *err)
{
    uint64_t value;
    TRY(options_parse_size(arg, 1, &value, err));
    if (value < 100 || value > UINT64_C(1) << 40)
        return status_fail(err, STATUS_BAD_INPUT, "samples are 100 to 1T cycles apart");
    ((struct run_options *)target)->lab.probe.sample = value;
    return STATUS_OK;
}

static enum status set_probe_stack(void *target, const char *arg, struct error *err)
{
    uint64_t value;
    TRY(options_parse_size(arg, 1, &value, err));
    if (value < 512 || value > 1 << 24 || (value & (value - 1)) != 0)
        return status_fail(err, STATUS_BAD_INPUT, "a stack is a power of two, 512 to 16M bytes");
    ((struct run_options *)target)->lab.probe.stack_bytes = (uint32_t)value;
    return STATUS_OK;
}

const struct option run_option_table[] = {
    {"kernel", "FILE", NULL, "bzImage or Multiboot kernel", offsetof(struct run_options, lab.kernel)},
    {"initrd", "FILE", NULL, "initial RAM disk (Multiboot: modules, comma separated)",
     offsetof(struct run_options, lab.initrd)},
    {"append", "TEXT", NULL, "kernel command line", offsetof(struct run_options, lab.cmdline)},
    {"m", "SIZE", set_memory, "guest memory in MB, or with suffix M, G (default 128)"},
    {"cpu", "MODEL", NULL, "CPU model ('help' lists them; default: the profile's)",
     offsetof(struct run_options, lab.cpu_model)},
    {"machine", "pc", set_machine, "board: i440FX/PIIX"},
    {"M", "pc", set_machine, "same as -machine"},
    {"hda", "FILE", set_hda, "primary master disk, raw image"},
    {"hdb", "FILE", set_hdb, "primary slave"},
    {"hdc", "FILE", set_hdc, "secondary master"},
    {"hdd", "FILE", set_hdd, "secondary slave"},
    {"cdrom", "FILE", set_cdrom, "CD-ROM image, secondary master"},
    {"drive", "file=F[,index=N,media=disk|cdrom,snapshot=on,readonly=on]", set_drive, "an IDE drive"},
    {"snapshot", NULL, NULL, "keep writes to disks in memory, never in the files",
     offsetof(struct run_options, io.snapshot)},
    {"nic", "peer|user|none[,model=pcnet|ideal,mac=M,ip=A,rate=Mb/s,delay=ns]", set_nic,
     "NIC on a wire to a simulated peer, or to the host's network (user[,hostfwd=tcp::P-:P,restrict=on])"},
    {"device", "NAME", set_device, "isa-debug-exit is always present"},
    {"serial", "stdio|file:F|tcp:H:P[,server]|pty|null", add_serial, "next serial port (first: COM1)"},
    {"serial-pace", "auto|baud|instant", set_serial_pace,
     "serial lines at the guest's baud rate, or without delay (auto: a virtual port has no line)"},
    {"debugcon", "file:F|stdio", NULL, "port 0xE9", offsetof(struct run_options, io.debug_console)},
    {"nographic", NULL, NULL, "COM1 on standard input and output (Ctrl-A X ends the run)",
     offsetof(struct run_options, nographic)},
    {"display", "none", set_display, "no window"},
    {"rtc", "base=DATE", set_rtc, "date of the guest's clock chip at power-on (default 2000-01-01)"},
    {"seed", "NUMBER", set_seed, "where the guest's RDRAND and RDSEED start (default 0)"},
    {"no-reboot", NULL, NULL, "end the run when the guest resets",
     offsetof(struct run_options, lab.no_reboot)},
    {"hypervisor", "NAME[,OPT=VAL]", set_hypervisor, "none, workstation ('help' lists them)"},
    {"profile", "NAME|FILE", NULL, "cost profile ('help' lists them; default pc-733)",
     offsetof(struct run_options, lab.profile)},
    {"cost", "NAME=VALUE", add_cost, "override one cost of the profile"},
    {"timing", "table|cache", set_timing,
     "instructions cost averages, or caches, TLBs and branches are modelled"},
    {"engine", "interp|translate|check[,cache=SIZE,threshold=N,off=PATH...,every=N,points=N]", set_engine,
     "execution engine (default: translate, where the host can); check: both, compared every N cycles or N times"},
    {"fast-paths", "on|off", set_fast_paths, "specialised handlers of the interpreter (off: reference only)"},
    {"trace", "FILE", NULL, "write a trace for 'crosspage report'", offsetof(struct run_options, lab.trace)},
    {"probe", "FUNCTION|0xADDRESS[,...]", NULL,
     "record calls of these functions of the guest's kernel in the trace",
     offsetof(struct run_options, lab.probe.functions)},
    {"sample", "CYCLES", set_sample, "record which of its functions the guest's kernel is in, so often"},
    {"symbols", "FILE", NULL,
     "names of the guest's functions: ELF, System.map, /proc/kallsyms (default: the kernel's own)",
     offsetof(struct run_options, lab.probe.symbols)},
    {"probe-stack", "BYTES", set_probe_stack,
     "size and alignment of the guest's kernel stacks (default: 8K, in 64-bit code 16K)"},
    {"pcap", "FILE", NULL, "write a pcapng capture of the wire", offsetof(struct run_options, lab.pcap)},
    {"stats", "FILE", NULL, "write statistics as JSON at exit ('-': standard output)",
     offsetof(struct run_options, stats)},
    {"record", "FILE", NULL, "write down what comes from outside (serial input, the end by Ctrl-A X)",
     offsetof(struct run_options, record)},
    {"replay", "FILE[,inputs=answer|time]", NULL,
     "the recorded run again, without an outside; with other costs or another hypervisor: counterfactual",
     offsetof(struct run_options, replay)},
    {"gdb", "tcp:[HOST]:PORT|unix:PATH|stdio", NULL, "let a gdb connect to the guest (target remote)",
     offsetof(struct run_options, debugger.gdb)},
    {"s", NULL, set_gdb, "same as -gdb tcp::1234"},
    {"monitor", "stdio|tcp:[HOST]:PORT|unix:PATH|none", NULL, "commands about the guest ('help' lists them)",
     offsetof(struct run_options, debugger.monitor)},
    {"S", NULL, NULL, "do not start before the debugger says so",
     offsetof(struct run_options, debugger.start_stopped)},
    {"stop-after", "SECONDS", set_stop_after, "end the run at this simulated time"},
    {"d", "ITEMS", set_log, "log: in_asm,int,exec,io,mmu,net,guest_errors,unimp,cpu_reset,out_asm,jit-stats"},
    {"D", "FILE", NULL, "log file (default: standard error)", offsetof(struct run_options, log_file)},
    {"quiet", NULL, NULL, "no summary at the end", offsetof(struct run_options, quiet)},
    {"help", NULL, NULL, "list the options", offsetof(struct run_options, help)},
    {0},
};

void run_options_default(struct run_options *options)
{
    *options = (struct run_options){.log_mask = 0};
    lab_config_default(&options->lab);
    options->lab.translate = translator_supported();
}

void run_options_default_second(struct run_options *options)
{
    run_options_default(options);
    options->lab.nic = true;
    options->lab.nic_mac[5] = 2;
}

static void list_cpus(void)
{
    for (unsigned i = 0; cpu_model_by_index(i) != NULL; i++)
        puts(cpu_model_name(cpu_model_by_index(i)));
}

static void list_hypervisors(void)
{
    for (unsigned i = 0; hypervisor_by_index(i) != NULL; i++)
        printf("%-14s %s\n", hypervisor_by_index(i)->name, hypervisor_by_index(i)->description);
}

/* -hypervisor NAME,help */
static void list_hypervisor_options(const struct hypervisor_ops *hypervisor)
{
    printf("%s: %s\n", hypervisor->name, hypervisor->description);
    for (unsigned i = 0; i < hypervisor->option_count; i++) {
        const struct hypervisor_option *option = &hypervisor->options[i];
        char values[128], standard[32] = "";
        if (option->words == NULL)
            snprintf(standard, sizeof standard, " (default %u)", option->standard);
        printf("  %s=%-12s %s%s\n", option->name, hypervisor_option_values(option, values, sizeof values),
               option->description, standard);
    }
    printf(hypervisor->option_count ? "  (the first word is the default)\n" : "  no options\n");
}

/* Calls and samples go to the trace; two engines that are compared may have probes without one. */
static enum status check_probes(const struct run_options *options, struct error *err)
{
    const struct probe_config *probe = &options->lab.probe;
    if (!probe_wanted(probe) && (probe->symbols != NULL || probe->stack_bytes != 0))
        return status_fail(err, STATUS_BAD_INPUT, "%s is for -probe and -sample: give one of them",
                           probe->symbols != NULL ? "-symbols" : "-probe-stack");
    if (probe_wanted(probe) && options->lab.trace == NULL && !options->check)
        return status_fail(err, STATUS_BAD_INPUT, "-probe and -sample write to the trace: give -trace FILE");
    return STATUS_OK;
}

enum status run_options_finish(struct run_options *options, bool *printed, struct error *err)
{
    *printed = true;
    if (options->lab.cpu_model != NULL && strcmp(options->lab.cpu_model, "help") == 0) {
        list_cpus();
        return STATUS_OK;
    }
    if (strcmp(options->lab.hypervisor, "help") == 0) {
        list_hypervisors();
        return STATUS_OK;
    }
    const struct hypervisor_ops *hypervisor = hypervisor_find(options->lab.hypervisor);
    if (hypervisor != NULL && strcmp(options->lab.hypervisor_options, "help") == 0) {
        list_hypervisor_options(hypervisor);
        return STATUS_OK;
    }
    if (strcmp(options->lab.profile, "help") == 0) {
        for (unsigned i = 0; cost_profile_name(i) != NULL; i++)
            puts(cost_profile_name(i));
        return STATUS_OK;
    }
    *printed = false;
    if (options->lab.kernel == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "nothing to boot: give -kernel FILE");
    if (options->record != NULL &&
        (options->debugger.gdb != NULL || debugger_wants_monitor(&options->debugger)))
        return status_fail(err, STATUS_BAD_INPUT,
                           "-record does not write down what a gdb or a monitor changes in the guest");
    if (options->check && options->record != NULL)
        return status_fail(err, STATUS_BAD_INPUT, "-engine check takes no input that could be recorded");
    if (!options->lab.user &&
        (options->lab.user_network.forward_count != 0 || options->lab.user_network.restricted))
        return status_fail(err, STATUS_BAD_INPUT, "hostfwd and restrict are of -nic user");
    if (options->lab.user && options->check && options->replay == NULL)
        return status_fail(
            err, STATUS_BAD_INPUT,
            "what comes by -nic user differs in each run: -engine check takes a recording of one (-replay)");
    if (options->debugger.start_stopped && options->debugger.gdb == NULL &&
        !debugger_wants_monitor(&options->debugger))
        return status_fail(err, STATUS_BAD_INPUT,
                           "-S needs somebody who starts the guest: give -s, -gdb or -monitor");
    if (options->check && (options->debugger.gdb != NULL || debugger_wants_monitor(&options->debugger)))
        return status_fail(err, STATUS_BAD_INPUT,
                           "-engine check runs by itself: -gdb and -monitor want one of the engines");
    TRY(check_probes(options, err));
    if (options->nographic && options->io.serial_count == 0)
        options->io.serial[options->io.serial_count++] = "stdio";
    options->lab.board.serial_count = options->io.serial_count ? options->io.serial_count : 1;
    return options->check ? check_engines_options(options, err) : STATUS_OK;
}

enum status run_options_finish_second(struct run_options *options, struct run_options *first, bool *printed,
                                      struct error *err)
{
    const struct {
        bool given;
        const char *name;
    } whole[] = {
        {options->lab.pcap != NULL, "pcap"},    {options->log_mask != 0, "d"},
        {options->log_file != NULL, "D"},       {options->stop_after > 0, "stop-after"},
        {options->record != NULL, "record"},    {options->replay != NULL, "replay"},
        {options->debugger.gdb != NULL, "gdb"}, {options->debugger.monitor != NULL, "monitor"},
        {options->debugger.start_stopped, "S"}, {options->check || first->check, "engine check"},
    };
    if (first->lab.user)
        return status_fail(err, STATUS_BAD_INPUT,
                           "-nic user: the host's network is at the other end, not a second host");
    TRY(run_options_finish(options, printed, err));
    if (!*printed && options->wire_property != NULL)
        return status_fail(err, STATUS_BAD_INPUT, "-nic %s is of the whole run: give it before the '--'",
                           options->wire_property);
    for (size_t i = 0; i < ARRAY_LEN(whole) && !*printed; i++)
        if (whole[i].given)
            return status_fail(err, STATUS_BAD_INPUT,
                               i + 1 < ARRAY_LEN(whole) ? "-%s is of the whole run: give it before the '--'"
                                                        : "-%s compares runs with one host",
                               whole[i].name);
    first->lab.nic = true;
    return STATUS_OK;
}
