/* Page-table games under PAE with code that has run often enough to be translated (SDM vol. 3, 4.4): NX, U/S, W, P and
 * the frame of a page change between two calls, at CPL 0 and CPL 3, it becomes part of a 2 MB page, or another page
 * directory is loaded with CR3. Needs a CPU with NX.
 *
 * As in hot_user.S: something flips bits of the PTE, the page fault flips them back. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"
#include "window_pae.inc"

    .set ROUNDS, 100

    .bss
    .balign 4096
pd_other:
    .skip 4096
pt_other:
    .skip 4096
    .balign 8192
frame0: /* one bit of the address apart */
    .skip 4096
frame1:
    .skip 4096
    .set OTHER_FRAME, 4096
flip_low:
    .skip 4
flip_high:
    .skip 4
flip_pd:
    .skip 4
next_pdpte:
    .skip 4
faults:
    .skip 4
codes:
    .skip 4
sum:
    .skip 4
    .text

/* ---- The kernel ---- */

    .macro FLIP
    pushl %eax
    movl flip_low, %eax
    xorl %eax, pt_window
    movl flip_high, %eax
    xorl %eax, pt_window + 4
    invlpg WINDOW
    popl %eax
    .endm

flip: /* INT 81h */
    FLIP
    iretl

mend: /* #PF */
    FLIP
    incl faults
    pushl %eax
    movl 4(%esp), %eax
    addl %eax, codes
    popl %eax
    addl $4, %esp
    iretl

flip_large: /* INT 83h */
    pushl %eax
    movl flip_pd, %eax
    xorl %eax, pd_window
    movl %cr3, %eax
    movl %eax, %cr3
    popl %eax
    iretl

other_directory: /* INT 82h: PDPTEs are loaded with CR3 */
    pushl %eax
    movl next_pdpte, %eax
    xchgl pdpt + 8, %eax
    movl %eax, next_pdpte
    movl %cr3, %eax
    movl %eax, %cr3
    popl %eax
    iretl

not_loaded: /* INT 84h: the same without CR3 changes nothing */
    pushl %eax
    movl next_pdpte, %eax
    xchgl pdpt + 8, %eax
    movl %eax, next_pdpte
    invlpg WINDOW
    popl %eax
    iretl

    .macro FUNCTION frame, value, offset=0
    movb $0xB8, \frame + \offset /* mov $value, %eax; ret */
    movl $\value, \frame + \offset + 1
    movb $0xC3, \frame + \offset + 5
    .endm

setup:
    FUNCTION frame0, 1
    FUNCTION frame1, 0x100
    GATE idt, (8*0x81), CODE, flip, 0xEE
    GATE idt, (8*0x82), CODE, other_directory, 0xEE
    GATE idt, (8*0x83), CODE, flip_large, 0xEE
    GATE idt, (8*0x84), CODE, not_loaded, 0xEE
    ret

/* ---- The games ---- */

    /* Twice in each round, with an interrupt between. */
    .macro ROUNDS_OF vector, code
    movl $WINDOW, %edi
    xorl %ebx, %ebx
    movl $ROUNDS, %ebp
1:
    \code
    int $\vector
    \code
    decl %ebp
    jnz 1b
    movl %ebx, sum
    .endm

    .macro SET bits, low, high
    movl $\low, flip_low
    movl $\high, flip_high
    movl $frame0 + \bits, pt_window
    movl $0, pt_window + 4
    invlpg WINDOW
    movl $0, faults
    movl $0, codes
    movl $0, sum
    GATE idt, (8*14), CODE, mend, 0x8E
    .endm

    .macro RESULTS
    GATE idt, (8*14), CODE, (stubs+16*14), 0x8E
    SHOW "faults", faults, 8
    SHOW "codes", codes, 8
    SHOW "sum", sum, 8
    .endm

    .macro GAME_KERNEL text, bits, low, high, code
    SET \bits, \low, \high
    SAY "\text\n"
    ROUNDS_OF 0x81, "\code"
    RESULTS
    .endm

    .macro GAME_USER text, bits, low, high, code
    SET \bits, \low, \high
    USER "\text, user"
    ROUNDS_OF 0x81, "\code"
    USER_DONE
    RESULTS
    .endm

    .macro GAME text, bits, low, high, code
    GAME_KERNEL "\text", \bits, \low, \high, "\code"
    GAME_USER "\text", \bits, \low, \high, "\code"
    .endm

test_code:
    GAME "code loses x", (P | U), 0, NX, "call *%edi; addl %eax, %ebx"
    GAME "code goes", (P | U), P, 0, "call *%edi; addl %eax, %ebx"
    GAME_USER "code becomes the supervisor's", (P | U), U, 0, "call *%edi; addl %eax, %ebx"
    GAME "code is remapped", (P | U), OTHER_FRAME, 0, "call *%edi; addl %eax, %ebx"
    ret

test_data:
    GAME "a read page goes", (P | U), P, 0, "addl 1(%edi), %ebx"
    GAME_USER "a read page becomes the supervisor's", (P | U), U, 0, "addl 1(%edi), %ebx"
    GAME "a written page becomes read-only", (P | W | U), W, 0, "addl $3, 64(%edi); addl 64(%edi), %ebx"
    GAME "data is remapped", (P | W | U), OTHER_FRAME, 0, "incl 88(%edi); addl 88(%edi), %ebx"
    GAME "rep movsb into a page that becomes read-only", (P | W | U), W, 0, "pushl %edi; addl $128, %edi; movl $frame1, %esi; movl $20, %ecx; rep movsb; popl %edi; addl 128(%edi), %ebx"
    GAME "data loses x and is still data", (P | W | U), 0, NX, "incl 96(%edi); addl 96(%edi), %ebx"
    GAME "a vector store to a page that goes", (P | W | U), P, 0, "movups %xmm0, 112(%edi); incl %ebx"
    ret

test_large:
    movl $in_place, %eax
    andl $0x1FF000, %eax
    shrl $9, %eax
    movl $frame0 + P + U, pt_window(%eax)
    movl $in_place, %eax
    andl $~0x1FFFFF, %eax
    orl $(P | W | U | PS), %eax
    xorl pd_window, %eax
    movl %eax, flip_pd
    FUNCTION frame0, 1
    SAY "large and small pages\n"
    movl $in_place, %eax
    andl $0x1FFFFF, %eax
    leal WINDOW(%eax), %esi
    ROUNDS_OF 0x83, "call *%esi; addl %eax, %ebx"
    SHOW "sum", sum, 8
    USER "large and small pages, user"
    movl $in_place, %eax
    andl $0x1FFFFF, %eax
    leal WINDOW(%eax), %esi
    ROUNDS_OF 0x83, "call *%esi; addl %eax, %ebx"
    USER_DONE
    SHOW "sum", sum, 8
    ret

test_directories:
    .irp vector, 0x82, 0x84
    SAY "another directory by INT \vector\n"
    ROUNDS_OF \vector, "call *%edi; addl %eax, %ebx"
    SHOW "sum", sum, 8
    USER "  user"
    ROUNDS_OF \vector, "call *%edi; addl %eax, %ebx"
    USER_DONE
    SHOW "sum", sum, 8
    .endr
    ret

    .balign 4096
in_place:
    movl $0x10000, %eax
    ret
    .balign 4096

main:
    SAY "hot_pae\n"
    movl $pt_other + P + W + U, pd_other
    movl $frame1 + P + U, pt_other
    movl $pd_other + P, next_pdpte
    movl %cr4, %eax
    orl $0x200, %eax /* OSFXSR */
    movl %eax, %cr4
    NX_ON
    call paging_on
    call setup
    call test_code
    call test_data
    call test_large
    call test_directories
    SAY "end\n"
    ret
