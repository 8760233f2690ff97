/* The guest's x87 state on its way between struct cpu and the host's x87 unit.
 *
 *   struct cpu  --x64_x87_load-->  x87_image  --FRSTOR-->  host    (enter, see thunks.c)
 *   struct cpu  <-x64_x87_store--  x87_image  <--FNSAVE--  host    (leave)
 *
 * The host's registers, TOP, tags and status word are the guest's, bit for bit. What the image says of the
 * last instruction is of the host; the guest's is in x87_note and x87_data, which host code writes. Segment
 * registers do not change while host code runs, so selectors are looked up here.
 *
 * Only with all exceptions masked and none pending: then no x87 instruction traps or waits.
 *
 * Source: SDM vol. 1, figure 8-9 (the 32-bit protected-mode image, which 64-bit mode uses), 8.1.7. */
#include "binxlate/x64/x64.h"

#include "cpu/x87.h"

struct image {
    uint32_t control, status, tags, ip, cs, dp, ds;
    uint8_t st[8][10];
};
_Static_assert(sizeof(struct image) == X87_IMAGE_BYTES, "FNSAVE's image");

enum { TAG_EMPTY = 3 };

bool x64_x87_usable(const struct cpu *cpu)
{
    const struct x87_state *x87 = &cpu->s.x87;
    return (x87->control & X87_EXCEPTIONS) == X87_EXCEPTIONS && (x87->status & (X87_ES | X87_B)) == 0 &&
           !cpu->s.x87_ferr;
}

void x64_x87_load(struct translator *t)
{
    const struct x87_state *x87 = &t->cpu->s.x87;
    struct image image = {.control = x87->control, .status = x87->status};
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = x87_physical(t->cpu, i);
        memcpy(image.st[i], &x87->significand[n], 8);
        memcpy(image.st[i] + 8, &x87->sign_exp[n], 2);
        if ((x87->valid >> n & 1) == 0)
            image.tags |= (uint32_t)TAG_EMPTY << 2 * n;
    }
    memcpy(t->frame->x87_image, &image, sizeof image);
    t->frame->x87_live = 1;
    t->frame->x87_note = 0;
    t->frame->x87_data = X87_NO_DATA;
}

static void store_pointers(struct translator *t)
{
    struct cpu *cpu = t->cpu;
    struct x87_state *x87 = &cpu->s.x87;
    uint64_t note = t->frame->x87_note;
    if (note != 0) {
        x87->ip = (uint64_t)((int64_t)note >> 16);
        x87->opcode = note & (X87_NOTED - 1);
        x87->cs = cpu->s.seg[CS].selector;
    }
    if (t->frame->x87_data != X87_NO_DATA)
        x87->ds = cpu->s.seg[t->frame->x87_data].selector;
}

void x64_x87_store(struct translator *t)
{
    struct x87_state *x87 = &t->cpu->s.x87;
    struct image image;
    memcpy(&image, t->frame->x87_image, sizeof image);
    x87->status = (uint16_t)image.status;
    x87->valid = 0;
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = x87_physical(t->cpu, i);
        memcpy(&x87->significand[n], image.st[i], 8);
        memcpy(&x87->sign_exp[n], image.st[i] + 8, 2);
        if ((image.tags >> 2 * n & 3) != TAG_EMPTY)
            x87->valid |= (uint8_t)(1 << n);
    }
    store_pointers(t);
    t->frame->x87_live = 0;
}
