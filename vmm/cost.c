/* Cost tables: the list of costs, and profiles read from text.
 *
 * A profile is INI text (inih):
 *
 *     [profile]     first; description, cpu_mhz, memory_mb, cpu_model, base, base_scale
 *     [insn]        CLASS = VALUE UNIT | STATUS | SOURCE, for each class of cpu/cost_class.def
 *     [cache]       key = VALUE UNIT | STATUS | SOURCE, for each "cache.key" of timing.def, or none of them
 *     [SECTION]     key = VALUE UNIT | STATUS | SOURCE, for each cost "section.key" of cost.def
 *
 * Numbers are decimal with up to six places and never pass through floating point, so a profile means the
 * same cycles everywhere.
 *
 * Invariants: (1) a table that was loaded has a value for every cost and class; (2) milli_cycles agrees with
 * picoseconds and cpu_hz wherever picoseconds is not 0; (3) steps[] repeats value[] for the recorder. */
#include "vmm/cost.h"

#include "base/host_file.h"
#include "base/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROFILE_MAX = 256 * 1024, /* bytes */
    BASE_DEPTH_MAX = 4,
    INSN_COST_MAX = 60000, /* cycles: what cpu_config can hold, with room for the kernel's multiplier */
};

static const struct {
    const char *name, *description;
    enum cost_unit unit;
    enum layer layer;
    int category;
} costs[COST_ID_COUNT] = {
#define COST(id, name, unit, layer, category, description)                                                   \
    {name, description, COST_##unit, LAYER_##layer, (int)CATEGORY_##category},
#include "vmm/cost.def"
#undef COST
};

static const char *const class_names[COST_CLASS_COUNT] = {
#define COST_CLASS(name, text) #name,
#include "cpu/cost_class.def"
#undef COST_CLASS
};

static const struct {
    const char *name, *description;
    enum timing_unit unit;
} timings[TIMING_COUNT] = {
#define TIMING(id, name, unit, description) {name, description, TIMING_UNIT_##unit},
#include "vmm/timing.def"
#undef TIMING
};

const char *timing_name(enum timing_id id)
{
    return timings[id].name;
}

const char *timing_description(enum timing_id id)
{
    return timings[id].description;
}

enum timing_unit timing_unit(enum timing_id id)
{
    return timings[id].unit;
}

const char *cost_name(enum cost_id id)
{
    return costs[id].name;
}

const char *cost_class_name(enum cost_class cls)
{
    return class_names[cls];
}

const char *cost_unit_name(enum cost_unit unit)
{
    static const char *const names[] = {"event", "byte", "page"};
    return names[unit];
}

const char *cost_status_name(enum cost_status status)
{
    static const char *const names[COST_STATUS_COUNT] = {"assumed",  "published",  "datasheet",
                                                         "measured", "calibrated", "overridden"};
    return status < COST_STATUS_COUNT ? names[status] : "?";
}

const char *cost_profile_name(unsigned index)
{
    return index < cost_profile_text_count ? cost_profile_texts[index].name : NULL;
}

/* ---- Steps for the recorder ---- */

static void fill_steps(struct cost_table *table)
{
    static const enum category by_cause[COST_CAUSE_COUNT] = {CATEGORY_HOST_OTHER, CATEGORY_LANCE_TX,
                                                             CATEGORY_LANCE_STATUS};
    uint16_t next = RECORDER_FIRST_COST + COST_ID_COUNT;
    for (unsigned id = 0; id < COST_ID_COUNT; id++) {
        bool varies = costs[id].category == (int)CATEGORY_BY_CAUSE;
        struct step_info step = {
            .name = costs[id].name,
            .description = costs[id].description,
            .layer = costs[id].layer,
            .category = varies ? by_cause[CAUSE_OTHER] : (enum category)costs[id].category,
            .unit = cost_unit_name(costs[id].unit),
            .source = table->value[id].source,
            .status = cost_status_name(table->value[id].status),
            .value = table->value[id].milli_cycles,
        };
        table->cycles[id] = step.value / 1000 + (step.value % 1000 != 0);
        table->steps[RECORDER_FIRST_COST + id] = step;
        table->variant[id] = varies ? next : 0;
        for (unsigned cause = 1; varies && cause < COST_CAUSE_COUNT; cause++) {
            step.category = by_cause[cause];
            table->steps[next++] = step;
        }
    }
}

/* ---- Numbers ---- */

/* "12.345678" in millionths; false when it is no such number. *end is left behind it. */
static bool parse_millionths(const char *text, const char **end, uint64_t *value)
{
    uint64_t whole = 0, fraction = 0, place = 1000000;
    const char *p = text;
    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p); p++) {
        whole = whole * 10 + (uint64_t)(*p - '0');
        if (whole > 1000000000)
            return false;
    }
    if (*p == '.') {
        for (p++; isdigit((unsigned char)*p); p++) {
            if (place == 1)
                return false;
            place /= 10;
            fraction += (uint64_t)(*p - '0') * place;
        }
    }
    *end = p;
    *value = whole * 1000000 + fraction;
    return true;
}

static uint64_t milli_from_picoseconds(uint64_t picoseconds, uint64_t hz)
{
    unsigned __int128 product = (unsigned __int128)picoseconds * hz;
    return (uint64_t)((product + 500000000) / 1000000000);
}

static void skip_blanks(const char **p)
{
    while (**p == ' ' || **p == '\t')
        (*p)++;
}

/* "VALUE UNIT" up to end or '|'. */
static enum status parse_amount(const char *text, const char **end, uint64_t hz, struct cost_value *out,
                                struct error *err)
{
    static const struct {
        const char *name;
        uint64_t picoseconds; /* per unit; 0 = cycles */
    } units[] = {{"cycles", 0}, {"ns", 1000}, {"us", 1000000}};
    uint64_t millionths;
    const char *p = text;
    skip_blanks(&p);
    if (!parse_millionths(p, &p, &millionths))
        return status_fail(err, STATUS_BAD_INPUT, "'%s': not a number with at most six decimal places", text);
    skip_blanks(&p);
    size_t length = strcspn(p, " \t|");
    uint64_t picoseconds = 0;
    bool known = length == 0;
    for (size_t i = 0; i < ARRAY_LEN(units) && !known; i++)
        if (strlen(units[i].name) == length && strncmp(p, units[i].name, length) == 0) {
            picoseconds = units[i].picoseconds;
            known = true;
        }
    if (!known)
        return status_fail(err, STATUS_BAD_INPUT, "'%s': unit must be cycles, ns or us", text);
    p += length;
    skip_blanks(&p);
    if (picoseconds > 0 && hz == 0)
        return status_fail(err, STATUS_BAD_INPUT, "a time stands before cpu_mhz in section [profile]");
    out->picoseconds = (uint64_t)((unsigned __int128)millionths * picoseconds / 1000000);
    out->milli_cycles = out->picoseconds ? milli_from_picoseconds(out->picoseconds, hz)
                        : picoseconds    ? 0
                                         : millionths / 1000;
    if (out->milli_cycles > UINT64_C(1000000000000))
        return status_fail(err, STATUS_BAD_INPUT, "'%s': more than 10^9 cycles", text);
    *end = p;
    return STATUS_OK;
}

/* "VALUE UNIT | STATUS | SOURCE" */
static enum status parse_value(const char *text, uint64_t hz, struct cost_value *out, struct error *err)
{
    struct cost_value value = {0};
    const char *p;
    TRY(parse_amount(text, &p, hz, &value, err));
    if (*p++ != '|')
        return status_fail(err, STATUS_BAD_INPUT, "'%s': expected VALUE UNIT | STATUS | SOURCE", text);
    skip_blanks(&p);
    size_t length = strcspn(p, " \t|");
    unsigned status = 0;
    while (status < COST_OVERRIDDEN && (strlen(cost_status_name((enum cost_status)status)) != length ||
                                        strncmp(cost_status_name((enum cost_status)status), p, length) != 0))
        status++;
    if (status == COST_OVERRIDDEN)
        return status_fail(err, STATUS_BAD_INPUT,
                           "'%s': status must be assumed, published, datasheet, measured or calibrated",
                           text);
    value.status = (enum cost_status)status;
    p += length;
    skip_blanks(&p);
    if (*p++ != '|')
        return status_fail(err, STATUS_BAD_INPUT, "'%s': no source given", text);
    skip_blanks(&p);
    if (*p == '\0' || strlen(p) >= sizeof value.source)
        return status_fail(err, STATUS_BAD_INPUT, "'%s': a source has 1 to %zu characters", text,
                           sizeof value.source - 1);
    memcpy(value.source, p, strlen(p) + 1);
    *out = value;
    return STATUS_OK;
}

/* ---- Loading ---- */

struct loader {
    struct cost_table *table;
    unsigned depth;
    bool has_base;
    uint64_t scale_milli;
    bool seen[COST_ID_COUNT], seen_insn[COST_CLASS_COUNT], seen_timing[TIMING_COUNT];
    enum status status; /* of the first line that failed */
    struct error error;
};

static enum status load(struct cost_table *table, const char *profile, unsigned depth, struct error *err);

/* Where a value is kept, and what says that it was given. */
struct slot {
    struct cost_value *value; /* NULL: there is no such name */
    bool *seen;               /* by this loader; NULL without one */
    bool *given;              /* by anybody; NULL where everything must be */
    bool is_count;
};

/* The slot of cost, class or geometry "section.key". */
static struct slot find_slot(struct cost_table *table, struct loader *loader, const char *name)
{
    bool is_insn = strncmp(name, "insn.", 5) == 0;
    for (unsigned i = 0; is_insn && i < COST_CLASS_COUNT; i++)
        if (strcmp(name + 5, class_names[i]) == 0)
            return (struct slot){&table->insn[i], loader ? &loader->seen_insn[i] : NULL, NULL, false};
    for (unsigned i = 0; !is_insn && i < COST_ID_COUNT; i++)
        if (strcmp(name, costs[i].name) == 0)
            return (struct slot){&table->value[i], loader ? &loader->seen[i] : NULL, NULL, false};
    for (unsigned i = 0; !is_insn && i < TIMING_COUNT; i++)
        if (strcmp(name, timings[i].name) == 0)
            return (struct slot){&table->timing[i], loader ? &loader->seen_timing[i] : NULL,
                                 &table->timing_given[i], timings[i].unit == TIMING_UNIT_COUNT};
    return (struct slot){NULL, NULL, NULL, false};
}

/* Does it fit there? */
static enum status check_slot(const struct slot *slot, const struct cost_value *value, const char *name,
                              struct error *err)
{
    if (strncmp(name, "insn.", 5) == 0 && value->milli_cycles > (uint64_t)INSN_COST_MAX * 1000)
        return status_fail(err, STATUS_BAD_INPUT, "'%s': an instruction takes at most %d cycles", name,
                           INSN_COST_MAX);
    if (slot->is_count && (value->picoseconds != 0 || value->milli_cycles % 1000 != 0))
        return status_fail(err, STATUS_BAD_INPUT, "'%s': not a whole number", name);
    return STATUS_OK;
}

static enum status unknown_cost(const char *name, struct error *err)
{
    char full[COST_CLASS_COUNT][32], hint[128];
    struct suggestion suggestion = suggestion_start(name);
    for (unsigned i = 0; i < COST_ID_COUNT; i++)
        suggestion_offer(&suggestion, costs[i].name);
    for (unsigned i = 0; i < COST_CLASS_COUNT; i++) {
        snprintf(full[i], sizeof full[i], "insn.%s", class_names[i]);
        suggestion_offer(&suggestion, full[i]);
    }
    for (unsigned i = 0; i < TIMING_COUNT; i++)
        suggestion_offer(&suggestion, timings[i].name);
    return status_fail(err, STATUS_BAD_INPUT, "unknown cost '%s'%s", name,
                       suggestion_text(&suggestion, hint, sizeof hint));
}

static void take_over(struct cost_value *to, const struct cost_value *from, const char *profile,
                      uint64_t scale_milli)
{
    to->milli_cycles = from->milli_cycles * scale_milli / 1000;
    to->picoseconds = 0;
    to->status = COST_ASSUMED;
    snprintf(to->source, sizeof to->source, "cycles of %.60s: %.80s", profile, from->source);
}

/* Take every value over from another profile, in cycles. */
static enum status inherit(struct loader *loader, const char *base, struct error *err)
{
    struct cost_table *table = loader->table, *other = malloc(sizeof *other);
    if (other == NULL)
        return status_fail(err, STATUS_NO_MEMORY, "no memory for a cost profile");
    enum status status = load(other, base, loader->depth + 1, err);
    if (status == STATUS_OK) {
        loader->has_base = true;
        for (unsigned i = 0; i < COST_ID_COUNT; i++)
            take_over(&table->value[i], &other->value[i], other->profile, loader->scale_milli);
        for (unsigned i = 0; i < COST_CLASS_COUNT; i++)
            take_over(&table->insn[i], &other->insn[i], other->profile, 1000);
        for (unsigned i = 0; i < TIMING_COUNT; i++) {
            take_over(&table->timing[i], &other->timing[i], other->profile, 1000);
            table->timing_given[i] = other->timing_given[i];
        }
    }
    free(other);
    return status;
}

static enum status profile_key(struct loader *loader, const char *key, const char *text, struct error *err)
{
    struct cost_table *table = loader->table;
    const char *end;
    uint64_t number;
    if (strcmp(key, "description") == 0) {
        snprintf(table->description, sizeof table->description, "%s", text);
        return STATUS_OK;
    }
    if (strcmp(key, "cpu_model") == 0) {
        snprintf(table->cpu_model, sizeof table->cpu_model, "%s", text);
        return STATUS_OK;
    }
    if (strcmp(key, "base") == 0)
        return inherit(loader, text, err);
    if (!parse_millionths(text, &end, &number) || *end != '\0' || number == 0)
        return status_fail(err, STATUS_BAD_INPUT, "%s: '%s' is not a positive number", key, text);
    if (strcmp(key, "cpu_mhz") == 0 && number <= UINT64_C(100000) * 1000000) {
        table->cpu_hz = number;
        return STATUS_OK;
    }
    if (strcmp(key, "memory_mb") == 0 && number <= UINT64_C(1048576) * 1000000) {
        table->memory_bytes = number / 1000000 * 1048576;
        return STATUS_OK;
    }
    if (strcmp(key, "base_scale") == 0 && number <= UINT64_C(1000) * 1000000) {
        if (loader->has_base)
            return status_fail(err, STATUS_BAD_INPUT, "base_scale must stand before base");
        loader->scale_milli = number / 1000;
        return STATUS_OK;
    }
    return status_fail(err, STATUS_BAD_INPUT, "section [profile]: unknown key or impossible value '%s = %s'",
                       key, text);
}

static enum status take_line(struct loader *loader, const char *section, const char *key, const char *text,
                             struct error *err)
{
    char name[96];
    struct cost_value value;
    if (strcmp(section, "profile") == 0)
        return profile_key(loader, key, text, err);
    snprintf(name, sizeof name, "%s.%s", section, key);
    const struct slot slot = find_slot(loader->table, loader, name);
    if (slot.value == NULL)
        return unknown_cost(name, err);
    if (*slot.seen)
        return status_fail(err, STATUS_BAD_INPUT, "'%s' is given twice", name);
    *slot.seen = true;
    TRY(parse_value(text, loader->table->cpu_hz, &value, err));
    TRY(check_slot(&slot, &value, name, err));
    *slot.value = value;
    if (slot.given != NULL)
        *slot.given = true;
    return STATUS_OK;
}

/* inih's callback: 0 is an error. */
static int ini_line(void *ctx, const char *section, const char *key, const char *text)
{
    struct loader *loader = ctx;
    if (loader->status != STATUS_OK)
        return 0;
    loader->status = take_line(loader, section, key, text, &loader->error);
    return loader->status == STATUS_OK;
}

static enum status check_complete(const struct loader *loader, struct error *err)
{
    const struct cost_table *table = loader->table;
    if (table->cpu_hz == 0 || table->memory_bytes == 0 || table->cpu_model[0] == '\0')
        return status_fail(err, STATUS_BAD_INPUT,
                           "section [profile] must give cpu_mhz, memory_mb and cpu_model");
    if (loader->has_base)
        return STATUS_OK;
    for (unsigned i = 0; i < COST_ID_COUNT; i++)
        if (!loader->seen[i])
            return status_fail(err, STATUS_BAD_INPUT, "cost '%s' is missing", costs[i].name);
    for (unsigned i = 0; i < COST_CLASS_COUNT; i++)
        if (!loader->seen_insn[i])
            return status_fail(err, STATUS_BAD_INPUT, "cost 'insn.%s' is missing", class_names[i]);
    return STATUS_OK;
}

static enum status parse_text(struct cost_table *table, const char *text, unsigned depth, struct error *err)
{
    struct loader loader = {.table = table, .depth = depth, .scale_milli = 1000};
    unsigned number = 1;
    /* inih cuts longer lines in two without a word. */
    for (const char *line = text; *line != '\0'; number++) {
        size_t length = strcspn(line, "\n");
        if (length >= INI_MAX_LINE - 2)
            return status_fail(err, STATUS_BAD_INPUT, "line %u is longer than %d characters", number,
                               INI_MAX_LINE - 3);
        line += length + (line[length] == '\n');
    }
    int bad_line = ini_parse_string(text, ini_line, &loader);
    if (loader.status != STATUS_OK)
        return status_fail(err, loader.status, "line %d: %s", bad_line, loader.error.text);
    if (bad_line != 0)
        return status_fail(err, STATUS_BAD_INPUT, "line %d: neither [section] nor key = value", bad_line);
    return check_complete(&loader, err);
}

/* A file's text, to be freed. */
static enum status read_profile(const char *path, char **text, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    TRY(host_file_load(path, PROFILE_MAX, &bytes, &size, err));
    if (memchr(bytes, '\0', size) != NULL) {
        free(bytes);
        return status_fail(err, STATUS_BAD_INPUT, "holds binary data: not a profile");
    }
    *text = (char *)bytes;
    return STATUS_OK;
}

static enum status unknown_profile(const char *profile, struct error *err)
{
    char hint[128], names[256] = "";
    struct suggestion suggestion = suggestion_start(profile);
    for (unsigned i = 0; i < cost_profile_text_count; i++) {
        suggestion_offer(&suggestion, cost_profile_texts[i].name);
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", cost_profile_texts[i].name);
    }
    return status_fail(err, STATUS_BAD_INPUT,
                       "unknown profile '%s'%s; built in are %s, or give the path of a file", profile,
                       suggestion_text(&suggestion, hint, sizeof hint), names);
}

static enum status load(struct cost_table *table, const char *profile, unsigned depth, struct error *err)
{
    struct error inner = {{0}};
    enum status status;
    memset(table, 0, sizeof *table);
    snprintf(table->profile, sizeof table->profile, "%s", profile);
    if (depth > BASE_DEPTH_MAX)
        return status_fail(err, STATUS_BAD_INPUT, "more than %d profiles stand on each other by 'base'",
                           BASE_DEPTH_MAX);
    const char *built_in = NULL;
    for (unsigned i = 0; i < cost_profile_text_count; i++)
        if (strcmp(profile, cost_profile_texts[i].name) == 0)
            built_in = cost_profile_texts[i].text;
    if (built_in != NULL) {
        status = parse_text(table, built_in, depth, &inner);
    } else {
        char *text = NULL;
        if (strpbrk(profile, "/.") == NULL)
            return unknown_profile(profile, err);
        status = read_profile(profile, &text, &inner);
        if (status == STATUS_OK)
            status = parse_text(table, text, depth, &inner);
        free(text);
    }
    if (status != STATUS_OK)
        return status_fail(err, status, "profile '%.100s': %.380s", profile, inner.text);
    return STATUS_OK;
}

enum status cost_table_load(struct cost_table *table, const char *profile, struct error *err)
{
    TRY(load(table, profile, 0, err));
    fill_steps(table);
    return STATUS_OK;
}

/* ---- Overrides ---- */

/* What was given as time stays that time. */
static void follow_clock(struct cost_value *value, uint64_t hz)
{
    if (value->picoseconds != 0)
        value->milli_cycles = milli_from_picoseconds(value->picoseconds, hz);
}

static enum status override_clock(struct cost_table *table, const char *text, struct error *err)
{
    const char *end;
    uint64_t hz;
    if (!parse_millionths(text, &end, &hz) || *end != '\0' || hz == 0 || hz > UINT64_C(100000) * 1000000)
        return status_fail(err, STATUS_BAD_INPUT, "cpu_mhz: '%s' is not a clock rate in MHz", text);
    table->cpu_hz = hz;
    for (unsigned i = 0; i < COST_ID_COUNT; i++)
        follow_clock(&table->value[i], hz);
    for (unsigned i = 0; i < TIMING_COUNT; i++)
        follow_clock(&table->timing[i], hz);
    return STATUS_OK;
}

enum status cost_table_override(struct cost_table *table, const char *assignment, struct error *err)
{
    char name[96];
    const char *equals = strchr(assignment, '='), *end;
    if (equals == NULL || (size_t)(equals - assignment) >= sizeof name)
        return status_fail(err, STATUS_BAD_INPUT, "-cost '%s': expected name=value", assignment);
    memcpy(name, assignment, (size_t)(equals - assignment));
    name[equals - assignment] = '\0';
    if (strcmp(name, "cpu_mhz") == 0) {
        TRY(override_clock(table, equals + 1, err));
    } else {
        const struct slot slot = find_slot(table, NULL, name);
        struct cost_value value = {0};
        if (slot.value == NULL)
            return unknown_cost(name, err);
        TRY(parse_amount(equals + 1, &end, table->cpu_hz, &value, err));
        if (*end != '\0')
            return status_fail(err, STATUS_BAD_INPUT, "-cost '%s': unexpected '%s'", assignment, end);
        TRY(check_slot(&slot, &value, assignment, err));
        value.status = COST_OVERRIDDEN;
        snprintf(value.source, sizeof value.source, "-cost %s", assignment);
        *slot.value = value;
        if (slot.given != NULL)
            *slot.given = true;
    }
    fill_steps(table);
    return STATUS_OK;
}

/* ---- Instruction classes ---- */

void cost_table_cpu(const struct cost_table *table, unsigned kernel_milli, uint16_t cost[2][COST_CLASS_COUNT])
{
    for (unsigned i = 0; i < COST_CLASS_COUNT; i++) {
        unsigned __int128 milli = table->insn[i].milli_cycles;
        uint64_t kernel = (uint64_t)((milli * (kernel_milli ? kernel_milli : 1000) + 500000) / 1000000);
        uint64_t user = (uint64_t)((milli + 500) / 1000);
        cost[0][i] = (uint16_t)(kernel > UINT16_MAX ? UINT16_MAX : kernel);
        cost[1][i] = (uint16_t)(user > UINT16_MAX ? UINT16_MAX : user);
        /* Time must pass, whatever a profile says: a guest's endless loop has to reach the next event. */
        cost[0][i] += cost[0][i] == 0;
        cost[1][i] += cost[1][i] == 0;
    }
}
