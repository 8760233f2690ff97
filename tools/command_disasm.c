/* crosspage disasm: bytes given in hex, through the same Capstone path as the logs. */
#include "tools/options.h"

#include "cpu/disasm.h"
#include "cpu/insn.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { BYTES_MAX = 4096 };

struct disasm_options {
    unsigned mode; /* enum cpu_mode */
    uint64_t address;
    uint8_t bytes[BYTES_MAX];
    size_t count;
    bool help;
};

static enum status set_mode(void *target, const char *arg, struct error *err)
{
    struct disasm_options *options = target;
    options->mode = strcmp(arg, "16") == 0 ? MODE_CODE16 : strcmp(arg, "32") == 0 ? MODE_CODE32 : MODE_CODE64;
    return options->mode != MODE_CODE64 || strcmp(arg, "64") == 0
               ? STATUS_OK
               : status_fail(err, STATUS_BAD_INPUT, "the code sizes are 16, 32 and 64");
}

static enum status set_address(void *target, const char *arg, struct error *err)
{
    return options_parse_number(arg, UINT64_MAX, &((struct disasm_options *)target)->address, err);
}

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static enum status add_hex(void *target, const char *word, struct error *err)
{
    struct disasm_options *options = target;
    for (; *word != '\0'; word += 2) {
        if (!isxdigit((unsigned char)word[0]) || !isxdigit((unsigned char)word[1]))
            return status_fail(err, STATUS_BAD_INPUT, "'%s' is no sequence of hexadecimal bytes", word);
        if (options->count == BYTES_MAX)
            return status_fail(err, STATUS_BAD_INPUT, "more than %d bytes", BYTES_MAX);
        options->bytes[options->count++] = (uint8_t)(digit(word[0]) << 4 | digit(word[1]));
    }
    return STATUS_OK;
}

static const struct option disasm_option_table[] = {
    {"m", "16|32|64", set_mode, "code size (default 64)", 0},
    {"address", "N", set_address, "address of the first byte", 0},
    {"help", NULL, NULL, "list the options", offsetof(struct disasm_options, help)},
    {0},
};

int command_disasm(int argc, char **argv)
{
    struct disasm_options options = {.mode = MODE_CODE64};
    struct error err;
    if (options_parse(disasm_option_table, &options, argc, argv, add_hex, &err) != STATUS_OK)
        return usage_error(&err);
    if (options.help) {
        puts("usage: crosspage disasm [OPTIONS] HEX...\n");
        options_print_help(disasm_option_table);
        return 0;
    }
    for (size_t at = 0; at < options.count;) {
        char text[DISASM_TEXT];
        unsigned length =
            disasm_insn(options.mode, options.bytes + at, options.count - at, options.address + at, text);
        printf("%08llx  %s\n", (unsigned long long)(options.address + at), text);
        at += length ? length : 1;
    }
    return 0;
}
