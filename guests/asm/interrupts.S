/* Interrupts and exceptions through 32- and 16-bit gates: IF, privilege of gates, stack switches, error codes
 * with EXT, double faults, software interrupts, external interrupts from the PIT, STI's shadow,
 * HLT (SDM vol. 3, chapter 6). */
    .set TSS_EXTRA, 4
#include "runtime32.inc"

    .set S_CONF, 0x30    /* conforming code, DPL 0 */
    .set S_ABSENT, 0x38  /* code, not present */
    .set S_CODE1, 0x40   /* code, DPL 1 */
    .set S_CODE3, 0x48   /* code, DPL 3 (not conforming) */
    .set S_DATA1, 0x50
    .set S_DF_TSS, 0x58  /* TSS of the double fault handler */
    .set S_SMALL, 0x60   /* code, limit 0xFF */
    .set S_DNP, 0x68     /* data, DPL 1, not present */

    .set VEC, 0x40       /* the vector that tests redirect */
    .set INT_GATE, 0x8E
    .set TRAP_GATE, 0x8F
    .set INT_GATE16, 0x86
    .set TRAP_GATE16, 0x87
    .set DPL3, 0x60

    .bss
seen:
    .skip 64
    .text

landing:
    int $EXC_RETURN

setup:
    DESCRIPTOR S_CONF, 0, 0xFFFFF, 0x9E, 0xC
    DESCRIPTOR S_ABSENT, 0, 0xFFFFF, 0x1A, 0xC
    DESCRIPTOR S_CODE1, 0, 0xFFFFF, 0xBA, 0xC
    DESCRIPTOR S_CODE3, 0, 0xFFFFF, 0xFA, 0xC
    DESCRIPTOR S_DATA1, 0, 0xFFFFF, 0xB2, 0xC
    DESCRIPTOR S_DF_TSS, df_tss, 0x67, 0x89, 0
    DESCRIPTOR S_SMALL, (landing - 0x100), 0xFF, 0x9A, 4
    DESCRIPTOR S_DNP, 0, 0xFFFFF, 0x32, 0xC
    ret

/* Handler of VEC: notes what it was entered with and returns. */
handler:
    pushl %eax
    movl %cs, %eax
    movl %eax, %ss:seen
    movl %ss, %eax
    movl %eax, %ss:seen + 4
    pushfl
    popl %eax
    andl $0x003E7702, %eax
    movl %eax, %ss:seen + 8
    movl 8(%esp), %eax /* CS */
    movl %eax, %ss:seen + 12
    movl 12(%esp), %eax /* EFLAGS */
    andl $0x003E7702, %eax
    movl %eax, %ss:seen + 16
    movl 20(%esp), %eax /* SS, if the level changed */
    movl %eax, %ss:seen + 20
    movl %esp, %ss:seen + 24
    popl %eax
    iretl

    .macro SHOW_SEEN
    SAY "  cs "
    HEX seen, 4
    SAY " ss "
    HEX (seen + 4), 4
    SAY " fl "
    HEX (seen + 8), 8
    SAY " from cs "
    HEX (seen + 12), 4
    SAY " fl "
    HEX (seen + 16), 8
    NEWLINE
    .endm

    .macro VECTOR selector, offset, access
    GATE idt, (8 * VEC), \selector, \offset, \access
    .endm

/* ---- Gates at the same level ---- */

test_gates:
    VECTOR CODE, handler, INT_GATE
    PROBE "interrupt gate clears if"
    pushl $0x4202 /* NT, IF */
    popfl
    int $VEC
    pushfl
    popl seen + 28
    DONE
    SHOW_SEEN
    SHOW "after", (seen + 28), 8
    VECTOR CODE, handler, TRAP_GATE
    PROBE "trap gate keeps if"
    pushl $0x202
    popfl
    int $VEC
    DONE
    SHOW_SEEN
    VECTOR S_CONF, handler, INT_GATE
    PROBE "conforming"
    int $VEC
    DONE
    SHOW_SEEN
    VECTOR S_CONF | 3, handler, INT_GATE
    PROBE "rpl is ignored"
    int $VEC
    DONE
    SHOW_SEEN
    VECTOR CODE, handler, 0x0E
    PROBE "gate not present"
    int $VEC
    DONE
    VECTOR CODE, handler, 0x8C
    PROBE "call gate in the idt"
    int $VEC
    DONE
    VECTOR CODE, handler, 0x8A
    PROBE "type 10 in the idt"
    int $VEC
    DONE
    VECTOR 0, handler, INT_GATE
    PROBE "null selector"
    int $VEC
    DONE
    VECTOR 0x1F8, handler, INT_GATE
    PROBE "empty descriptor"
    int $VEC
    DONE
    VECTOR 0x208, handler, INT_GATE
    PROBE "beyond gdt"
    int $VEC
    DONE
    VECTOR DATA, handler, INT_GATE
    PROBE "data segment"
    int $VEC
    DONE
    VECTOR S_ABSENT, handler, INT_GATE
    PROBE "segment not present"
    int $VEC
    DONE
    VECTOR S_CODE3, handler, INT_GATE
    PROBE "outer level"
    int $VEC
    DONE
    VECTOR S_SMALL, 0x100, INT_GATE
    PROBE "offset past limit"
    int $VEC
    DONE
    lidt short_idt
    PROBE "vector beyond idt limit"
    int $0x90
    DONE
    lidt idt_register
    ret

    .data
short_idt:
    .word 8 * 0x90 + 6
    .long idt
    .text

/* ---- 16-bit gates ---- */

/* At an address below 64 KB: a 16-bit gate has no more offset bits. */
    .set LOW, 0x8000
low_handler:
    pushl %eax
    movl %ss, %eax
    movl %eax, %ss:seen + 4
    movl 4(%esp), %eax /* IP, CS */
    shrl $16, %eax
    movl %eax, %ss:seen + 12
    movzwl 8(%esp), %eax
    movl %eax, %ss:seen + 16
    popl %eax
    iretw
low_handler_end:

test_gates16:
    movl $low_handler, %esi
    movl $LOW, %edi
    movl $low_handler_end - low_handler, %ecx
    rep movsb
    VECTOR CODE, LOW, INT_GATE16
    /* The 16-bit frame holds only the low half of EIP: come from low memory too. */
    movb $0xCD, LOW + 0x80
    movb $VEC, LOW + 0x81
    movb $0xC3, LOW + 0x82
    PROBE "16-bit gate"
    movl $LOW + 0x80, %eax
    movl %esp, %ebp
    call *%eax
    subl %esp, %ebp
    DONE
    SHOW "esp moved", %ebp, 8
    SHOW "from cs", (seen + 12), 4
    SHOW "flags", (seen + 16), 4
    VECTOR CODE, LOW, (INT_GATE16|DPL3)
    USER "user: 16-bit gate"
    movl $0x9000, %esp /* IRET with 16-bit operands clears the upper half */
    movl $LOW + 0x80, %eax
    call *%eax
    USER_DONE
    SHOW "ss", (seen + 4), 4
    SHOW "from cs", (seen + 12), 4
    ret

/* ---- From CPL 3 ---- */

test_user:
    VECTOR CODE, handler, (INT_GATE|DPL3)
    USER "user: interrupt gate", 0x3202
    int $VEC
    pushfl
    popl seen + 28
    USER_DONE
    SHOW_SEEN
    SHOW "outer ss", (seen + 20), 4
    movl $interrupt_stack_top, %eax
    subl seen + 24, %eax
    SHOW "depth", %eax, 8
    SHOW "after", (seen + 28), 8
    VECTOR CODE, handler, INT_GATE
    USER "user: gate of dpl 0"
    int $VEC
    USER_DONE
    VECTOR CODE, handler, 0x0E
    USER "user: gate of dpl 0 and not present"
    int $VEC
    USER_DONE
    VECTOR S_CONF, handler, (INT_GATE|DPL3)
    USER "user: conforming handler stays at cpl 3"
    int $VEC
    USER_DONE
    SHOW_SEEN
    VECTOR S_CODE3, handler, (INT_GATE|DPL3)
    USER "user: handler of dpl 3"
    int $VEC
    USER_DONE
    SHOW_SEEN
    VECTOR S_CODE1, handler, (INT_GATE|DPL3)
    movl $interrupt_stack_top - 2048, main_tss + 12
    movl $S_DATA1 | 1, main_tss + 16
    USER "user: handler of dpl 1"
    int $VEC
    USER_DONE
    SHOW_SEEN
    movl $0, main_tss + 16
    USER "user: null ss1"
    int $VEC
    USER_DONE
    movl $DATA, main_tss + 16
    USER "user: ss1 with wrong rpl"
    int $VEC
    USER_DONE
    movl $S_DATA1 & ~3, main_tss + 16
    USER "user: ss1 rpl 0, dpl 1"
    int $VEC
    USER_DONE
    movl $S_CODE1 | 1, main_tss + 16
    USER "user: ss1 is code"
    int $VEC
    USER_DONE
    movl $0x209, main_tss + 16
    USER "user: ss1 beyond gdt"
    int $VEC
    USER_DONE
    USER "user: int3 through a gate of dpl 0"
    int3
    USER_DONE
    movb $(INT_GATE|DPL3), idt + 8 * 3 + 5
    movb $(INT_GATE|DPL3), idt + 8 * 4 + 5
    USER "user: int3"
    nop
    int3
    USER_DONE
    USER "user: into"
    movb $0x80, %al
    decb %al
    into
    USER_DONE
    movb $INT_GATE, idt + 8 * 3 + 5
    movb $INT_GATE, idt + 8 * 4 + 5
    USER "user: int 13 through a gate of dpl 0"
    int $13
    USER_DONE
    USER "user: ud2"
    ud2
    USER_DONE
    USER "user: jump past the code limit"
    ljmp $(S_CODE3 | 3), $1f
1:
    jmp 1f
1:
    USER_DONE
    ret

/* ---- Faults while delivering: EXT, double fault ---- */

    .macro BREAK_VECTOR number, selector
    GATE idt, (8 * \number), \selector, (stubs+16*\number), INT_GATE
    .endm
    .macro MEND_VECTOR number
    BREAK_VECTOR \number, CODE
    .endm

test_nested:
    BREAK_VECTOR 6, S_ABSENT
    PROBE "#UD whose handler's segment is absent: #NP with EXT"
    ud2
    DONE
    BREAK_VECTOR 6, 0
    PROBE "#UD whose handler is null: #GP with EXT"
    ud2
    DONE
    MEND_VECTOR 6
    movb $0x0E, idt + 8 * 6 + 5
    PROBE "#UD whose gate is absent"
    ud2
    DONE
    movb $INT_GATE, idt + 8 * 6 + 5
    movb $0x0E, idt + 8 * 3 + 5
    PROBE "int3 whose gate is absent: no EXT"
    int3
    DONE
    PROBE "int 3 whose gate is absent: no EXT"
    .byte 0xCD, 3
    DONE
    movb $INT_GATE, idt + 8 * 3 + 5
    BREAK_VECTOR 0, S_ABSENT
    PROBE "#DE whose handler's segment is absent: #DF"
    xorl %ecx, %ecx
    divl %ecx
    DONE
    MEND_VECTOR 0
    BREAK_VECTOR 13, S_ABSENT
    PROBE "#GP whose handler's segment is absent: #DF"
    movl $0x208, %eax
    movl %eax, %fs
    DONE
    PROBE "int 13 whose handler's segment is absent: #NP"
    int $13
    DONE
    MEND_VECTOR 13
    BREAK_VECTOR 11, S_ABSENT
    PROBE "#NP whose handler's segment is absent: #DF"
    movb $0x0E, idt + 8 * VEC + 5
    int $VEC
    DONE
    MEND_VECTOR 11
    BREAK_VECTOR 5, 0x208
    PROBE "#BR, then #GP"
    movl $100, %eax
    bound %eax, bounds
    DONE
    MEND_VECTOR 5
    ret

    .data
bounds:
    .long 0, 5
    .text

/* ---- Double fault through a task gate ---- */

df_task:
    movl %cs, %eax
    movl %eax, seen
    popl %eax /* error code */
    movl %eax, seen + 4
    pushfl
    popl %eax
    andl $0x003E7702, %eax
    movl %eax, seen + 8
    xorl %eax, %eax
    str %ax
    movl %eax, seen + 12
    movzwl df_tss, %eax
    movl %eax, seen + 16
    movl main_tss + 32, %eax
    subl probe_start, %eax
    movl %eax, seen + 20
    movl main_tss + 56, %eax
    movl %eax, seen + 24
    movl main_tss + 36, %eax
    andl $0x003E7702, %eax
    movl %eax, seen + 28
    /* Back to the interrupted task, behind the probe, with its stack. */
    movl probe_resume, %eax
    movl %eax, main_tss + 32
    movl probe_esp, %eax
    movl %eax, main_tss + 56
    movl $2, main_tss + 36
    iretl
    jmp df_task

test_double_fault:
    GATE idt, 64, S_DF_TSS, 0, 0x85
    movl $df_task, df_tss + 32
    BREAK_VECTOR 0, S_ABSENT
    PROBE "double fault task"
    xorl %ecx, %ecx
    divl %ecx
    DONE
    MEND_VECTOR 0
    SHOW "cs", seen, 4
    SHOW "error", (seen + 4), 8
    SHOW "flags", (seen + 8), 8
    SHOW "tr", (seen + 12), 4
    SHOW "link", (seen + 16), 4
    SHOW "at", (seen + 20), 8
    SHOW "esp", (seen + 24), 8
    SHOW "old flags", (seen + 28), 8
    SHOW "df tss access", (gdt + S_DF_TSS + 5), 2
    SHOW "main tss access", (gdt + TSS + 5), 2
    MEND_VECTOR 8
    ret

    .bss
    .skip 1024
df_stack_top:
    .data
    .balign 128
df_tss:
    .long 0
    .long 0, 0, 0, 0, 0, 0
    .long 0 /* CR3 */
    .long 0, 2
    .long 0, 0, 0, 0, df_stack_top, 0, 0, 0
    .long DATA, CODE, DATA, DATA, DATA, DATA, 0
    .word 0, 104
    .text

/* ---- External interrupts: the PIT's line through the PIC ---- */

timer:
    pushl %eax
    incl %ss:seen + 32
    movl 4(%esp), %eax
    movl %eax, %ss:seen + 36
    movl 12(%esp), %eax
    movl %eax, %ss:seen + 40
    movb $0x20, %al
    outb %al, $0x20
    popl %eax
    iretl

    .macro PIT_ONE_SHOT
    movl $0, seen + 32
    movb $0x30, %al
    outb %al, $0x43
    movb $0x10, %al
    outb %al, $0x40
    movb $0, %al
    outb %al, $0x40
    .endm

    /* Wait until the line is up, with interrupts off. */
    .macro AWAIT_LINE
    movb $0x0A, %al
    outb %al, $0x20
773:
    inb $0x20, %al
    testb $1, %al
    jz 773b
    .endm

test_external:
    /* Initialise the PICs: vectors 20h and 28h, IRQ 0 only. */
    movb $0x11, %al
    outb %al, $0x20
    outb %al, $0xA0
    movb $0x20, %al
    outb %al, $0x21
    movb $0x28, %al
    outb %al, $0xA1
    movb $4, %al
    outb %al, $0x21
    movb $2, %al
    outb %al, $0xA1
    movb $1, %al
    outb %al, $0x21
    outb %al, $0xA1
    movb $0xFE, %al
    outb %al, $0x21
    movb $0xFF, %al
    outb %al, $0xA1
    GATE idt, (8 * 0x20), CODE, timer, INT_GATE

    PIT_ONE_SHOT
    AWAIT_LINE
    PROBE "sti shadows one instruction"
    sti
    movl seen + 32, %ebx
    nop
    movl seen + 32, %ecx
    cli
    DONE
    SHOW "in the shadow", %ebx, 2
    SHOW "after it", %ecx, 2
    movl seen + 36, %eax
    subl probe_start, %eax
    SHOW "interrupted at", %eax, 4
    PIT_ONE_SHOT
    AWAIT_LINE
    PROBE "sti, cli: none"
    sti
    cli
    movl seen + 32, %ebx
    DONE
    SHOW "taken", %ebx, 2
    PIT_ONE_SHOT
    AWAIT_LINE
    PROBE "popf has no shadow"
    pushl $0x202
    popfl
    movl seen + 32, %ebx
    cli
    DONE
    SHOW "taken", %ebx, 2
    PIT_ONE_SHOT
    PROBE "sti, hlt wakes"
    sti
    hlt
    movl seen + 32, %ebx
    cli
    DONE
    SHOW "taken", %ebx, 2
    movl seen + 36, %eax
    subl probe_start, %eax
    SHOW "interrupted at", %eax, 4
    PIT_ONE_SHOT
    AWAIT_LINE
    USER "user: interrupted", 0x202
    nop
    int $0x80
    USER_DONE
    SHOW "taken", (seen + 32), 2
    PIT_ONE_SHOT
    AWAIT_LINE
    BREAK_VECTOR 0x20, S_ABSENT
    PROBE "external interrupt whose segment is absent: EXT"
    sti
    nop
    nop
    DONE
    movb $0x20, %al
    outb %al, $0x20
    movb $0xFF, %al
    outb %al, $0x21
    ret

main:
    SAY "interrupts\n"
    call setup
    call test_gates
    call test_gates16
    call test_user
    call test_nested
    call test_double_fault
    call test_external
    SAY "end\n"
    ret
