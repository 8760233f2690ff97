/* The gdb stub, talked to by a process of its own: a run that is only stopped, looked at and continued ends
 * as one that is not, under every engine and hypervisor (contract E1); nonsense and sudden ends of the
 * connection do no harm; changes are told. And packets by themselves. */
#include "cpu/pause.h"
#include "gdb_client.h"
#include "tools/debugger/debugger.h"
#include "tools/debugger/packet.h"
#include "vmm/symbols.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* gdb's numbers of i386 registers. */
enum { ESP = 4, EIP = 8 };

struct outcome {
    uint64_t hash, cycles, instructions, trace;
};

struct setting {
    const char *hypervisor;
    bool translate;
    const char *kernel; /* NULL: nettest */
};

static const struct setting settings[] = {
    {"none", false}, {"none", true}, {"workstation", false}, {"workstation", true}};

static bool poll_debugger(void *ctx, unsigned host)
{
    (void)host;
    struct debugger **debugger = ctx;
    debugger_poll(*debugger);
    return false;
}

static struct lab *make_lab(const struct setting *setting, const char *words, const char *trace,
                            struct debugger **debugger)
{
    struct lab_config config;
    struct lab *lab;
    struct error err;
    lab_config_default(&config);
    config.hypervisor = setting->hypervisor;
    config.translate = setting->translate && translator_supported();
    config.translator.threshold = 1;
    config.kernel = setting->kernel != NULL ? setting->kernel : NETTEST_ELF;
    config.cpu_model = setting->kernel != NULL ? "x86-64-v3" : NULL;
    config.cmdline = words;
    config.board.ram_bytes = 32 << 20;
    config.nic = true;
    config.no_reboot = true;
    config.trace = trace;
    config.poll = poll_debugger;
    config.poll_ctx = debugger;
    config.poll_ms = 1;
    cr_assert_eq(lab_create(&lab, &config, &err), STATUS_OK, "%s", err.text);
    return lab;
}

static uint64_t hash_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint64_t hash = 14695981039346656037u;
    for (int c; (c = fgetc(file)) != EOF;)
        hash = (hash ^ (unsigned)c) * 1099511628211u;
    fclose(file);
    return hash;
}

typedef void client_fn(const char *path, unsigned seed);

/* A run, with a client that does `talk` if there is one. */
static struct outcome run(const struct setting *setting, const char *words, client_fn *talk, unsigned seed,
                          struct log *log)
{
    char folder[] = "/tmp/crosspage-gdb-XXXXXX", path[64], spec[80], trace[64];
    struct debugger *debugger = NULL;
    struct error err;
    pid_t client = 0;
    int status = 0;
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    snprintf(spec, sizeof spec, "unix:%s", path);
    snprintf(trace, sizeof trace, "%s/trace", folder);
    struct lab *lab = make_lab(setting, words, trace, &debugger);
    if (talk != NULL) {
        const struct debugger_options options = {.gdb = spec, .start_stopped = true};
        cr_assert_eq(debugger_create(&debugger, &options, &err), STATUS_OK, "%s", err.text);
        debugger_attach(debugger, lab, log, NULL);
        client = fork();
        if (client == 0) {
            client_isolate();
            talk(path, seed);
            _exit(0);
        }
    }
    lab_run(lab, UINT64_MAX);
    debugger_ended(debugger, 0);
    struct host *host = lab_host(lab);
    struct outcome outcome = {vm_state_hash(lab_vm(lab)), host_now(host), host->cpu->s.instructions, 0};
    debugger_destroy(debugger);
    cr_assert_eq(lab_destroy(lab, &err), STATUS_OK, "%s", err.text);
    outcome.trace = hash_file(trace);
    unlink(trace);
    rmdir(folder);
    if (talk != NULL) {
        cr_assert_eq(waitpid(client, &status, 0), client);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the client is not content");
    }
    return outcome;
}

static void assert_same(const struct outcome *a, const struct outcome *b, const struct setting *setting)
{
    const char *engine = setting->translate ? "translator" : "interpreter";
    cr_assert_eq(a->cycles, b->cycles, "%s, %s: cycles %lu, %lu", setting->hypervisor, engine, a->cycles,
                 b->cycles);
    cr_assert_eq(a->instructions, b->instructions, "%s, %s: instructions", setting->hypervisor, engine);
    cr_assert_eq(a->hash, b->hash, "%s, %s: state", setting->hypervisor, engine);
    cr_assert_eq(a->trace, b->trace, "%s, %s: trace", setting->hypervisor, engine);
}

/* ---- Looking changes nothing ---- */

static void look_around(struct gdb_client *client)
{
    char packet[40];
    client_expect(client, "g", "");
    snprintf(packet, sizeof packet, "m%x,40", client_register(client, ESP));
    client_ask(client, packet);
    snprintf(packet, sizeof packet, "m%x,10", client_register(client, EIP));
    client_ask(client, packet);
}

/* Every page of the lower and the upper 16 MB, mapped or not: no A bit may appear. */
static void read_everywhere(struct gdb_client *client)
{
    char packet[40];
    for (unsigned page = 0; page < 4096; page++) {
        snprintf(packet, sizeof packet, "m%x,8", (page < 2048 ? 0 : 0xBF800000) + (page << 12));
        client_ask(client, packet);
    }
}

/* The kernel's data. */
static void watch_data(struct gdb_client *client, char type)
{
    static const char *const names[] = {"T05thread:01;watch", "T05thread:01;rwatch", "T05thread:01;awatch"};
    char packet[40];
    snprintf(packet, sizeof packet, "Z%c,c0118000,100000", type);
    client_expect(client, packet, "OK");
    for (unsigned i = 0; i < 20; i++)
        client_expect(client, "c", names[type - '2']);
    packet[0] = 'z';
    client_expect(client, packet, "OK");
}

/* Of a function of the guest. */
static uint32_t address_of(const char *function)
{
    struct symbols symbols = {0};
    struct error err;
    cr_assert_eq(symbols_load(&symbols, NETTEST_ELF, &err), STATUS_OK, "%s", err.text);
    size_t at = symbols_find(&symbols, function, 0);
    cr_assert_lt(at, symbols.count, "the guest has no %s", function);
    uint32_t address = (uint32_t)symbols.symbol[at].address;
    symbols_free(&symbols);
    return address;
}

static void stop_and_go(const char *path, unsigned seed)
{
    struct gdb_client client;
    char packet[40];
    (void)seed;
    client_connect(&client, path);
    client_expect(&client, "?", "T05");
    client_expect(&client, "qXfer:features:read:target.xml:0,ffb", "m<?xml");
    read_everywhere(&client);
    for (unsigned i = 0; i < 2000; i++)
        client_expect(&client, i % 2 ? "s" : "vCont;s:1;c", "T05");
    /* Breakpoints, of both kinds at one place, along the way; the last where the guest comes for each write.
     */
    uint32_t eip[20];
    for (unsigned round = 0; round < ARRAY_LEN(eip); round++) {
        bool last = round == ARRAY_LEN(eip) - 1;
        eip[round] = last ? address_of("syscall_dispatch") : client_register(&client, EIP);
        for (char kind = '0'; kind <= '1'; kind++) {
            snprintf(packet, sizeof packet, "Z%c,%x,1", kind, eip[round]);
            client_expect(&client, packet, "OK");
        }
        for (unsigned i = 0; i < 10; i++)
            client_expect(&client, "s", "T05");
        if (round % 5 == 0)
            look_around(&client);
    }
    for (unsigned i = 0; i < 50; i++)
        client_expect(&client, "c", "T05");
    for (unsigned i = 0; i < 2 * ARRAY_LEN(eip); i++) {
        snprintf(packet, sizeof packet, "z%u,%x,1", i % 2, eip[i / 2]);
        client_expect(&client, packet, "OK");
    }
    read_everywhere(&client);
    for (char type = '2'; type <= '4'; type++)
        watch_data(&client, type);
    look_around(&client);
    client_expect(&client, "D", "OK");
    client_hang_up(&client);
    /* Again, while it runs, and for as long as it does. */
    bool there = client_try(&client, path);
    if (there)
        client_send(&client, "?");
    for (unsigned i = 0; there && client_receive(&client) && client.reply[0] == 'T'; i++) {
        look_around(&client);
        client_send(&client, "c");
        if (i < 5)
            client_send_raw(&client, "\3", 1);
    }
}

Test(gdb, stopping_and_going_on_leaves_no_trace, .timeout = 200)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct outcome alone = run(&settings[i], "exit=acpi total=50000 write=512", NULL, 0, NULL);
        struct outcome watched = run(&settings[i], "exit=acpi total=50000 write=512", stop_and_go, 0, NULL);
        assert_same(&alone, &watched, &settings[i]);
    }
}

static void leave_at_once(const char *path, unsigned how)
{
    struct gdb_client client;
    client_connect(&client, path);
    if (how == 1)
        client_expect(&client, "?", "T05");
    if (how == 2)
        client_send(&client, "qXfer:features:read:target.xml:0,ffb"); /* and does not read it */
    if (how == 3)
        client_expect(&client, "s", "T05");
    client_hang_up(&client);
}

Test(gdb, the_guest_goes_on_without_a_caller, .timeout = 60)
{
    struct outcome alone = run(&settings[0], "exit=acpi total=50000", NULL, 0, NULL);
    for (unsigned how = 0; how < 4; how++) {
        struct outcome left = run(&settings[0], "exit=acpi total=50000", leave_at_once, how, NULL);
        assert_same(&alone, &left, &settings[0]);
    }
}

/* Real, virtual-8086 and long mode, task switches, the guest's own debug registers and single steps. */
static void step_only(const char *path, unsigned steps)
{
    struct gdb_client client;
    client_connect(&client, path);
    for (unsigned i = 0; i < steps; i++) {
        if (client_ask(&client, "s")[0] == 'W')
            return;
        if (i % 16 == 0)
            client_ask(&client, "g");
    }
    client_expect(&client, "D", "OK");
}

Test(gdb, steps_leave_no_trace_in_any_mode, .timeout = 200)
{
    static const char *const guests[] = {"real",  "v86",  "vme",         "task",
                                         "debug", "long", "long_system", "interrupts"};
    for (size_t i = 0; i < ARRAY_LEN(guests); i++) {
        char path[256];
        snprintf(path, sizeof path, ASM_GUESTS "/%s.elf", guests[i]);
        const struct setting setting = {
            .hypervisor = i % 2 ? "workstation" : "none", .translate = true, .kernel = path};
        struct outcome alone = run(&setting, "", NULL, 0, NULL);
        struct outcome stepped = run(&setting, "", step_only, 12000, NULL);
        assert_same(&alone, &stepped, &setting);
    }
}

/* ---- Changing does, and is told ---- */

static void change_things(const char *path, unsigned seed)
{
    struct gdb_client client;
    char packet[64];
    (void)seed;
    client_connect(&client, path);
    client_expect(&client, "P0=78563412", "OK");
    client_expect(&client, "p0", "78563412");
    client_expect(&client, "P8=78563412", "OK"); /* EIP, and back again */
    client_expect(&client, "p8", "78563412");
    client_expect(&client, "P8=0c001000", "OK");
    client_expect(&client, "M200000,4:deadbeef", "OK");
    client_expect(&client, "m200000,4", "deadbeef");
    client_expect(&client,
                  "X200000,3:a}\x03"
                  "b",
                  "OK"); /* }03h stands for # */
    client_expect(&client, "m200000,4", "612362ef");
    client_expect(&client, "Mfee00000,4:00000000", "E"); /* a device */
    client_expect(&client, "me0000000,4", "E");
    for (unsigned n = 0x32; n <= 0x36; n++) { /* control registers keep their values */
        snprintf(packet, sizeof packet, "P%x=99887766", n);
        client_expect(&client, packet, "E");
    }
    client_send(&client, "k");
}

Test(gdb, changes_are_made_and_told, .timeout = 60)
{
    char *text = NULL;
    size_t size = 0;
    struct log log = {.file = open_memstream(&text, &size), .mask = LOG_OUTSIDE};
    run(&settings[1], "exit=acpi total=50000", change_things, 0, &log);
    fclose(log.file);
    cr_assert_not_null(strstr(text, "register eax = 0x12345678"), "%s", text);
    cr_assert_not_null(strstr(text, "register eip = 0x12345678"), "%s", text);
    cr_assert_not_null(strstr(text, "4 bytes of memory at 0x200000"), "%s", text);
    unsigned lines = 0;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    cr_assert_eq(lines, 5, "%s", text);
    free(text);
}

/* ---- Nonsense ---- */

static unsigned next(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static size_t random_text(unsigned *state, char *text, size_t most)
{
    static const char usual[] = "gGpPmMXcsCSvZzDH?Tq0123456789abcdef,;:=-+";
    static const char *const starts[] = {"m",   "M200000,", "X200000,4:", "Z0,",
                                         "Z2,", "z0,",      "vCont;",     "P",
                                         "p",   "G",        "qSupported", "qXfer:features:read:target.xml:",
                                         "H",   "c",        "s"};
    size_t size = 0, length = next(state) % most;
    if (next(state) % 2)
        size = (size_t)sprintf(text, "%s", starts[next(state) % ARRAY_LEN(starts)]);
    while (size < length)
        text[size++] =
            next(state) % 8 ? usual[next(state) % (sizeof usual - 1)] : (char)(1 + next(state) % 255);
    text[size] = '\0';
    return size;
}

/* Some nonsense means that the run is to end ('k'). The first caller may be early. */
static bool connected(struct gdb_client *client, const char *path, unsigned caller)
{
    if (caller != 0)
        return client_try(client, path);
    client_connect(client, path);
    return true;
}

static void talk_nonsense(const char *path, unsigned seed)
{
    unsigned state = seed;
    for (unsigned caller = 0; caller < 30; caller++) {
        struct gdb_client client;
        char text[500];
        if (!connected(&client, path, caller))
            return;
        for (unsigned i = 0, count = next(&state) % 60; i < count; i++) {
            size_t size = random_text(&state, text, next(&state) % 16 ? 40 : 450);
            if (next(&state) % 3)
                client_send(&client, text);
            else
                client_send_raw(&client, text, size);
        }
        client_hang_up(&client); /* mostly with packets that nobody has read yet */
    }
    struct gdb_client last;
    if (!connected(&last, path, 30))
        return;
    client_send_raw(&last, "#00", 3); /* should a packet be open */
    client_send(&last, "?");
    if (!client_receive(&last))
        return; /* the one before has ended the run, which was noticed after we called */
    client_expect(&last, "vKill;1", "OK");
}

Test(gdb, nonsense_does_no_harm, .timeout = 200)
{
    for (unsigned seed = 1; seed <= 12; seed++)
        run(&settings[seed % ARRAY_LEN(settings)], "exit=acpi total=100000000", talk_nonsense, seed, NULL);
}

/* ---- Packets ---- */

static enum packet_event take(struct packet_reader *reader, const char *text)
{
    enum packet_event event = PACKET_NOTHING;
    for (; *text; text++) {
        enum packet_event now = packet_take(reader, (uint8_t)*text);
        event = now != PACKET_NOTHING ? now : event;
    }
    return event;
}

Test(gdb, packets)
{
    static struct packet_reader reader;
    cr_assert_eq(take(&reader, "noise+$g#67"), PACKET_READY);
    cr_assert_str_eq(reader.data, "g");
    cr_assert_eq(take(&reader, "$g#68"), PACKET_BAD);
    cr_assert_eq(take(&reader, "$g#zz"), PACKET_BAD);
    cr_assert_eq(take(&reader, "$lost$g#67"), PACKET_READY);
    cr_assert_eq(take(&reader, "-"), PACKET_AGAIN);
    cr_assert_eq(take(&reader, "\3"), PACKET_INTERRUPT);
    cr_assert_eq(take(&reader, "$\3#03"), PACKET_READY); /* inside a packet it is a byte */
    take(&reader, "$");
    for (unsigned i = 0; i < PACKET_MAX + 256; i++)
        take(&reader, "a");
    cr_assert_eq(take(&reader, "#00"), PACKET_BAD);
    cr_assert_eq(take(&reader, "$?#3f"), PACKET_READY);
}

Test(gdb, numbers)
{
    uint64_t value;
    const char *text = "1f,", *none = ",", *most = "ffffffffffffffff", *more = "10000000000000000";
    cr_assert(packet_number(&text, &value) && value == 0x1F && *text == ',');
    cr_assert_not(packet_number(&none, &value));
    cr_assert(packet_number(&most, &value) && value == UINT64_MAX);
    cr_assert_not(packet_number(&more, &value));
}

Test(gdb, writing)
{
    static struct packet_writer writer;
    static char wire[PACKET_WIRE];
    packet_text(&writer, "l");
    packet_binary(&writer, "a#$}*", 5);
    packet_hex_number(&writer, 0);
    packet_hex_number(&writer, 0xC0111500);
    size_t size = packet_finish(&writer, wire);
    cr_assert_eq(size, writer.size + 4);
    cr_assert_arr_eq(wire,
                     "$la}\x03}\x04}]}\x0a"
                     "0c0111500#",
                     20);
    static struct packet_reader reader;
    enum packet_event event = PACKET_NOTHING;
    for (size_t i = 0; i < size; i++)
        event = packet_take(&reader, (uint8_t)wire[i]);
    cr_assert_eq(event, PACKET_READY);
    for (unsigned i = 0; i < PACKET_MAX; i++)
        packet_text(&writer, "x");
    cr_assert(writer.overflow);
}
