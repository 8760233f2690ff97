/* The configuration of one run: settings name=value, by name. A name is a parameter (parameter.def), a cost,
 * or an option of the hypervisor; a value is what the command line of `crosspage run` takes. A cost and
 * `switch` and `cpu_mhz` also take a percentage: of the profile's value.
 *
 * far=MACHINE (machine.def) puts a second host at the other end of the wire in place of the scripted peer;
 * far.NAME is the setting NAME of that host.
 *
 * Equal configurations have equal texts, whatever the order in which they were set. */
#ifndef CROSSPAGE_TOOLS_LABORATORY_CONFIGURATION_H
#define CROSSPAGE_TOOLS_LABORATORY_CONFIGURATION_H

#include "base/status.h"

enum {
    SETTING_NAME = 40,
    SETTING_VALUE = 64,
    SETTINGS_MAX = 48,
    CONFIGURATION_TEXT = SETTINGS_MAX * (SETTING_NAME + SETTING_VALUE + 2)
};

struct setting {
    char name[SETTING_NAME], value[SETTING_VALUE];
};

struct configuration {
    unsigned count;
    struct setting setting[SETTINGS_MAX]; /* in order of their names */
};

/* What a run needs that is not in its configuration: the guest's files. */
struct guest {
    bool linux_kernel; /* a Linux kernel with the initramfs of tools/mkinitramfs, else the embedded guest */
    const char *kernel, *initrd;
    const char *far_kernel; /* the embedded guest, for a second host; NULL: not found */
    const char *words;      /* of its command line, before those of the configuration; NULL: the usual ones */
    /* Or, instead of all that, a run that was recorded (docs/replay.md), and what it had. */
    const char *recording, *profile, *hypervisor, *hypervisor_options;
};

/* NULL when it is not set. */
const char *configuration_get(const struct configuration *configuration, const char *name);
enum status configuration_set(struct configuration *configuration, const char *name, const char *value,
                              struct error *err) MUST_CHECK;
/* Settings separated by blanks: name=value, or @NAME of machine.def. */
enum status configuration_apply(struct configuration *configuration, const char *settings,
                                struct error *err) MUST_CHECK;
/* "name=value name=value ...". Returns `text`. */
const char *configuration_text(const struct configuration *configuration, char text[CONFIGURATION_TEXT]);

/* Is there a parameter, cost or hypervisor option of this name (in any hypervisor)? */
enum status configuration_known(const char *name, struct error *err) MUST_CHECK;

struct words {
    unsigned count;
    char *word[192]; /* ends with NULL */
};
/* Can the guest do that? */
enum status configuration_suits(const struct configuration *configuration, const struct guest *guest,
                                struct error *err) MUST_CHECK;

/* The words of `crosspage run` that the configuration means, with `files` (NULL: none) among the first
 * host's. An option that the hypervisor does not have is an error. */
enum status configuration_words(const struct configuration *configuration, const struct guest *guest,
                                const struct words *files, struct words *words, struct error *err) MUST_CHECK;
void words_add(struct words *words, const char *format, ...) PRINTF(2, 3);
void words_free(struct words *words);

/* The size from which a frame is a data packet, for `report -min-size`. */
enum status configuration_min_size(const struct configuration *configuration, unsigned *min_size,
                                   struct error *err) MUST_CHECK;

const char *machine_title(const char *name); /* NULL: no such machine */
void configuration_list(void);               /* machines and parameters, for -help */

#endif
