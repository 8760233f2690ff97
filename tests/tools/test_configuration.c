/* Configurations of experiments, and the command lines they mean. */
#include "tools/laboratory/configuration.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct guest nettest = {.kernel = "nettest.elf", .far_kernel = "far.elf"};
static const struct guest debian = {.kernel = "vmlinuz", .initrd = "initrd", .linux_kernel = true};

/* The command line of settings, or "!" and the error. */
static const char *command(const char *settings, const struct guest *guest, char *out, size_t size)
{
    struct configuration configuration = {0};
    struct words words;
    struct error err;
    if (configuration_apply(&configuration, settings, &err) != STATUS_OK ||
        configuration_words(&configuration, guest, NULL, &words, &err) != STATUS_OK) {
        snprintf(out, size, "!%s", err.text);
        return out;
    }
    *out = '\0';
    for (unsigned i = 0; i < words.count; i++)
        snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? " " : "", words.word[i]);
    words_free(&words);
    return out;
}

static void expect(const char *settings, const char *pattern)
{
    char text[2048];
    command(settings, &nettest, text, sizeof text);
    cr_expect(strstr(text, pattern) != NULL, "%s: '%s' lacks '%s'", settings, text, pattern);
}

/* The order of settings does not matter, the later of two of one name counts. */
Test(configuration, text)
{
    struct configuration a = {0}, b = {0};
    char one[CONFIGURATION_TEXT], other[CONFIGURATION_TEXT];
    struct error err;
    cr_assert_eq(configuration_apply(&a, "write=1 total=2M switch.cr3=1us", &err), STATUS_OK);
    cr_assert_eq(configuration_apply(&b, "switch.cr3=9us total=2M  write=1 switch.cr3=1us ", &err),
                 STATUS_OK);
    cr_expect_str_eq(configuration_text(&a, one), "switch.cr3=1us total=2M write=1");
    cr_expect_str_eq(configuration_text(&b, other), one);
    cr_expect_str_eq(configuration_get(&a, "total"), "2M");
    cr_expect_null(configuration_get(&a, "profile"));
}

Test(configuration, words)
{
    expect("profile=pc-350", "run -profile pc-350 ");
    expect("hypervisor=none", "-hypervisor none -nic peer ");
    expect("hypervisor=workstation irq-notify=off version=optimized",
           "-hypervisor workstation,version=optimized,irq-notify=off ");
    expect("rate=1000 delay=5", "-nic peer,delay=5,rate=1000 ");
    expect("memory=64", "-m 64 ");
    expect("write=512 mode=udp", "-append exit=acpi mode=udp write=512");
    expect("vmnet.copy=2.5ns", "-cost vmnet.copy=2.5ns");
    expect("insn.MUL=9", "-cost insn.MUL=9");
    expect("@native-350 write=8", "-profile pc-350 -hypervisor none ");
}

/* The second host's options follow the first one's. */
Test(configuration, far_host)
{
    char text[2048];
    expect("@2.0-733 far=native-350 total=1M",
           " -- -m 64 -profile pc-350 -hypervisor none -nic peer -kernel far.elf -append exit=acpi "
           "ip=10.0.0.2 peer=10.0.0.1 mode=serve total=1M -no-reboot");
    expect(
        "mode=recv far=2.0-733 far.switch.cold=1 far.halt=spin",
        "-hypervisor workstation,halt=spin -cost switch.cold=1 -nic peer -kernel far.elf -append exit=acpi "
        "ip=10.0.0.2 peer=10.0.0.1 mode=source");
    expect("@2.0-733 net=nat far=native-350", " ip=10.0.0.2 peer=10.0.0.254 mode=serve");
    cr_expect_null(strstr(command("far=peer", &nettest, text, sizeof text), "--"));
    command("far.halt=spin", &nettest, text, sizeof text);
    cr_expect(strstr(text, "!far.halt: the other end") != NULL, "%s", text);
    command("far=native-350 latency=5", &nettest, text, sizeof text);
    cr_expect(strstr(text, "!latency is the scripted peer's") != NULL, "%s", text);
    command("far=native-350 lose=5", &nettest, text, sizeof text);
    cr_expect(strstr(text, "!lose is the scripted peer's") != NULL, "%s", text);
    command("far=frob", &nettest, text, sizeof text);
    cr_expect(strstr(text, "!no machine is called 'frob'") != NULL, "%s", text);
}

/* Percentages are of the profile's values; the clock comes first, single costs after `switch`. */
Test(configuration, relative_costs)
{
    expect("profile=pc-733 switch.cr3=200%", "-cost switch.cr3=80.000cycles");
    expect("profile=pc-733 switch.cr3=0%", "-cost switch.cr3=0.000cycles");
    expect("profile=pc-733 cpu_mhz=50%", "-cost cpu_mhz=366.500000");
    expect("profile=pc-733 switch=8.9us",
           "-cost switch.if=51.966cycles -cost switch.code=499.671cycles -cost switch.save=39.974cycles");
    expect("profile=pc-733 switch=50% switch.cr3=7 cpu_mhz=733", "-cost cpu_mhz=733 -cost switch.if=13.000");
    expect("profile=pc-733 switch=50% switch.cr3=7", "switch.rest=763.000cycles -cost switch.cr3=7 ");
}

Test(configuration, linux_guest)
{
    char text[2048];
    command("total=1M write=512", &debian, text, sizeof text);
    cr_expect(strstr(text, "-kernel vmlinuz -initrd initrd -append ") != NULL, "%s", text);
    cr_expect(strstr(text, " cp.run=nettest cp.total=1M cp.write=512 ") != NULL, "%s", text);
    command("txring=4", &debian, text, sizeof text);
    cr_expect_str_eq(text, "!the Linux guest has no txring=4");
}

Test(configuration, refused)
{
    expect("profile", "!'profile': expected name=value");
    expect("a=b,c", "!'a=b,c': expected name=value");
    expect("=b", "!'=b': expected name=value");
    expect("@nothing", "!no machine is called 'nothing'");
    expect("hypervisor=xyzzy", "!unknown hypervisor 'xyzzy'");
    expect("hypervisor=none version=2.0", "!-hypervisor none of this program has no option 'version'");
    expect("hypervisor=workstation teleport=on",
           "!-hypervisor workstation of this program has no option 'teleport' (wanted: teleport=on)");
    expect("profile=pc-999 switch=1us", "!");
    expect("switch=fast", "!");
    expect("cpu_mhz=never", "!cpu_mhz: 'never'");
}

Test(configuration, known)
{
    struct error err;
    static const char *const names[] = {"write", "switch", "switch.cr3", "insn.MUL", "cpu_mhz", "io-in-vmm"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        cr_expect_eq(configuration_known(names[i], &err), STATUS_OK, "%s", names[i]);
    cr_expect_neq(configuration_known("switch.cr4", &err), STATUS_OK);
    cr_expect(strstr(err.text, "did you mean 'switch.cr3'?") != NULL, "%s", err.text);
}

Test(configuration, too_many)
{
    struct configuration configuration = {0};
    struct error err;
    enum status status = STATUS_OK;
    unsigned i = 0;
    for (; status == STATUS_OK && i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%u", i);
        status = configuration_set(&configuration, name, "1", &err);
    }
    cr_expect_eq(i, SETTINGS_MAX + 1);
}

Test(configuration, min_size)
{
    struct error err;
    unsigned size;
    static const struct {
        const char *settings;
        unsigned size;
    } rows[] = {{"mode=send write=4096", 100},
                {"mode=udp write=18", 60},
                {"mode=udp write=1k", 1066},
                {"min-size=7", 7}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct configuration configuration = {0};
        cr_assert_eq(configuration_apply(&configuration, rows[i].settings, &err), STATUS_OK);
        cr_assert_eq(configuration_min_size(&configuration, &size, &err), STATUS_OK);
        cr_expect_eq(size, rows[i].size, "%s: %u", rows[i].settings, size);
    }
}
