/* Instructions that lie in two pages, run often: their second page is written, taken away, made supervisor or
 * not executable, and so is their first; they fault, jump and loop (SDM vol. 3, 4.6, 4.7, 4.10, 8.1.3). PAE
 * paging, for NX. In hot.S their second page is remapped, or the segment ends
 * within them: Bochs goes on with the old page, and reports another EIP.
 *
 * The window shows frames; the instruction begins at its offset 0xFFF (or a little before) and ends in the
 * second page. What is printed is a sum over all rounds, or what faulted in each of a few. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"
#include "window_pae.inc"

    .set ROUNDS, 200

    .bss
    .balign 4096
frame0:
    .skip 4096
frame1:
    .skip 4096
frame2:
    .skip 4096
frame3:
    .skip 4096
rounds:
    .skip 4
    .text

    /* Window page n shows a frame with these bits; EAX is lost. */
    .macro MAP n, frame, bits, high=0
    movl $\frame + \bits, pt_window + 8 * \n
    movl $\high, pt_window + 8 * \n + 4
    FLUSH
    .endm

    .macro UNMAP n
    movl $0, pt_window + 8 * \n
    FLUSH
    .endm

    .macro LOOP label
    decl rounds
    jnz \label
    .endm

    .macro TEST text, count=ROUNDS
    SAY "\text\n"
    movl $\count, rounds
    xorl %ebx, %ebx
    .endm

    /* The bytes between `from` and `to`, so that `cut` is the first of the second page: to first and second. */
    .macro PLACE from, cut, to, first, second
    movl $\from, %esi
    movl $\first + 0x1000, %edi
    subl $\cut - \from, %edi
    movl $\cut - \from, %ecx
    rep movsb
    movl $\second, %edi
    movl $\to - \cut, %ecx
    rep movsb
    .endm

    .set ENTRY, WINDOW + 0xFFF /* of code with one byte in the first page */

/* ---- Code that is put into the window ---- */

load1:
    movl $0x00000001, %eax
load1_end:
    ret
load1_done:
long_one: /* prefixes, ModRM, SIB, displacement and immediate: cut at each of its bytes */
    lock addl $0x01020304, %fs:sums(,%edx,4)
    ret
long_end:
    .data
sums:
    .long 0, 0
sum_of_frames:
    .long 0
frame1_address:
    .long frame1
    .text

/* ---- The second page ---- */

test_second:
    PLACE load1, load1 + 1, load1_done, frame0, frame1
    movl $ENTRY, %edi
    MAP 0, frame0, P
    TEST "it stays"
    MAP 1, frame1, P
1:
    call *%edi
    addl %eax, %ebx
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "it is written"
    MAP 1, frame1, P
1:
    call *%edi
    addl %eax, %ebx
    addb $3, frame1
    LOOP 1b
    SHOW "sum", %ebx, 8
    movl $1, frame1

    TEST "it is written behind the instruction"
1:
    call *%edi
    addl %eax, %ebx
    addl %ebx, frame1 + 0x800
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "the first is written" /* B8: EAX, BB: EBX */
    xorl %esi, %esi
    MAP 1, frame1, P
1:
    xorl %eax, %eax
    xorl %ebx, %ebx
    call *%edi
    leal (%esi,%eax), %esi
    shll $8, %ebx
    addl %ebx, %esi
    xorb $0x03, frame0 + 0xFFF
    LOOP 1b
    SHOW "sum", %esi, 8
    movb $0xB8, frame0 + 0xFFF

    TEST "accessed bits"
    movl $frame0, %eax
    addl frame1_address, %eax
    movl %eax, sum_of_frames
1:
    MAP 0, frame0, P
    MAP 1, frame1, P
    call *%edi
    addl pt_window, %ebx
    addl pt_window + 8, %ebx
    LOOP 1b
    imull $ROUNDS, sum_of_frames, %eax
    subl %eax, %ebx
    SHOW "sum", %ebx, 8

    TEST "accessed bit of a page that is not reached"
    PLACE load1_end, load1_done, load1_done, frame2, frame1 /* RET is the first page's last byte */
    movl $ENTRY, %edi
1:
    MAP 0, frame2, P
    MAP 1, frame1, P
    call *%edi
    addl pt_window + 8, %ebx
    LOOP 1b
    imull $ROUNDS, frame1_address, %eax
    subl %eax, %ebx
    SHOW "sum", %ebx, 8
    ret

/* ---- It must not be fetched from ---- */

    .macro CALLED text
    PROBE "\text"
    movl $ENTRY, %edi
    call *%edi
    DONE
    .endm

    .macro CALLED_BY_USER text
    USER "\text"
    movl $ENTRY, %edi
    call *%edi
    USER_DONE
    .endm

test_faults:
    MAP 0, frame0, P | U
    TEST "not present, not executable", 30
1:
    MAP 1, frame1, P | U
    CALLED "good"
    UNMAP 1
    CALLED "absent"
    MAP 1, frame1, P | U, NX
    CALLED "nx"
    LOOP 1b

    TEST "at CPL 3", 30
1:
    MAP 1, frame1, P | U
    CALLED_BY_USER "user"
    MAP 1, frame1, P
    CALLED_BY_USER "supervisor"
    MAP 1, frame1, P | U, NX
    CALLED_BY_USER "nx"
    LOOP 1b

    TEST "the first page", 30
    MAP 1, frame1, P | U
1:
    MAP 0, frame0, P | U
    CALLED_BY_USER "user"
    MAP 0, frame0, P
    CALLED_BY_USER "supervisor"
    UNMAP 0
    CALLED "absent"
    LOOP 1b
    ret

/* ---- Control flow ---- */

    /* A loop with a conditional jump across the pages, back into the first or on in the second. */
loop_code: /* the flags are those of the CMP below */
    leal 3(%ebx), %ebx
loop_jump:
    .byte 0x0F, 0x84 /* jz loop_out */
    .long loop_out - . - 4
    decl %ecx
    cmpl $7, %ecx
    jmp loop_code
loop_out:
    addl $0x100000, %ebx
    ret
loop_end:

    /* Copy loop_code..loop_end so that the jump is cut behind its first byte, its last... */
place_loop: /* EDX: bytes of the jump in the first page */
    movl $frame2 + 0x1000, %edi
    subl $loop_jump - loop_code, %edi
    subl %edx, %edi
    movl %edi, %ebp
    subl $frame2, %ebp
    addl $WINDOW, %ebp
    movl $loop_code, %esi
    movl $loop_end - loop_code, %ecx
    rep movsb /* frame3 follows frame2 */
    ret

test_flow:
    TEST "a jump in a loop", 40
    MAP 0, frame2, P
    MAP 1, frame3, P
1:
    movl $1, %edx
2:
    pushl %edx
    call place_loop
    movl $100, %ecx
    cmpl %ecx, %edx
    call *%ebp
    popl %edx
    incl %edx
    cmpl $6, %edx
    jb 2b
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "an instruction cut at each byte", 40
    xorl %edx, %edx
1:
    movl $1, %ebp
2:
    movl $frame2 + 0x1000, %edi
    subl %ebp, %edi
    movl $long_one, %esi
    movl $long_end - long_one, %ecx
    rep movsb
    movl $WINDOW + 0x1000, %edi
    subl %ebp, %edi
    movl $20, %esi
3:
    call *%edi
    decl %esi
    jnz 3b
    incl %ebp
    cmpl $long_end - long_one, %ebp
    jb 2b
    LOOP 1b
    SHOW "sum", sums, 8

    TEST "it writes itself"
    /* movb $imm, disp32 with the immediate last: writes its own immediate, plus a RET */
    movw $0x05C6, frame2 + 0xFFC
    movl $WINDOW + 0x1002, frame2 + 0xFFE /* to frame3 */
    movb $0x11, frame3 + 2
    movb $0xC3, frame3 + 3
    MAP 1, frame3, P | W
    movl $WINDOW + 0xFFC, %edi
1:
    movzbl frame3 + 2, %eax
    addl %eax, %ebx
    call *%edi
    addb $5, frame3 + 2
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "both pages are one frame"
    movl $0x04C3C031, frame2 /* the end of ADD AL, 31h */
    movb $0x31, frame2
    movb $0xC3, frame2 + 1
    movb $0x04, frame2 + 0xFFF
    MAP 0, frame2, P
    MAP 1, frame2, P
    movl $WINDOW + 0xFFF, %edi
    xorl %eax, %eax
1:
    call *%edi
    rorl $8, %ebx
    addl %eax, %ebx
    incb frame2
    LOOP 1b
    SHOW "sum", %ebx, 8
    ret

main:
    SAY "cross\n"
    NX_ON
    call paging_on
    call test_second
    call test_faults
    call test_flow
    SAY "end\n"
    ret
