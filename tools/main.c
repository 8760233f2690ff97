/* The crosspage command: finds the subcommand. Only tools/ prints and exits. */
#include "tools/options.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct command commands[] = {
    {"run", command_run, "boot a guest"},
    {"report", command_report, "receipts, breakdown and exports of a trace"},
    {"experiment", command_experiment, "reproduce the paper's figures, sweep parameters, ask what if"},
    {"disasm", command_disasm, "disassemble bytes"},
    {"costs", command_costs, "list every cost of a profile with its source and status"},
    {"help", command_help, "this text, or the options of a command"},
};

static int unknown_command(const char *name)
{
    const char *names[ARRAY_LEN(commands)];
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
        names[i] = commands[i].name;
    const char *near = suggest(name, names, ARRAY_LEN(commands));
    struct error err;
    if (near != NULL)
        status_fail(&err, STATUS_BAD_INPUT, "unknown command '%s'; did you mean '%s'?", name, near);
    else
        status_fail(&err, STATUS_BAD_INPUT, "unknown command '%s'; 'crosspage help' lists them", name);
    return usage_error(&err);
}

static void print_overview(void)
{
    puts("crosspage " CROSSPAGE_VERSION ": a deterministic x86 PC with a price tag on every cycle\n\n"
         "usage: crosspage COMMAND [OPTIONS]\n");
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].help);
    puts("\n'crosspage help COMMAND' lists a command's options. Manual: man crosspage");
}

int command_help(int argc, char **argv)
{
    if (argc == 0) {
        print_overview();
        return 0;
    }
    char help[] = "-help";
    char *words[] = {help, NULL};
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, argv[0]) == 0 && commands[i].run != command_help)
            return commands[i].run(1, words);
    return unknown_command(argv[0]);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_overview();
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "-h") == 0 || strcmp(name, "-help") == 0 || strcmp(name, "--help") == 0)
        return command_help(0, NULL);
    if (strcmp(name, "-version") == 0 || strcmp(name, "--version") == 0) {
        puts("crosspage " CROSSPAGE_VERSION);
        return 0;
    }
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    return unknown_command(name);
}
