/* Runs one instruction on the host CPU.
 *
 * A stub in low memory loads the x87, SSE and AVX state (XRSTOR, or FXRSTOR where there is no AVX), the
 * segment registers, RFLAGS and all general registers, and jumps, near or far, to the instruction. What
 * follows the instruction is INT3, and so is every place a branch may go to, so every case ends in a signal;
 * its frame has the complete state. The handler copies it and jumps back.
 *
 * Memory below 4 GB, fixed addresses:
 *   DATA_BASE   the memory instructions work on, with unmapped pages around
 *   CODE_BASE   the instruction, in a sea of INT3; instructions cannot write there, we do through an alias
 *   STUB_BASE   the stub, then (at STUB_DATA) struct stub_data, which it addresses absolutely; the signal
 *               handler finds it there too, so there is no global state
 *
 * A fault is the instruction's own when the saved RIP is the instruction's; else the instruction was a branch
 * whose target is not mapped, which is the next instruction's problem. Two timers end cases that do not end:
 * in user time, or in all of the process's time when it is the kernel that goes round in circles; real time
 * would also pass while other processes run. */
#include "native.h"

#if defined(__x86_64__)

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    STUB_BASE = 0x5A6D3000, /* not a value that turns up among random ones */
    STUB_DATA = STUB_BASE + PAGE_SIZE,
    STUB_SIZE = 3 * PAGE_SIZE,
    STACK_SIZE = 64 << 10,
    USED_MAX = 512,
    STRAY_MAX = 512, /* bytes an instruction accesses at once */
    TRAP_BREAKPOINT = 3,
    TRAP_OVERFLOW = 4,
    TRAP_PAGE = 14,
};

/* Last bytes of the stub's pages, struct stub_fs: what native_signal_entry reads. */
#define STUB_FS      0x5A6D5F00
#define STUB_FS_TEXT "0x5A6D5F00"

/* XSAVE header: which components follow; those this test knows (SDM vol. 1, 13.4). */
enum { XSAVE_BV = 512, XSAVE_HAS_AVX = 4, XSAVE_ALL = 7 };

#define USER_END UINT64_C(0x7FFFFFFFF000)

struct stub_data {
    _Alignas(64) uint8_t xsave[XSAVE_BYTES];
    uint64_t gpr[GPR_COUNT];
    uint64_t rflags;
    uint64_t near_target;
    struct {
        uint32_t offset;
        uint16_t selector;
    } far_target;
    /* for the signal handler */
    bool ymm;
    volatile bool active;
    uint64_t serial, serial_at_tick[2]; /* of the timers */
    uint64_t start;                     /* rip of the instruction */
    struct native_result *out;
    void *back[5]; /* of __builtin_setjmp(), which a sanitizer leaves alone */
};

struct range {
    uint64_t first, end;
};

struct stub_fs {
    uint64_t lost; /* the instruction may have loaded FS or GS */
    uint64_t base; /* to put back then */
};
_Static_assert(STUB_FS + sizeof(struct stub_fs) <= STUB_BASE + STUB_SIZE, "end of the stub");
_Static_assert(offsetof(struct stub_fs, base) == 8, "native_signal_entry");

struct native_host {
    struct native_machine machine;
    uint8_t *stack;
    uint8_t *code;             /* the code region, writable */
    uint32_t placed;           /* address of the instruction in it, 0 = none */
    uint8_t bytes[CASE_BYTES]; /* what was put there */
    unsigned length;
    struct range used[USED_MAX]; /* this process's own memory */
    unsigned used_count;
};

static struct stub_data *stub_data(void)
{
    return (struct stub_data *)(uintptr_t)STUB_DATA;
}

static struct stub_fs *stub_fs(void)
{
    return (struct stub_fs *)(uintptr_t)STUB_FS;
}

/* ---- The end of a case: a signal ---- */

/* The kernel enters a handler with the interrupted AC and NT, and with the data segments; C code wants no AC,
 * no NT, and its own FS. A timer's handler returns, and must leave no trace: the kernel restores CS and SS,
 * the handler FS, NT and ID. For the instruction may be done, and its own signal's handler, below the
 * timer's, have yet to look. The fourth argument of native_signal() is struct pushed. */
void native_signal_entry(int signal, siginfo_t *info, void *context);
// clang-format off
__asm__(
    ".text\n"
    ".globl native_signal_entry\n"
    "native_signal_entry:\n"
    "    pushq $0x202\n"
    "    popfq\n"
    "    subq $40, %rsp\n"
    "    movw %es, (%rsp)\n"
    "    movw %ds, 6(%rsp)\n"
    "    movw %fs, 8(%rsp)\n"
    "    movw %gs, 10(%rsp)\n"
    "    movq %rdi, 16(%rsp)\n"
    "    movq %rsi, 24(%rsp)\n"
    "    movq %rdx, 32(%rsp)\n"
    "    cmpq $0, " STUB_FS_TEXT "\n"
    "    je 1f\n"
    "    movl $158, %eax\n" /* arch_prctl(ARCH_SET_FS, base) */
    "    movl $0x1002, %edi\n"
    "    movq " STUB_FS_TEXT " + 8, %rsi\n"
    "    syscall\n"
    "    movq 16(%rsp), %rdi\n"
    "    movq 24(%rsp), %rsi\n"
    "1:  movq %rsp, %rcx\n"
    "    call native_signal\n"
    "    cmpw $3, 8(%rsp)\n" /* a null selector: FS as it always is */
    "    jbe 2f\n"
    "    movw 8(%rsp), %fs\n"
    "2:  movq 32(%rsp), %rdx\n"
    "    movq 176(%rdx), %rax\n" /* uc_mcontext.gregs[FRAME_FLAGS] */
    "    andl $0x204000, %eax\n"
    "    orl $0x202, %eax\n"
    "    leaq 40(%rsp), %rsp\n"
    "    pushq %rax\n"
    "    popfq\n"
    "    ret\n");
// clang-format on
struct pushed {
    uint16_t selector[SREG_COUNT]; /* when the signal came; not CS and SS */
};
_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[17]) == 176 && SYS_arch_prctl == 158 &&
                   ARCH_SET_FS == 0x1002 && ES == 0 && DS == 3 && FS == 4 && GS == 5,
               "native_signal_entry");

/* Indices into the frame's registers (Linux, struct sigcontext). */
enum {
    FRAME_RIP = 16,
    FRAME_FLAGS = 17,
    FRAME_SELECTORS = 18, /* CS, GS, FS, SS; GS and FS are not filled in */
    FRAME_ERROR = 19,
    FRAME_TRAP = 20,
    FRAME_CR2 = 22
};

/* A null selector with an RPL is indistinguishable from 0 here: the kernel's IRET to CPL 3 makes it 0. */
static void copy_selectors(const ucontext_t *context, const struct pushed *pushed,
                           uint16_t selector[SREG_COUNT])
{
    uint64_t in_frame = (uint64_t)context->uc_mcontext.gregs[FRAME_SELECTORS];
    memcpy(selector, pushed->selector, sizeof pushed->selector);
    selector[CS] = (uint16_t)in_frame;
    selector[SS] = (uint16_t)(in_frame >> 48);
    for (unsigned i = 0; i < SREG_COUNT; i++)
        if (selector[i] < 4)
            selector[i] = 0;
}

static void copy_registers(const ucontext_t *context, const struct pushed *pushed, struct native_state *s)
{
    static const uint8_t order[] = {R8,  R9,  R10, R11, R12, R13, R14, R15,
                                    RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP};
    const greg_t *regs = context->uc_mcontext.gregs;
    for (unsigned i = 0; i < GPR_COUNT; i++)
        s->gpr[order[i]] = (uint64_t)regs[i];
    s->rip = (uint64_t)regs[FRAME_RIP];
    s->rflags = (uint64_t)regs[FRAME_FLAGS];
    const uint8_t *area = (const uint8_t *)context->uc_mcontext.fpregs;
    memcpy(s->fx, area, sizeof s->fx);
    memset(s->ymm, 0, sizeof s->ymm);
    if (stub_data()->ymm && (area[XSAVE_BV] & XSAVE_HAS_AVX))
        memcpy(s->ymm, area + XSAVE_AVX, sizeof s->ymm);
    copy_selectors(context, pushed, s->selector);
}

__attribute__((no_sanitize_address)) void native_signal(int signal_number, siginfo_t *info, void *context_ptr,
                                                        const struct pushed *pushed)
{
    (void)info;
    const ucontext_t *context = context_ptr;
    struct stub_data *stub = stub_data();
    if (signal_number == SIGALRM)
        return;
    if (signal_number == SIGVTALRM || signal_number == SIGPROF) {
        uint64_t *at_tick = &stub->serial_at_tick[signal_number == SIGPROF];
        bool stuck = stub->active && stub->serial == *at_tick;
        *at_tick = stub->serial;
        if (!stuck)
            return;
    } else if (!stub->active) { /* a bug of ours, not of the case */
        signal(signal_number, SIG_DFL);
        return;
    }
    struct native_result *out = stub->out;
    uint64_t trap = (uint64_t)context->uc_mcontext.gregs[FRAME_TRAP];
    copy_registers(context, pushed, &out->s);
    out->fault = (uint8_t)trap;
    out->code = (uint32_t)context->uc_mcontext.gregs[FRAME_ERROR];
    out->cr2 = (uint64_t)context->uc_mcontext.gregs[FRAME_CR2];
    if (signal_number == SIGVTALRM || signal_number == SIGPROF) {
        out->fault = FAULT_HANG;
    } else if (trap == TRAP_BREAKPOINT) {
        out->fault = FAULT_NONE;
        out->s.rip--;
    } else if (out->s.rip != stub->start && trap != TRAP_OVERFLOW) { /* INTO's is a trap */
        out->fault = FAULT_NONE;
    }
    if (out->fault != TRAP_PAGE)
        out->cr2 = 0;
    else if (out->cr2 >= USER_END)
        out->code &= ~1u; /* the kernel sets P there, to hide its own mappings */
    if (out->fault == FAULT_NONE)
        out->code = 0;
    stub->active = false;
    __builtin_longjmp(stub->back, 1);
}

static void signals_install(struct native_host *host)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGVTALRM, SIGPROF};
    host->stack = xcalloc(1, STACK_SIZE);
    stack_t stack = {.ss_sp = host->stack, .ss_size = STACK_SIZE};
    CHECK(sigaltstack(&stack, NULL) == 0);
    struct sigaction action = {.sa_sigaction = native_signal_entry,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++)
        CHECK(sigaction(numbers[i], &action, NULL) == 0);
    action.sa_flags &= ~SA_NODEFER; /* its handler returns always, and it may be slower than its timer */
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval timer = {.it_interval = {.tv_usec = 250000}, .it_value = {.tv_usec = 250000}};
    CHECK(setitimer(ITIMER_VIRTUAL, &timer, NULL) == 0);
    struct itimerval slow = {.it_interval = {.tv_sec = 5}, .it_value = {.tv_sec = 5}};
    CHECK(setitimer(ITIMER_PROF, &slow, NULL) == 0);
}

/* ---- Segments ---- */

enum {
    LDT_CODE16 = 1,
    LDT_DATA16,
    LDT_LIMITED,
    LDT_DOWN,
    LDT_ABSENT_DATA,
    LDT_READ_ONLY,
    LDT_EXECUTE_ONLY,
    LDT_ABSENT_CODE,
    LDT_ABSENT_CONFORMING,
    LDT_SHORT_CODE32,
};
#define LDT_SELECTOR(entry) ((entry) << 3 | 7)

enum {
    ATTR_CODE64 = 0xAFB,
    ATTR_CODE32 = 0xCFB,
    ATTR_DATA32 = 0xCF3,
    ATTR_LDT_CODE16 = 0x1FB,
    ATTR_LDT_DATA16 = 0x1F3,
    ATTR_LDT_DATA32 = 0x5F3,
    ATTR_LDT_DOWN16 = 0x1F7,
    ATTR_LDT_DOWN32 = 0x5F7,
};

/* Offsets at which the segments with a limit end (LIMITED) or begin (DOWN), inside the data window. */
enum { LIMITED_LAST = 0x8000 + DATA_SIZE - 33, DOWN_LAST = 0x80FF };

/* What each mode runs with. CS of 16-bit code begins at CODE_BASE. */
const struct native_segment native_segments[BITS_COUNT][SREG_COUNT] = {
    [BITS_16] = {[CS] = {LDT_SELECTOR(LDT_CODE16), ATTR_LDT_CODE16, CODE_BASE, 0xFFFF},
                 [DS] = {LDT_SELECTOR(LDT_DATA16), ATTR_LDT_DATA16, DATA16_BASE, 0xFFFF},
                 [SS] = {LDT_SELECTOR(LDT_DATA16), ATTR_LDT_DATA16, DATA16_BASE, 0xFFFF},
                 [ES] = {LDT_SELECTOR(LDT_LIMITED), ATTR_LDT_DATA16, DATA16_BASE, LIMITED_LAST},
                 [GS] = {LDT_SELECTOR(LDT_DOWN), ATTR_LDT_DOWN16, DATA16_BASE, DOWN_LAST}},
    [BITS_32] = {[CS] = {0x23, ATTR_CODE32, 0, UINT32_MAX},
                 [DS] = {0x2B, ATTR_DATA32, 0, UINT32_MAX},
                 [SS] = {0x2B, ATTR_DATA32, 0, UINT32_MAX},
                 [ES] = {LDT_SELECTOR(LDT_LIMITED), ATTR_LDT_DATA32, DATA16_BASE, LIMITED_LAST},
                 [GS] = {LDT_SELECTOR(LDT_DOWN), ATTR_LDT_DOWN32, DATA16_BASE, DOWN_LAST}},
    [BITS_64] = {[CS] = {0x33, ATTR_CODE64, 0, UINT32_MAX},
                 [DS] = {0x2B, ATTR_DATA32, 0, UINT32_MAX},
                 [SS] = {0x2B, ATTR_DATA32, 0, UINT32_MAX},
                 [ES] = {0x2B, ATTR_DATA32, 0, UINT32_MAX},
                 [GS] = {0, 0, GS64_BASE, UINT32_MAX}},
};

const struct native_segment native_ldt[NATIVE_LDT_EXTRA] = {
    {LDT_SELECTOR(LDT_CODE16), ATTR_LDT_CODE16, CODE_BASE, 0xFFFF},
    {LDT_SELECTOR(LDT_DATA16), ATTR_LDT_DATA16, DATA16_BASE, 0xFFFF},
    {LDT_SELECTOR(LDT_ABSENT_DATA), ATTR_LDT_DATA16 & ~SEG_P, DATA16_BASE, 0xFFFF},
    {LDT_SELECTOR(LDT_READ_ONLY), ATTR_LDT_DATA16 & ~SEG_WRITABLE, DATA16_BASE, 0xFFFF},
    {LDT_SELECTOR(LDT_EXECUTE_ONLY), ATTR_LDT_CODE16 & ~SEG_READABLE, CODE_BASE, 0xFFFF},
    {LDT_SELECTOR(LDT_ABSENT_CODE), ATTR_LDT_CODE16 & ~SEG_P, CODE_BASE, 0xFFFF},
    {LDT_SELECTOR(LDT_ABSENT_CONFORMING), (ATTR_LDT_CODE16 & ~SEG_P) | SEG_CONFORMING, CODE_BASE, 0xFFFF},
    {LDT_SELECTOR(LDT_SHORT_CODE32), ATTR_LDT_CODE16 | SEG_DB, CODE_BASE, CODE_SIZE / 2 - 1},
};

static bool ldt_set(const struct native_segment *segment)
{
    struct user_desc descriptor = {
        .entry_number = segment->selector >> 3,
        .base_addr = segment->base,
        .limit = segment->limit,
        .seg_32bit = (segment->attr & SEG_DB) != 0,
        .read_exec_only = (segment->attr & SEG_WRITABLE) == 0, /* of code, SEG_READABLE */
        .seg_not_present = (segment->attr & SEG_P) == 0,
        .contents = (segment->attr & SEG_CODE ? 2u : 0) | (segment->attr & SEG_EXPAND_DOWN ? 1u : 0),
        .useable = 1,
    };
    return syscall(SYS_modify_ldt, 0x11, &descriptor, sizeof descriptor) == 0;
}

static bool segments_install(struct native_host *host, enum native_bits bits)
{
    host->machine.bits = bits;
    memcpy(host->machine.segment, native_segments[bits], sizeof host->machine.segment);
    for (unsigned i = 0; i < NATIVE_LDT_EXTRA; i++)
        if (!ldt_set(&native_ldt[i]))
            return false;
    for (unsigned i = 0; i < SREG_COUNT; i++)
        if ((host->machine.segment[i].selector & 4) && !ldt_set(&host->machine.segment[i]))
            return false;
    syscall(SYS_arch_prctl, ARCH_GET_FS, &host->machine.fs_base);
    stub_fs()->base = host->machine.fs_base;
    return bits != BITS_64 || syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)GS64_BASE) == 0;
}

/* ---- The stub ---- */

struct emitter {
    uint8_t *at;
};

static void emit(struct emitter *e, const uint8_t *bytes, size_t count)
{
    memcpy(e->at, bytes, count);
    e->at += count;
}

/* The bytes, then an absolute 32-bit address. */
static void emit_absolute(struct emitter *e, const uint8_t *bytes, size_t count, size_t offset)
{
    uint32_t address = (uint32_t)(STUB_DATA + offset);
    emit(e, bytes, count);
    emit(e, (const uint8_t *)&address, sizeof address);
}

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void emit_segment(struct emitter *e, unsigned sreg, uint32_t selector)
{
    emit(e, BYTES(0xB8)); /* mov eax, selector */
    emit(e, (const uint8_t *)&selector, sizeof selector);
    emit(e, BYTES(0x8E, (uint8_t)(0xC0 | sreg << 3))); /* mov sreg, eax */
}

static void emit_restore(const struct native_host *host, struct emitter *e)
{
    if (host->machine.ymm) {
        emit(e, BYTES(0xB8, XSAVE_ALL, 0, 0, 0, 0x31, 0xD2)); /* mov eax, mask; xor edx, edx; xrstor64 */
        emit_absolute(e, BYTES(0x48, 0x0F, 0xAE, 0x2C, 0x25), offsetof(struct stub_data, xsave));
    } else {
        emit_absolute(e, BYTES(0x48, 0x0F, 0xAE, 0x0C, 0x25), offsetof(struct stub_data, xsave));
    }
}

static void stub_build(const struct native_host *host, enum native_bits bits)
{
    struct emitter e = {(uint8_t *)(uintptr_t)STUB_BASE};
    emit_restore(host, &e);
    emit_segment(&e, DS, host->machine.segment[DS].selector);
    emit_segment(&e, ES, host->machine.segment[ES].selector);
    if (bits != BITS_64)
        emit_segment(&e, GS, host->machine.segment[GS].selector);
    emit_segment(&e, SS, host->machine.segment[SS].selector);
    emit_absolute(&e, BYTES(0x48, 0xC7, 0xC4), offsetof(struct stub_data, rflags)); /* mov rsp, imm32 */
    emit(&e, BYTES(0x9D));                                                          /* popfq */
    for (unsigned i = 0; i < GPR_COUNT; i++)                                        /* mov r64, [address] */
        emit_absolute(&e, BYTES((uint8_t)(0x48 | (i >= 8) << 2), 0x8B, (uint8_t)((i & 7) << 3 | 4), 0x25),
                      offsetof(struct stub_data, gpr) + 8 * i);
    if (bits == BITS_64)
        emit_absolute(&e, BYTES(0xFF, 0x24, 0x25), offsetof(struct stub_data, near_target));
    else
        emit_absolute(&e, BYTES(0xFF, 0x2C, 0x25), offsetof(struct stub_data, far_target));
}

/* AVX, with its state enabled and where struct native_state has it. */
static bool has_ymm(void)
{
    unsigned a, b, c = 0, d, offset, enabled;
    __cpuid(1, a, b, c, d);
    if ((c >> 27 & 3) != 3) /* OSXSAVE, AVX */
        return false;
    __asm__("xgetbv" : "=a"(enabled), "=d"(d) : "c"(0));
    __cpuid_count(0xD, 2, a, offset, c, d);
    return (enabled & 6) == 6 && offset == XSAVE_AVX;
}

/* ---- Interface ---- */

static bool map_fixed(uint32_t base, size_t size, int protection)
{
    void *at = mmap((void *)(uintptr_t)base, size, protection,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return at == (void *)(uintptr_t)base;
}

/* The code region: read and execute for instructions, writable for us at another address. */
static uint8_t *map_code(void)
{
    int fd = (int)syscall(SYS_memfd_create, "code", 0);
    if (fd < 0 || ftruncate(fd, CODE_SIZE) != 0)
        return NULL;
    void *run = mmap((void *)(uintptr_t)CODE_BASE, CODE_SIZE, PROT_READ | PROT_EXEC,
                     MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    void *alias = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return run == (void *)(uintptr_t)CODE_BASE && alias != MAP_FAILED ? alias : NULL;
}

/* What this process has mapped before the regions are there: a sanitizer's shadow fills terabytes. */
static void used_note(struct native_host *host)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long first, end;
    CHECK(maps != NULL);
    while (host->used_count < USED_MAX && fscanf(maps, "%lx-%lx%*[^\n]", &first, &end) == 2)
        host->used[host->used_count++] = (struct range){first, end};
    fclose(maps);
}

struct native_host *host_open(enum native_bits bits, const char **reason)
{
    struct native_host *host = xcalloc(1, sizeof *host);
    used_note(host);
    uint8_t *code = map_code();
    if (code == NULL || !map_fixed(DATA_BASE, DATA_SIZE, PROT_READ | PROT_WRITE) ||
        !map_fixed(STUB_BASE, STUB_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC)) {
        free(host);
        *reason = "cannot map writable code at fixed low addresses";
        return NULL;
    }
    if (!segments_install(host, bits)) {
        free(host);
        *reason = "the kernel allows no LDT";
        return NULL;
    }
    host->code = code;
    host->machine.ymm = has_ymm();
    memset(code, 0xCC, CODE_SIZE);
    stub_build(host, bits);
    signals_install(host);
    return host;
}

void host_close(struct native_host *host)
{
    struct itimerval off = {0};
    setitimer(ITIMER_VIRTUAL, &off, NULL);
    setitimer(ITIMER_PROF, &off, NULL);
    setitimer(ITIMER_REAL, &off, NULL);
    munmap((void *)(uintptr_t)DATA_BASE, DATA_SIZE);
    munmap((void *)(uintptr_t)CODE_BASE, CODE_SIZE);
    munmap(host->code, CODE_SIZE);
    munmap((void *)(uintptr_t)STUB_BASE, STUB_SIZE);
    free(host->stack);
    free(host);
}

const struct native_machine *host_machine(const struct native_host *host)
{
    return &host->machine;
}

uint8_t *host_data(struct native_host *host)
{
    (void)host;
    return (uint8_t *)(uintptr_t)DATA_BASE;
}

static void place_code(struct native_host *host, const struct native_case *c)
{
    if (host->placed == c->code && host->length == c->length && memcmp(host->bytes, c->bytes, c->length) == 0)
        return;
    if (host->placed)
        memset(host->code + (host->placed - CODE_BASE), 0xCC, host->length);
    memcpy(host->code + (c->code - CODE_BASE), c->bytes, c->length);
    memcpy(host->bytes, c->bytes, c->length);
    host->placed = c->code;
    host->length = c->length;
}

bool host_can_run(const struct native_host *host, const struct native_result *guest)
{
    if (guest->fault != TRAP_PAGE)
        return true;
    for (unsigned i = 0; i < host->used_count; i++)
        if (guest->cr2 + STRAY_MAX > host->used[i].first && guest->cr2 < host->used[i].end + STRAY_MAX)
            return false;
    return true;
}

void host_run(struct native_host *host, const struct native_case *c, struct native_result *out)
{
    struct stub_data *stub = stub_data();
    place_code(host, c);
    memcpy(stub->xsave, c->in.fx, sizeof c->in.fx);
    memset(stub->xsave + XSAVE_BV, 0, 64);
    stub->xsave[XSAVE_BV] = XSAVE_ALL;
    memcpy(stub->xsave + XSAVE_AVX, c->in.ymm, sizeof c->in.ymm);
    memcpy(stub->gpr, c->in.gpr, sizeof stub->gpr);
    stub->rflags = c->in.rflags;
    stub->near_target = c->in.rip;
    stub->far_target.offset = (uint32_t)c->in.rip;
    stub->far_target.selector = host->machine.segment[CS].selector;
    stub->start = c->in.rip;
    stub->out = out;
    stub->ymm = host->machine.ymm;
    stub->serial++;
    stub_fs()->lost = row_is_system(c->row);
    if (!__builtin_setjmp(stub->back)) {
        stub->active = true;
        ((void (*)(void))(uintptr_t)STUB_BASE)();
    }
    if (row_is_system(c->row) && c->bits == BITS_64)
        syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)GS64_BASE);
}

void host_disturb(unsigned microseconds)
{
    struct itimerval timer = {.it_interval = {.tv_usec = (long)microseconds},
                              .it_value = {.tv_usec = (long)microseconds}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

/* ---- CPUID ---- */

/* CPUID.7. */
static bool has_structured(enum insn_feature feature)
{
    unsigned a, b = 0, c, d;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0)
        return false;
    switch (feature) {
    case FEAT_BMI1: return b >> 3 & 1;
    case FEAT_XSAVEOPT: __cpuid_count(0xD, 1, a, b, c, d); return (a & 1) && has_ymm();
    case FEAT_AVX2: return (b >> 5 & 1) && has_ymm();
    case FEAT_SHA: return b >> 29 & 1;
    case FEAT_BMI2: return b >> 8 & 1;
    default: return false;
    }
}

bool host_has(enum insn_feature feature)
{
    unsigned a, b, c = 0, d = 0, ext_c = 0, ext_d = 0;
    __cpuid(1, a, b, c, d);
    if (__get_cpuid(0x80000001, &a, &b, &ext_c, &ext_d) == 0)
        ext_c = ext_d = 0;
    switch (feature) {
    case FEAT_BASE:
    case FEAT_FPU: return true;
    case FEAT_TSC: return d >> 4 & 1;
    case FEAT_MSR: return d >> 5 & 1;
    case FEAT_CX8: return d >> 8 & 1;
    case FEAT_SEP: return d >> 11 & 1;
    case FEAT_CMOV: return d >> 15 & 1;
    case FEAT_CLFLUSH: return d >> 19 & 1;
    case FEAT_MMX: return d >> 23 & 1;
    case FEAT_FXSR: return d >> 24 & 1;
    case FEAT_SSE: return d >> 25 & 1;
    case FEAT_SSE2: return d >> 26 & 1;
    case FEAT_SSE3: return c & 1;
    case FEAT_SSSE3: return c >> 9 & 1;
    case FEAT_CX16: return c >> 13 & 1;
    case FEAT_SSE41: return c >> 19 & 1;
    case FEAT_SSE42: return c >> 20 & 1;
    case FEAT_PCLMULQDQ: return c >> 1 & 1;
    case FEAT_AES: return c >> 25 & 1;
    case FEAT_FMA: return (c >> 12 & 1) && has_ymm();
    case FEAT_F16C: return (c >> 29 & 1) && has_ymm();
    case FEAT_MOVBE: return c >> 22 & 1;
    case FEAT_POPCNT: return c >> 23 & 1;
    case FEAT_AVX: return has_ymm();
    case FEAT_XSAVE: return c >> 27 & 1; /* OSXSAVE: the kernel has enabled it */
    case FEAT_SYSCALL: return ext_d >> 11 & 1;
    case FEAT_LAHF_LM: return ext_c & 1;
    case FEAT_LZCNT: return ext_c >> 5 & 1;
    case FEAT_PREFETCHW: return ext_c >> 8 & 1;
    case FEAT_LM: return ext_d >> 29 & 1;
    default: return has_structured(feature);
    }
}

#else /* another host: nothing to compare with */

struct native_host *host_open(enum native_bits bits, const char **reason)
{
    (void)bits;
    *reason = "this host is no x86-64";
    return NULL;
}

void host_close(struct native_host *host)
{
    (void)host;
}

bool host_has(enum insn_feature feature)
{
    (void)feature;
    return false;
}

const struct native_machine *host_machine(const struct native_host *host)
{
    (void)host;
    return NULL;
}

uint8_t *host_data(struct native_host *host)
{
    (void)host;
    return NULL;
}

bool host_can_run(const struct native_host *host, const struct native_result *guest)
{
    (void)host, (void)guest;
    return false;
}

void host_run(struct native_host *host, const struct native_case *c, struct native_result *out)
{
    (void)host, (void)c, (void)out;
}

void host_disturb(unsigned microseconds)
{
    (void)microseconds;
}

#endif
