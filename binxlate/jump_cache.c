/* The jump cache: from where the guest jumps to, to host code, in translated code itself.
 *
 * A slot is chosen by the low bits of the target. Its key matches when target + salt + key is zero; the salt
 * stands for all that the meaning of a target depends on: CPU mode, base of CS, and which page the target's
 * linear page is. Each combination gets a number, the space, that is put above the bits that canonical
 * addresses differ in; so two spaces never share a sum. When a code page's mapping is dropped (tlb.code_epoch
 * of the mode's privilege) the mode gets a new number; when numbers run out, the cache is cleared.
 *
 * Invariant: a key that matches under the present salt belongs to a unit that block_at_rip() would find for
 * the target, with no page walk. */
#include "binxlate/priv.h"

/* No target of slot `n` can match it: the low bits of the sum are not zero. */
static uint64_t no_key(uint64_t n)
{
    return 0 - (n ^ 1);
}

void jump_cache_clear(struct translator *t)
{
    for (uint64_t n = 0; n < JUMP_SLOTS; n++)
        t->frame->jump_key[n] = no_key(n);
    memset(t->space, 0, sizeof t->space);
    t->spaces = 0;
}

void jump_cache_salt(struct translator *t)
{
    const struct cpu *cpu = t->cpu;
    uint64_t epoch = cpu->tlb.code_epoch[cpu->cpl == 3], base = cpu->seg_base[CS];
    struct jump_space *space = &t->space[cpu->mode];
    if (UNLIKELY(space->number == 0 || space->epoch != epoch || space->base != base)) {
        if (t->spaces == UINT16_MAX)
            jump_cache_clear(t);
        *space = (struct jump_space){.epoch = epoch, .base = base, .number = ++t->spaces};
    }
    t->frame->salt = (uint64_t)space->number << JUMP_KEY_SHIFT;
}

void jump_cache_add(struct translator *t, const struct translation_unit *unit)
{
    uint64_t name = jump_name(unit->block->mode, unit->rip), slot = name % JUMP_SLOTS;
    t->frame->jump_key[slot] = 0 - (name + t->frame->salt);
    t->frame->jump_host[slot] = (uintptr_t)(t->code.execute + unit->entry);
}

bool jump_cache_find(const struct translator *t, uint32_t *at)
{
    uint64_t name = jump_name(t->cpu->mode, t->cpu->s.rip), slot = name % JUMP_SLOTS;
    if (t->frame->jump_key[slot] + name + t->frame->salt != 0)
        return false;
    *at = (uint32_t)(t->frame->jump_host[slot] - (uintptr_t)t->code.execute);
    return true;
}

void jump_cache_remove(struct translator *t, const struct translation_unit *unit)
{
    uint64_t slot = unit->rip % JUMP_SLOTS;
    if (t->frame->jump_host[slot] == (uintptr_t)(t->code.execute + unit->entry))
        t->frame->jump_key[slot] = no_key(slot);
}
