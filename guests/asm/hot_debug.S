/* Single step and breakpoints in 64-bit code that has run often enough to be translated, at CPL 0 and CPL 3 (SDM vol.
 * 3, 17.2, 17.3): on instructions in the middle of it, on what it writes and reads, switched on and off by itself, and
 * single step through string instructions, calls and system calls.
 *
 * The handler of #DB counts, adds up where it was (from loop_code on) and DR6's causes, and sets RF. */
#include "runtime64.inc"

    .set TF, 0x100
    .set RF, 0x10000
    .set CAUSES, 0xE00F
    .set ROUNDS, 100
    .set STAR, 0xC0000081
    .set LSTAR, 0xC0000082
    .set FMASK, 0xC0000084

    .bss
    .balign 64
watched:
    .skip 64
copied:
    .skip 64
count:
    .skip 8
where:
    .skip 8
causes:
    .skip 8
sum:
    .skip 8
    .text

debug_handler:
    pushq %rax
    incq count
    movq 8(%rsp), %rax
    subq $loop_code, %rax
    addq %rax, where
    movq %dr6, %rax
    andl $CAUSES, %eax
    addq %rax, causes
    xorl %eax, %eax
    movq %rax, %dr6
    orq $RF, 24(%rsp)
    popq %rax
    iretq

    /* EBP rounds; what is counted is in RBX and RDX. */
loop_code:
    incq %rbx
    movq %rbx, watched
loop_middle:
    testl $1, %ebx
    jz 1f
    addq $2, %rdx
1:
    call small
    addl watched + 4, %edx
    decl %ebp
    jnz loop_code
    ret
small:
    pushq %rbx
    addq %rbx, %rdx
    popq %rcx
    ret

    .macro BEGIN
    movq $0, count
    movq $0, where
    movq $0, causes
    xorl %ebx, %ebx
    xorl %edx, %edx
    movl $ROUNDS, %ebp
    .endm

    .macro DR7 value
    movl $\value, %eax
    movq %rax, %dr7
    .endm

    .macro REPORT
    addq %rbx, %rdx
    movq %rdx, sum
    .endm

    .macro RESULTS
    DR7 0x400
    SHOW "traps", count, 8
    SHOW "where", where, 8
    SHOW "causes", causes, 8
    SHOW "sum", sum, 8
    .endm

    .macro STEP
    pushfq
    orq $TF, (%rsp)
    popfq
    .endm

    .macro STOP
    pushfq
    andq $~TF, (%rsp)
    popfq
    .endm

    /* The loop with these breakpoints, as kernel and as user. */
    .macro BREAKS text, dr7
    SAY "\text\n"
    BEGIN
    DR7 \dr7
    call loop_code
    REPORT
    RESULTS
    BEGIN
    DR7 \dr7
    USER "  user"
    call loop_code
    REPORT
    USER_DONE
    RESULTS
    .endm

    .macro ADDRESS n, address
    movq $(\address), %rax
    movq %rax, %dr\n
    .endm

    /* DR7: 2 << 2n enables; type and length at 16 + 4n: 0 execute, 1 write, 3 access; 0, 1, 3, 2: 1, 2, 4, 8 bytes */
test_breakpoints:
    BREAKS "none", 0x400
    ADDRESS 0, loop_middle
    BREAKS "an instruction", 0x402
    ADDRESS 1, small
    BREAKS "two instructions", 0x40A
    BREAKS "none again", 0x400
    ADDRESS 0, 0 /* DR6 may name those that are not enabled, too */
    ADDRESS 1, 0
    ADDRESS 2, watched
    BREAKS "a written quadword", 0x9000420
    BREAKS "a written byte", 0x1000420
    ADDRESS 2, (watched + 6)
    BREAKS "a read word", 0x7000420
    ADDRESS 3, (user_stack_top - 24)
    BREAKS "the user's stack", 0xB0000480
    ADDRESS 0, small
    BREAKS "an instruction, a word and the stack", 0xB70004A2
    BREAKS "none at the end", 0x400
    ret

    /* ROUNDS times some code, as kernel and as user. */
    .macro ROUNDS_OF text, code
    SAY "\text\n"
    BEGIN
1:
    \code
    decl %ebp
    jnz 1b
    REPORT
    RESULTS
    BEGIN
    USER "  user"
1:
    \code
    decl %ebp
    jnz 1b
    REPORT
    USER_DONE
    RESULTS
    .endm

    .macro COPY
    leaq watched, %rsi
    leaq copied, %rdi
    movl $5, %ecx
    .endm

test_steps:
    ADDRESS 0, 0
    SAY "all of the loop\n"
    BEGIN
    STEP
    call loop_code
    STOP
    REPORT
    RESULTS
    BEGIN
    USER "  user", (TF | 2)
    call loop_code
    REPORT
    USER_DONE
    RESULTS
    ROUNDS_OF "two instructions", "STEP; incq %rbx; addq %rbx, %rdx; STOP"
    ROUNDS_OF "over a call", "STEP; call small; STOP; incq %rbx"
    ROUNDS_OF "rep movsb", "COPY; STEP; rep movsb; STOP; addq %rcx, %rbx"
    ROUNDS_OF "vectors and x87", "STEP; movups watched, %xmm0; movups %xmm0, copied; fld1; fistpl copied; STOP; addl copied, %ebx"
    ROUNDS_OF "after", "incq %rbx; call small"
    ADDRESS 0, (copied + 3)
    SAY "a byte that is written in other ways\n"
    .irp text, "rep stosb", "rep movsq", "movups", "fistpl"
    BEGIN
    DR7 0x10402
    SAY "  \text\n"
1:
    COPY
    .ifc "\text", "rep stosb"
    rep stosb
    .endif
    .ifc "\text", "rep movsq"
    movl $2, %ecx
    rep movsq
    .endif
    .ifc "\text", "movups"
    movups %xmm0, copied
    .endif
    .ifc "\text", "fistpl"
    fld1
    fistpl copied
    .endif
    decl %ebp
    jnz 1b
    REPORT
    RESULTS
    .endr
    ret

test_switches:
    ADDRESS 0, small
    ADDRESS 1, watched
    SAY "switched by the loop itself\n"
    BEGIN
1:
    movl $0x402, %eax
    testl $2, %ebp
    jz 2f
    movl $0x900408, %eax
2:
    movq %rax, %dr7
    movl %ebp, %r12d
    movl $2, %ebp
    call loop_code
    movl %r12d, %ebp
    decl %ebp
    jnz 1b
    REPORT
    RESULTS
    ret

    /* SYSCALL with TF: FMASK clears it, SYSRET brings it back. */
system_call:
    incq %rbx
    addq %rbx, %rdx
    sysretq

    .macro MSR number, high, low
    movl $\number, %ecx
    movl $\high, %edx
    movl $\low, %eax
    wrmsr
    .endm

test_system_calls:
    MSR STAR, 0x00200010, 0 /* SYSRET: CS 20h + 16, SS 20h + 8 */
    MSR LSTAR, 0, system_call
    MSR FMASK, 0, TF
    SAY "system calls\n"
    BEGIN
    USER "  user", (TF | 2)
1:
    syscall
    decl %ebp
    jnz 1b
    REPORT
    USER_DONE
    RESULTS
    ret

main:
    SAY "hot_debug\n"
    GATE idt, 16, CODE, debug_handler, 0x8E
    movq %cr4, %rax
    orl $0x200, %eax /* OSFXSR */
    movq %rax, %cr4
    fninit
    call test_breakpoints
    call test_steps
    call test_switches
    call test_system_calls
    SAY "end\n"
    ret
