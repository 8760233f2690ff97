/* The same as hot.S where long mode has more: NX, 2 MB pages, long instructions across pages, upper registers in
 * code that is written. Everything loops often enough to be translated; sums over all iterations are printed. */
#include "runtime64.inc"
#include "window64.inc"

    .set ROUNDS, 100

    .bss
    .balign 4096
frame0:
    .skip 4096
frame1:
    .skip 4096
frame2:
    .skip 4096
rounds:
    .skip 8
count:
    .skip 8
    .text

    .macro TEST text
    SAY "\text\n"
    movq $ROUNDS, rounds
    xorl %ebx, %ebx
    movq $0, count
    .endm

    .macro LOOP label
    decq rounds
    jnz \label
    .endm

    /* Window page n shows a frame, with these bits; nx: 1 << 31 of the upper half. */
    .macro MAP n, frame, bits, nx=0
    movl $\frame + \bits, w_pt + 8 * \n
    movl $\nx, w_pt + 8 * \n + 4
    movabsq $(WINDOW + 4096 * \n), %rax
    invlpg (%rax)
    .endm
    .set NX, 0x80000000

    .macro FUNCTION frame, value, offset=0
    movb $0xB8, \frame + \offset
    movl $\value, \frame + \offset + 1
    movb $0xC3, \frame + \offset + 5
    .endm

/* ---- NX ---- */

allow: /* #PF: clear NX and go on */
    pushq %rax
    movl $0, w_pt + 4
    movabsq $WINDOW, %rax
    invlpg (%rax)
    incq count
    movq 8(%rsp), %rax /* 11: a fetch from a present page */
    addq %rax, %rbx
    popq %rax
    addq $8, %rsp
    iretq

test_nx:
    FUNCTION frame0, 3
    movabsq $WINDOW, %rdi
    TEST "nx"
    movq $40, rounds
1:
    MAP 0, frame0, P
    PROBE "executable"
    movabsq $WINDOW, %rdi
    call *%rdi
    DONE
    MAP 0, frame0, P, NX
    PROBE "not executable"
    movabsq $WINDOW, %rdi
    call *%rdi
    DONE
    LOOP 1b
    GATE idt, (16*14), CODE, allow, 0x8E
    TEST "nx set at each call and cleared by the fault"
1:
    movl $NX, w_pt + 4
    movabsq $WINDOW, %rdi
    invlpg (%rdi)
    call *%rdi
    addq %rax, %rbx
    call *%rdi
    addq %rax, %rbx
    LOOP 1b
    GATE idt, (16*14), CODE, (stubs+16*14), 0x8E
    SHOW "faults", count, 4
    SHOW "sum", %rbx, 8
    ret

/* ---- Large pages, crossing instructions ---- */

    .balign 4096
in_place:
    movl $0x10000, %eax
    ret
    .balign 4096

test_mappings:
    TEST "large and small pages"
    FUNCTION frame0, 1
    movq $in_place, %rax
    andl $0x1FF000, %eax
    shrl $9, %eax
    leaq w_pt(%rax), %rdx
    movq $frame0 + P + W, (%rdx)
    movq $in_place, %rax
    andl $0x1FFFFF, %eax
    movabsq $WINDOW, %rdi
    addq %rax, %rdi
    movq $in_place, %rsi
    andl $~0x1FFFFF, %esi
    orl $(P | W | PS), %esi
1:
    movq %rsi, w_pd
    movq %cr3, %rax
    movq %rax, %cr3
    call *%rdi
    addq %rax, %rbx
    movq $w_pt + P + W + U, w_pd
    movq %cr3, %rax
    movq %rax, %cr3
    call *%rdi
    addq %rax, %rbx
    LOOP 1b
    movq $0, (%rdx)
    SHOW "sum", %rbx, 8

    TEST "movabs in two pages, the second remapped"
    /* 49 BB imm64: mov $imm, %r11; then 4C 89 D8 C3: mov %r11, %rax; ret */
    movw $0xBB49, frame0 + 0xFFB
    movb $1, frame0 + 0xFFD
    movw $2, frame0 + 0xFFE
    movl $5, frame1
    movb $0, frame1 + 4
    movl $0xC3D8894C, frame1 + 5
    movl $9, frame2
    movb $1, frame2 + 4
    movl $0xC3D8894C, frame2 + 5
    MAP 0, frame0, P | W
    movabsq $(WINDOW + 0xFFB), %rdi
1:
    MAP 1, frame1, P | W
    call *%rdi
    addq %rax, %rbx
    MAP 1, frame2, P | W
    call *%rdi
    addq %rax, %rbx
    incb 5(%rdi) /* its own bytes, in the second page */
    LOOP 1b
    SHOW "low", %rbx, 8
    shrq $32, %rbx
    SHOW "high", %rbx, 8
    ret

/* ---- Code that is written ---- */

test_writes:
    TEST "displacement and registers of the next instruction"
    xorl %r10d, %r10d
    movl $1, %r14d
    movl $0x100, %r15d
1:
    xorb $8, 2f + 2 /* add %r14, %r10; add %r15, %r10: modrm F2 and FA */
2:
    addq %r14, %r10
    LOOP 1b
    SHOW "sum", %r10, 8
    TEST "rip-relative data in the code's own page"
1:
    incq 3f(%rip)
    addq 3f(%rip), %rbx
    jmp 2f
    .balign 8
3:
    .quad 0
2:
    LOOP 1b
    SHOW "sum", %rbx, 8
    ret

main:
    SAY "hot_long\n"
    call window_on
    call test_nx
    call test_mappings
    call test_writes
    SAY "end\n"
    ret
