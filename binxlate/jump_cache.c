/* The jump cache: from where the guest jumps to, to host code, in translated code itself.
 *
 * What the meaning of a target depends on: CPU mode, base of CS, and which page the target's linear page is.
 * Each combination gets a number, the space. When a code page's mapping is dropped (tlb.code_epoch of the
 * mode's privilege) the mode gets a new number; when numbers run out, the cache is cleared.
 *
 * Direct jumps, whose target is known to be canonical: the slot is chosen by the target, and its key matches
 * when target + salt + key is zero. The salt is the number, above the bits that canonical addresses differ
 * in, so two spaces never share a sum. Indirect jumps may go anywhere, so a key is the target alone, and the
 * number takes part in the choice of the slot: the same target has another slot in each space.
 *
 * Slots are chosen by low bits of the target, with those above added: functions start at multiples of 16.
 *
 * Invariant: a key that matches in the present space belongs to a unit that block_at_rip() would find for the
 * target, with no page walk. */
#include "binxlate/priv.h"

static uint64_t indirect_slot(uint64_t name, uint64_t number)
{
    return (jump_slot(name) + number) % JUMP_SLOTS;
}

/* Of a direct slot: no canonical target matches it, because there is no number 0. */
enum { NO_KEY = 0 };

/* Of indirect slot `n`: what has this slot under number 0 only. */
static uint64_t no_key(uint64_t n)
{
    uint64_t page = (n - ((n & 15) << PAGE_SHIFT)) % JUMP_SLOTS;
    return 0 - (page << PAGE_SHIFT);
}

void jump_cache_clear(struct translator *t)
{
    for (uint64_t n = 0; n < JUMP_SLOTS; n++) {
        t->frame->direct.key[n] = NO_KEY;
        t->frame->indirect.key[n] = no_key(n);
    }
    memset(t->space, 0, sizeof t->space);
    t->spaces = 0;
}

void jump_cache_salt(struct translator *t)
{
    const struct cpu *cpu = t->cpu;
    uint64_t epoch = cpu->tlb.code_epoch[cpu->cpl == 3], base = cpu->seg_base[CS];
    struct jump_space *space = &t->space[(cpu->mode ^ base >> 4) % JUMP_SPACES];
    if (UNLIKELY(space->number == 0 || space->epoch != epoch || space->base != base ||
                 space->mode != cpu->mode)) {
        if (t->spaces == UINT16_MAX)
            jump_cache_clear(t);
        *space = (struct jump_space){.epoch = epoch, .base = base, .mode = cpu->mode, .number = ++t->spaces};
    }
    if (cpu->cpl != 3)
        sites_check_pages(t, base == 0 ? epoch : PAGES_APART);
    t->frame->number = space->number;
    t->frame->salt = (uint64_t)space->number << JUMP_KEY_SHIFT;
}

static void put(struct jump_table *table, uint64_t slot, uint64_t key, uint64_t host)
{
    table->key[slot] = key;
    table->host[slot] = host;
}

void jump_cache_add(struct translator *t, const struct translation_unit *unit, bool direct)
{
    struct xlat_frame *frame = t->frame;
    uint64_t name = jump_name(unit->block->mode, unit->rip);
    uint64_t host = (uintptr_t)(t->code.execute + unit->entry);
    if (direct)
        put(&frame->direct, jump_slot(name), 0 - (name + frame->salt), host);
    else
        put(&frame->indirect, indirect_slot(name, frame->number), 0 - name, host);
}

bool jump_cache_find(const struct translator *t, uint32_t *at)
{
    const struct jump_table *table = &t->frame->indirect;
    uint64_t name = jump_name(t->cpu->mode, t->cpu->s.rip), slot = indirect_slot(name, t->frame->number);
    if (table->key[slot] + name != 0)
        return false;
    *at = (uint32_t)(table->host[slot] - (uintptr_t)t->code.execute);
    return true;
}

/* If it is under an older number nothing finds it any more. */
void jump_cache_remove(struct translator *t, const struct translation_unit *unit)
{
    struct jump_table *direct = &t->frame->direct, *indirect = &t->frame->indirect;
    uint64_t name = jump_name(unit->block->mode, unit->rip), slot = jump_slot(name);
    uint64_t host = (uintptr_t)(t->code.execute + unit->entry);
    if (direct->host[slot] == host)
        direct->key[slot] = NO_KEY;
    slot = indirect_slot(name, t->space[unit->block->mode].number);
    if (indirect->host[slot] == host)
        indirect->key[slot] = no_key(slot);
}
