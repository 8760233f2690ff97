/* Page-table games with code at CPL 3 that has run often enough to be translated (SDM vol. 3, 4.6, 4.7, 4.10): its
 * page loses NX, U/S, W or P between two calls and gets it back from the fault, is remapped, becomes part of a large
 * page, or changes with the address space.
 *
 * The user calls a function or touches data in the window, asks the kernel to flip bits of its PTE (INT 81h), and
 * does it again; the page fault flips them back. Printed are the faults, the sum of their error codes, and what the
 * user has added up. */
#include "runtime64.inc"
#include "window64.inc"

    .set NX, 1 << 63
    .set ROUNDS, 100

    .bss
    .balign 4096
other_pml4:
    .skip 4096
other_pdpt:
    .skip 4096
other_pd:
    .skip 4096
other_pt:
    .skip 4096
    .balign 8192
frame0: /* one bit of the address apart */
    .skip 4096
frame1:
    .skip 4096
    .set OTHER_FRAME, 4096
next_cr3:
    .skip 8
flips: /* XORed into the window's PTE by INT 81h */
    .skip 8
pd_flips: /* and into its PDE by INT 83h */
    .skip 8
faults:
    .skip 8
codes:
    .skip 8
sum:
    .skip 8
    .text

/* ---- The kernel ---- */

    .macro FLIP
    pushq %rax
    movq flips, %rax
    xorq %rax, w_pt
    movabsq $WINDOW, %rax
    invlpg (%rax)
    popq %rax
    .endm

flip: /* INT 81h */
    FLIP
    iretq

mend: /* #PF */
    FLIP
    pushq %rax
    incq faults
    movq 8(%rsp), %rax
    addq %rax, codes
    popq %rax
    addq $8, %rsp
    iretq

flip_large: /* INT 83h */
    pushq %rax
    movq pd_flips, %rax
    xorq %rax, w_pd
    movq %cr3, %rax
    movq %rax, %cr3
    popq %rax
    iretq

other_space: /* INT 82h: the other of two address spaces */
    pushq %rax
    movq %cr3, %rax
    xchgq next_cr3, %rax
    movq %rax, %cr3
    popq %rax
    iretq

    .macro FUNCTION frame, value, offset=0
    movb $0xB8, \frame + \offset /* mov $value, %eax; ret */
    movl $\value, \frame + \offset + 1
    movb $0xC3, \frame + \offset + 5
    .endm

    .macro TABLES pml4, pdpt, pd, pt
    movq $\pdpt + P + W + U, \pml4 + 255 * 8
    movq $\pd + P + W + U, \pdpt + 511 * 8
    movq $\pt + P + W + U, \pd
    .endm

setup:
    TABLES pml4, w_pdpt, w_pd, w_pt
    movq pml4, %rax
    movq %rax, other_pml4
    TABLES other_pml4, other_pdpt, other_pd, other_pt
    movq $frame1 + P + U, other_pt
    movq $other_pml4, next_cr3
    FUNCTION frame0, 1
    FUNCTION frame1, 0x100
    GATE idt, (16*0x81), CODE, flip, 0xEE
    GATE idt, (16*0x82), CODE, other_space, 0xEE
    GATE idt, (16*0x83), CODE, flip_large, 0xEE
    movq %cr3, %rax
    movq %rax, %cr3
    ret

/* ---- The user ---- */

    /* The PTE as it is at first, what is flipped, and what the user does before and after. */
    .macro GAME text, bits, flip, code
    movabsq $(\flip), %rax
    movq %rax, flips
    movq $frame0 + \bits, w_pt
    movabsq $WINDOW, %rax
    invlpg (%rax)
    movq $0, faults
    movq $0, codes
    movq $0, sum
    GATE idt, (16*14), CODE, mend, 0x8E
    USER "\text"
    movabsq $WINDOW, %rdi
    xorl %ebx, %ebx
    movl $ROUNDS, %ebp
1:
    \code
    int $0x81
    \code
    decl %ebp
    jnz 1b
    movq %rbx, sum
    USER_DONE
    GATE idt, (16*14), CODE, (stubs+16*14), 0x8E
    SHOW "faults", faults, 8
    SHOW "codes", codes, 8
    SHOW "sum", sum, 8
    .endm

test_code:
    GAME "code loses x", (P | U), NX, "call *%rdi; addq %rax, %rbx"
    GAME "code becomes the supervisor's", (P | U), U, "call *%rdi; addq %rax, %rbx"
    GAME "code goes", (P | U), P, "call *%rdi; addq %rax, %rbx"
    GAME "code is remapped", (P | U), OTHER_FRAME, "call *%rdi; addq %rax, %rbx"
    GAME "code is remapped, and jumped to", (P | U), OTHER_FRAME, "leaq 3f(%rip), %rax; pushq %rax; jmp *%rdi; 3: addq %rax, %rbx"
    ret

test_data:
    GAME "a read page becomes the supervisor's", (P | U), U, "addq 1(%rdi), %rbx"
    GAME "a read page goes", (P | U), P, "addq 1(%rdi), %rbx"
    GAME "a written page becomes read-only", (P | U | W), W, "addq $3, 64(%rdi); addq 64(%rdi), %rbx"
    GAME "stores to a page that becomes read-only", (P | U | W), W, "movl %ebp, 72(%rdi); addl 72(%rdi), %ebx"
    GAME "a written page becomes the supervisor's", (P | U | W), U, "movb %bpl, 80(%rdi); addb 80(%rdi), %bl"
    GAME "data is remapped", (P | U | W), OTHER_FRAME, "incq 88(%rdi); addq 88(%rdi), %rbx"
    GAME "the stack becomes read-only", (P | U | W), W, "movq %rsp, %rsi; leaq 512(%rdi), %rsp; pushq %rbp; addq (%rsp), %rbx; popq %rax; movq %rsi, %rsp"
    GAME "rep movsb into a page that becomes read-only", (P | U | W), W, "pushq %rdi; addq $128, %rdi; leaq frame1, %rsi; movl $20, %ecx; rep movsb; popq %rdi; addq 128(%rdi), %rbx"
    GAME "rep stosq into a page that goes", (P | U | W), P, "pushq %rdi; addq $256, %rdi; movq %rbp, %rax; movl $5, %ecx; rep stosq; popq %rdi; addq 256(%rdi), %rbx"
    GAME "a vector load from a page that goes", (P | U), P, "movups (%rdi), %xmm0; movq %xmm0, %rax; addq %rax, %rbx"
    GAME "an x87 store to a page that becomes read-only", (P | U | W), W, "fld1; fistpl 96(%rdi); addl 96(%rdi), %ebx"
    ret

/* The window shows frame0 through its page table, and through a large page what is there: in_place stands where
 * that has the same offset as the function called. */
test_large:
    movq $in_place, %rax
    andl $0x1FF000, %eax
    shrl $9, %eax
    movq $frame0 + P + U, w_pt(%rax)
    movl $in_place, %eax
    andl $0x1FFFFF, %eax
    movq %rax, sum
    movl $in_place, %eax
    andl $~0x1FFFFF, %eax
    orl $(P | W | U | PS), %eax
    xorq w_pd, %rax
    movq %rax, pd_flips
    USER "large and small pages"
    movabsq $WINDOW, %rdi
    addq sum, %rdi
    xorl %ebx, %ebx
    movl $ROUNDS, %ebp
1:
    call *%rdi
    addq %rax, %rbx
    int $0x83
    call *%rdi
    addq %rax, %rbx
    int $0x83
    decl %ebp
    jnz 1b
    movq %rbx, sum
    USER_DONE
    SHOW "sum", sum, 8
    ret

test_spaces:
    movq $frame0 + P + U, w_pt
    movabsq $WINDOW, %rax
    invlpg (%rax)
    USER "two address spaces"
    movabsq $WINDOW, %rdi
    xorl %ebx, %ebx
    movl $ROUNDS, %ebp
1:
    call *%rdi
    addq %rax, %rbx
    int $0x82
    call *%rdi
    addq %rax, %rbx
    int $0x82
    decl %ebp
    jnz 1b
    movq %rbx, sum
    USER_DONE
    SHOW "sum", sum, 8
    ret

    .balign 4096
in_place:
    movl $0x10000, %eax
    ret
    .balign 4096

main:
    SAY "hot_user\n"
    movq %cr4, %rax
    orl $0x200, %eax /* OSFXSR */
    movq %rax, %cr4
    fninit
    call setup
    call test_code
    call test_data
    call test_large
    call test_spaces
    SAY "end\n"
    ret
