/* An access that tries the page it hit last time before it asks the map of the soft TLB (binxlate/near.c).
 *
 * A lookup in the map costs eight instructions, but above all it lies between the address and the data: the
 * addend is known only when the address is. Here both come from a fixed place, at once.
 *
 *   mov   rcx, [frame + near_key]            -(the page's linear address)
 *   mov   t1, [frame + near_addend]
 *   lea   rcx, [rcx + address]               offset in the page, if it is the same
 *   pext  rcx, rcx, [frame + near_mask]      zero: it is, and aligned, so the access ends in the page
 *   jrcxz hit
 *   jmp   miss
 *   hit: [address + t1]
 */
#include "binxlate/x64/x64.h"

static unsigned log2_of(unsigned size)
{
    return (unsigned)__builtin_ctz(size);
}

bool x64_near_usable(const struct x64_unit *x, unsigned size)
{
    bool power = size != 0 && (size & (size - 1)) == 0 && log2_of(size) < NEAR_SIZES;
    return power && (x64_is_user(x) || x->copies > 1) && path_on(x->t, PATH_NEAR) &&
           (x->block->far >> x->insn->position & 1) == 0 && x->nears < ARRAY_LEN(x->near);
}

/* Accesses off the same registers have a near page together, as have the copies of an instruction. */
static bool are_alike(const struct x64_near *a, const struct x64_near *b)
{
    if (a->write != b->write || a->address != b->address)
        return false;
    if (a->insn == b->insn || a->address != X_T0)
        return true;
    return a->insn->base == b->insn->base && a->insn->index == b->insn->index && a->insn->base < GPR_COUNT;
}

static unsigned page_for(struct x64_unit *x, const struct x64_near *near)
{
    for (const struct x64_near *other = x->near; other < near; other++)
        if (are_alike(near, other))
            return other->page;
    return x->t->near_next++ % NEAR_PAGES;
}

static struct x64_mem field(const struct x64_unit *x, const struct x64_near *near, size_t member)
{
    unsigned kind = 2 * x64_is_user(x) + near->write;
    return x64_frame_field(member + (kind * NEAR_PAGES + near->page) * sizeof(uint64_t));
}

static struct x64_mem key_field(const struct x64_unit *x, const struct x64_near *near)
{
    return field(x, near, offsetof(struct xlat_frame, near_key));
}

static struct x64_mem addend_field(const struct x64_unit *x, const struct x64_near *near)
{
    return field(x, near, offsetof(struct xlat_frame, near_addend));
}

struct x64_mem x64_near_probe(struct x64_unit *x, unsigned address, unsigned size, enum access access,
                              bool aligned)
{
    struct x64_asm *a = &x->a;
    struct x64_near *near = &x->near[x->nears++];
    size_t mask = offsetof(struct xlat_frame, near_mask) + log2_of(size) * sizeof(uint64_t);
    *near = (struct x64_near){
        .insn = x->insn,
        .address = (uint8_t)address,
        .size = (uint8_t)size,
        .write = access != ACCESS_READ,
        .aligned = aligned,
    };
    near->page = (uint16_t)page_for(x, near);
    x64_load(a, 8, X_TEST, key_field(x, near));
    x64_load(a, 8, X_T1, addend_field(x, near));
    x64_lea(a, 8, X_TEST, x64_indexed(X_TEST, address, 0, 0));
    x64_pext_mem(a, 8, X_TEST, X_TEST, x64_frame_field(mask));
    uint8_t *hit = x64_jrcxz8(a);
    near->miss = x64_jmp32(a);
    x64_here8(a, hit);
    near->hit = a->at;
    x->memory = true;
    return x64_indexed(address, X_T1, 0, 0);
}

void x64_near_site(struct x64_unit *x, uint32_t site)
{
    for (; x->nears_placed < x->nears; x->nears_placed++) {
        x->near[x->nears_placed].site = site;
        x->near[x->nears_placed].note = x->stub_note;
    }
}

/* What the map says, to the near page. Each NEAR_SAMPLE-th time as if the map had not known. */
static void emit_miss(struct x64_unit *x, const struct x64_near *near)
{
    struct x64_asm *a = &x->a;
    enum access access = near->write ? ACCESS_WRITE : ACCESS_READ;
    struct x64_mem filled = FRAME_FIELD(near_filled);
    filled.index = X_TEST;
    x64_here32(a, near->miss);
    x64_look_up(x, near->address, near->size, access, near->aligned);
    uint8_t *found = x64_jrcxz8(a);
    uint8_t *slow = a->at;
    x64_stub_add(x, x64_jmp32(a), near->site, near->note);
    x64_here8(a, found);
    x64_load(a, 8, X_TEST, FRAME_FIELD(near_credit));
    x64_lea(a, 8, X_TEST, x64_at(X_TEST, -1));
    x64_store(a, 8, FRAME_FIELD(near_credit), X_TEST);
    x64_aim8(a, x64_jrcxz8(a), slow);
    x64_rm(a, 0xC6, 1, 0, filled); /* mov byte */
    x64_imm(a, near->page, 1);
    x64_store(a, 8, addend_field(x, near), X_T1);
    x64_shrx(a, 8, X_TEST, near->address, X_FRAME);
    x64_rr(a, OP_0F | 0xB7, 4, X_TEST, X_TEST); /* movzx ecx, cx */
    x64_load(a, 8, X_TEST, x64_map_key(x, X_TEST, access));
    x64_store(a, 8, key_field(x, near), X_TEST);
    x64_aim32(a, x64_jmp32(a), near->hit);
}

void x64_emit_near_misses(struct x64_unit *x)
{
    for (unsigned n = 0; n < x->nears; n++)
        if (x64_timed(x))
            x64_emit_timed_miss(x, &x->near[n]);
        else
            emit_miss(x, &x->near[n]);
}
