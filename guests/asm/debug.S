/* Debug registers, single step, breakpoints, general detect, RF, INT1 (SDM vol. 3, 17.2, 17.3).
 *
 * #DB is reported by a handler of its own that logs DR6 and where it happened and goes on, so that a probe
 * can show a whole sequence. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"

    .set TF, 0x100
    .set RF, 0x10000

    .bss
    .balign 16
buffer:
    .skip 64
trap_count:
    .skip 4
trap_flags: /* those that are printed */
    .skip 4
trap_limit: /* clear TF and DR7 in the frame after so many */
    .skip 4
trap_set_rf:
    .skip 4
seen:
    .skip 32
    .text

/* Logs " [+offset dr6 flags]". Sets RF when asked; ends stepping after trap_limit. */
debug_handler:
    pushal
    SAY " [+"
    movl 32(%esp), %eax
    subl probe_start, %eax
    HEX %eax, 4
    SAY " "
    movl %dr6, %eax
    HEX %eax, 8
    SAY " "
    movl 40(%esp), %eax
    andl trap_flags, %eax
    HEX %eax, 8
    SAY "]"
    movl $0, %eax
    movl %eax, %dr6
    incl trap_count
    movl trap_count, %eax
    cmpl trap_limit, %eax
    jb 1f
    andl $~TF, 40(%esp)
    movl $0x400, %eax
    movl %eax, %dr7
1:
    cmpl $0, trap_set_rf
    je 2f
    orl $RF, 40(%esp)
2:
    popal
    iretl

    .macro TRAPS text, limit=20, rf=0, flags=0x17702
    movl $\flags, trap_flags
    movl $0, trap_count
    movl $\limit, trap_limit
    movl $\rf, trap_set_rf
    xorl %eax, %eax
    movl %eax, %dr6
    PROBE "\text"
    .endm

    .macro STEP
    pushfl
    orl $TF, (%esp)
    popfl
    .endm

    .macro STOP /* clears TF; the POPF itself still traps */
    pushfl
    andl $~TF, (%esp)
    popfl
    .endm

test_step:
    TRAPS "step"
    STEP
    nop
    nop
    STOP
    DONE
    TRAPS "step over a branch and a call"
    STEP
    jmp 1f
    nop
1:
    call 2f
    jmp 3f
2:
    ret
3:
    STOP
    DONE
    TRAPS "mov ss and the next are one step"
    movl %ss, %eax
    STEP
    movl %eax, %ss
    nop
    nop
    STOP
    DONE
    TRAPS "pop ss"
    pushl %ss
    STEP
    popl %ss
    nop
    STOP
    DONE
    TRAPS "rep movsb: a step an iteration", flags=0x7702
    movl $buffer, %esi
    movl $buffer + 16, %edi
    movl $3, %ecx
    STEP
    rep movsb
    STOP
    DONE
    TRAPS "int n is not stepped into"
    GATE idt, (8*0x41), CODE, just_iret, 0x8E
    STEP
    int $0x41
    nop
    STOP
    DONE
    TRAPS "iret that sets tf"
    pushl $(TF | 2)
    pushl $CODE
    pushl $1f
    iretl
1:
    nop
    nop
    STOP
    DONE
    TRAPS "fault: no step of the faulting instruction"
    GATE idt, (8*6), CODE, skip_ud2, 0x8E
    STEP
    ud2
    nop
    STOP
    DONE
    GATE idt, (8*6), CODE, (stubs+16*6), 0x8E
    TRAPS "popf that clears tf is stepped"
    STEP
    STOP
    nop
    DONE
    TRAPS "user: step", 3
    movl %esp, probe_esp
    movl $UDATA, %eax
    movl %eax, %ds
    movl %eax, %es
    pushl $UDATA
    pushl $user_stack_top
    pushl $(TF | 2)
    pushl $UCODE
    pushl $1f
    iretl
1:
    nop
    nop
    nop
    nop
    int $EXC_RETURN
    DONE
    TRAPS "int1"
    .byte 0xF1
    DONE
    TRAPS "int 1"
    .byte 0xCD, 1
    DONE
    ret

just_iret:
    iretl
skip_ud2:
    addl $2, (%esp)
    iretl

/* ---- Breakpoints ---- */

    /* DR7: enable bit, type and length of breakpoint n */
    .set EXECUTE, 0
    .set WRITE, 1
    .set IO, 2
    .set ACCESS, 3
    .set BYTE, 0
    .set WORD, 1
    .set DWORD, 3

    .macro BREAK n, address, type, length
    movl $\address, %eax
    movl %eax, %dr\n
    movl %dr7, %eax
    andl $~(0xF << (16 + 4 * \n)), %eax
    orl $((\type | \length << 2) << (16 + 4 * \n) | 2 << (2 * \n)), %eax
    movl %eax, %dr7
    .endm

    .macro NO_BREAKS
    movl $0x400, %eax
    movl %eax, %dr7
    .endm

test_breakpoints:
    TRAPS "execute: a fault before the instruction", 1
    BREAK 0, 1f, EXECUTE, BYTE
    nop
1:
    nop
    nop
    NO_BREAKS
    DONE
    TRAPS "execute with rf set by the handler", 3, 1
    BREAK 1, 1f, EXECUTE, BYTE
    movl $3, %ecx
1:
    nop
    loop 1b
    NO_BREAKS
    DONE
    TRAPS "two execute breakpoints", 3, 1
    BREAK 2, 1f, EXECUTE, BYTE
    BREAK 3, 2f, EXECUTE, BYTE
1:
    nop
2:
    nop
    NO_BREAKS
    DONE
    TRAPS "execute inside an instruction: none"
    BREAK 0, (1f+1), EXECUTE, BYTE
1:
    movl $0x90909090, %eax
    NO_BREAKS
    DONE
    TRAPS "write dword"
    BREAK 0, buffer, WRITE, DWORD
    movl %eax, buffer
    movl buffer, %eax
    movb %al, buffer + 3
    movb %al, buffer + 4
    movl %eax, buffer - 3
    movl %eax, buffer - 4
    incl buffer
    NO_BREAKS
    DONE
    TRAPS "access word"
    BREAK 1, (buffer+2), ACCESS, WORD
    movw buffer, %ax
    movw buffer + 1, %ax
    movb buffer + 3, %al
    movb %al, buffer + 2
    movl buffer + 4, %eax
    NO_BREAKS
    DONE
    TRAPS "unaligned address is rounded down"
    BREAK 2, (buffer+3), WRITE, DWORD
    movb %al, buffer
    movb %al, buffer + 4
    NO_BREAKS
    DONE
    TRAPS "two breakpoints by one access"
    BREAK 0, buffer, WRITE, BYTE
    BREAK 3, (buffer+1), ACCESS, BYTE
    movw %ax, buffer
    NO_BREAKS
    DONE
    TRAPS "string store", flags=0x7702
    BREAK 0, (buffer+8), WRITE, BYTE
    movl $buffer, %edi
    movl $16, %ecx
    rep stosb
    NO_BREAKS
    DONE
    SHOW "ecx", %ecx, 8
    TRAPS "mov ss holds a data breakpoint"
    movw %ss, buffer
    BREAK 0, buffer, ACCESS, DWORD
    movw buffer, %ss
    nop
    nop
    NO_BREAKS
    DONE
    TRAPS "i/o without cr4.de"
    BREAK 0, 0x80, IO, BYTE
    outb %al, $0x80
    NO_BREAKS
    DONE
    movl %cr4, %eax
    orl $8, %eax
    movl %eax, %cr4
    TRAPS "i/o"
    BREAK 0, 0x80, IO, BYTE
    outb %al, $0x80
    inb $0x80, %al
    outb %al, $0x81
    NO_BREAKS
    DONE
    movl %cr4, %eax
    andl $~8, %eax
    movl %eax, %cr4
    TRAPS "disabled"
    BREAK 0, buffer, WRITE, BYTE
    NO_BREAKS
    movb %al, buffer
    DONE
    TRAPS "local enable"
    movl $buffer, %eax
    movl %eax, %dr0
    movl $0x00010401, %eax
    movl %eax, %dr7
    movb %al, buffer
    NO_BREAKS
    DONE
    TRAPS "step and breakpoint together"
    BREAK 0, buffer, WRITE, BYTE
    STEP
    movb %al, buffer
    STOP
    NO_BREAKS
    DONE
    ret

/* ---- The registers themselves ---- */

test_registers:
    GATE idt, 8, CODE, (stubs+16), 0x8E
    movl $-1, %eax
    movl %eax, %dr6
    movl %dr6, %ecx
    SHOW "dr6 all ones", %ecx, 8
    xorl %eax, %eax
    movl %eax, %dr6
    movl %dr6, %ecx
    SHOW "dr6 zero", %ecx, 8
    movl $0xFFFF0000, %eax
    movl %eax, %dr7
    movl %dr7, %ecx
    SHOW "dr7 types", %ecx, 8
    movl $0x300, %eax
    movl %eax, %dr7
    movl %dr7, %ecx
    SHOW "dr7 exact", %ecx, 8
    movl $0x400, %eax
    movl %eax, %dr7
    movl $0x12345678, %eax
    movl %eax, %dr3
    movl %dr3, %ecx
    SHOW "dr3", %ecx, 8
    PROBE "dr4 is dr6"
    .byte 0x0F, 0x21, 0xE1 /* mov %dr4, %ecx */
    DONE
    SHOW "dr4", %ecx, 8
    movl %cr4, %eax
    orl $8, %eax
    movl %eax, %cr4
    PROBE "dr4 with cr4.de"
    .byte 0x0F, 0x21, 0xE1
    DONE
    PROBE "to dr5 with cr4.de"
    .byte 0x0F, 0x23, 0xE9
    DONE
    movl %cr4, %eax
    andl $~8, %eax
    movl %eax, %cr4
    PROBE "general detect"
    xorl %eax, %eax
    movl %eax, %dr6
    movl $0x2400, %eax
    movl %eax, %dr7
    nop
    movl %dr0, %eax
    DONE
    movl %dr6, %eax
    SHOW "dr6", %eax, 8
    movl %dr7, %eax
    SHOW "dr7", %eax, 8
    ret

/* ---- RF in the images that events push ---- */

test_rf:
    PROBE "rf after #UD"
    ud2
    DONE
    call show_rf
    PROBE "rf after int3"
    int3
    DONE
    call show_rf
    PROBE "rf set by iret is gone after one instruction"
    pushl $(RF | 2)
    pushl $CODE
    pushl $1f
    iretl
1:
    pushfl
    popl %ecx
    int3
    DONE
    call show_rf
    andl $RF, %ecx
    SHOW "pushed by pushf", %ecx, 8
    ret

show_rf:
    movl probe_eflags, %eax
    andl $RF, %eax
    SHOW "image", %eax, 8
    ret

main:
    SAY "debug\n"
    GATE idt, 8, CODE, debug_handler, 0x8E
    call test_step
    call test_breakpoints
    call test_registers
    call test_rf
    SAY "end\n"
    ret
