/* Names of the guest's functions, from a file (ELF, System.map, /proc/kallsyms) or from the tables that a
 * Linux kernel and its modules carry in the guest's memory.
 *
 * Files and the guest's memory are input: whatever they hold, the result is symbols or an error. Only
 * functions are kept (code labels of assembly included). */
#ifndef CROSSPAGE_VMM_SYMBOLS_H
#define CROSSPAGE_VMM_SYMBOLS_H

#include "cpu/cpu.h"

enum { SYMBOL_NAME_MAX = 512 };

struct symbol {
    uint64_t address; /* linear */
    uint32_t name;    /* where it is in `names` */
    uint32_t number;  /* the user's; 0 at first */
};

struct symbols {
    size_t count, room;
    struct symbol *symbol;
    size_t name_bytes, name_room;
    char *names;
    bool sorted; /* by address */
};

void symbols_free(struct symbols *symbols);
/* A function; at most SYMBOL_NAME_MAX - 1 bytes of the name are kept. */
void symbols_add(struct symbols *symbols, uint64_t address, const char *name, size_t bytes);
/* The function that an address is in, or NULL; good until symbols are added. */
struct symbol *symbols_at(struct symbols *symbols, uint64_t address);
static inline const char *symbol_name(const struct symbols *symbols, const struct symbol *symbol)
{
    return symbols->names + symbol->name;
}
/* The first function from index `from` on that is called `name`, or that the compiler made of it (name.isra.0
 * and the like, but not the part that it moved out of the way); symbols->count: there is none. */
size_t symbols_find(struct symbols *symbols, const char *name, size_t from);

/* ---- Sources; those that return bool find nothing, or add all there is ---- */

/* A file of any kind. */
enum status symbols_load(struct symbols *symbols, const char *path, struct error *err) MUST_CHECK;
bool symbols_is_elf(const uint8_t *bytes, size_t size);
enum status symbols_from_elf(struct symbols *symbols, const uint8_t *bytes, size_t size, const char *path,
                             struct error *err) MUST_CHECK;
enum status symbols_from_text(struct symbols *symbols, const char *text, size_t size, const char *path,
                              struct error *err) MUST_CHECK;

/* The tables of Linux's kallsyms in an image of memory that holds them; `word` is the size of a kernel's
 * pointer. *base: an address that the kernel's own mapping has. */
bool symbols_from_kallsyms(struct symbols *symbols, const uint8_t *bytes, size_t size, unsigned word,
                           uint64_t *base) MUST_CHECK;
/* The same, in the memory of a guest that runs that kernel now. */
bool symbols_from_guest(struct symbols *symbols, struct cpu *cpu,
                        const struct machine_memory *machine) MUST_CHECK;
/* The functions of a Linux module, whose struct module is at a linear address. */
bool symbols_from_module(struct symbols *symbols, struct cpu *cpu, uint64_t module) MUST_CHECK;

/* Bytes of a kernel's pointer in the present mode. */
unsigned symbols_word(const struct cpu *cpu);

#endif
