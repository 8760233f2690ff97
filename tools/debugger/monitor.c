/* The monitor's line, its list of commands, and those that start and stop the guest.
 *
 * Commands are obeyed at a pause, so that a running guest is not disturbed by questions; and in the order in
 * which they come. What they write is cut off at OUTPUT_MAX, so that nobody who does not read can make us
 * keep it. */
#include "tools/debugger/monitor.h"

#include "base/check.h"
#include "devices/piix4_pm.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1024, WORDS_MAX = 16, OUTPUT_MAX = 512 << 10 };

struct monitor {
    struct debugger *debugger;
    struct link *link;
    unsigned callers;
    bool connected;
    size_t size;
    char line[LINE_MAX_BYTES];
};

/* ---- Run control ---- */

static bool do_stop(struct debugger *debugger, char **words, FILE *out)
{
    (void)words;
    (void)out;
    debugger->held = true;
    debugger->stop_asked = !debugger->stopped;
    return true;
}

static bool do_cont(struct debugger *debugger, char **words, FILE *out)
{
    (void)words;
    (void)out;
    debugger->stop_asked = false;
    if (debugger->stopped)
        debugger_continue(debugger, false);
    return true;
}

static bool do_quit(struct debugger *debugger, char **words, FILE *out)
{
    (void)words;
    (void)out;
    debugger_quit(debugger);
    return true;
}

static bool do_reset(struct debugger *debugger, char **words, FILE *out)
{
    (void)words;
    (void)out;
    debugger_note_change(debugger, "reset");
    vm_ask_reset(lab_vm(debugger->lab));
    return true;
}

static bool do_powerdown(struct debugger *debugger, char **words, FILE *out)
{
    (void)words;
    struct device *pm = board_find(vm_board(lab_vm(debugger->lab)), "piix4-pm");
    if (pm == NULL) {
        fputs("there is no power button\n", out);
        return true;
    }
    debugger_note_change(debugger, "the power button");
    host_sync(lab_host(debugger->lab));
    piix4_pm_power_button(pm);
    return true;
}

static monitor_fn do_help;

/* ---- The list ---- */

static const struct command {
    const char *name, *other; /* and a short form */
    monitor_fn *fn;
    const char *arguments, *help;
} commands[] = {
    {"help", "?", do_help, "", "this list"},
    {"info", NULL, monitor_info, "registers|mem|tlb|pic|irq|lapic|stats|cost|status",
     "what there is to know"},
    {"x", NULL, monitor_examine, "/FMT ADDRESS",
     "memory by linear address: /COUNT, then x d u o c or i, then b h w g"},
    {"xp", NULL, monitor_examine_physical, "/FMT ADDRESS", "the same by guest-physical address"},
    {"print", "p", monitor_print, "[/x|d|u|o|c] EXPRESSION", "numbers, $registers, + - * / & | ^ ~ ( )"},
    {"stop", "s", do_stop, "", "stop the guest"},
    {"cont", "c", do_cont, "", "let it go on"},
    {"system_reset", NULL, do_reset, "", "press the reset button"},
    {"system_powerdown", NULL, do_powerdown, "", "press the power button (ACPI)"},
    {"sendkey", NULL, monitor_sendkey, "KEY[-KEY...]", "press keys together: ctrl-alt-delete, a, ret, f1"},
    {"screendump", NULL, monitor_screendump, "FILE",
     "the screen as a picture (PPM), or as text into FILE.txt"},
    {"quit", "q", do_quit, "", "end the run"},
};

static bool do_help(struct debugger *debugger, char **words, FILE *out)
{
    (void)debugger;
    (void)words;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "%s%s%s %s -- %s\n", commands[i].name, commands[i].other ? "|" : "",
                commands[i].other ? commands[i].other : "", commands[i].arguments, commands[i].help);
    return true;
}

static const struct command *find(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, word) == 0 ||
            (commands[i].other != NULL && strcmp(commands[i].other, word) == 0))
            return &commands[i];
    return NULL;
}

void monitor_obey(struct debugger *debugger, char *line, FILE *out)
{
    char *words[WORDS_MAX + 1], *rest = NULL, name[64];
    unsigned count = 0;
    for (char *word = strtok_r(line, " \t", &rest); word && count < WORDS_MAX;
         word = strtok_r(NULL, " \t", &rest))
        words[count++] = word;
    words[count] = NULL;
    if (count == 0)
        return;
    /* x/8i stands for x /8i */
    size_t length = strcspn(words[0], "/");
    bool joined = length > 0 && words[0][length] == '/' && count < WORDS_MAX;
    snprintf(name, sizeof name, "%.*s", (int)length, words[0]);
    if (joined)
        words[0] += length;
    const struct command *command = find(length > 0 ? name : words[0]);
    if (command == NULL)
        fprintf(out, "unknown command '%.60s'; help lists them\n", name);
    else if (!command->fn(debugger, joined ? words : words + 1, out))
        fprintf(out, "usage: %s %s\n", command->name, command->arguments);
}

/* ---- The line ---- */

static void prompt(struct monitor *monitor)
{
    static const char text[] = "(crosspage) ";
    link_put(monitor->link, text, sizeof text - 1);
}

static void obey_line(struct monitor *monitor)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    monitor_obey(monitor->debugger, monitor->line, out);
    CHECK(fclose(out) == 0);
    link_put(monitor->link, text, size < OUTPUT_MAX ? size : OUTPUT_MAX);
    if (size > OUTPUT_MAX)
        link_put(monitor->link, "\n(cut off)\n", 11);
    free(text);
    prompt(monitor);
}

static void take_byte(struct monitor *monitor, uint8_t byte)
{
    if (byte == '\n' || byte == '\r') {
        monitor->line[monitor->size] = '\0';
        monitor->size = 0;
        if (byte == '\n' || monitor->line[0] != '\0')
            obey_line(monitor);
    } else if ((byte == 8 || byte == 127) && monitor->size > 0) {
        monitor->size--;
    } else if (byte >= ' ' && byte < 127 && monitor->size + 1 < LINE_MAX_BYTES) {
        monitor->line[monitor->size++] = (char)byte;
    }
}

/* A new caller, or none any more: then nobody could let the guest go on that was stopped here. */
static void caller_changed(struct monitor *monitor)
{
    monitor->callers = link_callers(monitor->link);
    monitor->connected = link_connected(monitor->link);
    monitor->size = 0;
    if (monitor->connected)
        prompt(monitor);
    else if (monitor->debugger->held)
        (void)do_cont(monitor->debugger, NULL, NULL);
}

void monitor_input(struct monitor *monitor)
{
    uint8_t byte;
    (void)link_poll(monitor->link);
    if (link_connected(monitor->link) && monitor->callers != link_callers(monitor->link))
        caller_changed(monitor);
    while (link_get(monitor->link, &byte))
        take_byte(monitor, byte);
    if (monitor->connected != link_connected(monitor->link) ||
        monitor->callers != link_callers(monitor->link))
        caller_changed(monitor);
}

/* ---- Life ---- */

enum status monitor_open(struct monitor **out, const char *spec, struct debugger *debugger, struct error *err)
{
    struct monitor *monitor = *out = xcalloc(1, sizeof *monitor);
    monitor->debugger = debugger;
    return link_open(&monitor->link, spec, err);
}

struct link *monitor_link(const struct monitor *monitor)
{
    return monitor->link;
}

void monitor_close(struct monitor *monitor)
{
    if (monitor == NULL)
        return;
    link_close(monitor->link);
    free(monitor);
}
