/* Instructions that CPL 3 may not execute, I/O by IOPL and by the map in the TSS, #AC, and faults that need no
 * descriptors (SDM vol. 3, 5.9; vol. 1, 19.5; vol. 2 per instruction). */
    .set TSS_EXTRA, 0x30
#include "runtime32.inc"

    .bss
    .balign 16
buffer:
    .skip 64
user_seen:
    .skip 32
    .text

/* ---- Privileged instructions and I/O ---- */

    .macro PRIVILEGED name, code:vararg
    USER "user: \name"
    \code
    USER_DONE
    .endm

test_privileged:
    PRIVILEGED "hlt", hlt
    PRIVILEGED "cli", cli
    PRIVILEGED "sti", sti
    PRIVILEGED "clts", clts
    PRIVILEGED "wbinvd", wbinvd
    PRIVILEGED "invlpg", invlpg 0
    PRIVILEGED "lgdt", lgdt 0
    PRIVILEGED "lidt", lidt 0
    PRIVILEGED "lldt", lldt %ax
    PRIVILEGED "ltr", ltr %ax
    PRIVILEGED "lmsw", lmsw %ax
    PRIVILEGED "mov cr0", movl %cr0, %eax
    PRIVILEGED "mov to cr3", movl %eax, %cr3
    PRIVILEGED "mov dr7", movl %dr7, %eax
    PRIVILEGED "rdmsr", rdmsr
    PRIVILEGED "wrmsr", wrmsr
    PRIVILEGED "smsw", smsw %ax
    PRIVILEGED "sldt", sldt %ax
    PRIVILEGED "str", str %ax
    USER "user: sgdt"
    sgdt user_seen
    USER_DONE
    SHOW "limit", user_seen, 4
    USER "user: popf does not change if and iopl"
    pushl $0x3202
    popfl
    pushfl
    popl user_seen
    USER_DONE
    SHOW "flags", user_seen, 8
    USER "user, iopl 3: cli and sti", 0x3002
    cli
    sti
    cli
    pushfl
    popl user_seen
    USER_DONE
    SHOW "flags", user_seen, 8
    USER "user, iopl 3: in", 0x3002
    inb $0x80, %al
    USER_DONE
    /* The I/O map: port 80h allowed, 81h not; the map ends with the TSS. */
    movw $104, main_tss + 102
    movl $0xFFFFFFFF, main_tss + 104
    movl $0xFFFFFFFF, main_tss + 104 + 16
    movb $0xFE, main_tss + 104 + 16
    USER "user: out 80h allowed by map"
    outb %al, $0x80
    USER_DONE
    USER "user: out 81h denied by map"
    outb %al, $0x81
    USER_DONE
    USER "user: word to 80h denied by map"
    outw %ax, $0x80
    USER_DONE
    USER "user: port beyond the map"
    movw $0x1F0, %dx
    inb %dx, %al
    USER_DONE
    movw $0xFFFF, main_tss + 102
    USER "user: no map"
    outb %al, $0x80
    USER_DONE
    movw $104, main_tss + 102
    ret

/* ---- Others ---- */

test_others:
    movl %cr0, %eax
    orl $0x40000, %eax
    movl %eax, %cr0
    USER "user: misaligned without AC"
    movl buffer + 1, %eax
    USER_DONE
    USER "user: misaligned dword with AC", 0x40002
    movl buffer + 1, %eax
    USER_DONE
    USER "user: misaligned word with AC", 0x40002
    movw %ax, buffer + 3
    USER_DONE
    USER "user: aligned with AC", 0x40002
    movl buffer + 4, %eax
    movb buffer + 5, %al
    USER_DONE
    USER "user: misaligned push with AC", 0x40002
    decl %esp
    pushl %eax
    USER_DONE
    PROBE "supervisor: misaligned with AC"
    pushl $0x40002
    popfl
    movl buffer + 1, %eax
    DONE
    movl %cr0, %eax
    andl $~0x40000, %eax
    movl %eax, %cr0
    PROBE "bound inside"
    movl $5, %eax
    bound %eax, bounds
    DONE
    PROBE "bound outside"
    movl $-6, %eax
    bound %eax, bounds
    DONE
    PROBE "into without overflow"
    xorl %eax, %eax
    into
    DONE
    PROBE "into"
    movb $0x7F, %al
    incb %al
    into
    DONE
    PROBE "ud2"
    ud2
    DONE
    PROBE "divide by zero"
    xorl %ecx, %ecx
    divl %ecx
    DONE
    PROBE "lock nop"
    .byte 0xF0, 0x90
    DONE
    PROBE "fifteen bytes"
    .byte 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x90
    DONE
    PROBE "sixteen bytes"
    .byte 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x3E, 0x90
    DONE
    PROBE "mov from cr1"
    .byte 0x0F, 0x20, 0xC8
    DONE
    PROBE "mov to cr5"
    .byte 0x0F, 0x22, 0xE8
    DONE
    PROBE "rdmsr of nothing"
    movl $0x12345678, %ecx
    rdmsr
    DONE
    PROBE "lmsw does not clear pe"
    xorl %eax, %eax
    lmsw %ax
    DONE
    PROBE "iret with nt, bad back link"
    movw $DATA, main_tss
    pushfl
    orl $0x4000, (%esp)
    popfl
    iretl
    DONE
    ret

    .data
bounds:
    .long -5, 5
    .text

main:
    SAY "privilege\n"
    call test_privileged
    call test_others
    SAY "end\n"
    ret
