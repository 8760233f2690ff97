/* Where probed functions are (probe_priv.h): symbols of a file from the start; or those of the guest's
 * memory, once a Linux kernel is there. Modules of Linux bring theirs when do_init_module runs, with the
 * struct module as its argument: in EAX, or RDI (Linux x86 calling conventions). */
#include "vmm/probe_priv.h"

#include "base/check.h"
#include "base/host_file.h"
#include "cpu/probe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct target *place_of(const struct targets *targets, uint64_t address)
{
    size_t at = address * UINT64_C(0x9E3779B97F4A7C15) >> 40;
    const struct target *slot;
    do
        slot = &targets->slot[at++ % ARRAY_LEN(targets->slot)];
    while (slot->used && slot->address != address);
    return (struct target *)(uintptr_t)slot;
}

const struct target *targets_at(const struct targets *targets, uint64_t address)
{
    const struct target *target = place_of(targets, address);
    return target->kinds != 0 ? target : NULL;
}

/* NULL: there is no room. */
static struct target *add_target(struct targets *targets, uint64_t address, enum target_kind kind,
                                 uint32_t name)
{
    struct target *target = place_of(targets, address);
    if (!target->used) {
        if (targets->count == TARGETS_MAX || !cpu_probe_add(targets->cpu, address)) {
            targets->refused++;
            return NULL;
        }
        targets->count++;
        *target = (struct target){.address = address, .used = true};
    }
    target->kinds |= (uint8_t)kind;
    if (kind == TARGET_CALL)
        target->name = name;
    return target;
}

static void find_wanted(struct targets *targets, struct wanted *wanted)
{
    struct symbols *symbols = &targets->symbols;
    for (size_t i = 0; (i = symbols_find(symbols, wanted->name, i)) < symbols->count; i++) {
        if (wanted->number == 0)
            wanted->number = recorder_name(targets->recorder, wanted->name);
        wanted->found = true;
        add_target(targets, symbols->symbol[i].address, TARGET_CALL, wanted->number);
    }
}

/* By what is known now. */
static void find_all(struct targets *targets)
{
    struct symbols *symbols = &targets->symbols;
    for (unsigned i = 0; i < targets->wanted_count; i++)
        find_wanted(targets, &targets->wanted[i]);
    static const struct {
        const char *name;
        enum target_kind kind;
    } hooks[] = {{"__switch_to", TARGET_SWITCH}, {"do_init_module", TARGET_MODULE}};
    for (unsigned i = 0; i < ARRAY_LEN(hooks); i++) {
        size_t at = symbols_find(symbols, hooks[i].name, 0);
        if (at < symbols->count)
            add_target(targets, symbols->symbol[at].address, hooks[i].kind, 0);
    }
}

/* ---- What was asked for ---- */

static enum status add_address(struct targets *targets, const char *text, struct error *err)
{
    char *end, name[32];
    uint64_t address = strtoull(text, &end, 16);
    if (*end != 0 || end == text + 2)
        return status_fail(err, STATUS_BAD_INPUT, "-probe: '%s' is no address", text);
    const struct symbol *symbol = symbols_at(&targets->symbols, address);
    bool named = symbol != NULL && symbol->address == address;
    snprintf(name, sizeof name, "0x%" PRIx64, address);
    uint32_t number = recorder_name(targets->recorder, named ? symbol_name(&targets->symbols, symbol) : name);
    struct target *target = add_target(targets, address, TARGET_CALL, number);
    if (target == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "-probe: too many addresses, or '%s' cannot be one", text);
    target->fixed = true;
    return STATUS_OK;
}

static enum status add_wanted(struct targets *targets, const char *name, struct error *err)
{
    if (*name == 0)
        return status_fail(err, STATUS_BAD_INPUT, "-probe: a name is empty");
    if (strlen(name) >= SYMBOL_NAME_MAX)
        return status_fail(err, STATUS_BAD_INPUT, "-probe: a name is too long");
    if (strncmp(name, "0x", 2) == 0 || strncmp(name, "0X", 2) == 0)
        return add_address(targets, name, err);
    if (targets->wanted_count == WANTED_MAX)
        return status_fail(err, STATUS_BAD_INPUT, "-probe: at most %d functions", WANTED_MAX);
    strcpy(targets->wanted[targets->wanted_count++].name, name);
    return STATUS_OK;
}

static enum status parse_functions(struct targets *targets, const char *functions, struct error *err)
{
    char *copy = xstrdup(functions), *rest = copy, *name;
    enum status status = STATUS_OK;
    while (*copy != 0 && status == STATUS_OK && (name = strsep(&rest, ",")) != NULL)
        status = add_wanted(targets, name, err);
    free(copy);
    return status;
}

/* Whether the guest's kernel has symbols in its file, as Multiboot kernels do. */
static bool kernel_is_elf(const char *path)
{
    struct host_file file = {.fd = -1};
    struct error ignored;
    uint8_t head[32];
    if (path == NULL || host_file_open(&file, path, false, &ignored) != STATUS_OK)
        return false;
    bool elf = host_file_read(&file, 0, head, sizeof head) && symbols_is_elf(head, sizeof head);
    host_file_close(&file);
    return elf;
}

/* Functions that are in no file may still come with a module. */
static enum status check_found(struct targets *targets, const char *path, struct error *err)
{
    if (targets->from_guest || symbols_find(&targets->symbols, "do_init_module", 0) < targets->symbols.count)
        return STATUS_OK;
    for (unsigned i = 0; i < targets->wanted_count; i++)
        if (!targets->wanted[i].found)
            return status_fail(err, STATUS_BAD_INPUT, "-probe: '%s' has no function '%s'", path,
                               targets->wanted[i].name);
    return STATUS_OK;
}

enum status targets_create(struct targets *targets, const struct probe_config *config, struct host *host,
                           const struct machine_memory *machine, const char *kernel, struct error *err)
{
    targets->cpu = host->cpu;
    targets->recorder = host->recorder;
    targets->machine = machine;
    targets->hz = host->hz;
    targets->wanted = xcalloc(WANTED_MAX, sizeof *targets->wanted);
    const char *file = config->symbols;
    if (file == NULL && kernel_is_elf(kernel))
        file = kernel;
    if (file != NULL)
        TRY(symbols_load(&targets->symbols, file, err));
    targets->from_guest = file == NULL;
    targets->known = file != NULL;
    targets->next_look = targets->from_guest ? targets->hz / 20 : UINT64_MAX;
    TRY(parse_functions(targets, config->functions, err));
    if (targets->known)
        find_all(targets);
    return check_found(targets, file, err);
}

void targets_destroy(struct targets *targets)
{
    symbols_free(&targets->symbols);
    free(targets->wanted);
}

/* ---- While the guest runs ---- */

void targets_look(struct targets *targets)
{
    cycle_t now = targets->cpu->s.clock;
    if (now < targets->next_look)
        return;
    /* More and more seldom: there may never be any. */
    targets->next_look = now + now / 8 + targets->hz / 20;
    if (targets->cpu->paging.mode == PAGING_OFF ||
        !symbols_from_guest(&targets->symbols, targets->cpu, targets->machine))
        return;
    targets->known = true;
    targets->next_look = UINT64_MAX;
    find_all(targets);
}

void targets_module(struct targets *targets)
{
    const struct cpu *cpu = targets->cpu;
    if (targets->modules++ >= MODULES_MAX)
        return;
    uint64_t module = cpu->long64 ? cpu->s.gpr[RDI] : (uint32_t)cpu->s.gpr[RAX];
    if (symbols_from_module(&targets->symbols, targets->cpu, module))
        find_all(targets);
}

void targets_reset(struct targets *targets)
{
    if (!targets->from_guest || !targets->known)
        return;
    for (size_t i = 0; i < ARRAY_LEN(targets->slot); i++)
        if (!targets->slot[i].fixed)
            targets->slot[i].kinds = 0;
    symbols_free(&targets->symbols);
    targets->known = false;
    targets->next_look = targets->cpu->s.clock + targets->hz / 20;
}

uint32_t targets_name(struct targets *targets, uint64_t address)
{
    struct symbol *symbol = symbols_at(&targets->symbols, address);
    if (symbol == NULL)
        return 0;
    if (symbol->number == 0)
        symbol->number = recorder_name(targets->recorder, symbol_name(&targets->symbols, symbol));
    return symbol->number;
}
