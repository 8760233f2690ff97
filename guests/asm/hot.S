/* What goes wrong in code that has run often enough to be translated: it is written (by itself, by other code,
 * through another address), its page is remapped, protected or made part of a large page, it crosses pages, it faults
 * in the middle of string instructions, is interrupted, stepped and watched (SDM vol. 3, 8.1.3, 4.10, 17.3).
 *
 * Everything loops often, and what is printed is a sum over all iterations. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"
#include "window32.inc"

    .set TF, 0x100
    .set RF, 0x10000
    .set IF, 0x200
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
    .skip 4
count:
    .skip 4
sum:
    .skip 4
watched:
    .skip 4
    .text

    /* Window page n shows a frame, with these bits. */
    .macro MAP n, frame, bits
    movl $\frame + \bits, pt_window + 4 * \n
    invlpg WINDOW + 4096 * \n
    .endm

    .macro UNMAP n
    movl $0, pt_window + 4 * \n
    invlpg WINDOW + 4096 * \n
    .endm

    .macro LOOP label
    decl rounds
    jnz \label
    .endm

    .macro TEST text
    SAY "\text\n"
    movl $ROUNDS, rounds
    xorl %ebx, %ebx
    movl $0, count
    movl $0, sum
    .endm

/* ---- Code that is written ---- */

    .balign 4096
patched: /* alone in its page */
    movl $0, %eax
    ret
    .balign 4096
template1:
    movl $1, %eax
    leal 1(%eax,%eax), %eax
    ret
template2:
    movl $7, %eax
    nop
    nop
    nop
    nop
    ret
    .set template_size, . - template2
    .balign 4096

test_writes:
    TEST "own block"
1:
    incb 2f + 1
    nop
    nop
2:
    movl $0, %eax
    addl %eax, %ebx
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "next instruction"
1:
    incb 2f + 1
2:
    movl $0, %eax
    addl %eax, %ebx
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "an instruction before, in a loop"
2:
    movl $0, %eax
    addl %eax, %ebx
    incb 2b + 1
    LOOP 2b
    SHOW "sum", %ebx, 8

    TEST "opcode of the next instruction" /* inc ebx, dec ebx, push eax, pop eax */
    xorl %eax, %eax
    xorl %esi, %esi
1:
    movl rounds, %ecx
    andl $3, %ecx
    movb opcodes(%ecx), %dl
    movb %dl, 2f
2:
    nop
    leal (%esi,%ebx), %esi
    LOOP 1b
    SHOW "sum", %esi, 8

    TEST "other page"
1:
    call patched
    addl %eax, %ebx
    addb $3, patched + 1
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "other page, through an alias"
    MAP 0, patched, P | W
1:
    call patched
    addl %eax, %ebx
    addb $5, WINDOW + 1
    jmp 2f
2:
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "the alias runs, the other is written"
    movl $WINDOW, %edi
1:
    call *%edi
    addl %eax, %ebx
    addb $7, patched + 1
    jmp 2f
2:
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "code copied over code"
1:
    movl $template1, %esi
    testl $1, rounds
    jz 2f
    movl $template2, %esi
2:
    movl $frame0, %edi
    movl $template_size, %ecx
    rep movsb
    movl $frame0, %edi
    call *%edi
    addl %eax, %ebx
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "data beside code in one page"
1:
    call patched
    addl %eax, %ebx
    addl %ebx, patched + 0x800
    LOOP 1b
    SHOW "sum", %ebx, 8
    ret

    .data
opcodes:
    .byte 0x43, 0x90, 0x43, 0x4B
    .text

/* ---- Page tables ---- */

    /* frame gets: mov $value, %eax; ret, at an offset */
    .macro FUNCTION frame, value, offset=0
    movb $0xB8, \frame + \offset
    movl $\value, \frame + \offset + 1
    movb $0xC3, \frame + \offset + 5
    .endm

    /* frame gets: jmp to, at an offset; both are offsets in the window */
    .macro JUMP frame, offset, to
    movb $0xE9, \frame + \offset
    movl $\to - \offset - 5, \frame + \offset + 1
    .endm

test_mappings:
    FUNCTION frame0, 1
    FUNCTION frame1, 0x100
    movl $WINDOW, %edi
    TEST "code page remapped"
1:
    MAP 0, frame0, P
    call *%edi
    addl %eax, %ebx
    MAP 0, frame1, P
    call *%edi
    addl %eax, %ebx
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "code page remapped by CR3"
1:
    movl $frame0 + P, pt_window
    movl %cr3, %eax
    movl %eax, %cr3
    call *%edi
    addl %eax, %ebx
    movl $frame1 + P, pt_window
    movl %cr3, %eax
    movl %eax, %cr3
    call *%edi
    addl %eax, %ebx
    LOOP 1b
    SHOW "sum", %ebx, 8

    /* One window page jumps to the next, which is remapped, as is the first itself. */
    FUNCTION frame0, 2
    FUNCTION frame1, 0x200
    FUNCTION frame2, 0x10000
    JUMP frame0, 0x100, 0x1000
    JUMP frame2, 0x100, 0xF00
    FUNCTION frame2, 0x30000, 0xF00
    /* Frame 0 is away while one of its functions is written, and comes back. */
    FUNCTION frame0, 3, 0x20
    FUNCTION frame1, 0x300, 0x20
    TEST "a code page that was known is written while another is there"
    movl $WINDOW + 0x20, %edx
1:
    MAP 0, frame0, P
    call *%edx
    addl %eax, %ebx
    call *%edi
    addl %eax, %ebx
    call *%edi
    addl %eax, %ebx
    MAP 0, frame1, P
    call *%edi
    addl %eax, %ebx
    call *%edx
    addl %eax, %ebx
    incl frame0 + 1
    LOOP 1b
    SHOW "sum", %ebx, 8
    FUNCTION frame0, 2
    FUNCTION frame1, 0x200

    TEST "a jump's target page remapped"
    movl $WINDOW + 0x100, %edi
1:
    MAP 0, frame0, P
    MAP 1, frame0, P
    call *%edi
    addl %eax, %ebx
    call *%edi
    addl %eax, %ebx
    MAP 1, frame1, P
    call *%edi
    addl %eax, %ebx
    MAP 0, frame2, P
    MAP 1, frame2, P
    call *%edi
    addl %eax, %ebx
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "a jump's target page remapped by CR3"
1:
    movl $frame0 + P, pt_window
    movl $frame1 + P, pt_window + 4
    movl %cr3, %eax
    movl %eax, %cr3
    call *%edi
    addl %eax, %ebx
    movl $frame2 + P, pt_window + 4
    movl %cr3, %eax
    movl %eax, %cr3
    call *%edi
    addl %eax, %ebx
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "a jump's target page absent"
    movl $40, rounds
    MAP 0, frame0, P
1:
    MAP 1, frame1, P
    PROBE "present"
    movl $WINDOW + 0x100, %edi
    call *%edi
    DONE
    UNMAP 1
    PROBE "absent"
    movl $WINDOW + 0x100, %edi
    call *%edi
    DONE
    LOOP 1b
    MAP 1, frame1, P
    movl $WINDOW, %edi

    TEST "large and small pages"
    /* The large page shows template1 where it is; the small one another function there. */
    movl $template1, %eax
    andl $0x3FF000, %eax
    shrl $10, %eax
    leal pt_window(%eax), %edx
    movl $frame0 + P + W, (%edx)
    movl $template1, %eax
    andl $0x3FFFFF, %eax
    leal WINDOW(%eax), %edi
    FUNCTION frame0, 0x10000
1:
    movl $P | W | PS, window_pde
    movl %cr3, %eax
    movl %eax, %cr3
    call *%edi
    addl %eax, %ebx
    movl $pt_window + P + W + U, window_pde
    movl %cr3, %eax
    movl %eax, %cr3
    call *%edi
    addl %eax, %ebx
    LOOP 1b
    movl $0, (%edx)
    SHOW "sum", %ebx, 8

    TEST "user and supervisor"
    FUNCTION frame0, 0x20
    movl $40, rounds
1:
    MAP 0, frame0, P | U
    USER "user page"
    movl $WINDOW, %edi
    call *%edi
    USER_DONE
    MAP 0, frame0, P
    USER "supervisor page"
    movl $WINDOW, %edi
    call *%edi
    USER_DONE
    LOOP 1b

    TEST "present and not"
    movl $40, rounds
1:
    MAP 0, frame0, P
    PROBE "present"
    movl $WINDOW, %edi
    call *%edi
    DONE
    UNMAP 0
    PROBE "absent"
    movl $WINDOW, %edi
    call *%edi
    DONE
    LOOP 1b
    ret

/* ---- Instructions and operands across pages ---- */

test_crossing:
    /* B8 at the end of the first page, its operand and the RET in the second. */
    movb $0xB8, frame0 + 0xFFF
    FUNCTION frame1, 0, -1
    FUNCTION frame2, 0x1000, -1
    MAP 0, frame0, P | W
    movl $WINDOW + 0xFFF, %edi
    TEST "an instruction in two pages"
    MAP 1, frame1, P | W
1:
    call *%edi
    addl %eax, %ebx
    incl WINDOW + 0x1000
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "its second page is remapped"
1:
    MAP 1, frame1, P | W
    call *%edi
    addl %eax, %ebx
    MAP 1, frame2, P | W
    call *%edi
    addl %eax, %ebx
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "its second page is remapped, and its first is known"
    FUNCTION frame0, 0x20000
1:
    MAP 1, frame1, P | W
    movl %cr3, %eax
    movl %eax, %cr3
    movl $WINDOW, %edx
    call *%edx
    addl %eax, %ebx
    call *%edi
    addl %eax, %ebx
    MAP 1, frame2, P | W
    movl %cr3, %eax
    movl %eax, %cr3
    call *%edx
    addl %eax, %ebx
    call *%edi
    addl %eax, %ebx
    LOOP 1b
    SHOW "sum", %ebx, 8

    TEST "its second page is absent"
    movl $40, rounds
1:
    MAP 1, frame1, P | W
    PROBE "present"
    movl $WINDOW + 0xFFF, %edi
    call *%edi
    DONE
    UNMAP 1
    PROBE "absent"
    movl $WINDOW + 0xFFF, %edi
    call *%edi
    DONE
    LOOP 1b

    /* B8 at the end of the first page, operand and INT in the second: QEMU, which checks no limits, is to end. */
    TEST "a limit within an instruction in two pages"
    movl $40, rounds
    FUNCTION frame1, 0x12345678, -1
    movw $0x80CD, frame1 + 4
    MAP 0, frame0, P
1:
    MAP 1, frame1, P
    DESCRIPTOR FREE, WINDOW, 0x1005, 0x9A, 4
    PROBE "good"
    ljmp $FREE, $0xFFF
    DONE
    DESCRIPTOR FREE, WINDOW, 0xFFF, 0x9A, 4
    PROBE "in the first page"
    ljmp $FREE, $0xFFF
    DONE
    DESCRIPTOR FREE, WINDOW, 0x1002, 0x9A, 4
    PROBE "in the second page"
    ljmp $FREE, $0xFFF
    DONE
    UNMAP 1
    PROBE "in the second page, absent"
    ljmp $FREE, $0xFFF
    DONE
    DESCRIPTOR FREE, WINDOW, 0xFFF, 0x9A, 4
    PROBE "in the first page, the second absent"
    ljmp $FREE, $0xFFF
    DONE
    LOOP 1b

    TEST "data in two pages, the second remapped"
    movl $WINDOW + 0xFFE, %edi
    movl $0, frame1
    movl $0, frame2
1:
    MAP 1, frame1, P | W
    addl $0x00030001, (%edi)
    addl (%edi), %ebx
    MAP 1, frame2, P | W
    addl $0x00070001, (%edi)
    addl (%edi), %ebx
    LOOP 1b
    SHOW "sum", %ebx, 8
    SHOW "first", frame1, 8
    SHOW "second", frame2, 8
    ret

/* ---- Faults in the middle ---- */

page_in: /* #PF: show the page, count */
    pushl %eax
    movl $frame1 + P + W, pt_window + 4
    invlpg WINDOW + 4096
    incl count
    movl %ecx, %eax
    addl %eax, sum
    popl %eax
    addl $4, %esp
    iretl

    .macro FAULTS text, code
    TEST "\text"
1:
    UNMAP 1
    movl $template1, %esi
    movl $WINDOW + 0xFF0, %edi
    movl $32, %ecx
    xorl %eax, %eax
    \code
    movl frame1, %eax
    addl %eax, %ebx
    addl %ecx, %ebx
    LOOP 1b
    SHOW "faults", count, 4
    SHOW "ecx at them", sum, 8
    SHOW "sum", %ebx, 8
    .endm

test_faults:
    GATE idt, (8*14), CODE, page_in, 0x8E
    MAP 0, frame0, P | W
    FAULTS "rep movsb into an absent page", "rep movsb"
    FAULTS "rep movsl", "movl $8, %ecx; rep movsl"
    FAULTS "rep stosb", "movb $0x5A, %al; rep stosb"
    movl $template1, %esi
    movl $frame0 + 0xFF0, %edi
    movl $16, %ecx
    rep movsb
    movl $frame1, %edi
    movl $16, %ecx
    rep movsb
    FAULTS "repe cmpsb", "repe cmpsb; setz %al; addl %eax, %ebx"
    FAULTS "repne scasb", "movb $0xEE, %al; repne scasb"
    FAULTS "a read across", "addl 14(%edi), %eax; addl %eax, %ebx"
    FAULTS "a read-modify-write with flags", "stc; adcl $5, 16(%edi); pushfl; popl %eax; andl $0x8D5, %eax; addl %eax, %ebx"
    GATE idt, (8*14), CODE, (stubs+16*14), 0x8E
    ret

/* ---- Interrupts ---- */

tick:
    incl count
    pushl %eax
    movb $0x20, %al
    outb %al, $0x20
    popl %eax
    iretl

    /* The code runs until there were 20 interrupts. */
    .macro INTERRUPTED text, code
    TEST "\text"
    xorl %ecx, %ecx
    xorl %edx, %edx
    sti
1:
    \code
    cmpl $20, count
    jb 1b
    cli
    .endm

test_interrupts:
    /* 8259: vectors 20h and 28h, only IRQ 0; 8254: counter 0, mode 2, 1 ms */
    .irp step, 0x1120, 0x2021, 0x0421, 0x0121, 0xFE21, 0x3443, 0xA940, 0x0440
    movb $(\step >> 8), %al
    outb %al, $(\step & 0xFF)
    .endr
    GATE idt, (8*0x20), CODE, tick, 0x8E
    INTERRUPTED "a loop of one block", "addl $3, %ebx; incl %ecx"
    leal (%ecx,%ecx,2), %ecx
    subl %ecx, %ebx
    SHOW "difference", %ebx, 8
    INTERRUPTED "a loop of calls and jumps", "call count_up; jmp 3f; 3: incl %ecx"
    subl %ecx, %ebx
    SHOW "difference", %ebx, 8
    INTERRUPTED "rep movsb", "movl $template1, %esi; movl $frame2, %edi; movl $4000, %ecx; rep movsb; addl %ecx, %ebx"
    SHOW "rest", %ebx, 8
    movb $0xFF, %al
    outb %al, $0x21
    GATE idt, (8*0x20), CODE, (stubs+16*0x20), 0x8E
    ret

count_up:
    incl %ebx
    ret

/* ---- Single step and breakpoints ---- */

debug_handler: /* count, add where to the sum, set RF for the next instruction */
    pushl %eax
    incl count
    movl 4(%esp), %eax
    subl $step_loop, %eax
    addl %eax, sum
    xorl %eax, %eax
    movl %eax, %dr6
    orl $RF, 12(%esp)
    popl %eax
    iretl

    /* The loop of the next tests: EBX is what it counts. */
step_loop:
    incl %ebx
    movl %ebx, watched
step_middle:
    testl $1, %ebx
    jz 1f
    addl $2, %ebx
1:
    LOOP step_loop
    ret

    .macro DR7 value
    movl $\value, %eax
    movl %eax, %dr7
    .endm

    .macro STEPS text
    SHOW "\text", count, 8
    SHOW "where", sum, 8
    SHOW "ebx", %ebx, 8
    .endm

test_debug:
    GATE idt, 8, CODE, debug_handler, 0x8E
    TEST "before"
    call step_loop
    STEPS "traps"
    TEST "single step"
    pushfl
    orl $TF, (%esp)
    popfl
    call step_loop
    pushfl
    andl $~TF, (%esp)
    popfl
    STEPS "traps"
    TEST "a breakpoint on an instruction"
    movl $step_middle, %eax
    movl %eax, %dr0
    DR7 0x402
    call step_loop
    DR7 0x400
    STEPS "traps"
    TEST "a breakpoint on data"
    movl $watched, %eax
    movl %eax, %dr1
    DR7 0x00D00408
    call step_loop
    DR7 0x400
    STEPS "traps"
    TEST "after"
    call step_loop
    STEPS "traps"
    GATE idt, 8, CODE, (stubs+16), 0x8E
    ret

main:
    SAY "hot\n"
    movl %cr4, %eax
    orl $0x10, %eax /* PSE */
    movl %eax, %cr4
    call paging_on
    call test_writes
    call test_mappings
    call test_crossing
    call test_faults
    call test_interrupts
    call test_debug
    SAY "end\n"
    ret
