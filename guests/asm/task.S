/* Hardware task switch: 32- and 16-bit TSS by JMP, CALL, gate, INT, IRET; busy bits, links, NT, TS, registers
 * and LDT of the new task, faults before and after the commit point (SDM vol. 3, chapter 7).
 *
 * Faults in the new task's context are taken by task gates to a report task, so that the broken task is not
 * needed to report itself. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"

    .set S_TSS32, 0x30
    .set S_TSS16, 0x38
    .set S_SHORT, 0x40   /* 32-bit TSS with limit 102 */
    .set S_SHORT16, 0x48 /* 16-bit TSS with limit 42 */
    .set S_ABSENT, 0x50  /* TSS, not present */
    .set S_GATE, 0x58    /* task gate, DPL 0 */
    .set S_GATE3, 0x60   /* task gate, DPL 3 */
    .set S_GATEA, 0x68   /* task gate, not present */
    .set S_LDT, 0x70
    .set S_REPORT, 0x78  /* TSS of the report task */
    .set S_DABSENT, 0x80 /* data, not present */
    .set S_READ, 0x88    /* data, read-only */
    .set S_CABSENT, 0x90 /* code, not present */
    .set S_GATEBAD, 0x98 /* task gate to a data segment */
    .set S_GATELDT, 0xA0 /* task gate with a selector in the LDT */
    .set S_SMALL, 0xA8   /* code, limit 0xFF */
    .set S_SS16, 0xB8    /* data with a 16-bit stack pointer */
    .set S_TSS32U, 0xB0  /* 32-bit TSS, DPL 3 */

    .data
    .balign 128
tss32:
    .skip 104
    .balign 128
tss16:
    .skip 44
    .balign 128
report_tss:
    .skip 104
    .balign 8
ldt:
    .quad 0
    .quad 0x00CF92000000FFFF
    .bss
seen:
    .skip 256
    .skip 1024
task_stack_top:
    .skip 1024
report_stack_top:
    .text

    .set LOW, 0x8000 /* the 16-bit task's code */

setup:
    DESCRIPTOR S_TSS32, tss32, 0x67, 0x89, 0
    DESCRIPTOR S_TSS16, tss16, 0x2B, 0x81, 0
    DESCRIPTOR S_SHORT, tss32, 0x66, 0x89, 0
    DESCRIPTOR S_SHORT16, tss16, 0x2A, 0x81, 0
    DESCRIPTOR S_ABSENT, tss32, 0x67, 0x09, 0
    DESCRIPTOR S_LDT, ldt, 0xF, 0x82, 0
    DESCRIPTOR S_REPORT, report_tss, 0x67, 0x89, 0
    DESCRIPTOR S_DABSENT, 0, 0xFFFFF, 0x12, 0xC
    DESCRIPTOR S_READ, 0, 0xFFFFF, 0x90, 0xC
    DESCRIPTOR S_CABSENT, 0, 0xFFFFF, 0x1A, 0xC
    DESCRIPTOR S_SMALL, 0, 0xFF, 0x9A, 4
    DESCRIPTOR S_SS16, 0, 0xFFFF, 0x92, 0
    DESCRIPTOR S_TSS32U, tss32, 0x67, 0xE9, 0
    GATE gdt, S_GATE, S_TSS32, 0, 0x85
    GATE gdt, S_GATE3, S_TSS32, 0, 0xE5
    GATE gdt, S_GATEA, S_TSS32, 0, 0x05
    GATE gdt, S_GATEBAD, DATA, 0, 0x85
    GATE gdt, S_GATELDT, 0x0C, 0, 0x85
    movl $low_task, %esi
    movl $LOW, %edi
    movl $low_task_end - low_task, %ecx
    rep movsb
    ret

/* ---- TSS contents ---- */

    /* Offsets */
    .set T_CR3, 28
    .set T_EIP, 32
    .set T_FLAGS, 36
    .set T_EAX, 40
    .set T_ESP, 56
    .set T_ES, 72
    .set T_CS, 76
    .set T_SS, 80
    .set T_DS, 84
    .set T_FS, 88
    .set T_GS, 92
    .set T_LDT, 96
    .set T_TRAP, 100

fill_tss32: /* a sound task that notes its state and returns */
    pushal
    movl $tss32, %edi
    movl $26, %ecx
    xorl %eax, %eax
    rep stosl
    movl $task_entry, tss32 + T_EIP
    movl $0x00000203, tss32 + T_FLAGS
    movl $0xA0A0A0A0, tss32 + T_EAX
    movl $0xB0B0B0B0, tss32 + T_EAX + 4
    movl $0xC0C0C0C0, tss32 + T_EAX + 8
    movl $0xD0D0D0D0, tss32 + T_EAX + 12
    movl $task_stack_top, tss32 + T_ESP
    movl $0xE0E0E0E0, tss32 + T_ESP + 4
    movl $0xF0F0F0F0, tss32 + T_ESP + 8
    movl $0x90909090, tss32 + T_ESP + 12
    movl $DATA, tss32 + T_ES
    movl $CODE, tss32 + T_CS
    movl $DATA, tss32 + T_SS
    movl $DATA, tss32 + T_DS
    movl $0x0C, tss32 + T_FS /* in the LDT */
    movl $0, tss32 + T_GS
    movl $S_LDT, tss32 + T_LDT
    movw $104, tss32 + T_TRAP + 2
    movb $0x89, gdt + S_TSS32 + 5
    movb $0xE9, gdt + S_TSS32U + 5
    movb $0x8B, gdt + TSS + 5
    popal
    ret

fill_tss16:
    pushal
    movl $tss16, %edi
    movl $22, %ecx
    xorl %eax, %eax
    rep stosw
    movw $LOW, tss16 + 14
    movw $0x0203, tss16 + 16
    movw $0xA0A0, tss16 + 18
    movw $0xB0B0, tss16 + 20
    movw $0xC0C0, tss16 + 22
    movw $0xD0D0, tss16 + 24
    movw $0x7F00, tss16 + 26
    movw $0xE0E0, tss16 + 28
    movw $0xF0F0, tss16 + 30
    movw $0x9090, tss16 + 32
    movw $DATA, tss16 + 34
    movw $CODE, tss16 + 36
    movw $S_SS16, tss16 + 38 /* the upper half of ESP is undefined */
    movw $DATA, tss16 + 40
    movw $S_LDT, tss16 + 42
    movb $0x81, gdt + S_TSS16 + 5
    movb $0x8B, gdt + TSS + 5
    popal
    ret

/* The 32-bit task: note registers, then IRET (nested) or JMP back; loops for the next switch. */
task_entry:
    pushfl
    movl %eax, seen
    movl %ecx, seen + 4
    movl %edx, seen + 8
    movl %ebx, seen + 12
    movl %ebp, seen + 16
    movl %esi, seen + 20
    movl %edi, seen + 24
    popl %eax
    andl $0x003E7703, %eax
    movl %eax, seen + 28
    movl %cr0, %eax
    andl $0x1F, %eax
    movl %eax, seen + 32
    movl %esp, %eax
    subl $task_stack_top, %eax
    movl %eax, seen + 36
    movw %fs, seen + 40
    movw %gs, seen + 42
    str seen + 44
    sldt seen + 46
    movw tss32, %ax
    movw %ax, seen + 48
    movb gdt + TSS + 5, %al
    movb %al, seen + 50
    movb gdt + S_TSS32 + 5, %al
    movb %al, seen + 51
    testl $0x4000, seen + 28
    jz 1f
    iretl
    jmp task_entry
1:
    ljmp $TSS, $0
    jmp task_entry

    /* The 16-bit task, run with a 32-bit code segment from low memory. */
low_task:
    movzwl %ax, %eax
    movl %eax, seen
    movzwl %di, %eax
    movl %eax, seen + 24
    pushfl
    popl %eax
    andl $0x003E7703, %eax
    movl %eax, seen + 28
    movzwl %sp, %eax
    movl %eax, seen + 36
    movw %fs, seen + 40
    movw %gs, seen + 42
    str seen + 44
    sldt seen + 46
    movw tss16, %ax
    movw %ax, seen + 48
    movb gdt + TSS + 5, %al
    movb %al, seen + 50
    movb gdt + S_TSS16 + 5, %al
    movb %al, seen + 51
    testl $0x4000, seen + 28
    jz 1f
    iretl
    jmp low_task
1:
    ljmp $TSS, $0
    jmp low_task
low_task_end:

show_task:
    SAY "  registers"
    movl $seen, %esi
    movl $7, %ecx
1:
    SAY " "
    HEX (%esi), 8
    addl $4, %esi
    loop 1b
    NEWLINE
    SAY "  flags "
    HEX (seen+28), 8
    SAY " cr0 "
    HEX (seen+32), 4
    SAY " esp "
    HEX (seen+36), 8
    SAY " fs "
    HEX (seen+40), 4
    SAY " gs "
    HEX (seen+42), 4
    SAY " tr "
    HEX (seen+44), 4
    SAY " ldt "
    HEX (seen+46), 4
    SAY " link "
    HEX (seen+48), 4
    SAY " old "
    HEX (seen+50), 2
    SAY " new "
    HEX (seen+51), 2
    NEWLINE
    SAY "  after: tr "
    xorl %eax, %eax
    str %ax
    HEX %eax, 4
    SAY " old "
    HEX (gdt+TSS+5), 2
    SAY " new "
    HEX (gdt+S_TSS32+5), 2
    SAY " "
    HEX (gdt+S_TSS16+5), 2
    pushfl
    popl %eax
    andl $0x7700, %eax
    SAY " flags "
    HEX %eax, 4
    movl %cr0, %eax
    andl $0xF, %eax
    SAY " cr0 "
    HEX %eax, 2
    NEWLINE
    clts
    xorl %eax, %eax
    lldt %ax
    ret

/* ---- Sound switches ---- */

    .macro SWITCH what, code:vararg
    call fill_tss32
    call fill_tss16
    movw $0, main_tss
    PROBE "\what"
    movl $0x11111111, %eax
    movl $0x22222222, %edi
    \code
    DONE
    call show_task
    .endm

test_switches:
    SWITCH "call tss", lcall $S_TSS32, $0
    SWITCH "call task gate", lcall $S_GATE, $0
    SWITCH "jmp tss", ljmp $S_TSS32, $0
    SWITCH "jmp task gate", ljmp $S_GATE, $0
    GATE idt, (8*0x40), S_TSS32, 0, 0x85
    SWITCH "int through a task gate", int $0x40
    SWITCH "call 16-bit tss", lcall $S_TSS16, $0
    SWITCH "jmp 16-bit tss", ljmp $S_TSS16, $0
    call fill_tss32
    PROBE "call, iret, call again: goes on behind the iret"
    lcall $S_TSS32, $0
    movl $0, seen + 44
    lcall $S_TSS32, $0
    DONE
    call show_task
    SHOW "main tss eax", (main_tss+T_EAX), 8
    movl main_tss + T_EIP, %eax
    subl probe_start, %eax
    SHOW "main tss eip", %eax, 8
    SHOW "main tss cs", (main_tss+T_CS), 4
    SHOW "main tss ds", (main_tss+T_DS), 4
    SHOW "tss32 flags", (tss32+T_FLAGS), 8
    ret

/* ---- Refused before anything happened ---- */

    .macro REFUSED what, code:vararg
    call fill_tss32
    call fill_tss16
    PROBE "\what"
    \code
    DONE
    .endm

test_refused:
    REFUSED "call short tss", lcall $S_SHORT, $0
    REFUSED "call short 16-bit tss", lcall $S_SHORT16, $0
    REFUSED "call absent tss", lcall $S_ABSENT, $0
    REFUSED "call tss with rpl 3", lcall $(S_TSS32|3), $0
    REFUSED "call busy tss", lcall $TSS, $0
    REFUSED "call absent gate", lcall $S_GATEA, $0
    REFUSED "call gate with rpl 3", lcall $(S_GATE|3), $0
    REFUSED "call gate to data", lcall $S_GATEBAD, $0
    REFUSED "call gate into the ldt", lcall $S_GATELDT, $0
    GATE idt, (8*0x40), DATA, 0, 0x85
    REFUSED "int gate to data", int $0x40
    GATE idt, (8*0x40), S_ABSENT, 0, 0x85
    REFUSED "int gate to absent tss", int $0x40
    GATE idt, (8*0x40), TSS, 0, 0x85
    REFUSED "int gate to busy tss", int $0x40
    GATE idt, (8*0x40), 0, 0, 0x85
    REFUSED "int gate to null", int $0x40
    GATE idt, (8*0x40), S_SHORT, 0, 0x85
    REFUSED "int gate to short tss", int $0x40
    call fill_tss32
    USER "user: call tss of dpl 0"
    lcall $S_TSS32, $0
    USER_DONE
    USER "user: call gate of dpl 0"
    lcall $S_GATE, $0
    USER_DONE
    USER "user: call gate of dpl 3"
    lcall $S_GATE3, $0
    USER_DONE
    call show_task
    call fill_tss32
    USER "user: call tss of dpl 3"
    lcall $S_TSS32U, $0
    USER_DONE
    call show_task
    call fill_tss32
    USER "user: jmp gate of dpl 3"
    ljmp $S_GATE3, $0
    USER_DONE
    call show_task
    ret

/* ---- Faults in the new task ---- */

report_entry: /* error code on the stack; link = the broken task */
    popl seen + 64
    movw report_tss, %ax
    movw %ax, seen + 68
    movb gdt + S_TSS32 + 5, %al
    movb %al, seen + 70
    movb gdt + TSS + 5, %al
    movb %al, seen + 71
    /* Give up the broken task: go back to the main one. */
    movb $0x89, gdt + TSS + 5
    movw $TSS, report_tss
    movl probe_resume, %eax
    movl %eax, main_tss + T_EIP
    movl probe_esp, %eax
    movl %eax, main_tss + T_ESP
    movl $2, main_tss + T_FLAGS
    ljmp $TSS, $0

    .macro BROKEN what, vector, field, value
    call fill_tss32
    movl $\value, tss32 + \field
    call fill_report
    GATE idt, (8*\vector), S_REPORT, 0, 0x85
    PROBE "\what"
    lcall $S_TSS32, $0
    DONE
    GATE idt, (8*\vector), CODE, (stubs+16*\vector), 0x8E
    call show_broken
    .endm

fill_report:
    pushal
    movl $report_tss, %edi
    movl $26, %ecx
    xorl %eax, %eax
    rep stosl
    movl $report_entry, report_tss + T_EIP
    movl $2, report_tss + T_FLAGS
    movl $report_stack_top, report_tss + T_ESP
    movl $DATA, report_tss + T_ES
    movl $CODE, report_tss + T_CS
    movl $DATA, report_tss + T_SS
    movl $DATA, report_tss + T_DS
    movw $104, report_tss + T_TRAP + 2
    movb $0x89, gdt + S_REPORT + 5
    movl $0xFFFFFFFF, seen + 64
    popal
    ret

show_broken:
    clts
    SAY "  error "
    HEX (seen+64), 8
    SAY " link "
    HEX (seen+68), 4
    SAY " access "
    HEX (seen+70), 2
    SAY " "
    HEX (seen+71), 2
    NEWLINE
    ret

test_broken:
    BROKEN "null cs", 10, T_CS, 0
    BROKEN "data as cs", 10, T_CS, DATA
    BROKEN "absent cs", 11, T_CS, S_CABSENT
    BROKEN "null ss", 10, T_SS, 0
    BROKEN "code as ss", 10, T_SS, CODE
    BROKEN "read-only ss", 10, T_SS, S_READ
    BROKEN "absent ss", 12, T_SS, S_DABSENT
    BROKEN "ss rpl", 10, T_SS, (DATA|3)
    BROKEN "ss beyond gdt", 10, T_SS, 0x208
    BROKEN "absent ds", 11, T_DS, S_DABSENT
    BROKEN "ds beyond gdt", 10, T_DS, 0x208
    BROKEN "es a tss", 10, T_ES, TSS
    BROKEN "fs beyond ldt", 10, T_FS, 0x14
    BROKEN "ldt is data", 10, T_LDT, DATA
    BROKEN "ldt beyond gdt", 10, T_LDT, 0x208
    BROKEN "ldt in ldt", 10, T_LDT, 0x0C
    BROKEN "user cs, kernel ss", 10, T_CS, UCODE
    ret

/* ---- IRET with a bad link, error code push, trap bit ---- */

test_others:
    movw $S_TSS32, main_tss
    call fill_tss32
    PROBE "iret to an available tss"
    pushfl
    orl $0x4000, (%esp)
    popfl
    iretl
    DONE
    movw $0, main_tss
    PROBE "iret to a null link"
    pushfl
    orl $0x4000, (%esp)
    popfl
    iretl
    DONE
    movw $0x0C, main_tss
    PROBE "iret to a link in the ldt"
    pushfl
    orl $0x4000, (%esp)
    popfl
    iretl
    DONE
    movw $0, main_tss
    /* An error code is pushed on the new task's stack. */
    call fill_report
    GATE idt, (8*13), S_REPORT, 0, 0x85
    PROBE "#GP through a task gate"
    movl $0x208, %eax
    movl %eax, %fs
    DONE
    GATE idt, (8*13), CODE, (stubs+16*13), 0x8E
    call show_broken
    /* The T bit: a debug trap before the first instruction of the task. */
    call fill_tss32
    movw $1, tss32 + T_TRAP
    xorl %eax, %eax
    movl %eax, %dr6
    PROBE "trap bit"
    lcall $S_TSS32, $0
    DONE
    movl %dr6, %eax
    SHOW "dr6", %eax, 8
    movl probe_eip, %eax
    subl $task_entry, %eax
    SHOW "at entry", %eax, 4
    xorl %eax, %eax
    str %ax
    SHOW "tr", %eax, 4
    movb $0x89, gdt + TSS + 5
    movl $TSS, %eax
    ltr %ax
    xorl %eax, %eax
    lldt %ax
    clts
    /* Local breakpoints are disabled by a switch, global ones are not. */
    call fill_tss32
    movl $0x0000040F, %eax
    movl $0x12345678, %edx
    movl %edx, %dr0
    movl %edx, %dr1
    movl %eax, %dr7
    PROBE "local breakpoints"
    lcall $S_TSS32, $0
    DONE
    movl %dr7, %eax
    SHOW "dr7", %eax, 8
    xorl %eax, %eax
    movl %eax, %dr7
    clts
    ret

main:
    SAY "task\n"
    call setup
    call test_switches
    call test_refused
    call test_broken
    call test_others
    SAY "end\n"
    ret
