/* Random machine states: values at which arithmetic goes wrong (zero, one, sign bits, infinities, NaNs,
 * denormals, unnormals), mixed with plain random ones, and registers steered so that memory operands, string
 * operands and the stack are mostly, not always, inside the data window. */
#include "native.h"
#include "native_priv.h"

/* ---- Generator: splitmix64 ---- */

uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* ---- Values ---- */

uint64_t random_integer(struct rng *rng)
{
    static const uint64_t special[] = {0,
                                       1,
                                       2,
                                       0x7F,
                                       0x80,
                                       0xFF,
                                       0x7FFF,
                                       0x8000,
                                       0xFFFF,
                                       0x7FFFFFFF,
                                       0x80000000,
                                       0xFFFFFFFF,
                                       0x100000000,
                                       INT64_MAX,
                                       (uint64_t)INT64_MIN,
                                       UINT64_MAX,
                                       0x8080808080808080,
                                       0x7FFF8000FFFF0001,
                                       0x0F,
                                       0x9A};
    switch (rng_below(rng, 8)) {
    case 0:
    case 1: return special[rng_below(rng, ARRAY_LEN(special))];
    case 2: return special[rng_below(rng, ARRAY_LEN(special))] + (rng_next(rng) & 3) - 1;
    case 3: return rng_next(rng) & 63;
    case 4: return (uint64_t)((int64_t)rng_next(rng) >> rng_below(rng, 64));
    case 5: return UINT64_C(1) << rng_below(rng, 64);
    default: return rng_next(rng);
    }
}

/* A mantissa of `bits` bits: random, or with few ones, or a run of ones. */
static uint64_t random_mantissa(struct rng *rng, unsigned bits)
{
    uint64_t all = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1, v = rng_next(rng);
    switch (rng_below(rng, 6)) {
    case 0: return v << rng_below(rng, bits) & all;
    case 1: return (UINT64_C(1) << rng_below(rng, bits)) & all;
    case 2: return all >> rng_below(rng, bits);
    case 3: return all << rng_below(rng, bits) & all;
    default: return v & all;
    }
}

/* An exponent field with the given bias: the ends, around 0, around the integers' ranges, any. */
static unsigned random_exponent(struct rng *rng, unsigned bias)
{
    unsigned top = 2 * bias + 1;
    switch (rng_below(rng, 10)) {
    case 0: return 0;
    case 1: return top;
    case 2: return 1 + rng_below(rng, 4);
    case 3: return top - 1 - rng_below(rng, 4);
    case 4:
    case 5: return bias + rng_below(rng, 70);
    case 6:
    case 7: return bias - 4 + rng_below(rng, 8);
    case 8: return bias - 64 + rng_below(rng, 128);
    default: return rng_below(rng, top + 1);
    }
}

uint32_t random_float32(struct rng *rng)
{
    uint32_t mantissa = rng_one_in(rng, 4) ? 0 : (uint32_t)random_mantissa(rng, 23);
    return (uint32_t)(rng_next(rng) & 1) << 31 | random_exponent(rng, 127) << 23 | mantissa;
}

uint64_t random_float64(struct rng *rng)
{
    uint64_t mantissa = rng_one_in(rng, 4) ? 0 : random_mantissa(rng, 52);
    return (rng_next(rng) & 1) << 63 | (uint64_t)random_exponent(rng, 1023) << 52 | mantissa;
}

void random_float80(struct rng *rng, uint8_t out[10])
{
    uint64_t significand = rng_one_in(rng, 4) ? 0 : random_mantissa(rng, 63);
    unsigned exponent = random_exponent(rng, 16383);
    /* The integer bit is 1 except for zeros and denormals; sometimes it is not, and the value is one of the
     * unsupported formats (SDM vol. 1, table 8-3). */
    if (rng_one_in(rng, 16) ? rng_one_in(rng, 2) : exponent != 0)
        significand |= UINT64_C(1) << 63;
    uint16_t sign_exponent = (uint16_t)((rng_next(rng) & 1) << 15 | exponent);
    memcpy(out, &significand, 8);
    memcpy(out + 8, &sign_exponent, 2);
}

static void random_bcd(struct rng *rng, uint8_t out[10])
{
    for (unsigned i = 0; i < 9; i++)
        out[i] = (uint8_t)(rng_below(rng, 10) | rng_below(rng, 10) << 4);
    out[9] = (uint8_t)rng_next(rng);
}

/* ---- Addresses ---- */

uint32_t random_data_address(struct rng *rng, unsigned size)
{
    unsigned room = size ? size : 600; /* FXSAVE's 512 bytes and more */
    uint32_t address;
    switch (rng_below(rng, 32)) {
    case 0: address = DATA_BASE + DATA_SIZE - rng_below(rng, room + 16); break; /* past the end */
    case 1: address = DATA_BASE + PAGE_SIZE - rng_below(rng, room + 16); break; /* across pages */
    case 2: return (uint32_t)(DATA_BASE - 64 + rng_below(rng, 64));             /* below */
    default: address = DATA_BASE + 512 + rng_below(rng, DATA_SIZE - 512 - 2 * room); break;
    }
    if (size == 0)
        return address & ~UINT32_C(63);
    return rng_one_in(rng, 4) ? address : address & ~(uint32_t)(size == 32 && !rng_one_in(rng, 4) ? 31 : 15);
}

uint32_t random_code_address(struct rng *rng, const struct native_case *c)
{
    uint32_t address;
    do {
        address = CODE_BASE + 64 + rng_below(rng, CODE_SIZE - 128);
    } while (address >= c->code && address < c->code + 16);
    return address;
}

/* Replace the part of a register that an address of `size` bytes uses; outside 64-bit mode the upper half
 * stays zero. */
static void set_address(struct native_case *c, unsigned reg, unsigned size, uint64_t value)
{
    uint64_t mask = address_mask(size);
    c->in.gpr[reg] = (c->in.gpr[reg] & ~mask) | (value & mask);
    if (c->bits != BITS_64)
        c->in.gpr[reg] &= UINT32_MAX;
}

/* Make the registers of the memory operand add up to `offset`, as far as they can. */
static void solve_address(struct native_case *c, uint64_t offset)
{
    const struct native_ea *ea = &c->ea;
    uint64_t rest = offset - (uint64_t)ea->disp;
    if (ea->base == REG_RIP || (ea->base == REG_NONE && ea->index == REG_NONE))
        return;
    if (ea->index == REG_NONE)
        set_address(c, ea->base, c->addr_size, rest);
    else if (ea->base == REG_NONE)
        set_address(c, ea->index, c->addr_size, (rest & address_mask(c->addr_size)) >> ea->scale);
    else if (ea->base == ea->index)
        set_address(c, ea->base, c->addr_size, (rest & address_mask(c->addr_size)) / (1 + (1u << ea->scale)));
    else
        set_address(c, ea->base, c->addr_size, rest - (c->in.gpr[ea->index] << ea->scale));
}

/* ---- Memory ---- */

enum value_kind { KIND_INTEGER, KIND_FLOAT, KIND_CODE, KIND_FX };

static enum value_kind row_kind(const struct insn_row *row)
{
    switch (row->cost) {
    case COST_FPU_STATE: return KIND_FX;
    case COST_FPU_MOVE:
    case COST_FPU_ADD:
    case COST_FPU_MUL:
    case COST_FPU_DIV:
    case COST_FPU_TRANS:
    case COST_SIMD_FADD:
    case COST_SIMD_FMUL:
    case COST_SIMD_FDIV: return KIND_FLOAT;
    default: return row->attr & ATTR_END ? KIND_CODE : KIND_INTEGER;
    }
}

static void random_fx(struct rng *rng, uint8_t fx[512], enum value_kind kind);

/* Put `value` bytes at a linear address, the part of it that is in the window. */
static void poke(uint8_t *memory, uint64_t linear, const void *value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        if (linear + i - DATA_BASE < DATA_SIZE)
            memory[linear + i - DATA_BASE] = ((const uint8_t *)value)[i];
}

static void random_vector(struct rng *rng, uint8_t out[16], enum value_kind kind)
{
    unsigned width = 1u << rng_below(rng, 4);
    bool floats = kind == KIND_FLOAT ? !rng_one_in(rng, 8) : rng_one_in(rng, 8);
    if (floats)
        width = 4u << rng_below(rng, 2);
    for (unsigned i = 0; i < 16; i += width) {
        uint64_t v = !floats ? random_integer(rng) : width == 4 ? random_float32(rng) : random_float64(rng);
        memcpy(out + i, &v, width);
    }
}

/* An operand of `size` bytes (0: an area) of the row's kind at a linear address. */
static void random_memory(struct rng *rng, const struct native_case *c, uint8_t *memory, uint64_t linear,
                          unsigned size)
{
    uint8_t value[576] = {0};
    enum value_kind kind = row_kind(c->row);
    unsigned count = size ? size : sizeof value;
    if (kind == KIND_FX && !rng_one_in(rng, 4)) {
        random_fx(rng, value, KIND_FLOAT); /* XSAVE header: all zero but the components */
        value[512] = (uint8_t)rng_next(rng) & (rng_one_in(rng, 4) ? 7 : 3);
    } else if (size == 10 && kind == KIND_FLOAT) {
        (rng_one_in(rng, 3) ? random_bcd : random_float80)(rng, value);
    } else if (kind == KIND_CODE && rng_one_in(rng, 2)) {
        uint64_t target = random_code_address(rng, c);
        memcpy(value, &target, sizeof target);
    } else {
        for (unsigned i = 0; i < count; i += 16)
            random_vector(rng, value + i, kind);
        /* A plain double or single for the x87's and the scalar forms. */
        if (kind == KIND_FLOAT && size == 8 && rng_one_in(rng, 2))
            memcpy(value, &(uint64_t){random_float64(rng)}, 8);
        if (kind == KIND_FLOAT && size == 4)
            memcpy(value, &(uint32_t){random_float32(rng)}, 4);
    }
    if (size == 0)
        count = sizeof value;
    poke(memory, linear, value, count);
}

/* ---- Floating-point state ---- */

static void random_x87(struct rng *rng, uint8_t fx[512], enum value_kind kind)
{
    uint16_t control = 0x37F, status = (uint16_t)(rng_next(rng) & 0x7F00);
    control = (uint16_t)((control & ~0xC00) | rng_below(rng, 4) << 10);
    if (rng_one_in(rng, 4)) {
        static const uint16_t precision[] = {0x000, 0x200, 0x300};
        control = (uint16_t)((control & ~0x300) | precision[rng_below(rng, 3)]);
    }
    if (rng_one_in(rng, 8))
        control &= (uint16_t)~rng_below(rng, 64);
    if (rng_one_in(rng, 4))
        status |= (uint16_t)rng_below(rng, 128);
    if (rng_one_in(rng, 4)) /* pending exceptions stay rare */
        status = (status & ~control & 0x3F) ? status | 0x8080 : status;
    else
        status &= (uint16_t)(control | 0xFFC0);
    if (!(status & 0x8080) && (status & ~control & 0x3F))
        status &= 0xFFC0;
    memcpy(fx + FX_FCW, &control, 2);
    memcpy(fx + FX_FSW, &status, 2);
    fx[FX_FTW] = (uint8_t)(rng_one_in(rng, 3) ? rng_next(rng) : rng_one_in(rng, 8) ? 0 : 0xFF);
    for (unsigned i = 0; i < 8; i++) {
        random_float80(rng, fx + FX_ST + 16 * i);
        if (kind == KIND_INTEGER)
            random_vector(rng, fx + FX_ST + 16 * i, kind);
        memset(fx + FX_ST + 16 * i + 10, 0, 6);
    }
}

static void random_fx(struct rng *rng, uint8_t fx[512], enum value_kind kind)
{
    memset(fx, 0, 512);
    random_x87(rng, fx, kind);
    uint32_t mxcsr = 0x1F80;
    if (rng_one_in(rng, 2))
        mxcsr |= rng_below(rng, 4) << 13;
    if (rng_one_in(rng, 8))
        mxcsr |= (rng_next(rng) & 1) << 15;
    if (rng_one_in(rng, 8))
        mxcsr |= 1 << 6;
    if (rng_one_in(rng, 4))
        mxcsr |= rng_below(rng, 64);
    if (rng_one_in(rng, 8))
        mxcsr &= ~(rng_below(rng, 64) << 7);
    memcpy(fx + FX_MXCSR, &mxcsr, 4);
    memcpy(fx + FX_MXCSR + 4, &(uint32_t){0xFFFF}, 4);
    for (unsigned i = 0; i < 16; i++)
        random_vector(rng, fx + FX_XMM + 16 * i, kind);
    /* Related operands: a lane of one register in another. */
    for (unsigned i = 0; i < 4; i++)
        if (rng_one_in(rng, 2))
            memcpy(fx + FX_XMM + 16 * rng_below(rng, 16) + 8 * rng_below(rng, 2),
                   fx + FX_XMM + 16 * rng_below(rng, 16) + 8 * rng_below(rng, 2), 8);
}

/* Upper halves, from a sequence of their own, so that the rest is the same without them; often a register's
 * two halves have something in common, or the upper one is clear. */
static void random_ymm(const struct rng *seed, struct native_state *s, enum value_kind kind)
{
    struct rng own = {seed->state ^ UINT64_C(0x59B997FA9ABA21C7)}, *rng = &own;
    for (unsigned i = 0; i < 16; i++) {
        unsigned what = rng_below(rng, 8);
        if (what == 0)
            memcpy(s->ymm + 16 * i, s->fx + FX_XMM + 16 * rng_below(rng, 16), 16);
        else if (what == 1)
            memset(s->ymm + 16 * i, 0, 16);
        else
            random_vector(rng, s->ymm + 16 * i, kind);
    }
}

/* ---- Steering ---- */

static bool handler_is(const struct native_case *c, const char *name)
{
    return strcmp(c->row->handler_name, name) == 0;
}

static uint64_t data_offset(struct rng *rng, const struct native_case *c, unsigned seg, unsigned size)
{
    return random_data_address(rng, size) - segment_base(c, seg);
}

static void steer_stack(struct rng *rng, struct native_case *c)
{
    if (rng_one_in(rng, 32))
        return;
    uint32_t address = random_data_address(rng, 8) & ~UINT32_C(7);
    if (rng_one_in(rng, 16))
        address += rng_below(rng, 8);
    c->in.gpr[RSP] = address - segment_base(c, SS);
    if (handler_is(c, "leave") || handler_is(c, "enter"))
        c->in.gpr[RBP] = data_offset(rng, c, SS, 8);
}

static void steer_strings(struct rng *rng, struct native_case *c)
{
    bool source = row_has(c->row, METHOD_STRSRC), destination = row_has(c->row, METHOD_STRDST);
    if (!source && !destination)
        return;
    if (source && (c->ea.seg == FS || !rng_one_in(rng, 32))) /* FS is the C library's: never astray there */
        set_address(c, RSI, c->addr_size, data_offset(rng, c, c->ea.seg, 64));
    if (destination && !rng_one_in(rng, 32))
        set_address(c, RDI, c->addr_size, data_offset(rng, c, ES, 64));
    if (c->prefixes & (PREFIX_REP | PREFIX_REPNE))
        set_address(c, RCX, c->addr_size, rng_below(rng, 9));
}

/* Operands that address memory in a way of their own. */
static void steer_special(struct rng *rng, struct native_case *c)
{
    if (c->row->opcode == 0xD7 && c->row->map == M1) /* XLAT */
        set_address(c, RBX, c->addr_size, data_offset(rng, c, DS, 1) - (c->in.gpr[RAX] & 0xFF));
    if (handler_is(c, "maskmovq") || handler_is(c, "maskmovdqu"))
        set_address(c, RDI, c->addr_size, data_offset(rng, c, DS, 16));
    if (strncmp(c->row->mnemonic, "bt", 2) == 0 && c->ea.present) { /* bit offsets reach beyond the operand */
        unsigned reg = (c->modrm >> 3 & 7) | (c->rex & 4u) << 1;
        c->in.gpr[reg] = (uint64_t)((int64_t)(rng_next(rng) << 51) >> 51);
        if (c->bits != BITS_64)
            c->in.gpr[reg] &= UINT32_MAX;
    }
    if (c->row->cost == COST_DIV && !rng_one_in(rng, 3)) { /* quotients that fit */
        uint64_t high = handler_is(c, "idiv") && rng_one_in(rng, 2) ? UINT64_MAX : 0;
        c->in.gpr[RDX] = high;
        if (rng_one_in(rng, 2))
            c->in.gpr[RAX] = (c->in.gpr[RAX] & ~UINT64_C(0xFF00)) | (uint16_t)((uint64_t)high << 8);
        if (c->bits != BITS_64) {
            c->in.gpr[RAX] &= UINT32_MAX;
            c->in.gpr[RDX] &= UINT32_MAX;
        }
    }
}

/* CMPXCHG and its kin: half the time what is in memory is what is expected. */
static void steer_compare(struct rng *rng, struct native_case *c, const uint8_t *memory, uint64_t linear)
{
    bool address_uses_it =
        c->ea.present && (c->ea.base == RAX || c->ea.index == RAX || c->ea.base == RDX || c->ea.index == RDX);
    if (strncmp(c->row->mnemonic, "cmpxchg", 7) != 0 || address_uses_it || rng_one_in(rng, 2))
        return;
    uint64_t pair[2] = {c->in.gpr[c->modrm & 7], 0};
    unsigned half = c->rex & 8 ? 8 : 4;
    if (c->ea.present && linear >= DATA_BASE && linear + 16 <= DATA_BASE + DATA_SIZE)
        memcpy(pair, memory + (linear - DATA_BASE), 16);
    if (c->row->mnemonic[7] == '\0') {
        c->in.gpr[RAX] = pair[0];
    } else {
        memcpy(&c->in.gpr[RAX], pair, half);
        memcpy(&c->in.gpr[RDX], (const uint8_t *)pair + half, half);
    }
    if (c->bits != BITS_64)
        c->in.gpr[RAX] &= UINT32_MAX;
}

/* A gather: the vector of indexes reaches places in the data window from the base. */
static void steer_gather(struct rng *rng, struct native_case *c)
{
    const char *letter = strstr(c->row->mnemonic, "gather");
    if (letter == NULL)
        return;
    unsigned size = letter[6] == 'd' ? 4 : 8, reg = c->ea.vector_index;
    int64_t base = (int64_t)(uint32_t)(case_ea(c) + segment_base(c, c->ea.seg));
    for (unsigned i = 0; i < 32 / size; i++) {
        int64_t index = (random_data_address(rng, 8) - base) >> c->ea.scale;
        uint8_t *half = i < 16 / size ? c->in.fx + FX_XMM + 16 * reg : c->in.ymm + 16 * reg;
        memcpy(half + i * size % 16, &index, size);
    }
}

static uint64_t random_flags(struct rng *rng)
{
    uint64_t flags = 0x202 | (rng_next(rng) & FLAGS_ARITH);
    if (rng_one_in(rng, 3))
        flags |= FLAG_DF;
    if (rng_one_in(rng, 64))
        flags |= FLAG_AC;
    return flags;
}

/* ---- Interface ---- */

void case_randomize(struct rng *rng, struct native_case *c, uint8_t *memory)
{
    enum value_kind kind = row_kind(c->row);
    unsigned registers = c->bits == BITS_64 ? GPR_COUNT : 8;
    for (unsigned i = 0; i < GPR_COUNT; i++) {
        uint64_t value = random_integer(rng);
        if (kind == KIND_CODE && rng_one_in(rng, 2))
            value = random_code_address(rng, c);
        c->in.gpr[i] = i >= registers ? 0 : c->bits == BITS_64 ? value : (uint32_t)value;
    }
    c->in.rflags = random_flags(rng);
    random_fx(rng, c->in.fx, kind);
    if (c->machine->ymm)
        random_ymm(rng, &c->in, kind);
    steer_stack(rng, c);
    steer_strings(rng, c);
    steer_special(rng, c);
    if (c->ea.present) {
        solve_address(c, data_offset(rng, c, c->ea.seg, c->ea.size));
        uint64_t linear = case_ea(c) + segment_base(c, c->ea.seg);
        random_memory(rng, c, memory, linear, c->ea.size);
        steer_compare(rng, c, memory, linear);
        steer_gather(rng, c);
    } else {
        steer_compare(rng, c, memory, 0);
    }
    if (kind == KIND_CODE)
        random_memory(rng, c, memory, c->in.gpr[RSP] + segment_base(c, SS), 8);
    else if (rng_one_in(rng, 4))
        random_memory(rng, c, memory, DATA_BASE + 16 * rng_below(rng, DATA_SIZE / 16), 16);
}
