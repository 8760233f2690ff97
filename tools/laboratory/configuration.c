/* Settings and what they mean on the command line of `crosspage run` (configuration.h). */
#include "tools/laboratory/configuration.h"

#include "base/check.h"
#include "base/suggest.h"
#include "tools/options.h"
#include "vmm/cost.h"
#include "vmm/hypervisor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum way {
    WAY_RUN,
    WAY_NIC,
    WAY_GUEST,
    WAY_MEASURE,
    WAY_GROUP,
    WAY_FAR,
    WAY_COST,
    WAY_HYPERVISOR,
    WAY_UNKNOWN
};

/* Before the name of a setting: it is the second host's. */
static const char FAR_PREFIX[] = "far.";

static const struct parameter {
    const char *name;
    enum way way;
    const char *word, *description;
} parameters[] = {
#define PARAMETER(name, way, word, description) {name, WAY_##way, word, description},
#include "tools/laboratory/parameter.def"
#undef PARAMETER
};

static const struct machine {
    const char *name, *title, *settings;
} machines[] = {
#define MACHINE(name, title, settings) {name, title, settings},
#include "tools/laboratory/machine.def"
#undef MACHINE
};

/* ---- Names ---- */

static const struct parameter *parameter_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(parameters); i++)
        if (strcmp(parameters[i].name, name) == 0)
            return &parameters[i];
    return NULL;
}

static bool is_cost(const char *name)
{
    if (strcmp(name, "cpu_mhz") == 0)
        return true;
    for (unsigned i = 0; i < COST_ID_COUNT; i++)
        if (strcmp(cost_name((enum cost_id)i), name) == 0)
            return true;
    for (unsigned i = 0; strncmp(name, "insn.", 5) == 0 && i < COST_CLASS_COUNT; i++)
        if (strcmp(cost_class_name((enum cost_class)i), name + 5) == 0)
            return true;
    return false;
}

static const struct hypervisor_option *option_find(const struct hypervisor_ops *hypervisor, const char *name)
{
    for (unsigned i = 0; i < hypervisor->option_count; i++)
        if (strcmp(hypervisor->options[i].name, name) == 0)
            return &hypervisor->options[i];
    return NULL;
}

static bool any_has_option(const char *name)
{
    for (unsigned i = 0; hypervisor_by_index(i) != NULL; i++)
        if (option_find(hypervisor_by_index(i), name) != NULL)
            return true;
    return false;
}

static bool is_far(const char *name)
{
    return strncmp(name, FAR_PREFIX, strlen(FAR_PREFIX)) == 0;
}

static enum way way_of(const char *name)
{
    if (is_far(name))
        return WAY_FAR;
    const struct parameter *parameter = parameter_find(name);
    if (parameter != NULL)
        return parameter->way;
    return is_cost(name) ? WAY_COST : any_has_option(name) ? WAY_HYPERVISOR : WAY_UNKNOWN;
}

enum status configuration_known(const char *name, struct error *err)
{
    if (is_far(name))
        name += strlen(FAR_PREFIX);
    if (way_of(name) != WAY_UNKNOWN)
        return STATUS_OK;
    struct suggestion suggestion = suggestion_start(name);
    char text[96];
    for (unsigned i = 0; i < ARRAY_LEN(parameters); i++)
        suggestion_offer(&suggestion, parameters[i].name);
    for (unsigned i = 0; i < COST_ID_COUNT; i++)
        suggestion_offer(&suggestion, cost_name((enum cost_id)i));
    for (unsigned i = 0; hypervisor_by_index(i) != NULL; i++)
        for (unsigned k = 0; k < hypervisor_by_index(i)->option_count; k++)
            suggestion_offer(&suggestion, hypervisor_by_index(i)->options[k].name);
    return status_fail(err, STATUS_BAD_INPUT, "'%s' is no parameter, cost or option of a hypervisor%s", name,
                       suggestion_text(&suggestion, text, sizeof text));
}

const char *machine_title(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(machines); i++)
        if (strcmp(machines[i].name, name) == 0)
            return machines[i].title;
    return NULL;
}

void configuration_list(void)
{
    puts("\nParameters of -set, -vary and -against: every cost (crosspage costs), every option of the\n"
         "hypervisor (crosspage run -hypervisor workstation,help), and");
    for (unsigned i = 0; i < ARRAY_LEN(parameters); i++)
        printf("  %-14s %s\n", parameters[i].name, parameters[i].description);
    puts("\nMachines, for -set @NAME:");
    for (unsigned i = 0; i < ARRAY_LEN(machines); i++)
        printf("  %-14s %s\n", machines[i].name, machines[i].title);
}

/* ---- Settings ---- */

const char *configuration_get(const struct configuration *configuration, const char *name)
{
    for (unsigned i = 0; i < configuration->count; i++)
        if (strcmp(configuration->setting[i].name, name) == 0)
            return configuration->setting[i].value;
    return NULL;
}

enum status configuration_set(struct configuration *configuration, const char *name, const char *value,
                              struct error *err)
{
    if (strlen(name) >= SETTING_NAME || strlen(value) >= SETTING_VALUE)
        return status_fail(err, STATUS_BAD_INPUT, "'%s=%s' is too long", name, value);
    if (*name == '\0' || *value == '\0' || strpbrk(value, " \t\n,'\"") != NULL)
        return status_fail(err, STATUS_BAD_INPUT, "'%s=%s': expected name=value, without blanks or commas",
                           name, value);
    unsigned at = 0;
    while (at < configuration->count && strcmp(configuration->setting[at].name, name) < 0)
        at++;
    if (at == configuration->count || strcmp(configuration->setting[at].name, name) != 0) {
        if (configuration->count == SETTINGS_MAX)
            return status_fail(err, STATUS_BAD_INPUT, "more than %d settings", SETTINGS_MAX);
        memmove(&configuration->setting[at + 1], &configuration->setting[at],
                (configuration->count - at) * sizeof(struct setting));
        configuration->count++;
    }
    strcpy(configuration->setting[at].name, name);
    strcpy(configuration->setting[at].value, value);
    return STATUS_OK;
}

static enum status apply_machine(struct configuration *configuration, const char *name, struct error *err)
{
    for (unsigned i = 0; i < ARRAY_LEN(machines); i++)
        if (strcmp(machines[i].name, name) == 0)
            return configuration_apply(configuration, machines[i].settings, err);
    return status_fail(err, STATUS_BAD_INPUT, "no machine is called '%s' (-help lists them)", name);
}

static enum status apply_word(struct configuration *configuration, char *word, struct error *err)
{
    if (*word == '@')
        return apply_machine(configuration, word + 1, err);
    char *equals = strchr(word, '=');
    if (equals == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "'%s': expected name=value", word);
    *equals = '\0';
    return configuration_set(configuration, word, equals + 1, err);
}

enum status configuration_apply(struct configuration *configuration, const char *settings, struct error *err)
{
    char *copy = xstrdup(settings), *rest = copy, *word;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && (word = strtok_r(rest, " ", &rest)) != NULL)
        status = apply_word(configuration, word, err);
    free(copy);
    return status;
}

const char *configuration_text(const struct configuration *configuration, char text[CONFIGURATION_TEXT])
{
    char *to = text;
    *to = '\0';
    for (unsigned i = 0; i < configuration->count; i++)
        to += sprintf(to, "%s%s=%s", i ? " " : "", configuration->setting[i].name,
                      configuration->setting[i].value);
    return text;
}

/* ---- The command line ---- */

void words_add(struct words *words, const char *format, ...)
{
    char text[4608];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    CHECK(words->count + 1 < ARRAY_LEN(words->word));
    words->word[words->count++] = xstrdup(text);
    words->word[words->count] = NULL;
}

void words_free(struct words *words)
{
    for (unsigned i = 0; i < words->count; i++)
        free(words->word[i]);
    words->count = 0;
}

/* The options that stand for others first: of two settings the later one counts, and the narrower is to. */
static enum status add_options(const struct configuration *configuration,
                               const struct hypervisor_ops *hypervisor, bool for_others, char **to, char *end,
                               struct error *err)
{
    for (unsigned i = 0; i < configuration->count; i++) {
        const struct setting *setting = &configuration->setting[i];
        enum way way = way_of(setting->name);
        if (way != WAY_HYPERVISOR && way != WAY_UNKNOWN)
            continue;
        const struct hypervisor_option *option = option_find(hypervisor, setting->name);
        if (option == NULL)
            return status_fail(err, STATUS_BAD_INPUT,
                               "-hypervisor %s of this program has no option '%s' (wanted: %s=%s)",
                               hypervisor->name, setting->name, setting->name, setting->value);
        if ((option->stands_for != NULL) == for_others)
            *to += snprintf(*to, (size_t)(end - *to), ",%s=%s", setting->name, setting->value);
        if (*to >= end)
            return status_fail(err, STATUS_BAD_INPUT, "too many options of the hypervisor");
    }
    return STATUS_OK;
}

static enum status add_hypervisor(const struct configuration *configuration, struct words *words,
                                  struct error *err)
{
    const char *name = configuration_get(configuration, "hypervisor");
    const struct hypervisor_ops *hypervisor;
    char text[1024];
    TRY(hypervisor_choose(name ? name : "none", &hypervisor, err));
    char *to = text + snprintf(text, sizeof text, "%s", hypervisor->name), *end = text + sizeof text;
    TRY(add_options(configuration, hypervisor, true, &to, end, err));
    TRY(add_options(configuration, hypervisor, false, &to, end, err));
    words_add(words, "-hypervisor");
    words_add(words, "%s", text);
    return STATUS_OK;
}

static bool percentage(const char *value, double *factor)
{
    char *end;
    *factor = strtod(value, &end) / 100;
    return end != value && strcmp(end, "%") == 0 && *factor >= 0 && *factor < 1e6;
}

/* What the profile says, in thousandths of a cycle. */
static uint64_t profile_value(const struct cost_table *table, const char *name)
{
    for (unsigned i = 0; i < COST_ID_COUNT; i++)
        if (strcmp(cost_name((enum cost_id)i), name) == 0)
            return table->value[i].milli_cycles;
    for (unsigned i = 0; i < COST_CLASS_COUNT; i++)
        if (strcmp(cost_class_name((enum cost_class)i), name + 5) == 0)
            return table->insn[i].milli_cycles;
    return 0;
}

static void add_cycles(struct words *words, const char *name, double milli)
{
    words_add(words, "-cost");
    words_add(words, "%s=%.3fcycles", name, milli / 1000);
}

/* `switch`: the total, divided as the profile divides it. */
static enum status add_switch(const struct cost_table *table, const char *value, struct words *words,
                              struct error *err)
{
    double factor, sum = 0;
    for (unsigned i = COST_SWITCH_FIRST; i < COST_SWITCH_FIRST + COST_SWITCH_PARTS; i++)
        sum += (double)table->value[i].milli_cycles;
    if (!percentage(value, &factor)) {
        /* In the profile's own words, so that units mean the same. */
        struct cost_table *scratch = xcalloc(1, sizeof *scratch);
        char assignment[SETTING_NAME + SETTING_VALUE];
        *scratch = *table;
        snprintf(assignment, sizeof assignment, "switch.save=%s", value);
        enum status status = cost_table_override(scratch, assignment, err);
        double total = (double)scratch->value[COST_ID_SWITCH_SAVE].milli_cycles;
        free(scratch);
        TRY(status);
        if (sum == 0)
            return status_fail(err, STATUS_BAD_INPUT, "switch: the profile's world switch costs nothing");
        factor = total / sum;
    }
    for (unsigned i = COST_SWITCH_FIRST; i < COST_SWITCH_FIRST + COST_SWITCH_PARTS; i++)
        add_cycles(words, cost_name((enum cost_id)i), (double)table->value[i].milli_cycles * factor);
    return STATUS_OK;
}

static enum status add_clock(struct cost_table *table, const char *value, struct words *words,
                             struct error *err)
{
    double factor;
    char assignment[SETTING_NAME + SETTING_VALUE];
    if (percentage(value, &factor))
        snprintf(assignment, sizeof assignment, "cpu_mhz=%.6f", (double)table->cpu_hz * 1e-6 * factor);
    else
        snprintf(assignment, sizeof assignment, "cpu_mhz=%s", value);
    words_add(words, "-cost");
    words_add(words, "%s", assignment);
    return cost_table_override(table, assignment, err);
}

/* The clock first, as what is given in time follows it; then groups, then single costs, which win. */
static enum status add_costs(const struct configuration *configuration, struct words *words,
                             struct error *err)
{
    const char *profile = configuration_get(configuration, "profile"),
               *clock = configuration_get(configuration, "cpu_mhz"),
               *whole_switch = configuration_get(configuration, "switch");
    struct cost_table *table = xcalloc(1, sizeof *table);
    enum status status = cost_table_load(table, profile ? profile : "pc-733", err);
    if (status == STATUS_OK && clock != NULL)
        status = add_clock(table, clock, words, err);
    if (status == STATUS_OK && whole_switch != NULL)
        status = add_switch(table, whole_switch, words, err);
    for (unsigned i = 0; status == STATUS_OK && i < configuration->count; i++) {
        const struct setting *setting = &configuration->setting[i];
        double factor;
        if (way_of(setting->name) != WAY_COST || strcmp(setting->name, "cpu_mhz") == 0)
            continue;
        if (percentage(setting->value, &factor)) {
            add_cycles(words, setting->name, (double)profile_value(table, setting->name) * factor);
        } else {
            words_add(words, "-cost");
            words_add(words, "%s=%s", setting->name, setting->value);
        }
    }
    free(table);
    return status;
}

static void add_network(const struct configuration *configuration, struct words *words)
{
    char text[512] = "peer";
    for (unsigned i = 0; i < configuration->count; i++) {
        const struct parameter *parameter = parameter_find(configuration->setting[i].name);
        size_t length = strlen(text);
        if (parameter != NULL && parameter->way == WAY_NIC)
            snprintf(text + length, sizeof text - length, ",%s=%s", parameter->word,
                     configuration->setting[i].value);
    }
    words_add(words, "-nic");
    words_add(words, "%s", text);
}

/* What a Linux guest can be told, and what hardware it has drivers for. */
static enum status check_linux(const struct configuration *configuration, struct error *err)
{
    static const char *const common[] = {"total", "write", "mode"};
    const char *model = configuration_get(configuration, "model");
    if (model != NULL && strcmp(model, "pcnet") != 0)
        return status_fail(err, STATUS_BAD_INPUT, "the Linux guest has no driver for model=%s", model);
    for (unsigned i = 0; i < configuration->count; i++) {
        const struct setting *setting = &configuration->setting[i];
        bool known = way_of(setting->name) != WAY_GUEST;
        for (unsigned k = 0; k < ARRAY_LEN(common); k++)
            known |= strcmp(setting->name, common[k]) == 0;
        if (!known)
            return status_fail(err, STATUS_BAD_INPUT, "the Linux guest has no %s=%s", setting->name,
                               setting->value);
    }
    return STATUS_OK;
}

enum status configuration_suits(const struct configuration *configuration, const struct guest *guest,
                                struct error *err)
{
    return guest->linux_kernel ? check_linux(configuration, err) : STATUS_OK;
}

static enum status add_guest(const struct configuration *configuration, const struct guest *guest,
                             struct words *words, struct error *err)
{
    TRY(configuration_suits(configuration, guest, err));
    char text[1024];
    snprintf(text, sizeof text, "%s",
             guest->words != NULL  ? guest->words
             : guest->linux_kernel ? "console=ttyS0,115200 panic=-1 quiet cryptomgr.notests noisapnp "
                                     "cp.run=nettest"
                                   : "exit=acpi");
    for (unsigned i = 0; i < configuration->count; i++) {
        const struct setting *setting = &configuration->setting[i];
        const struct parameter *parameter = parameter_find(setting->name);
        size_t length = strlen(text);
        if (parameter == NULL || parameter->way != WAY_GUEST)
            continue;
        snprintf(text + length, sizeof text - length, " %s%s=%s", guest->linux_kernel ? "cp." : "",
                 parameter->word, setting->value);
    }
    words_add(words, "-kernel");
    words_add(words, "%s", guest->kernel);
    if (guest->initrd != NULL) {
        words_add(words, "-initrd");
        words_add(words, "%s", guest->initrd);
    }
    words_add(words, "-append");
    words_add(words, "%s", text);
    return STATUS_OK;
}

/* ---- The second host ---- */

static const char *far_machine(const struct configuration *configuration)
{
    const char *machine = configuration_get(configuration, "far");
    return machine != NULL && strcmp(machine, "peer") != 0 ? machine : NULL;
}

/* What its nettest does when the first host's does `mode`. */
static const char *counterpart(const char *mode)
{
    return mode != NULL && strcmp(mode, "recv") == 0 ? "source" : "serve";
}

/* The second host's configuration, without names' prefix. */
static enum status far_configuration(const struct configuration *configuration, const char *machine,
                                     struct configuration *far, struct error *err)
{
    static const char *const shared[] = {"total", "write"};
    *far = (struct configuration){0};
    TRY(apply_machine(far, machine, err));
    for (unsigned i = 0; i < ARRAY_LEN(shared); i++)
        if (configuration_get(configuration, shared[i]) != NULL)
            TRY(configuration_set(far, shared[i], configuration_get(configuration, shared[i]), err));
    TRY(configuration_set(far, "mode", counterpart(configuration_get(configuration, "mode")), err));
    for (unsigned i = 0; i < configuration->count; i++)
        if (is_far(configuration->setting[i].name))
            TRY(configuration_set(far, configuration->setting[i].name + strlen(FAR_PREFIX),
                                  configuration->setting[i].value, err));
    return STATUS_OK;
}

static enum status check_far(const struct configuration *configuration, struct error *err)
{
    bool host = far_machine(configuration) != NULL;
    for (unsigned i = 0; i < configuration->count && !host; i++)
        if (is_far(configuration->setting[i].name))
            return status_fail(err, STATUS_BAD_INPUT,
                               "%s: the other end of the wire is the scripted peer (far=MACHINE)",
                               configuration->setting[i].name);
    static const char *const of_peer[] = {"latency", "lose"};
    for (unsigned i = 0; i < ARRAY_LEN(of_peer); i++)
        if (host && configuration_get(configuration, of_peer[i]) != NULL)
            return status_fail(err, STATUS_BAD_INPUT, "%s is the scripted peer's, and far=%s is a host",
                               of_peer[i], far_machine(configuration));
    return STATUS_OK;
}

/* ---- All of it ---- */

static enum status add_host(const struct configuration *configuration, const struct guest *guest,
                            struct words *words, struct error *err)
{
    for (unsigned i = 0; i < configuration->count; i++) {
        const struct parameter *parameter = parameter_find(configuration->setting[i].name);
        if (parameter == NULL || parameter->way != WAY_RUN || strcmp(parameter->name, "hypervisor") == 0)
            continue;
        words_add(words, "-%s", parameter->word);
        words_add(words, "%s", configuration->setting[i].value);
    }
    TRY(add_hypervisor(configuration, words, err));
    TRY(add_costs(configuration, words, err));
    add_network(configuration, words);
    TRY(add_guest(configuration, guest, words, err));
    words_add(words, "-no-reboot");
    return STATUS_OK;
}

static enum status add_far_host(const struct configuration *configuration, const struct guest *guest,
                                struct words *words, struct error *err)
{
    /* Behind address translation the first host's guest has its host's address (hostworld/nat.h). */
    const char *net = configuration_get(configuration, "net");
    bool translated = net != NULL && strcmp(net, "nat") == 0;
    const struct guest embedded = {
        .kernel = guest->far_kernel,
        .words = translated ? "exit=acpi ip=10.0.0.2 peer=10.0.0.254" : "exit=acpi ip=10.0.0.2 peer=10.0.0.1",
    };
    struct configuration far;
    if (guest->far_kernel == NULL)
        return status_fail(err, STATUS_NO_FILE, "far=%s: no nettest.elf beside the program for it",
                           far_machine(configuration));
    TRY(far_configuration(configuration, far_machine(configuration), &far, err));
    words_add(words, "--");
    return add_host(&far, &embedded, words, err);
}

/* ---- A recorded run ---- */

static bool has_way(const struct configuration *configuration, enum way way)
{
    for (unsigned i = 0; i < configuration->count; i++)
        if (way_of(configuration->setting[i].name) == way)
            return true;
    return false;
}

/* "a=b,c=d" as settings. */
static enum status set_options(struct configuration *configuration, const char *options, struct error *err)
{
    char *copy = xstrdup(options), *rest = copy, *word;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && (word = strtok_r(rest, ",", &rest)) != NULL) {
        char *equals = strchr(word, '=');
        if (equals != NULL)
            *equals = '\0';
        status = configuration_set(configuration, word, equals ? equals + 1 : "on", err);
    }
    free(copy);
    return status;
}

/* Options of the hypervisor are changed in the recorded ones, unless another hypervisor is asked for. */
static enum status change_hypervisor(const struct configuration *configuration, const struct guest *guest,
                                     struct words *words, struct error *err)
{
    struct configuration all = {0};
    if (configuration_get(configuration, "hypervisor") == NULL) {
        TRY(configuration_set(&all, "hypervisor", guest->hypervisor, err));
        TRY(set_options(&all, guest->hypervisor_options, err));
    }
    for (unsigned i = 0; i < configuration->count; i++)
        if (strcmp(configuration->setting[i].name, "hypervisor") == 0 ||
            way_of(configuration->setting[i].name) == WAY_HYPERVISOR)
            TRY(configuration_set(&all, configuration->setting[i].name, configuration->setting[i].value,
                                  err));
    return add_hypervisor(&all, words, err);
}

/* Only what changes: the rest is in the recording. */
static enum status add_replay(const struct configuration *configuration, const struct guest *guest,
                              struct words *words, struct error *err)
{
    struct configuration costs = *configuration;
    words_add(words, "-replay");
    words_add(words, "%s", guest->recording);
    for (unsigned i = 0; i < configuration->count; i++) {
        const char *name = configuration->setting[i].name;
        const struct parameter *parameter = parameter_find(name);
        if (way_of(name) == WAY_GUEST || way_of(name) == WAY_FAR)
            return status_fail(err, STATUS_BAD_INPUT, "%s: what the guests do is in the recording", name);
        if (parameter == NULL || parameter->way != WAY_RUN || strcmp(name, "hypervisor") == 0)
            continue;
        words_add(words, "-%s", parameter->word);
        words_add(words, "%s", configuration->setting[i].value);
    }
    if (has_way(configuration, WAY_HYPERVISOR) || configuration_get(configuration, "hypervisor") != NULL)
        TRY(change_hypervisor(configuration, guest, words, err));
    if (configuration_get(configuration, "profile") == NULL)
        TRY(configuration_set(&costs, "profile", guest->profile, err));
    TRY(add_costs(&costs, words, err));
    if (has_way(configuration, WAY_NIC))
        add_network(configuration, words);
    return STATUS_OK;
}

enum status configuration_words(const struct configuration *configuration, const struct guest *guest,
                                const struct words *files, struct words *words, struct error *err)
{
    *words = (struct words){0};
    words_add(words, "crosspage");
    words_add(words, "run");
    enum status status = guest->recording != NULL ? STATUS_OK : check_far(configuration, err);
    if (status == STATUS_OK)
        status = (guest->recording != NULL ? add_replay : add_host)(configuration, guest, words, err);
    for (unsigned i = 0; files != NULL && i < files->count; i++)
        words_add(words, "%s", files->word[i]);
    if (status == STATUS_OK && guest->recording == NULL && far_machine(configuration) != NULL)
        status = add_far_host(configuration, guest, words, err);
    if (status != STATUS_OK)
        words_free(words);
    return status;
}

enum status configuration_min_size(const struct configuration *configuration, unsigned *min_size,
                                   struct error *err)
{
    enum {
        WITH_PAYLOAD = 100, /* a TCP segment without payload is a frame of at most 78 bytes */
        UDP_HEADERS = 14 + 20 + 8,
    };
    const char *given = configuration_get(configuration, "min-size"),
               *mode = configuration_get(configuration, "mode"),
               *write = configuration_get(configuration, "write");
    uint64_t value = WITH_PAYLOAD;
    if (given != NULL)
        TRY(options_parse_number(given, UINT16_MAX, &value, err));
    else if (mode != NULL && strcmp(mode, "udp") == 0 && write != NULL) {
        TRY(options_parse_size(write, 1, &value, err));
        value += UDP_HEADERS;
    }
    *min_size = (unsigned)(value > UINT16_MAX ? UINT16_MAX : value);
    return STATUS_OK;
}
