/* Segments and privilege: limits, types, selector loads, far transfers, call gates, LAR/LSL/VERR/VERW/ARPL
 * (SDM vol. 3, chapter 5; vol. 2 per instruction).
 *
 * QEMU does not check segment limits and types on data accesses; those lines are listed in
 * expect/protection.qemu. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"

    .set S_SMALL, 0x30    /* data, base buffer, limit 0xF */
    .set S_DOWN32, 0x38   /* expand-down, limit 0xFFF, 32-bit */
    .set S_DOWN16, 0x40   /* expand-down, limit 0xFFF, 16-bit */
    .set S_PAGE, 0x48     /* data, base buffer, limit 0 in pages */
    .set S_READ, 0x50     /* data, read-only */
    .set S_EXEC, 0x58     /* code, execute-only */
    .set S_ABSENT, 0x60   /* data, not present */
    .set S_4MB, 0x68      /* data, base 0, limit 4 MB */
    .set S_CONF, 0x70     /* code, conforming, DPL 0 */
    .set S_CODE3, 0x78    /* code, DPL 3, not accessed yet */
    .set S_SYSTEM, 0x80   /* an LDT */
    .set S_CABSENT, 0x88  /* code, not present */
    .set S_CSMALL, 0x90   /* code, limit 0xFFF */
    .set S_CONF3, 0x98    /* code, conforming, DPL 3 */
    .set S_CODE1, 0xA0    /* code, DPL 1 */
    .set S_DATA1, 0xA8
    .set S_FRESH, 0xB0    /* data, not accessed yet */
    .set G_CALL0, 0xC0    /* call gate, DPL 0 */
    .set G_CALL3, 0xC8    /* call gate, DPL 3, two parameters, to CPL 0 */
    .set G_ABSENT, 0xD0
    .set G_NULL, 0xD8     /* to the null selector */
    .set G_DATA, 0xE0     /* to a data segment */
    .set G_CONF, 0xE8     /* DPL 3, to conforming code */
    .set G_INNER1, 0xF0   /* DPL 3, to DPL 1 code */
    .set G_16, 0xF8       /* 16-bit call gate, DPL 3, one parameter */
    .set S_LDT, 0x100     /* LDT with one data segment */
    .set S_TSSA, 0x108    /* an available TSS */
    .set G_BIG, 0x110     /* call gate DPL 3 with an offset past the limit of S_CSMALL */
    .set S_SS16, 0x118    /* 16-bit stack segment, base 0, limit 64 KB */

    .set S_CBASED, 0x128  /* code, based so that offset 1000h is `landing` */
    .set S_U4MB, 0x120    /* as S_4MB, DPL 3 */

    .bss
    .balign 4096
buffer:
    .skip 8192
    .text

set_descriptors:
    DESCRIPTOR S_SMALL, buffer, 0xF, 0x92, 4
    DESCRIPTOR S_DOWN32, 0, 0xFFF, 0x96, 4
    DESCRIPTOR S_DOWN16, (buffer - 0x1000), 0xFFF, 0x96, 0
    DESCRIPTOR S_PAGE, buffer, 0, 0x92, 0xC
    DESCRIPTOR S_READ, 0, 0xFFFFF, 0x90, 0xC
    DESCRIPTOR S_EXEC, 0, 0xFFFFF, 0x98, 0xC
    DESCRIPTOR S_ABSENT, 0, 0xFFFFF, 0x12, 0xC
    DESCRIPTOR S_4MB, 0, 0x3FF, 0x92, 0xC
    DESCRIPTOR S_U4MB, 0, 0x3FF, 0xF2, 0xC
    DESCRIPTOR S_CONF, 0, 0xFFFFF, 0x9E, 0xC
    DESCRIPTOR S_CODE3, 0, 0xFFFFF, 0xFA, 0xC
    DESCRIPTOR S_SYSTEM, 0, 0xFF, 0x82, 0
    DESCRIPTOR S_CABSENT, 0, 0xFFFFF, 0x1A, 0xC
    DESCRIPTOR S_CSMALL, (landing - 0x1000), 0xFFF, 0x9A, 4
    DESCRIPTOR S_CBASED, (landing - 0x1000), 0xFFFFF, 0x9A, 0xC
    DESCRIPTOR S_CONF3, 0, 0xFFFFF, 0xFE, 0xC
    DESCRIPTOR S_CODE1, 0, 0xFFFFF, 0xBA, 0xC
    DESCRIPTOR S_DATA1, 0, 0xFFFFF, 0xB2, 0xC
    DESCRIPTOR S_FRESH, 0, 0xFFFFF, 0x92, 0xC
    DESCRIPTOR S_LDT, ldt, 0xF, 0x82, 0
    DESCRIPTOR S_TSSA, main_tss, 0x67, 0x89, 0
    DESCRIPTOR S_SS16, 0, 0xFFFF, 0x92, 0
    GATE gdt, G_CALL0, CODE, gate_simple, 0x8C
    GATE gdt, G_CALL3, CODE, gate_two, 0xEC, 2
    GATE gdt, G_ABSENT, CODE, gate_simple, 0x6C
    GATE gdt, G_NULL, 0, gate_simple, 0xEC
    GATE gdt, G_DATA, DATA, gate_simple, 0xEC
    GATE gdt, G_CONF, S_CONF, gate_simple, 0xEC
    GATE gdt, G_INNER1, S_CODE1, gate_simple, 0xEC
    GATE gdt, G_16, CODE, 0x1234, 0xE4, 1
    GATE gdt, G_BIG, S_CSMALL, 0x1000, 0xEC
    ret

    .data
    .balign 8
ldt:
    .quad 0
    .quad 0x00CF92000000FFFF
    .text

    .macro LOAD sreg, selector
    movl $\selector, %eax
    movl %eax, %\sreg
    .endm

/* ---- Limits and types of data segments ---- */

test_limits:
    PROBE "fs byte at limit"
    LOAD fs, S_SMALL
    movb %fs:0xF, %al
    DONE
    PROBE "fs byte past limit"
    LOAD fs, S_SMALL
    movb %fs:0x10, %al
    DONE
    PROBE "fs dword ending at limit"
    LOAD fs, S_SMALL
    movl %fs:0xC, %eax
    DONE
    PROBE "fs dword over limit"
    LOAD fs, S_SMALL
    movl %fs:0xD, %eax
    DONE
    PROBE "fs write over limit"
    LOAD fs, S_SMALL
    movl %eax, %fs:0xE
    DONE
    PROBE "fs offset ffffffff"
    LOAD fs, S_SMALL
    movb %fs:0xFFFFFFFF, %al
    DONE
    PROBE "page granular, last byte"
    LOAD fs, S_PAGE
    movb %fs:0xFFF, %al
    DONE
    PROBE "page granular, past"
    LOAD fs, S_PAGE
    movb %fs:0x1000, %al
    DONE
    PROBE "expand-down at limit"
    LOAD gs, S_DOWN32
    movb %gs:0xFFF, %al
    DONE
    PROBE "expand-down above limit"
    LOAD gs, S_DOWN32
    movb %gs:0x1000, %al
    DONE
    PROBE "expand-down word across limit"
    LOAD gs, S_DOWN32
    movw %gs:0xFFF, %ax
    DONE
    PROBE "expand-down 16-bit, 1000"
    LOAD gs, S_DOWN16
    movb %gs:0x1000, %al
    DONE
    PROBE "expand-down 16-bit, top"
    LOAD gs, S_DOWN16
    movb %gs:0x1FFF, %al
    movb %gs:0xFFFF, %al
    DONE
    PROBE "expand-down 16-bit, word at top"
    LOAD gs, S_DOWN16
    movw %gs:0xFFFF, %ax
    DONE
    PROBE "expand-down 16-bit, past 64 KB"
    LOAD gs, S_DOWN16
    movb %gs:0x10000, %al
    DONE
    PROBE "ss past limit"
    LOAD ss, S_4MB
    movb %ss:0x400000, %al
    DONE
    PROBE "ss by ebp past limit"
    LOAD ss, S_4MB
    movl $0x3FFFFD, %ebp
    movl (%ebp), %eax
    DONE
    PROBE "write to read-only data"
    LOAD fs, S_READ
    movb %fs:buffer, %al
    movb %al, %fs:buffer
    DONE
    PROBE "rmw of read-only data"
    LOAD fs, S_READ
    incl %fs:buffer
    DONE
    PROBE "write to code"
    movb %al, %cs:buffer
    DONE
    PROBE "read of execute-only code"
    lcall $S_EXEC, $1f
    jmp 2f
1:
    movb %cs:buffer, %al
    lret
2:
    DONE
    PROBE "null segment"
    LOAD fs, 0
    movb %fs:buffer, %al
    DONE
    PROBE "null segment, selector 3"
    LOAD gs, 3
    movb %al, %gs:buffer
    DONE
    PROBE "string source past limit"
    LOAD fs, S_SMALL
    movl $buffer, %edi
    xorl %esi, %esi
    movl $32, %ecx
    rep movsb %fs:(%esi), %es:(%edi)
    DONE
    SHOW "ecx left", %ecx, 8
    ret

/* ---- Loads ---- */

test_loads:
    PROBE "load beyond gdt limit"
    LOAD fs, 0x200
    DONE
    PROBE "load beyond gdt limit, rpl 3"
    LOAD fs, 0x203
    DONE
    PROBE "load from ldt without one"
    LOAD fs, 0x0C
    DONE
    PROBE "load system segment"
    LOAD fs, S_SYSTEM
    DONE
    PROBE "load not present"
    LOAD gs, S_ABSENT
    DONE
    PROBE "load execute-only code"
    LOAD ds, S_EXEC
    DONE
    PROBE "load readable code"
    LOAD es, CODE
    DONE
    PROBE "load dpl 0 with rpl 3"
    LOAD es, DATA | 3
    DONE
    PROBE "load conforming with rpl 3"
    LOAD es, S_CONF | 3
    DONE
    PROBE "ss null"
    LOAD ss, 0
    DONE
    PROBE "ss read-only"
    LOAD ss, S_READ
    DONE
    PROBE "ss code"
    LOAD ss, CODE
    DONE
    PROBE "ss rpl"
    LOAD ss, DATA | 1
    DONE
    PROBE "ss dpl"
    LOAD ss, UDATA & ~3
    DONE
    PROBE "ss not present"
    LOAD ss, S_ABSENT
    DONE
    PROBE "mov to cs"
    .byte 0x8E, 0xC8
    DONE
    PROBE "mov to segment register 6"
    .byte 0x8E, 0xF0
    DONE
    PROBE "lfs keeps register on fault"
    movl $0x11111111, %ebx
    lfs far_absent, %ebx
    DONE
    SHOW "ebx", %ebx, 8
    PROBE "lgs"
    lgs far_good, %ebx
    DONE
    SHOW "ebx", %ebx, 8
    PROBE "lss bad"
    lss far_absent, %esp
    DONE
    PROBE "pop fs keeps esp on fault"
    pushl $S_ABSENT
    movl %esp, %ebp
    popl %fs
    DONE
    movl probe_at_esp, %eax
    subl %ebp, %eax
    SHOW "frame moved", %eax, 8
    PROBE "accessed bit is set by a load"
    LOAD fs, S_FRESH
    DONE
    SHOW "access", gdt + S_FRESH + 5, 2
    PROBE "ldt load"
    movl $S_LDT, %eax
    lldt %ax
    LOAD fs, 0x0C
    movb %fs:buffer, %al
    DONE
    PROBE "ldt null entry"
    LOAD fs, 0x04
    DONE
    PROBE "beyond ldt limit"
    LOAD fs, 0x14
    DONE
    PROBE "lldt of data"
    movl $DATA, %eax
    lldt %ax
    DONE
    PROBE "lldt from ldt"
    movl $0x0C, %eax
    lldt %ax
    DONE
    PROBE "ltr busy"
    movl $TSS, %eax
    ltr %ax
    DONE
    PROBE "ltr of data"
    movl $DATA, %eax
    ltr %ax
    DONE
    SHOW "tss access", gdt + TSS + 5, 2
    ret

    .data
far_absent:
    .long 0x22222222
    .word S_ABSENT
far_good:
    .long 0x33333333
    .word DATA
    .text

/* ---- Far transfers without a change of privilege ---- */

    .macro FAR_JMP what, selector, offset=1f
    PROBE "\what"
    ljmp $\selector, $\offset
1:
    ljmp $CODE, $1f
1:
    DONE
    .endm

test_far:
    FAR_JMP "ljmp null", 0
    FAR_JMP "ljmp beyond", 0x208
    FAR_JMP "ljmp data", DATA
    FAR_JMP "ljmp not present", S_CABSENT
    FAR_JMP "ljmp dpl 3", S_CODE3
    FAR_JMP "ljmp rpl 3", CODE | 3
    FAR_JMP "ljmp conforming", S_CONF
    FAR_JMP "ljmp conforming rpl 3", S_CONF | 3
    FAR_JMP "ljmp conforming dpl 3", S_CONF3
    FAR_JMP "ljmp past limit", S_CSMALL, 0x1000
    FAR_JMP "ljmp ldt descriptor", S_SYSTEM
    FAR_JMP "ljmp busy tss", TSS
    FAR_JMP "ljmp gate rpl 3", G_CALL0 | 3, 0
    FAR_JMP "ljmp gate not present", G_ABSENT, 0
    FAR_JMP "ljmp gate to null", G_NULL, 0
    FAR_JMP "ljmp gate to data", G_DATA, 0
    FAR_JMP "ljmp gate past limit", G_BIG, 0
    FAR_JMP "ljmp gate to dpl 1", G_INNER1, 0
    PROBE "lcall gate, same privilege"
    lcall $G_CALL0, $0
    DONE
    PROBE "lcall gate with parameters, same privilege: none copied"
    pushl $0x11
    pushl $0x22
    movl %esp, %ebp
    lcall $G_CALL3, $0
    subl %esp, %ebp
    DONE
    SHOW "esp moved", %ebp, 8
    PROBE "lret to null"
    pushl $0
    pushl $0
    lret
    DONE
    PROBE "lret to data"
    pushl $DATA
    pushl $0
    lret
    DONE
    PROBE "lret not present"
    pushl $S_CABSENT
    pushl $0
    lret
    DONE
    PROBE "lret past limit"
    pushl $S_CSMALL
    pushl $0x1000
    lret
    DONE
    PROBE "lret to dpl 3 with rpl 0"
    pushl $S_CODE3
    pushl $0
    lret
    DONE
    PROBE "lret 16-bit operand"
    pushw $S_CBASED
    pushw $0x1000
    lretw
    DONE
    PROBE "lret outer, null ss"
    pushl $0
    pushl $0
    pushl $UCODE
    pushl $user_int
    lret
    DONE
    PROBE "lret outer, ss rpl 0"
    pushl $DATA
    pushl $user_stack_top
    pushl $UCODE
    pushl $user_int
    lret
    DONE
    PROBE "lret outer, ss dpl 0"
    pushl $DATA | 3
    pushl $user_stack_top
    pushl $UCODE
    pushl $user_int
    lret
    DONE
    PROBE "lret outer drops inner segments"
    LOAD fs, UDATA
    LOAD gs, S_CONF
    pushl $UDATA
    pushl $user_stack_top - 8
    pushl $UCODE
    pushl $user_segments
    lret $8
    DONE
    SHOW "ds", user_seen, 4
    SHOW "es", user_seen + 4, 4
    SHOW "fs", user_seen + 8, 4
    SHOW "gs", user_seen + 12, 4
    movl user_seen + 16, %eax
    subl $user_stack_top, %eax
    SHOW "esp", %eax, 8
    PROBE "iret to data"
    pushl $2
    pushl $DATA
    pushl $0
    iretl
    DONE
    PROBE "iret outer, ss not present"
    pushl $S_ABSENT | 3
    pushl $0
    pushl $2
    pushl $UCODE
    pushl $user_int
    iretl
    DONE
    ret

gate_simple:
    lret

landing:
user_int:
    int $EXC_RETURN

/* Runs at CPL 3 with whatever data segments are left; stores through FS. */
user_segments:
    movl %ds, %eax
    movl %eax, %fs:user_seen
    movl %es, %eax
    movl %eax, %fs:user_seen + 4
    movl %fs, %eax
    movl %eax, %fs:user_seen + 8
    movl %gs, %eax
    movl %eax, %fs:user_seen + 12
    movl %esp, %fs:user_seen + 16
    int $EXC_RETURN

    .bss
user_seen:
    .skip 32
    .text

/* ---- From CPL 3 ---- */

test_user:
    USER "user: ljmp to dpl 0"
    ljmp $CODE, $0
    USER_DONE
    USER "user: ljmp to conforming"
    ljmp $S_CONF, $1f
1:
    movl %cs, %eax
    movl %eax, %es:user_seen
    USER_DONE
    SHOW "cs", user_seen, 4
    USER "user: lcall gate dpl 0"
    lcall $G_CALL0 | 3, $0
    USER_DONE
    USER "user: lcall gate to conforming"
    lcall $G_CONF | 3, $0
    USER_DONE
    USER "user: ljmp gate to dpl 0"
    ljmp $G_CALL3 | 3, $0
    USER_DONE
    USER "user: lcall gate to cpl 0 with two parameters"
    pushl $0xAAAA0001
    pushl $0xAAAA0002
    lcall $G_CALL3, $0
    movl %esp, user_seen + 28
    USER_DONE
    SHOW "cs", user_seen, 4
    SHOW "ss", user_seen + 4, 4
    SHOW "return cs", user_seen + 8, 4
    SHOW "parameter", user_seen + 12, 8
    SHOW "parameter", user_seen + 16, 8
    SHOW "outer ss", user_seen + 20, 4
    movl $interrupt_stack_top, %eax
    subl user_seen + 24, %eax
    SHOW "inner esp", %eax, 8
    movl user_seen + 28, %eax
    subl $user_stack_top, %eax
    SHOW "outer esp after", %eax, 8
    movl $0, main_tss + 12 /* ESP1, SS1 */
    movl $0, main_tss + 16
    USER "user: gate to cpl 1, null ss1"
    lcall $G_INNER1 | 3, $0
    USER_DONE
    movl $DATA, main_tss + 16
    USER "user: gate to cpl 1, ss1 of dpl 0"
    lcall $G_INNER1 | 3, $0
    USER_DONE
    movl $S_ABSENT | 1, main_tss + 16
    DESCRIPTOR S_ABSENT, 0, 0xFFFFF, 0x32, 0xC
    USER "user: gate to cpl 1, ss1 not present"
    lcall $G_INNER1 | 3, $0
    USER_DONE
    movl $0x208 | 1, main_tss + 16
    USER "user: gate to cpl 1, ss1 beyond gdt"
    lcall $G_INNER1 | 3, $0
    USER_DONE
    movl $S_DATA1 | 1, main_tss + 16
    movl $user_stack_top, main_tss + 12
    USER "user: gate to cpl 1 and back"
    lcall $G_INNER1 | 3, $0
    USER_DONE
    USER "user: lcall stack past limit"
    LOAD ss, S_U4MB | 3
    movl $0x400004, %esp
    lcall $UCODE, $gate_simple
    USER_DONE
    USER "user: lret stack past limit"
    LOAD ss, S_U4MB | 3
    movl $0x3FFFFC, %esp
    lret
    USER_DONE
    USER "user: load ds with dpl 0"
    LOAD ds, DATA
    USER_DONE
    USER "user: load ss with rpl 0"
    LOAD ss, UDATA & ~3
    USER_DONE
    USER "user: int 3"
    int3
    USER_DONE
    USER "user: int 21h, gate dpl 0"
    int $0x21
    USER_DONE
    ret

/* Called through a gate from CPL 3 with two parameters. */
gate_two:
    movl %cs, %eax
    movl %eax, %ss:user_seen
    movl %ss, %eax
    movl %eax, %ss:user_seen + 4
    movl 4(%esp), %eax
    movl %eax, %ss:user_seen + 8
    movl 8(%esp), %eax
    movl %eax, %ss:user_seen + 12
    movl 12(%esp), %eax
    movl %eax, %ss:user_seen + 16
    movl 20(%esp), %eax
    movl %eax, %ss:user_seen + 20
    movl %esp, %ss:user_seen + 24
    lret $8

/* ---- LAR, LSL, VERR, VERW, ARPL ---- */

test_selectors:
    movl $selectors, %esi
1:
    movzwl (%esi), %ebx
    cmpl $0xFFFF, %ebx
    je 2f
    SAY "selector "
    HEX %ebx, 4
    movl $0x55555555, %eax
    larl %ebx, %eax
    call say_zf
    andl $0x00F0FE00, %eax /* bits 19:16 are undefined; QEMU does not set accessed bits of code */
    SAY " lar "
    HEX %eax, 8
    movl $0x55555555, %eax
    lsll %ebx, %eax
    call say_zf
    SAY " lsl "
    HEX %eax, 8
    verr %bx
    call say_zf
    verw %bx
    call say_zf
    NEWLINE
    addl $2, %esi
    jmp 1b
2:
    PROBE "lar, 16-bit"
    movl $0x55555555, %eax
    movl $DATA, %ebx
    larw %bx, %ax
    DONE
    SHOW "eax", %eax, 8
    movw $0x10, %ax
    movw $0x1B, %bx
    arpl %bx, %ax
    call say_zf
    SHOW "arpl", %eax, 4
    movw $0x13, %ax
    movw $0x19, %bx
    arpl %bx, %ax
    call say_zf
    SHOW "arpl", %eax, 4
    USER "user: verr, verw, lar of dpl 0 and 3"
    movl $0, user_seen
    movl $DATA, %ebx
    verr %bx
    setz user_seen
    movl $UDATA, %ebx
    verw %bx
    setz user_seen + 1
    movl $S_CONF, %ebx
    verr %bx
    setz user_seen + 2
    movl $CODE, %ebx
    larl %ebx, %eax
    setz user_seen + 3
    USER_DONE
    SHOW "zf", user_seen, 8
    ret

say_zf:
    jz 1f
    SAY " -"
    ret
1:
    SAY " z"
    cmpl %eax, %eax
    ret

    .data
selectors:
    .word 0, 3, CODE, DATA, UCODE, UDATA, CODE | 3, S_SMALL, S_DOWN32, S_PAGE, S_READ, S_EXEC, S_ABSENT, S_CONF
    .word S_CONF | 3, S_SYSTEM, S_CABSENT, TSS, S_TSSA, G_CALL0, G_CALL3, G_16, 0x200, 0x0C, 0x14, S_TSSA | 3
    .word 0xFFFF
    .text

main:
    SAY "protection\n"
    call set_descriptors
    call test_limits
    call test_loads
    call test_far
    call test_user
    call test_selectors
    SAY "end\n"
    ret
