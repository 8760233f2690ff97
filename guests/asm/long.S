/* Long mode: compatibility and 64-bit code, segments, canonical addresses, SWAPGS, 64-bit gates, IST, call
 * gates, IRETQ (SDM vol. 3, 3.4, 5.8, 6.14). */
#include "runtime64.inc"

    .set S_BASED, 0x48   /* data, base 100000h, limit FFFh, DPL 0 */
    .set S_READ, 0x50    /* data, read-only */
    .set S_LBIT, 0x58    /* code with both L and D */
    .set S_CONF, 0x60    /* 64-bit code, conforming, DPL 0 */
    .set S_CABSENT, 0x68 /* 64-bit code, not present */
    .set S_CSMALL, 0x70  /* 32-bit code, limit FFFh, DPL 0 */
    .set G_CALL, 0x80    /* 64-bit call gate, DPL 3 (16 bytes) */
    .set G_CALL0, 0x90   /* 64-bit call gate, DPL 0 */
    .set G_BAD, 0xA0     /* call gate with a type in the upper half */
    .set G_TO32, 0xB0    /* call gate to 32-bit code */
    .set G_16, 0xC0      /* type 4 */
    .set S_TSSA, 0xD0    /* an available 64-bit TSS (16 bytes) */
    .set S_LDT, 0xE0     /* LDT (16 bytes) */
    .set S_LDTBAD, 0xF0  /* LDT with a base that is not canonical */
    .set G_TASK, 0x100
    .set S_BASED3, 0x108 /* data, base 100000h, DPL 3 */

    .macro DESCRIPTOR at, low, high
    movl $\low, gdt + \at
    movl $\high, gdt + \at + 4
    .endm

    .bss
    .balign 16
seen:
    .skip 128
ldt:
    .skip 16
    .text

setup:
    DESCRIPTOR S_BASED, 0x00000FFF, 0x00409210
    DESCRIPTOR S_BASED3, 0x00000FFF, 0x0040F210
    DESCRIPTOR S_READ, 0x0000FFFF, 0x00CF9000
    DESCRIPTOR S_LBIT, 0x0000FFFF, 0x00EF9A00
    DESCRIPTOR S_CONF, 0x0000FFFF, 0x00AF9E00
    DESCRIPTOR S_CABSENT, 0x0000FFFF, 0x00AF1A00
    DESCRIPTOR S_CSMALL, 0x00000FFF, 0x00409A00
    GATE gdt, G_CALL, CODE, gate_entry, 0xEC
    GATE gdt, G_CALL0, CODE, gate_entry, 0x8C
    GATE gdt, G_BAD, CODE, gate_entry, 0xEC
    movb $0x0C, gdt + G_BAD + 13
    GATE gdt, G_TO32, CODE32, gate_entry, 0xEC
    GATE gdt, G_16, CODE, gate_entry, 0xE4
    GATE gdt, G_TASK, TSS, 0, 0x85
    movq $main_tss, %rax
    movq gdt + TSS, %rcx
    movq %rcx, gdt + S_TSSA
    movb $0x89, gdt + S_TSSA + 5
    movq $ldt, %rax
    movl $0x0000000F, gdt + S_LDT
    movw %ax, gdt + S_LDT + 2
    shrq $16, %rax
    movb %al, gdt + S_LDT + 4
    movb $0x82, gdt + S_LDT + 5
    movb %ah, gdt + S_LDT + 7
    movq gdt + S_LDT, %rax
    movq %rax, gdt + S_LDTBAD
    movl $0x00010000, gdt + S_LDTBAD + 12 - 4
    movl $0x00018000, gdt + S_LDTBAD + 8
    movq gdt + 0x18, %rax
    movq %rax, ldt + 8
    ret

/* ---- Canonical addresses ---- */

test_canonical:
    movabsq $0x0000800000000000, %r14
    PROBE "read of a non-canonical address"
    movb (%r14), %al
    DONE
    PROBE "read below it that crosses"
    movq -4(%r14), %rax
    DONE
    PROBE "high half, not mapped"
    movabsq $0xFFFF800000000000, %rdx
    movb %al, (%rdx)
    DONE
    PROBE "below the high half"
    movabsq $0xFFFF7FFFFFFFFFFF, %rdx
    movb (%rdx), %al
    DONE
    PROBE "non-canonical by rbp: #SS"
    movq %r14, %rbp
    movb (%rbp), %al
    DONE
    PROBE "non-canonical by fs"
    movb %fs:(%r14), %al
    DONE
    PROBE "jump to a non-canonical address"
    jmp *%r14
    DONE
    PROBE "ret to a non-canonical address"
    pushq %r14
    ret
    DONE
    USER "user: push with a non-canonical rsp"
    movabsq $0x0000800000000008, %rsp
    pushq %rax
    USER_DONE
    USER "user: pop with a non-canonical rsp"
    movabsq $0x0000800000000008, %rsp
    popq %rax
    USER_DONE
    USER "user: call with a non-canonical target"
    movabsq $0x0000800000000000, %r14
    call *%r14
    USER_DONE
    SHOW "rsp", probe_outer_rsp, 16
    PROBE "invlpg of a non-canonical address"
    invlpg (%r14)
    DONE
    ret

/* ---- Segments ---- */

test_segments:
    PROBE "limit and base of ds do not matter"
    movl $S_BASED, %eax
    movl %eax, %ds
    movl 0x200000, %eax
    DONE
    PROBE "write through a read-only ds"
    movl $S_READ, %eax
    movl %eax, %ds
    movl %eax, seen
    DONE
    PROBE "null ds"
    xorl %eax, %eax
    movl %eax, %ds
    movl seen, %eax
    DONE
    PROBE "base of fs matters, its limit does not"
    movl $S_BASED, %eax
    movl %eax, %fs
    movl %fs:0, %ecx
    movl %fs:0x10000, %eax
    DONE
    SHOW "ecx", %rcx, 8
    PROBE "fs base by msr"
    movl $0xC0000100, %ecx
    movl $seen, %eax
    xorl %edx, %edx
    wrmsr
    movl $0xABCDEF01, seen
    movl %fs:0, %ebx
    rdmsr
    subl $seen, %eax
    DONE
    SHOW "ebx", %rbx, 8
    SHOW "eax", %rax, 8
    PROBE "null selector clears the base of gs"
    movl $S_BASED, %eax
    movl %eax, %gs
    xorl %eax, %eax
    movl %eax, %gs
    movl $0xC0000101, %ecx
    rdmsr
    DONE
    SHOW "eax", %rax, 8
    PROBE "fs base non-canonical"
    movl $0xC0000100, %ecx
    movl $0x8000, %edx
    wrmsr
    DONE
    PROBE "swapgs"
    movl $0xC0000102, %ecx
    movl $0x55660000, %eax
    movl $0x1122, %edx
    wrmsr
    swapgs
    movl $0xC0000101, %ecx
    rdmsr
    movq %rdx, %rbx
    swapgs
    DONE
    SHOW "edx", %rbx, 8
    SHOW "eax", %rax, 8
    USER "user: swapgs"
    swapgs
    USER_DONE
    PROBE "null ss at cpl 0"
    xorl %eax, %eax
    movl %eax, %ss
    pushq %rax
    popq %rax
    movl $DATA, %eax
    movl %eax, %ss
    DONE
    USER "user: null ss"
    movl $3, %eax
    movl %eax, %ss
    USER_DONE
    PROBE "lldt"
    movl $S_LDT, %eax
    lldt %ax
    movl $0x0C, %eax
    movl %eax, %es
    sldt %ecx
    DONE
    SHOW "sldt", %rcx, 8
    PROBE "lldt, base not canonical"
    movl $S_LDTBAD, %eax
    lldt %ax
    DONE
    PROBE "ltr of a busy tss"
    movl $TSS, %eax
    ltr %ax
    DONE
    PROBE "lar, lsl of a tss"
    movl $TSS, %ecx
    xorl %eax, %eax
    xorl %ebx, %ebx
    larl %ecx, %eax
    lsll %ecx, %ebx
    DONE
    SHOW "lar", %rax, 8
    SHOW "lsl", %rbx, 8
    PROBE "lar of a 16-bit call gate"
    movl $G_16, %ecx
    movl $0x55, %eax
    larl %ecx, %eax
    DONE
    SHOW "lar", %rax, 8
    ret

/* ---- Far transfers ---- */

    .macro FAR_TARGET selector, offset
    movq $\offset, seen
    movw $\selector, seen + 8
    .endm

    .macro FAR_TO what, selector, offset, instruction:vararg
    FAR_TARGET \selector, \offset
    PROBE "\what"
    \instruction
    DONE
    .endm

test_far:
    movl $probe_far_target, seen + 16
    movw $CODE32, seen + 20
    PROBE "ljmp to compatibility mode and back"
    ljmpl *seen + 16
    .code32
probe_far_target:
    movl $0xFFFFFFFF, %eax
    incl %eax /* 40 in 64-bit mode would be REX */
    .byte 0x40 /* inc %eax in compatibility mode, a prefix in 64-bit mode */
    nop
    ljmp $CODE, $1f
    .code64
1:
    DONE
    movl %eax, %eax
    SHOW "eax", %rax, 8
    FAR_TO "ljmp null", 0, 0, ljmpl *seen + 4
    FAR_TARGET CODE, 1f
    PROBE "rex.w ljmp"
    rex.w ljmp *seen
    nop
1:
    DONE
    FAR_TO "ljmp, L and D", S_LBIT, 0, rex.w ljmp *seen
    FAR_TO "ljmp not present", S_CABSENT, 0, rex.w ljmp *seen
    FAR_TO "ljmp to a tss", S_TSSA, 0, rex.w ljmp *seen
    FAR_TO "ljmp to a task gate", G_TASK, 0, rex.w ljmp *seen
    FAR_TO "ljmp to a 16-bit call gate", G_16, 0, rex.w ljmp *seen
    FAR_TO "ljmp to a call gate with a bad upper half", G_BAD, 0, rex.w ljmp *seen
    FAR_TO "ljmp to a call gate to 32-bit code", G_TO32, 0, rex.w ljmp *seen
    FAR_TO "lcall to a call gate, same level", G_CALL, 0, rex.w lcall *seen
    SHOW "return cs", (seen+24), 4
    SHOW "rsp moved", (seen+32), 8
    FAR_TO "ljmp past the limit of 32-bit code", S_CSMALL, 0x1000, rex.w ljmp *seen
    FAR_TARGET G_CALL, 0
    USER "user: lcall to a call gate"
    rex.w lcall *seen
    USER_DONE
    SHOW "return cs", (seen+24), 4
    SHOW "inner ss", (seen+40), 4
    SHOW "outer ss", (seen+48), 4
    movq seen + 56, %rax
    subq $user_stack_top, %rax
    SHOW "outer rsp", %rax, 16
    movq $interrupt_stack_top, %rax
    subq seen + 64, %rax
    SHOW "inner rsp", %rax, 8
    FAR_TARGET G_CALL0, 0
    USER "user: lcall to a call gate of dpl 0"
    rex.w lcall *seen
    USER_DONE
    USER32 "user 32: lcall to a 64-bit call gate"
    lcall $G_CALL, $0
    movl $0x77, seen + 72
    USER_DONE
    SHOW "return cs", (seen+24), 4
    SHOW "back", (seen+72), 4
    USER32 "user 32: push es, daa, inc"
    pushl %es
    popl %es
    movl $0x0F, %eax
    daa
    incl %eax
    USER_DONE
    movl %eax, %eax
    SHOW "eax", %rax, 8
    USER32 "user 32: segment limits count"
    movl $S_BASED3 + 3, %eax
    movl %eax, %ds
    movl 0x1000, %eax
    USER_DONE
    PROBE "lret to compatibility mode at cpl 0"
    pushq $CODE32
    pushq $2f
    rex.w lret
    .code32
2:
    ljmp $CODE, $1f
    .code64
1:
    DONE
    PROBE "lret with 32-bit operands"
    movl $1f, %eax
    subq $8, %rsp
    movl %eax, (%rsp)
    movl $CODE, 4(%rsp)
    lretl
1:
    DONE
    ret

gate_entry: /* frame: RIP, CS [, RSP, SS] */
    movq 8(%rsp), %rax
    movq %rax, seen + 24
    movq %rsp, %rax
    subq probe_rsp, %rax
    negq %rax
    movq %rax, seen + 32
    xorl %eax, %eax
    movl %ss, %eax
    movq %rax, seen + 40
    movq 24(%rsp), %rax
    movq %rax, seen + 48
    movq 16(%rsp), %rax
    movq %rax, seen + 56
    movq %rsp, seen + 64
    rex.w lret

/* ---- Interrupts ---- */

handler: /* notes the frame and returns */
    pushq %rax
    movq %rsp, seen + 64
    movq 8(%rsp), %rax
    subq probe_start, %rax
    movq %rax, seen
    movq 16(%rsp), %rax
    movq %rax, seen + 8
    movq 24(%rsp), %rax
    andl $0x003E7702, %eax
    movq %rax, seen + 16
    movq 32(%rsp), %rax
    movq %rax, seen + 24
    movq 40(%rsp), %rax
    movq %rax, seen + 32
    xorl %eax, %eax
    movl %ss, %eax
    movq %rax, seen + 40
    pushfq
    popq %rax
    andl $0x003E7702, %eax
    movq %rax, seen + 48
    popq %rax
    iretq

    .macro SHOW_FRAME top
    SAY "  rip +"
    HEX seen, 4
    SAY " cs "
    HEX (seen+8), 4
    SAY " fl "
    HEX (seen+16), 8
    SAY " ss "
    HEX (seen+32), 4
    SAY " in ss "
    HEX (seen+40), 4
    SAY " fl "
    HEX (seen+48), 8
    movq $\top, %rax
    subq seen + 64, %rax
    SAY " depth "
    HEX %rax, 4
    NEWLINE
    .endm

    .set VEC, 0x41

test_interrupts:
    GATE idt, (16*VEC), CODE, handler, 0x8E
    PROBE "interrupt at the same level, stack misaligned"
    movq $interrupt_stack_top, %rsp
    subq $5, %rsp
    pushq $0x202
    popfq
    int $VEC
    DONE
    SHOW_FRAME interrupt_stack_top
    movq $interrupt_stack_top, %rax
    subq seen + 24, %rax
    SHOW "rsp", %rax, 4
    GATE idt, (16*VEC), CODE, handler, 0x8F
    PROBE "trap gate"
    movq $interrupt_stack_top, %rsp
    pushq $0x202
    popfq
    int $VEC
    DONE
    SHOW_FRAME interrupt_stack_top
    GATE idt, (16*VEC), CODE, handler, 0x8E, 1
    PROBE "ist at the same level"
    int $VEC
    DONE
    SHOW_FRAME ist1_top
    GATE idt, (16*VEC), CODE, handler, 0xEE, 1
    USER "user: ist"
    int $VEC
    USER_DONE
    SHOW_FRAME ist1_top
    GATE idt, (16*VEC), CODE, handler, 0xEE
    USER "user: rsp0"
    int $VEC
    USER_DONE
    SHOW_FRAME interrupt_stack_top
    USER32 "user 32: rsp0"
    int $VEC
    USER_DONE
    SHOW_FRAME interrupt_stack_top
    GATE idt, (16*VEC), CODE32, handler, 0x8E
    PROBE "handler in 32-bit code"
    int $VEC
    DONE
    GATE idt, (16*VEC), S_LBIT, handler, 0x8E
    PROBE "handler with L and D"
    int $VEC
    DONE
    GATE idt, (16*VEC), CODE, handler, 0x86
    PROBE "16-bit gate"
    int $VEC
    DONE
    GATE idt, (16*VEC), TSS, 0, 0x85
    PROBE "task gate"
    int $VEC
    DONE
    GATE idt, (16*VEC), CODE, handler, 0x0E
    PROBE "gate not present"
    int $VEC
    DONE
    GATE idt, (16*VEC), CODE, 0x0000800000000000, 0x8E
    PROBE "handler at a non-canonical address"
    int $VEC
    DONE
    GATE idt, (16*VEC), S_CONF, handler, 0xEE
    USER "user: conforming handler"
    int $VEC
    USER_DONE
    GATE idt, (16*VEC), CODE, handler, 0x8E, 2
    PROBE "ist of 0: address 0 minus the frame"
    int $VEC
    DONE
    movw $0x28, gdt + TSS
    movl $TSS, %eax
    movb $0x89, gdt + TSS + 5
    ltr %ax
    PROBE "tss too small for the ist"
    int $VEC
    DONE
    movw $0x67, gdt + TSS
    movb $0x89, gdt + TSS + 5
    ltr %ax
    GATE idt, (16*VEC), CODE, handler, 0x8E
    lidt short_idt
    PROBE "idt limit"
    int $VEC
    DONE
    lidt idt_register
    GATE idt, (16*6), S_CABSENT, (stubs+16*6), 0x8E
    PROBE "#UD, handler absent"
    ud2
    DONE
    GATE idt, (16*6), CODE, (stubs+16*6), 0x8E
    GATE idt, (16*0), S_CABSENT, stubs, 0x8E
    PROBE "#DE, handler absent: #DF"
    xorl %ecx, %ecx
    divl %ecx
    DONE
    GATE idt, (16*0), CODE, stubs, 0x8E
    ret

    .data
short_idt:
    .word 16 * VEC + 14
    .quad idt
    .text

/* ---- IRET ---- */

    .macro RETURN64 what, ss, rsp, flags, cs, rip
    PROBE "\what"
    pushq $\ss
    pushq $\rsp
    pushq $\flags
    pushq $\cs
    movabsq $\rip, %rax
    pushq %rax
    iretq
1:
    .endm

test_iret:
    RETURN64 "iretq, same level, null ss", 0, interrupt_stack_top, 2, CODE, 1f
    movl %ss, %ebx
    movq %rsp, %rcx
    movl $DATA, %eax
    movl %eax, %ss
    DONE
    SHOW "ss", %rbx, 4
    subq $interrupt_stack_top, %rcx
    SHOW "rsp", %rcx, 8
    RETURN64 "iretq to cpl 3 with null ss", 3, user_stack_top, 2, UCODE, user_int
    DONE
    RETURN64 "iretq to cpl 3 32-bit with null ss", 3, user_stack_top, 2, UCODE32, user_int
    DONE
    RETURN64 "iretq to cpl 3, ss dpl 0", (DATA|3), user_stack_top, 2, UCODE, user_int
    DONE
    RETURN64 "iretq, cs null", DATA, user_stack_top, 2, 0, user_int
    DONE
    RETURN64 "iretq, cs data", DATA, user_stack_top, 2, DATA, user_int
    DONE
    RETURN64 "iretq, non-canonical rip", UDATA, user_stack_top, 2, UCODE, 0x0000800000000000
    DONE
    RETURN64 "iretq to cpl 3", UDATA, user_stack_top, 0x202, UCODE, user_int
    DONE
    PROBE "iretq with nt"
    pushfq
    orl $0x4000, (%rsp)
    popfq
    iretq
    DONE
    PROBE "iret with 32-bit operands to 32-bit user code"
    subq $20, %rsp
    movl $user_int, (%rsp)
    movl $UCODE32, 4(%rsp)
    movl $0x3202, 8(%rsp)
    movl $user_stack_top, 12(%rsp)
    movl $UDATA, 16(%rsp)
    iretl
    DONE
    PROBE "iretq: vm in the image is ignored"
    pushq $DATA
    movq %rsp, %rax
    pushq %rax
    pushq $0x20002
    pushq $CODE
    pushq $1f
    iretq
1:
    pushfq
    popq %rcx
    DONE
    andl $0x003E7702, %ecx
    SHOW "flags", %rcx, 8
    ret

user_int: /* the same bytes in both modes */
    int $EXC_RETURN

main:
    SAY "long\n"
    call setup
    call test_canonical
    call test_segments
    call test_far
    call test_interrupts
    call test_iret
    SAY "end\n"
    ret
