/* Guest memory, the slow path: everything the inline hit path of mem.h cannot decide.
 *
 * Order of checks (SDM vol. 3, 5.3 to 5.5, 6.9): segment present and of the right type, limit or canonical
 * address, alignment, then every page touched, then the access itself. An access that crosses a page resolves
 * both pages before it moves a byte, so a fault leaves memory alone.
 *
 * Device memory is whatever guest-physical address has no RAM frame; it is accessed in naturally aligned
 * pieces of 1, 2, 4 or 8 bytes. Writes to watched pages are made here and then told to the watchers.
 *
 * Left out: memory types (all accesses are in order and complete at once), split locks.
 *
 * Invariants: (1) an access walks the page tables if and only if the TLB has no entry that allows it; (2)
 * only map_entry() puts pages into the TLB's map: a read or write key is valid only if the page is RAM, the
 * walk allows the access with no A or D bit left to set, no enabled data breakpoint lies in the page for it,
 * and, for writes, the page is not watched; (3) with SMAP, supervisor access to a user page depends on
 * EFLAGS.AC and is never allowed by an entry. */
#include "cpu/mem.h"

#include "cpu/cpu_priv.h"
#include "cpu/exec.h"
#include "cpu/protect.h"
#include "cpu/timing_priv.h"

/* ---- Segments ---- */

static bool segment_fault(struct cpu *cpu, unsigned seg)
{
    cpu_fault_code(cpu, seg == SS ? VEC_SS : VEC_GP, 0);
    return false;
}

/* A segment of 4 GB is not checked: an operand that wraps around at its end does so silently, as on the host
 * CPU. */
bool segment_limit_ok(const struct segment *segment, uint64_t offset, uint64_t size)
{
    uint64_t last = offset + size - 1;
    if (last < offset)
        return false;
    if ((segment->attr & (SEG_CODE | SEG_EXPAND_DOWN)) == SEG_EXPAND_DOWN) {
        uint64_t top = segment->attr & SEG_DB ? UINT32_MAX : UINT16_MAX;
        return offset > segment->limit && last <= top;
    }
    return last <= segment->limit || segment->limit == UINT32_MAX;
}

/* Does the type permit the access? Real mode does not look at types. */
static bool segment_type_ok(const struct cpu *cpu, const struct segment *segment, enum access access)
{
    if (cpu->mode & MODE_REAL)
        return true;
    if (!(segment->attr & SEG_P))
        return false; /* null selector */
    if (segment->attr & SEG_CODE)
        return access == ACCESS_READ && (segment->attr & SEG_READABLE) != 0;
    return access == ACCESS_READ || (segment->attr & SEG_WRITABLE) != 0;
}

static bool segment_check(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size, enum access access,
                          uint64_t *linear)
{
    *linear = mem_linear(cpu, seg, offset);
    if (cpu->long64) {
        if (!is_canonical(*linear) || !is_canonical(*linear + size - 1))
            return segment_fault(cpu, seg);
        return true;
    }
    const struct segment *segment = &cpu->s.seg[seg];
    if (!segment_type_ok(cpu, segment, access) || !segment_limit_ok(segment, offset, size))
        return segment_fault(cpu, seg);
    return true;
}

/* SDM vol. 3, table 6-7, by the size of the access: m80 like 8 bytes, the areas of FSTENV and FSAVE like
 * their fields. Unaligned 16-byte forms never raise #AC on Intel CPUs (the aligned ones raise #GP instead),
 * neither do larger areas. */
static unsigned alignment_of(unsigned size)
{
    switch (size) {
    case 2:
    case 4:
    case 8: return size;
    case 10: return 8;
    case 14:
    case 94: return 2;
    case 28:
    case 108: return 4;
    default: return 1;
    }
}

/* #AC(0) */
static bool alignment_ok(struct cpu *cpu, uint64_t linear, unsigned size)
{
    if (!cpu->align_check)
        return true;
    unsigned align = alignment_of(size);
    if ((linear & (align - 1)) == 0)
        return true;
    cpu_fault_code(cpu, VEC_AC, 0);
    return false;
}

/* ---- Translation ---- */

static unsigned allowed_accesses(const struct paging *paging, const struct translation *t, bool user)
{
    if (user && !t->user)
        return 0;
    unsigned allowed = 0;
    if (t->exec && (user || !(paging->smep && t->user)))
        allowed |= 1 << ACCESS_EXEC;
    if (!user && paging->smap && t->user)
        return allowed;
    allowed |= 1 << ACCESS_READ;
    if (t->dirty && (t->writable || (!user && !paging->wp)))
        allowed |= 1 << ACCESS_WRITE;
    return allowed;
}

/* Put an entry into the map, as far as its `allowed` and the present watches and breakpoints permit. */
static void map_entry(struct cpu *cpu, struct tlb_entry *entry)
{
    uint8_t *frame = memory_frame(cpu->memory, entry->page);
    bool read = (entry->allowed & 1 << ACCESS_READ) != 0 && frame != NULL;
    bool write = (entry->allowed & 1 << ACCESS_WRITE) != 0 && frame != NULL &&
                 memory_watched(cpu->memory, entry->page) == 0;
    if (cpu->debug_enabled != 0) {
        read = read && !debug_page_watched(cpu, entry->linear, ACCESS_READ);
        write = write && !debug_page_watched(cpu, entry->linear, ACCESS_WRITE);
    }
    tlb_map(&cpu->tlb, entry, frame, read, write);
}

/* Walk, and remember it; NULL: #PF recorded. What a monitor calls global stays over a CR3 load, at which the
 * monitor itself drops what its own tables no longer say (vmm/shadow.h). */
static struct tlb_entry *walk(struct cpu *cpu, uint64_t linear, enum access access, bool user, bool ac)
{
    struct tlb *tlb = &cpu->tlb;
    uint64_t epoch = tlb_code_epoch(tlb);
    struct tlb_entry *entry = NULL;
    struct translation t;
    uint32_t code;
    bool ok = cpu->bus->translate != NULL
                  ? cpu->bus->translate(cpu->bus->ctx, gva(linear), access, user, ac, &t, &code)
                  : page_walk(cpu->memory, &cpu->paging, gva(linear), access, user, ac, true, &t, &code);
    if (ok) {
        const struct tlb_walked walked = {.page = t.page,
                                          .page_size = t.page_size,
                                          .allowed = (uint8_t)allowed_accesses(&cpu->paging, &t, user),
                                          .global = t.global};
        entry = tlb_enter(tlb, user, linear, &walked);
    } else {
        /* The fault itself drops what the TLB has for the page (SDM vol. 3, 4.10.4.1). */
        tlb_flush_page(tlb, linear);
        timing_flush_page(cpu, linear);
        cpu_fault_page(cpu, linear, code);
    }
    if (tlb_code_epoch(tlb) != epoch)
        cpu_attend(cpu); /* the next instruction may need a walk */
    return entry;
}

/* The TLB's entry for this access; NULL: #PF recorded. */
static struct tlb_entry *translate(struct cpu *cpu, uint64_t linear, enum access access, bool user, bool ac)
{
    struct tlb_entry *entry = tlb_find(&cpu->tlb, user, linear);
    if (entry == NULL || (entry->allowed >> access & 1) == 0)
        entry = walk(cpu, linear, access, user, ac);
    return entry;
}

/* ---- Access by pieces, each within one page ---- */

struct piece {
    gpa_t addr;
    unsigned size;
    struct timing_page page;
};

struct span {
    struct piece piece[2];
    unsigned count;
};

/* To the cache model: the access is going to be made. */
static void span_touch(struct cpu *cpu, const struct span *span, enum access access)
{
    for (unsigned n = 0; n < span->count; n++) {
        const struct piece *piece = &span->piece[n];
        const uint8_t *frame = memory_frame(cpu->memory, piece->addr);
        const struct timing_piece touched = {
            .page = piece->page,
            .host = frame != NULL ? frame + (piece->addr.v & PAGE_MASK) : NULL,
            .size = piece->size,
        };
        timing_data(cpu, &touched, access == ACCESS_WRITE);
    }
}

static bool span_resolve(struct cpu *cpu, uint64_t linear, unsigned size, enum access access, bool user,
                         struct span *span)
{
    bool ac = (cpu->s.rflags & FLAG_AC) != 0 && cpu->cpl != 3;
    span->count = 0;
    while (size > 0) {
        CHECK(span->count < ARRAY_LEN(span->piece));
        unsigned room = PAGE_SIZE - (unsigned)(linear & PAGE_MASK);
        unsigned part = size < room ? size : room;
        struct tlb_entry *entry = translate(cpu, linear, access, user, ac);
        if (entry == NULL)
            return false;
        map_entry(cpu, entry);
        span->piece[span->count++] = (struct piece){.addr = gpa(entry->page.v | (linear & PAGE_MASK)),
                                                    .size = part,
                                                    .page = timing_page_of(cpu, linear, entry)};
        linear += part;
        if (!(cpu->s.efer & EFER_LMA))
            linear = (uint32_t)linear;
        size -= part;
    }
    if (UNLIKELY(cpu->timing != NULL))
        span_touch(cpu, span, access);
    return true;
}

/* Largest naturally aligned power of two at `addr` that fits in `size`, at most 8. */
static unsigned mmio_part(gpa_t addr, unsigned size)
{
    unsigned part = 8;
    while (part > size || (addr.v & (part - 1)) != 0)
        part /= 2;
    return part;
}

static void piece_read(struct cpu *cpu, struct piece piece, uint8_t *to)
{
    const uint8_t *frame = memory_frame(cpu->memory, piece.addr);
    if (frame != NULL) {
        memcpy(to, frame + (piece.addr.v & PAGE_MASK), piece.size);
        return;
    }
    while (piece.size > 0) {
        unsigned part = mmio_part(piece.addr, piece.size);
        host_store(to, part, cpu->bus->mmio_read(cpu->bus->ctx, piece.addr, part));
        to += part;
        piece.addr.v += part;
        piece.size -= part;
    }
}

static void piece_write(struct cpu *cpu, struct piece piece, const uint8_t *from)
{
    uint8_t *frame = memory_frame(cpu->memory, piece.addr);
    if (frame != NULL) {
        memory_write(cpu->memory, piece.addr, from, piece.size);
        return;
    }
    while (piece.size > 0) {
        unsigned part = mmio_part(piece.addr, piece.size);
        cpu->bus->mmio_write(cpu->bus->ctx, piece.addr, part, host_load(from, part));
        from += part;
        piece.addr.v += part;
        piece.size -= part;
    }
}

static void span_read(struct cpu *cpu, const struct span *span, void *to)
{
    piece_read(cpu, span->piece[0], to);
    if (span->count == 2)
        piece_read(cpu, span->piece[1], (uint8_t *)to + span->piece[0].size);
}

static void span_write(struct cpu *cpu, const struct span *span, const void *from)
{
    piece_write(cpu, span->piece[0], from);
    if (span->count == 2)
        piece_write(cpu, span->piece[1], (const uint8_t *)from + span->piece[0].size);
}

/* ---- Linear accesses ---- */

static bool linear_read_bytes(struct cpu *cpu, uint64_t linear, unsigned size, bool user, void *to)
{
    struct span span;
    if (!span_resolve(cpu, linear, size, ACCESS_READ, user, &span))
        return false;
    if (cpu->debug_enabled != 0)
        debug_data_access(cpu, linear, size, ACCESS_READ);
    span_read(cpu, &span, to);
    return true;
}

static bool linear_write_bytes(struct cpu *cpu, uint64_t linear, unsigned size, bool user, const void *from)
{
    struct span span;
    if (!span_resolve(cpu, linear, size, ACCESS_WRITE, user, &span))
        return false;
    if (cpu->debug_enabled != 0)
        debug_data_access(cpu, linear, size, ACCESS_WRITE);
    span_write(cpu, &span, from);
    return true;
}

/* The hit path of mem.h for whatever privilege: descriptors, gates and frames are mostly where they were. */
static ALWAYS_INLINE uint8_t *mapped(const struct cpu *cpu, uint64_t linear, unsigned size,
                                     enum access access, bool user)
{
    return cpu->config.fast_paths ? tlb_hit(cpu->maps[user], linear, size, access) : NULL;
}

bool linear_read(struct cpu *cpu, uint64_t linear, unsigned size, bool user, uint64_t *value)
{
    uint8_t bytes[8];
    const uint8_t *host = mapped(cpu, linear, size, ACCESS_READ, user);
    if (LIKELY(host != NULL)) {
        *value = host_load(host, size);
        return true;
    }
    if (!linear_read_bytes(cpu, linear, size, user, bytes))
        return false;
    *value = host_load(bytes, size);
    return true;
}

bool linear_write(struct cpu *cpu, uint64_t linear, unsigned size, bool user, uint64_t value)
{
    uint8_t bytes[8];
    uint8_t *host = mapped(cpu, linear, size, ACCESS_WRITE, user);
    if (LIKELY(host != NULL)) {
        host_store(host, size, value);
        return true;
    }
    host_store(bytes, size, value);
    return linear_write_bytes(cpu, linear, size, user, bytes);
}

bool linear_check(struct cpu *cpu, uint64_t linear, unsigned size, enum access access, bool user)
{
    struct span span;
    return mapped(cpu, linear, size, access, user) != NULL ||
           span_resolve(cpu, linear, size, access, user, &span);
}

bool sys_read(struct cpu *cpu, uint64_t linear, unsigned size, uint64_t *value)
{
    return linear_read(cpu, linear, size, false, value);
}

bool sys_write(struct cpu *cpu, uint64_t linear, unsigned size, uint64_t value)
{
    return linear_write(cpu, linear, size, false, value);
}

/* ---- Accesses through a segment ---- */

bool mem_read_bytes(struct cpu *cpu, unsigned seg, uint64_t offset, void *to, unsigned size)
{
    uint64_t linear;
    const uint8_t *host = mem_hit(cpu, seg, offset, size, ACCESS_READ);
    if (LIKELY(host != NULL)) {
        memcpy(to, host, size);
        return true;
    }
    if (!segment_check(cpu, seg, offset, size, ACCESS_READ, &linear) || !alignment_ok(cpu, linear, size))
        return false;
    return linear_read_bytes(cpu, linear, size, cpu->cpl == 3, to);
}

bool mem_write_bytes(struct cpu *cpu, unsigned seg, uint64_t offset, const void *from, unsigned size)
{
    uint64_t linear;
    uint8_t *host = mem_hit(cpu, seg, offset, size, ACCESS_WRITE);
    if (LIKELY(host != NULL)) {
        memcpy(host, from, size);
        return true;
    }
    if (!segment_check(cpu, seg, offset, size, ACCESS_WRITE, &linear) || !alignment_ok(cpu, linear, size))
        return false;
    return linear_write_bytes(cpu, linear, size, cpu->cpl == 3, from);
}

bool mem_read_slow(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size, uint64_t *value)
{
    uint8_t bytes[8];
    if (!mem_read_bytes(cpu, seg, offset, bytes, size))
        return false;
    *value = host_load(bytes, size);
    return true;
}

bool mem_write_slow(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size, uint64_t value)
{
    uint8_t bytes[8];
    host_store(bytes, size, value);
    return mem_write_bytes(cpu, seg, offset, bytes, size);
}

bool mem_read_modify_slow(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size, uint64_t *value)
{
    uint64_t linear;
    uint8_t bytes[8];
    struct span span;
    if (!segment_check(cpu, seg, offset, size, ACCESS_READ, &linear) ||
        !segment_check(cpu, seg, offset, size, ACCESS_WRITE, &linear) || !alignment_ok(cpu, linear, size) ||
        !span_resolve(cpu, linear, size, ACCESS_WRITE, cpu->cpl == 3, &span))
        return false;
    if (cpu->debug_enabled != 0)
        debug_data_access(cpu, linear, size, ACCESS_READ);
    span_read(cpu, &span, bytes);
    *value = host_load(bytes, size);
    return true;
}

static bool mem_check(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size, enum access access)
{
    uint64_t linear;
    if (LIKELY(mem_hit(cpu, seg, offset, size, access) != NULL))
        return true;
    return segment_check(cpu, seg, offset, size, access, &linear) && alignment_ok(cpu, linear, size) &&
           linear_check(cpu, linear, size, access, cpu->cpl == 3);
}

bool mem_check_write(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size)
{
    return mem_check(cpu, seg, offset, size, ACCESS_WRITE);
}

bool mem_check_read(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size)
{
    return mem_check(cpu, seg, offset, size, ACCESS_READ);
}

bool mem_code_slow(struct cpu *cpu, uint64_t linear, gpa_t *addr)
{
    struct tlb_entry *entry = translate(cpu, linear, ACCESS_EXEC, cpu->cpl == 3, false);
    if (entry == NULL)
        return false;
    tlb_enter_code(&cpu->tlb, entry);
    *addr = gpa(entry->page.v | (linear & PAGE_MASK));
    return true;
}
