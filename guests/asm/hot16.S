/* 16-bit code that runs often: in real mode, and then in a 16-bit protected-mode segment with base and limit and a
 * 16-bit stack. Addresses and stack wrap at 64 KB, segments are loaded in loops, CS changes, accesses at the limit
 * fault each time, code changes itself (SDM vol. 3, 20.1, 5.3).
 *
 * The code is copied to SEGMENT:0; each part adds what it finds to EBX and stores that in RESULT. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"

    .set SEGMENT, 0x1000
    .set WORK, 0x4000 /* segment of data: 64 KB */
    .set RESULT, 0x20000
    .set STACK, 0x3000
    .set S_CODE16, 0x30
    .set S_WORK16, 0x38
    .set S_RESULT16, 0x40
    .set ROUNDS, 400

    .bss
    .balign 16
saved_ivt:
    .skip 1024
    .text

fill_work:
    movl $(STACK * 16), %edi
    movl $0x12345678, %eax
    movl $(0x8000 + 0x1000), %ecx
1:
    imull $1664525, %eax, %eax
    addl $1013904223, %eax
    stosl
    loop 1b
    ret

main:
    SAY "hot16\n"
    DESCRIPTOR S_CODE16, (SEGMENT*16), 0xFFFF, 0x9A, 0
    DESCRIPTOR S_WORK16, (WORK*16), 0xFFFF, 0x92, 0
    DESCRIPTOR S_RESULT16, RESULT, 0xFFF, 0x92, 0
    movl $code_start, %esi
    movl $(SEGMENT * 16), %edi
    movl $(code_end - code_start), %ecx
    rep movsb
    movl $RESULT, %edi
    movl $256, %ecx
    movl $0xEEEEEEEE, %eax
    rep stosl
    movl $0, %esi
    movl $saved_ivt, %edi
    movl $256, %ecx
    rep movsl
    movl $(SEGMENT << 16 | (r_fault13 - code_start)), 13 * 4
    movl $(SEGMENT << 16 | (r_int - code_start)), 0x60 * 4
    call fill_work
    movl %esp, probe_esp
    lidt real_idt
    ljmp $S_CODE16, $0

real_done:
    movl $DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movl probe_esp, %esp
    lidt idt_register
    movl $saved_ivt, %esi
    xorl %edi, %edi
    movl $256, %ecx
    rep movsl
    SAY "real mode\n"
    call show_results
    SAY "protected mode, 16-bit\n"
    call fill_work
    movl $S_WORK16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl $S_RESULT16, %eax
    movl %eax, %fs
    movl $S_WORK16, %eax
    movl %eax, %ss
    movl $0xABCD8000, %esp /* its upper half stays */
    lcall $S_CODE16, $(p_start - code_start)
    movl %esp, %ebx
    movl $DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %ss
    movl probe_esp, %esp
    SHOW "esp", %ebx, 8
    call show_results
    SAY "end\n"
    ret

show_results: /* up to the first that is not set */
    movl $RESULT, %esi
1:
    cmpl $0xEEEEEEEE, (%esi)
    je 2f
    SHOW "sum", (%esi), 8
    movl $0xEEEEEEEE, (%esi)
    addl $4, %esi
    jmp 1b
2:
    ret

    .data
    .balign 4
real_idt:
    .word 0x3FF
    .long 0
    .text

/* ---- 16-bit code, at SEGMENT:0 ---- */
    .code16
    .balign 16
code_start:
    movl %cr0, %eax
    andb $0xFE, %al
    movl %eax, %cr0
    ljmp $SEGMENT, $(1f - code_start)
1:
    movw $STACK, %ax
    movw %ax, %ss
    movl $0x8000, %esp
    movw $WORK, %ax
    movw %ax, %ds
    movw %ax, %es
    movw $(RESULT >> 4), %ax
    movw %ax, %fs
    xorw %bp, %bp
    call both
    call only_real
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $CODE, $real_done

p_start:
    xorw %bp, %bp
    call both
    lretl

    /* EBX is the next result. */
result:
    movl %ebx, %fs:(%bp)
    addw $4, %bp
    xorl %ebx, %ebx
    ret

both:
    cld
    /* Strings, calls, LOOP. */
    xorl %ebx, %ebx
    movw $100, %dx
1:
    movw $0x1000, %si
    movw $0x5000, %di
    movl $0xFFFF0020, %ecx /* LOOP takes CX */
2:
    lodsw
    addw %cx, %ax
    rolw $3, %ax
    call 3f
    stosw
    loop 2b
    addl %ecx, %ebx
    decw %dx
    jnz 1b
    call result
    jmp 4f
3:
    pushw %ax
    pushl %eax
    addw %ax, %bx
    adcl $0, %ebx
    popl %eax
    popw %ax
    xorw 8(%si), %ax
    ret $0
4:
    jmp 5f
5:
    /* Addresses of all forms, wrapping. */
    movw $ROUNDS, %dx
    movl $0x1234FFF0, %esi
    movl $0x43210008, %edi
6:
    addw (%si), %bx
    movw $0xFFFE, %cx
    pushw %bp
    movw %cx, %bp
    addw 0x14(%bp,%di), %bx /* SS */
    popw %bp
    rorl $5, %ebx
    xorw -2(%di), %bx
    addw 0x7FFF(%si), %bx
    subw 0x2468, %bx
    leaw -0x20(%bx,%si), %ax
    leal 0x7FF0(%bx,%di), %ecx
    addl %ecx, %ebx
    leal (%eax,%ecx,2), %ecx
    movzwl %cx, %ecx
    andl $0xFFFC, %ecx
    addl (%ecx), %ebx /* 32-bit address below 64 KB */
    addw $2, %si /* over 64 KB */
    subw $2, %di
    decw %dx
    jnz 6b
    call result
    /* Segment registers. */
    movw $ROUNDS, %dx
    movw %ds, %ax
    movw %ss, %cx
7:
    movw %cx, %es
    movw %ax, %ds
    pushw %ds
    popw %es
    addw %es:4(%di), %bx
    movw %es, %si
    addw %si, %bx
    roll $1, %ebx
    addw %cs:(rounds - code_start), %bx
    decw %dx
    jnz 7b
    subw %ax, %bx
    call result
    /* JCXZ, indirect jumps, CALL and RET with an immediate, 8-bit registers. */
    movw $ROUNDS, %dx
    movl $0x10000, %ecx
8:
    jcxz 9f
    incl %ebx
9:
    movw %dx, %cx
    andw $1, %cx
    movw $(10f - code_start), %ax
    jmp *%ax
10:
    pushw %dx
    pushw %cx
    movw $(11f - code_start), %ax
    call *%ax
    addb %bl, %bh
    decw %dx
    jnz 8b
    call result
    ret
11:
    pushw %bp
    movw %sp, %bp
    addw 6(%bp), %bx
    popw %bp
    rorl $1, %ebx
    ret $4

rounds:
    .word ROUNDS

only_real:
    /* Far calls and software interrupts: CS changes each time. */
    xorl %ebx, %ebx
    movw $ROUNDS, %dx
1:
    lcall $(SEGMENT - 0x10), $(2f - code_start + 0x100)
    int $0x60
    lcall $SEGMENT, $(2f - code_start)
    decw %dx
    jnz 1b
    call result
    jmp 3f
2:
    movw %cs, %ax
    addw %ax, %bx
    roll $1, %ebx
    lret
3:
    /* Faults at the limit, each time. */
    movw $ROUNDS, %dx
    movw $0xFFFD, %di
4:
    addw (%di), %bx
    addb 2(%di), %bl
    addw 1(%di), %bx
    addw 2(%di), %bx /* #GP: the handler skips it */
r_after13:
    roll $1, %ebx
    decw %dx
    jnz 4b
    call result
    /* The stack wraps. */
    movw $ROUNDS, %dx
5:
    movw %sp, %cx
    movl $0x77770002, %esp
    pushw %dx
    pushw %bx
    pushw %dx
    popw %ax
    popw %si
    popw %di
    addw %di, %bx
    addl %esp, %ebx
    movl $0, %esp
    movw %cx, %sp
    decw %dx
    jnz 5b
    call result
    /* Code that changes itself. */
    movw $ROUNDS, %dx
6:
    incb %cs:(7f + 1 - code_start)
7:
    movb $0, %al
    addb %al, %bl
    roll $1, %ebx
    decw %dx
    jnz 6b
    call result
    /* A segment for each round. */
    movw $ROUNDS, %dx
8:
    movw %dx, %ax
    addw $WORK, %ax
    movw %ax, %ds
    addw 0x10, %bx
    movw %ax, %gs
    addl %gs:0x20, %ebx
    decw %dx
    jnz 8b
    movw $WORK, %ax
    movw %ax, %ds
    jmp result

r_int:
    addw $3, %bx
    iretw

    /* Go on behind the instruction at fault. */
r_fault13:
    pushw %bp
    movw %sp, %bp
    addl $0x100, %ebx
    movw $(r_after13 - code_start), 2(%bp)
    popw %bp
    iretw
code_end:
    .code32
