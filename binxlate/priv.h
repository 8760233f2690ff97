/* The translator's data. Private to binxlate/.
 *
 *   decoded block --> translation unit: host code, and the sites at which it leaves that code
 *
 *   run():   enter host code --> it runs until a site --> the dispatcher acts on the site --> enters again,
 * or returns
 *
 * All work that needs C happens outside host code: a site stores an index, saves the guest's registers and
 * returns to the dispatcher (dispatch.c), which has the whole architectural state in struct cpu. Most sites
 * mean "let the interpreter do this one instruction": a TLB miss, a device, a fault, a privileged
 * instruction, whatever has no lowering. So the interpreter stays the one place that decides (the slow path
 * is the specification).
 *
 * Time. Host code counts in one number, `budget` (struct xlat_frame), which is negative while time is left:
 * minus the cycles to the limit in the bits from BUDGET_SHIFT up, instructions in those below. A unit adds
 * its whole cost on entry, if the result is still negative; else it leaves, and the interpreter goes on step
 * by step to the exact cycle. What a site in the middle has to take back is known from its instruction. */
#ifndef CROSSPAGE_BINXLATE_PRIV_H
#define CROSSPAGE_BINXLATE_PRIV_H

#include "base/check.h"
#include "base/host_code.h"
#include "binxlate/route.h"
#include "binxlate/share.h"
#include "binxlate/translator.h"
#include "cpu/block.h"

enum {
    BUDGET_SHIFT = 20,
    UNIT_COST_MAX = 2000,   /* cycles; a unit's cost << BUDGET_SHIFT fits a displacement */
    BUDGET_COUNT = 1 << 16, /* where the instruction count starts: a way out of a loop takes some back */
    WINDOW_MAX = (1 << 20) - (1 << 17), /* cycles; at least one each, so the count fits below BUDGET_SHIFT */
    JUMP_SLOTS = 1 << 16,               /* see jump_slot() */
    JUMP_KEY_SHIFT = 48,                /* above the bits of a canonical address */
    UNIT_BYTES = 64 << 10,              /* more than most units have of host code */
    FRAME_TEMPS = 4,
    NEAR_KINDS = 4, /* [user][write] */
    NEAR_PAGES = 256,
    NEAR_SIZES = 6,   /* 1 to 32 bytes */
    NEAR_SAMPLE = 64, /* misses */
    NEAR_SUSPECTS = 64,
    JUMP_PLACES = 1 << 16,
    JUMP_PLACES_NOTED = 1 << 12,
    JUMP_SETS = 8,
    JUMP_AWAY = 24,
    JUMP_PLACES_AWAY = 256,
    JUMP_IDENTITIES = 1 << 12,
    RECENT_SLOTS = 1 << 14,
    RECENT_NOTED = 1 << 10,
    CODE_REGIONS_MAX = 16,
    DEFAULT_THRESHOLD = 24,       /* executions before a block is translated */
    CODE_REGION_LEAST = 96 << 10, /* more than the longest unit */
    X87_IMAGE_BYTES = 108,
    X87_NOTED = 1 << 15,
    X87_NO_DATA = 0xFF,
    PAGE_SITES_MAX = 1 << 18,
};

/* What host code keeps at a constant distance from its frame register, besides struct cpu: behind it. */
struct xlat_frame {
    int64_t budget;
    uint64_t window_limit; /* cycle at which `budget` reaches zero */
    int64_t sti_budget;    /* when host code last made a shadow; 0: it did not since it was entered */
    uint64_t host_stack;   /* of the dispatcher, while in host code */
    uint64_t exit;         /* index of the site by which host code was left */
    uint64_t target;       /* where enter goes */
    uint64_t temp[FRAME_TEMPS];
    uint64_t shared[SHARE_GROUPS]; /* host address of a shared check's lowest byte, see share.h */
    uint16_t flags;                /* AL: OF as 0 or 1, AH: SF ZF AF PF CF as LAHF has them */
    uint8_t not_flat[2];           /* FS, GS: 1 when an access through it needs the interpreter's checks */
    uint8_t x87_live;              /* the host's x87 unit holds the guest's state; only while in host code */
    uint8_t x87_data;              /* enum sreg of the last x87 memory operand since then, or X87_NO_DATA */
    uint16_t x87_word;             /* control word on its way */
    uint64_t x87_note; /* last x87 instruction since then: offset << 16 | X87_NOTED | opcode; or 0 */
    uint8_t x87_image[X87_IMAGE_BYTES]; /* as the host loads and stores it */
    /* 0: the guest's XMM registers and MXCSR are in the host's (only in host code); 1: in struct cpu. The
     * same for the upper halves of YMM registers, which are in the host's only if the lower ones are. */
    uint8_t vectors_away, uppers_away;
    uint8_t backward; /* RFLAGS.DF */
    uint8_t pad;
    uint32_t mxcsr;       /* for the host's MXCSR while it is the guest's, and what it was on leaving */
    uint32_t minus_mxcsr; /* negated */
    uint32_t host_mxcsr;  /* the dispatcher's */
    uint32_t pad2;
    /* near.c */
    uint64_t near_key[NEAR_KINDS][NEAR_PAGES], near_addend[NEAR_KINDS][NEAR_PAGES];
    uint64_t near_mask[NEAR_SIZES];   /* bits of an offset in a page that are zero: by log2 of the size */
    uint64_t near_credit;             /* misses to the next sample; 0: that is why host code was left */
    uint8_t near_filled[NEAR_SAMPLE]; /* by the credit that was left: which page was filled */
    uint8_t near_nothing[PAGE_SIZE];
    /* For calls about modelled caches (timed.c): what they are about, and what they must not lose. */
    uint64_t timed_address, timed_keep;
    uint32_t timed_what;
    uint32_t pad3;
    uint64_t line_mask[NEAR_SIZES]; /* as near_mask, of an offset in a line */
    /* jump_cache.c: the numbers that count, as salts; 0: none. */
    struct jump_places {
        uint64_t salt[JUMP_PLACES], crossing_salt;
    } places[JUMP_SETS];
    struct jump_slot {
        uint64_t key;  /* -(target + salt), -target, or what cannot match */
        uint64_t host; /* host address */
    } direct[JUMP_SLOTS], indirect[JUMP_SLOTS];
    /* recent.c */
    uint64_t recent_mask;  /* which bits choose a slot, doubled */
    uint64_t look_up_back; /* where a lookup in the jump cache comes back to */
    struct recent_targets {
        uint64_t credit;              /* how many slots may still be noted, or 0: emptying is for all */
        uint16_t noted[RECENT_NOTED]; /* by credit: low bits of what was put in */
        struct jump_slot slot[RECENT_SLOTS];
    } recent[JUMP_SETS];
    uint64_t counted[COUNT_COUNT - COUNT_FIRST_IN_HOST];
};

enum site_kind {
    SITE_INSN,   /* the interpreter does `insn`, then host code goes on at `resume` */
    SITE_MEMORY, /* the same, because of the soft TLB */
    SITE_LINK, /* the unit is done; the next instruction is at `target`; its jump at `patch` may be linked */
    SITE_JUMP, /* the same for a jump to another page: its target may go to the jump cache */
    SITE_PAGE, /* the same for one of the supervisor's, which may be linked: see site_link_pages() */
    SITE_BUDGET, /* the unit does not fit before the limit: nothing of it was done */
    SITE_X87,    /* the unit needs x87_live: nothing of it was done, nor paid */
};

/* A site's number: its region, and which it is there. */
#define PAGES_APART UINT64_MAX
enum { SITE_NONE = UINT32_MAX, SITE_REGION_SHIFT = 24, SITE_IN_REGION = (1 << SITE_REGION_SHIFT) - 1 };
/* In its place: all has been done, host code was left at a boundary with checks to make. */
enum { SITE_DONE = UINT32_MAX - 1 };

struct site {
    uint8_t kind;
    struct translation_unit *unit;
    const struct insn *insn;
    uint64_t target;
    uint32_t resume;             /* offset in the code cache */
    uint32_t patch;              /* offset of a jump's 32-bit displacement */
    uint32_t stub;               /* where it goes when not linked */
    struct translation_unit *to; /* SITE_LINK: what it is linked to, or NULL */
    uint32_t next, prev;         /* those linked to the same unit */
    /* SITE_INSN, SITE_MEMORY: what the unit has paid from `insn` on, without having done it. */
    uint32_t rest_cost, rest_count;
    uint32_t back_cost, back_count; /* what is to be paid to go on at `resume` */
};

/* A unit with a route is followed by its parts: they lie in the lists of the route's other blocks and have no
 * code. A block that is forgotten takes all with it. */
struct translation_unit {
    struct block *block;            /* NULL once forgotten */
    uint64_t rip, origin;           /* of its first instruction; from where rip_offset counts */
    struct route *route;            /* NULL: it has only `block` */
    struct translation_unit *whole; /* of a part: what it is part of */
    uint16_t samples;               /* see hot.c */
    uint32_t entry;                 /* offset in the code cache */
    uint32_t guard;                /* where linked jumps go: `entry`, or first a look whether that is right */
    uint32_t cost, count;          /* cycles and instructions paid on entry */
    uint32_t incoming;             /* first site linked to it */
    uint16_t number;               /* under which the jump cache has it for indirect jumps; 0: not */
    bool seen;                     /* host code was left from it */
    bool x87;                      /* its code uses the host's x87 unit */
    bool vectors;                  /* from its first vector instruction on they are in host registers */
    bool wide;                     /* from its first AVX instruction on their upper halves, too */
    struct translation_unit *next; /* of the same block, for another rip */
};

/* A host: everything that knows its instruction set. */
struct host_ops {
    const char *name;
    bool (*supported)(void);
    /* The host code that the dispatcher calls to enter and that sites jump to. */
    bool (*make_thunks)(struct translator *t);
    /* Translate the unit's block or route; false: no room in the code cache (nothing was made). */
    bool (*translate)(struct translator *t, struct translation_unit *unit);
    /* Make the jump whose displacement is at `patch` go to `target` (offsets in the code cache). */
    void (*aim)(struct translator *t, uint32_t patch, uint32_t target);
    /* Can units with `x87` run in the present state? */
    bool (*x87_usable)(const struct cpu *cpu);
    /* Between struct cpu and what enter and leave move; x87_live says on which side the state is. */
    void (*x87_load)(struct translator *t);
    void (*x87_store)(struct translator *t);
};

typedef void enter_fn(void *cpu, const void *target);

struct translator {
    struct cpu_engine engine; /* first: what the CPU sees */
    struct cpu *cpu;
    struct xlat_frame *frame;
    const struct host_ops *host;
    struct translator_config config;

    /* Code cache: thunks, then units, front to back. */
    struct host_code code;
    size_t used, thunks_end;
    enter_fn *enter;
    /* Offsets of thunks: sites jump to `leave` with their index in the scratch register. */
    uint32_t leave, load_vectors, load_wide, call, interpret;
    uint32_t done; /* leaves by SITE_DONE */
    uint32_t look_up[JUMP_SETS];
    uint32_t probe; /* room for a routine */

    struct code_region {
        size_t start, end; /* offsets in the code cache */
        struct site *site;
        uint32_t sites, sites_room; /* `sites` is right for regions that are full */
        struct translation_unit *unit;
        uint32_t units, units_room;
    } region[CODE_REGIONS_MAX];
    unsigned regions, filling;
    uint64_t region_begun; /* s.instructions then */
    uint32_t sites;        /* number of the next site */

    uint64_t window_instructions; /* s.instructions where its count is zero */

    /* jump_cache.c: whose the places are, for which base of CS and epoch; which of them say something. */
    struct jump_set {
        unsigned mode, count;
        uint64_t epoch, base;
        uint16_t used[JUMP_PLACES_NOTED];
    } set[JUMP_SETS];
    /* What places said that may say it again: when their epoch comes back with an address space. */
    struct jump_away {
        unsigned set, mode, count; /* 0: nothing */
        uint64_t epoch, base, crossing_salt, since;
        struct {
            uint16_t place, number;
        } at[JUMP_PLACES_AWAY];
    } away[JUMP_AWAY];
    uint64_t aways; /* for `since` */
    /* By hash; 0: no number. */
    struct jump_identity {
        uint64_t page, phys, base, epoch;
        unsigned mode;
        uint16_t number;
    } identity[JUMP_IDENTITIES];
    uint64_t page_of[UINT16_MAX]; /* by number */
    uint32_t numbers;             /* given out */

    /* cache.c: the sites of kind SITE_PAGE that were linked since the supervisor's code pages moved last,
     * with the epoch since then, or PAGES_APART if they move too often; since when, and how often it was
     * soon. */
    uint32_t *page_site;
    uint32_t page_sites;
    uint64_t pages_epoch, pages_seen, pages_moved;
    unsigned pages_unsteady;

    struct route_record record; /* hot.c */

    /* near.c */
    uint64_t near_epoch[2]; /* tlb.map_epoch of what the frame's near pages hold */
    uint64_t near_no_key, near_no_addend;
    unsigned near_clean[2]; /* pages filled with that much credit left, or more, are forgotten; 0: none is */
    struct near_suspect {
        const struct insn *insn;
        uint64_t when;
        unsigned times;
    } near_suspect[NEAR_SUSPECTS]; /* sampled misses */
    unsigned near_next;            /* the back end's: near pages given out */

    uint64_t unlike;        /* the back end's: instructions whose undefined flags the host sets otherwise */
    uint8_t *vector_rows;   /* the back end's, per row: see x64/vector_probe.c */
    uint64_t host_features; /* the back end's: bit per enum insn_feature */
    uint64_t count[COUNT_COUNT];
    uint64_t *slow_rows; /* per row of the instruction table: given to the interpreter */
};

static inline bool path_on(const struct translator *t, enum translator_path path)
{
    return (t->config.off >> path & 1) == 0;
}

/* ---- cache.c: the code cache and the sites ---- */

/* When the thunks are made; until then code goes up to the end of the cache. */
void code_regions_create(struct translator *t);
void code_regions_destroy(struct translator *t);
/* Where code has to end that is made now. */
size_t code_end(const struct translator *t);
/* A new site; its number. */
uint32_t site_add(struct translator *t, const struct site *site);
static inline struct site *site_at(const struct translator *t, uint32_t n)
{
    return &t->region[n >> SITE_REGION_SHIFT].site[n & SITE_IN_REGION];
}
struct translation_unit *unit_add(struct translator *t, struct block *block, uint64_t rip,
                                  struct route *route);
/* The unit that begins with a block at that address, not one that only goes through it; or NULL. */
struct translation_unit *unit_at(const struct block *block, uint64_t rip);
/* Take back unit_add. */
void unit_drop_last(struct translator *t, struct translation_unit *unit);
/* Forget the oldest units: code goes where they were. */
void code_next_region(struct translator *t);
/* Forget all units; the thunks stay. */
void code_flush(struct translator *t);
/* With all parts of its route. */
void unit_forget(struct translator *t, struct translation_unit *unit);
void units_forget(struct translator *t, struct block *block);
void site_link(struct translator *t, uint32_t site, struct translation_unit *unit);
/* The same for a jump between two pages of the supervisor's. It holds as long as both are where they are. */
void site_link_pages(struct translator *t, uint32_t site, struct translation_unit *unit);
/* A kernel that isolates its page tables has its code move with each system call: then jumps between pages
 * are left to the jump cache. */
enum { PAGES_STEADY = 1 << 16 /* instructions */, PAGES_UNSTEADY_MAX = 64 };
static inline bool pages_are_steady(const struct translator *t)
{
    return t->pages_unsteady < PAGES_UNSTEADY_MAX;
}
/* Before host code is entered as supervisor: no such link is there that does not hold under `epoch` (of
 * tlb.code_epoch; PAGES_APART: none holds). */
void sites_check_pages(struct translator *t, uint64_t epoch);

/* ---- jump_cache.c ---- */

void jump_cache_clear(struct translator *t);
/* Before entering host code: only numbers of the present mode and code mappings count. */
void jump_cache_salt(struct translator *t);
/* Of a unit that is at rip, after jump_cache_salt(). */
void jump_cache_add(struct translator *t, struct translation_unit *unit, bool direct);
/* The host code for rip, if the jump cache has it among the targets of indirect jumps. */
bool jump_cache_find(const struct translator *t, uint32_t *at) MUST_CHECK;
void jump_cache_remove(struct translator *t, const struct translation_unit *unit);

/* How a code offset is named in the jump cache: sign-extended from 32 bits outside 64-bit mode. */
static inline uint64_t jump_name(unsigned mode, uint64_t rip)
{
    return (mode & MODE_CODE_MASK) == MODE_CODE64 ? rip : (uint64_t)(int32_t)rip;
}

static inline uint64_t jump_slot(uint64_t name)
{
    return (name + (name >> PAGE_SHIFT)) % JUMP_SLOTS;
}

/* Where the guard of an instruction in two pages looks. */
static inline uint64_t jump_crossing_slot(uint64_t name)
{
    return (jump_slot(name) + 1) % JUMP_SLOTS;
}

static inline unsigned jump_place(uint64_t name)
{
    return name >> PAGE_SHIFT & (JUMP_PLACES - 1);
}

enum { JUMP_SET_USER = 1 };
/* The places of a CPU mode. Modes that share a set take it from each other. */
static inline unsigned jump_set(unsigned mode)
{
    unsigned user = (mode >> MODE_CPL_SHIFT & 3) == 3 ? JUMP_SET_USER : 0,
             code64 = (mode & MODE_CODE_MASK) == MODE_CODE64;
    return user | code64 << 1 | ((mode & MODE_FPU_GUARD) != 0) << 2;
}

static inline bool jump_set_is_code64(unsigned set)
{
    return (set >> 1 & 1) != 0;
}

/* ---- recent.c ---- */

void recent_create(struct translator *t);
/* Empty the slots of a set of places. */
void recent_forget(struct translator *t, unsigned set);
void recent_remove(struct translator *t, const struct translation_unit *unit);

/* ---- near.c ---- */

void near_create(struct translator *t);
/* Before entering host code: forget what the map for the present privilege has forgotten. */
void near_refresh(struct translator *t);
/* Host code was left because of a sampled miss of `insn`: does it miss too often? */
bool near_sampled(struct translator *t, const struct insn *insn);

/* ---- hot.c ---- */

/* The unit was entered when time was up. */
void hot_sample(struct translator *t, struct translation_unit *unit);
/* While t->record.on: `block`, which is at rip, comes next. Is it the interpreter's? */
bool hot_record(struct translator *t, struct block *block) MUST_CHECK;
/* Blocks are about to be freed. */
void hot_forget(struct translator *t);

/* ---- timed.c: what host code calls with a cache model (cpu/timing.h) ---- */

void timed_create(struct translator *t);
/* Of the access `timed_what`: size, TIMED_STORE, TIMED_ALIGNED. The addend, or 0: to the slow path. */
uint64_t timed_data(struct cpu *cpu, uint64_t linear);
/* The line of code at `linear`. 0: done; else: to the slow path. */
uint64_t timed_fetch(struct cpu *cpu, uint64_t linear);
/* Of the branch at `timed_address`, to `target`: kind, TIMED_TAKEN and so on. */
uint64_t timed_branch(struct cpu *cpu, uint64_t target);
enum {
    TIMED_STORE = 1 << 8,
    TIMED_ALIGNED = 1 << 9, /* must be */
    TIMED_TAKEN = 1 << 8,
    TIMED_BACKWARD = 1 << 9,
    TIMED_LENGTH_SHIFT = 16, /* of the branch */
};

/* ---- dispatch.c ---- */

unsigned translator_run(void *ctx, struct block *block);
/* Translate a route, which is `block`'s at `rip`, under the present mode. Takes it over. */
void unit_make_route(struct translator *t, struct block *block, uint64_t rip, struct route *route);
/* Can only have changed rip, registers and the stack. */
bool insn_is_near_branch(const struct insn *insn);

/* For host code that has stored all registers: the interpreter does the instruction of site `n`. Where host
 * code goes on, with all registers loaded again. Not while the host's x87 unit is in use. */
uint64_t translator_interpret(struct cpu *cpu, uint64_t n);

/* ---- host back ends ---- */

extern const struct host_ops host_x64;

#endif
