/* Guest memory in translated code: effective address, then the soft TLB (mmu/tlb.h), without touching flags.
 *
 *   shrx  t1, address, frame             page number (frame & 63 is 12)
 *   movzx t1d, t1w                       slot
 *   mov   rcx, [frame + t1*8 + key]      -(page's linear address), if the access needs no check
 *   mov   t1, [frame + t1*8 + addend]
 *   lea   rcx, [rcx + address + size-1]  offset in the page of the last byte, if it is the slot's page
 *   shrx  rcx, rcx, frame                zero: hit
 *   jrcxz hit
 *   jmp   slow
 *   hit: [address + t1] */
#include "binxlate/x64/x64.h"

bool x64_plain_segment(const struct x64_unit *x, unsigned seg)
{
    bool based = seg == FS || seg == GS || (seg == CS && x->code != 8);
    return (x->block->mode & MODE_FLAT) != 0 && !based;
}

/* Segments that need a check get it in translated code; not so in 64-bit mode, where it is about alignment.
 */
static bool can_check(const struct x64_unit *x)
{
    return x->code != 8 && path_on(x->t, PATH_LIMIT);
}

bool x64_can_access(const struct x64_unit *x, const struct insn *insn)
{
    if (!path_on(x->t, PATH_MEMORY))
        return false;
    bool flat = (x->block->mode & MODE_FLAT) != 0 && (insn->seg == FS || insn->seg == GS);
    return flat || x64_plain_segment(x, insn->seg) || can_check(x);
}

bool x64_can_push(const struct x64_unit *x)
{
    return path_on(x->t, PATH_MEMORY) && ((x->block->mode & MODE_FLAT) != 0 || can_check(x));
}

bool x64_flat_stack(const struct x64_unit *x)
{
    return x64_can_push(x) && (x->block->mode & MODE_FLAT) != 0 && x->code != 2;
}

/* ---- Segments ---- */

/* To the slow path unless [X_T0, X_T0 + size) may be accessed through the segment (see seg_reach in
 * cpu/cpu.h).
 */
static void check_limit(struct x64_unit *x, unsigned seg, unsigned size, enum access access)
{
    enum { SIGN_TO_LOW = 56 };
    struct x64_asm *a = &x->a;
    size_t reach =
        offsetof(struct cpu, seg_reach) + ((access == ACCESS_WRITE ? SREG_COUNT : 0) + seg) * sizeof(int64_t);
    x64_load(a, 8, X_T1, x64_cpu_field(reach));
    x64_lea(a, 8, X_TEST, x64_indexed(X_T0, X_T1, 0, (int32_t)size - 1));
    x64_rr(a, 0xF7, 8, 2, X_TEST); /* not rcx: positive if the sum is negative */
    x64_rorx(a, 8, X_TEST, X_TEST, SIGN_TO_LOW);
    x64_rr(a, OP_0F | 0xB6, 4, X_TEST, X_TEST); /* movzx ecx, cl */
    x64_slow_unless_zero(x);
}

/* From the offset in X_T0 to the linear address. FS and GS are often flat where the others are: a look at one
 * byte of the frame. */
static void add_segment(struct x64_unit *x, unsigned seg, unsigned size, enum access access)
{
    struct x64_asm *a = &x->a;
    if (x->code != 8 && (x->block->mode & MODE_FLAT) != 0 && (seg == FS || seg == GS)) {
        x64_rm(a, OP_0F | 0xB6, 4, X_TEST,
               x64_frame_field(offsetof(struct xlat_frame, not_flat) + (seg == GS ? 1 : 0)));
        x64_slow_unless_zero(x);
    } else if (x->code != 8) {
        check_limit(x, seg, size, access);
    }
    x64_load(a, 8, X_T1, x64_cpu_field(offsetof(struct cpu, seg_base) + seg * sizeof(uint64_t)));
    x64_lea(a, x->code == 8 ? 8 : 4, X_T0, x64_indexed(X_T0, X_T1, 0, 0));
}

/* movzx r32, r16 */
static void x64_low16(struct x64_asm *a, unsigned dst, unsigned src)
{
    x64_rr(a, OP_0F | 0xB7, 4, dst, src);
}

unsigned x64_address(struct x64_unit *x, const struct insn *insn, unsigned size, enum access access)
{
    struct x64_asm *a = &x->a;
    bool plain = x64_plain_segment(x, insn->seg), narrow = insn->addr_size == 2;
    uint64_t disp = (uint64_t)insn->disp;
    unsigned base = X_NONE, index = X_NONE;
    if (insn->base == REG_RIP)
        disp += x64_next_rip(x);
    else if (insn->base != REG_NONE)
        base = x64_use(x, insn->base, X_T0);
    if (insn->index != REG_NONE)
        index = x64_use(x, insn->index, X_T1);
    if (base == X_NONE && index == X_NONE) {
        x64_mov_imm(a, X_T0, insn->addr_size == 8 ? disp : narrow ? (uint16_t)disp : (uint32_t)disp);
    } else if (plain && index == X_NONE && disp == 0 && insn->addr_size == 8) {
        return base;
    } else if (index == X_NONE && disp == 0 && !narrow) {
        x64_mov(a, insn->addr_size, X_T0, base);
    } else {
        x64_lea(a, narrow ? 4 : insn->addr_size, X_T0, x64_indexed(base, index, insn->scale, (int32_t)disp));
        if (narrow)
            x64_low16(a, X_T0, X_T0);
    }
    if (!plain)
        add_segment(x, insn->seg, size, access);
    return X_T0;
}

/* ---- The soft TLB ---- */

bool x64_is_user(const struct x64_unit *x)
{
    return (x->block->mode >> MODE_CPL_SHIFT & 3) == 3;
}

static struct x64_mem map_field(const struct x64_unit *x, size_t member, unsigned index)
{
    size_t map = offsetof(struct cpu, tlb.map) + (x64_is_user(x) ? sizeof(struct tlb_map) : 0);
    struct x64_mem mem = x64_cpu_field(map + member);
    mem.index = (uint8_t)index;
    mem.scale = 3;
    return mem;
}

struct x64_mem x64_map_key(const struct x64_unit *x, unsigned index, enum access access)
{
    size_t keys = offsetof(struct tlb_map, read_key);
    return map_field(x, access == ACCESS_READ ? keys : offsetof(struct tlb_map, write_key), index);
}

/* Key and addend of the page of `address`, in X_TEST and X_T1. */
static void load_slot(struct x64_unit *x, unsigned address, enum access access)
{
    struct x64_asm *a = &x->a;
    x64_shrx(a, 8, X_T1, address, X_FRAME);
    x64_rr(a, OP_0F | 0xB7, 4, X_T1, X_T1); /* movzx t1d, t1w */
    x64_load(a, 8, X_TEST, x64_map_key(x, X_T1, access));
    x64_load(a, 8, X_T1, map_field(x, offsetof(struct tlb_map, addend), X_T1));
}

/* An operand of 16 or 32 bytes that must be aligned crosses no page, so its offset in the page, a multiple of
 * its size, takes the place of the last byte's. Turned right by four or five bits it shows a misaligned one
 * at its top; that the shift then takes bits 16..12 of the offset, too, does no harm: address and page are of
 * one slot. */
void x64_look_up(struct x64_unit *x, unsigned address, unsigned size, enum access access, bool aligned)
{
    struct x64_asm *a = &x->a;
    load_slot(x, address, access);
    x64_lea(a, 8, X_TEST, x64_indexed(X_TEST, address, 0, aligned ? 0 : (int32_t)size - 1));
    if (aligned)
        x64_rorx(a, 8, X_TEST, X_TEST, size == 32 ? 5 : 4);
    x64_shrx(a, 8, X_TEST, X_TEST, X_FRAME);
}

static struct x64_mem probe(struct x64_unit *x, unsigned address, unsigned size, enum access access,
                            bool aligned)
{
    if (x64_timed(x))
        return x64_timed_probe(x, address, size, access, aligned);
    if ((size < 16 || aligned) && x64_near_usable(x, size)) /* other vectors are often not aligned */
        return x64_near_probe(x, address, size, access, aligned);
    x64_look_up(x, address, size, access, aligned);
    x64_slow_unless_zero(x);
    x->memory = true;
    return x64_indexed(address, X_T1, 0, 0);
}

struct x64_mem x64_probe(struct x64_unit *x, unsigned address, unsigned size, enum access access)
{
    return probe(x, address, size, access, false);
}

/* ---- Shared checks ---- */

/* The group, SHARE_NONE if it is not to be used. `places` is of struct share. */
static unsigned group_of(const struct x64_unit *x, const uint8_t *places)
{
    unsigned group = places[x->insn->position];
    bool good = x->sharing && group != SHARE_NONE && (x->copy == 0 || (x->checked >> group & 1) != 0);
    return good ? group : SHARE_NONE;
}

/* One check for the whole range of the group; fails to the plain part. */
static void check_group(struct x64_unit *x, unsigned n)
{
    struct x64_asm *a = &x->a;
    const struct share_group *group = &x->share.group[n];
    unsigned base = x64_use(x, group->base, X_T0), index = X_NONE;
    if (group->index != REG_NONE)
        index = x64_use(x, group->index, X_T1);
    int32_t low = group->low - group->delta[x->insn->position];
    x64_lea(a, x->code, X_T0, x64_indexed(base, index, group->scale, low));
    x64_look_up(x, X_T0, (unsigned)(group->high - group->low), group->write ? ACCESS_WRITE : ACCESS_READ,
                false);
    uint8_t *hit = x64_jrcxz8(a);
    x->unshared[x->unshared_count].position = x->insn->position;
    x->unshared[x->unshared_count++].from = x64_jmp32(a);
    x64_here8(a, hit);
    x64_lea(a, 8, X_T1, x64_indexed(X_T0, X_T1, 0, 0));
    x64_store(a, 8, FRAME_FIELD(shared[n]), X_T1);
    if (x->checked == 0)
        x->shared_from = x->insn->position;
    x->checked |= (uint8_t)(1u << n);
}

/* From the group's address at the start to that before the present instruction. */
static int32_t way_of(const struct x64_unit *x, unsigned n)
{
    const struct share_group *group = &x->share.group[n];
    return group->delta[x->insn->position] + (int32_t)x->copy * group->step;
}

/* Host memory at `offset` from the group's address. */
static struct x64_mem shared_place(struct x64_unit *x, unsigned n, int32_t offset)
{
    if ((x->checked >> n & 1) == 0)
        check_group(x, n);
    else
        x64_load(&x->a, 8, X_T1, FRAME_FIELD(shared[n]));
    return x64_at(X_T1, way_of(x, n) + offset - x->share.group[n].low);
}

bool x64_operand_is_shared(const struct x64_unit *x)
{
    return group_of(x, x->share.operand) != SHARE_NONE;
}

struct x64_mem x64_operand(struct x64_unit *x, const struct insn *insn, unsigned size, enum access access)
{
    unsigned group = group_of(x, x->share.operand);
    if (group != SHARE_NONE)
        return shared_place(x, group, (int32_t)insn->disp);
    return x64_probe(x, x64_address(x, insn, size, access), size, access);
}

/* ---- Alignment ---- */

/* To the slow path unless the low four, or five, bits of `address` are zero:
 *   rorx ecx, address, 20 or 21; movzx ecx, cx; (lea ecx, [rcx + rcx]); shrx ecx, ecx, frame
 * (frame & 31 is 12). */
static void check_alignment(struct x64_unit *x, unsigned address, unsigned size)
{
    struct x64_asm *a = &x->a;
    x64_rorx(a, 4, X_TEST, address, size == 32 ? 21 : 20);
    x64_rr(a, OP_0F | 0xB7, 4, X_TEST, X_TEST);
    if (size == 32)
        x64_lea(a, 4, X_TEST, x64_indexed(X_TEST, X_TEST, 0, 0));
    x64_shrx(a, 4, X_TEST, X_TEST, X_FRAME);
    x64_slow_unless_zero(x);
}

struct x64_mem x64_operand_aligned(struct x64_unit *x, const struct insn *insn, unsigned size,
                                   enum access access)
{
    unsigned group = group_of(x, x->share.operand);
    if (group == SHARE_NONE)
        return probe(x, x64_address(x, insn, size, access), size, access, true);
    int32_t offset = way_of(x, group) + (int32_t)insn->disp;
    unsigned apart = (unsigned)(offset - x->aligned[group].offset);
    if (x->aligned[group].size < size || (apart & (size - 1)) != 0) {
        check_alignment(x, x64_address(x, insn, size, access), size);
        x->aligned[group].size = (uint8_t)size;
        x->aligned[group].offset = offset;
    }
    return x64_operand(x, insn, size, access);
}

/* ---- The stack ---- */

/* Linear address of the stack at `offset` from its top, in X_T0, for `size` bytes. */
static void stack_address(struct x64_unit *x, int32_t offset, unsigned size, enum access access)
{
    struct x64_asm *a = &x->a;
    x64_lea(a, x->stack == 8 ? 8 : 4, X_T0, x64_at(x64_home(RSP), offset));
    if (x->stack == 2)
        x64_low16(a, X_T0, X_T0);
    if (!x64_plain_segment(x, SS))
        add_segment(x, SS, size, access);
}

struct x64_mem x64_push_part(struct x64_unit *x, unsigned size, unsigned part)
{
    stack_address(x, -(int32_t)size, part, ACCESS_WRITE);
    return x64_probe(x, X_T0, part, ACCESS_WRITE);
}

struct x64_mem x64_push_place(struct x64_unit *x, unsigned size)
{
    unsigned group = group_of(x, x->share.stack);
    if (group != SHARE_NONE)
        return shared_place(x, group, -(int32_t)size);
    return x64_push_part(x, size, size);
}

struct x64_mem x64_top_place(struct x64_unit *x, unsigned size)
{
    unsigned group = group_of(x, x->share.stack);
    if (group != SHARE_NONE)
        return shared_place(x, group, 0);
    if (x->stack == 8)
        return x64_probe(x, x64_home(RSP), size, ACCESS_READ);
    stack_address(x, 0, size, ACCESS_READ);
    return x64_probe(x, X_T0, size, ACCESS_READ);
}

void x64_probe_run(struct x64_unit *x, unsigned address, struct x64_mem last, enum access access)
{
    struct x64_asm *a = &x->a;
    load_slot(x, address, access);
    x64_lea(a, 8, X_TEST, x64_indexed(X_TEST, address, 0, 0));
    x64_lea(a, 8, X_T1, x64_indexed(X_T1, address, 0, 0));
    x64_load(a, 8, X_T0, last);
    x64_lea(a, 8, X_TEST, x64_indexed(X_TEST, X_T0, 0, 0));
    x64_shrx(a, 8, X_TEST, X_TEST, X_FRAME);
    x64_slow_unless_zero(x);
    x->memory = true;
}
