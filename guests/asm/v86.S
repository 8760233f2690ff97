/* Virtual-8086 mode: entry and exit, what IOPL guards, segments, faults, I/O map; with TEST_VME (vme.S)
 * the CR4.VME extensions, which QEMU lacks (SDM vol. 3, chapter 20).
 *
 * The 16-bit code runs where it is linked: the image begins at 1 MB, which segment FFFFh reaches. */
    .set TSS_EXTRA, 32 + 64 + 4 /* VME map, I/O map for ports 0..1FFh, the FFh behind it */
#include "runtime32.inc"

    .set V86_BASE, 0xFFFF0
    .set VM, 0x20000
    .set VIF, 0x80000
    .set VIP, 0x100000
    .set IOPL3, 0x3000

    .bss
    .balign 16
seen:
    .skip 128
    .text

    /* V86 "what", flags: go on in virtual-8086 mode, with DS = 0800h, ES = 0900h, FS = 0A00h, GS = 0B00h,
     * SS:SP = 0C00:1000. Ends with V86_DONE, which needs IOPL 3 to get out by INT 80h; with less, the #GP(0) of
     * that INT is what is reported. */
    .macro V86 text, flags=IOPL3
    SAY "\text: "
    movl $(98f - V86_BASE), probe_start
    movl $99f, probe_resume
    movl $0, probe_hit
    movl %esp, probe_esp
    pushl $0x0B00
    pushl $0x0A00
    pushl $0x0800
    pushl $0x0900
    pushl $0x0C00
    pushl $0x1000
    pushl $(VM | 2 | \flags)
    pushl $0xFFFF
    pushl $(98f - V86_BASE)
    iretl
    .code16
98:
    .endm

    .macro V86_DONE
    int $EXC_RETURN
    .code32
99:
    call probe_report
    .endm

/* Handler that notes the whole frame, changes AX and the saved DS, and returns to virtual-8086 mode. */
monitor:
    pushal
    movl $DATA, %eax
    movw %ds, %ss:seen + 40
    movw %es, %ss:seen + 42
    movw %fs, %ss:seen + 44
    movw %gs, %ss:seen + 46
    movl %eax, %ds
    movl %eax, %es
    cld
    leal 32(%esp), %esi
    movl $seen, %edi
    movl $9, %ecx
    rep movsl
    movw %cs, seen + 48
    movw %ss, seen + 50
    pushfl
    popl %eax
    andl $0x003E7702, %eax
    movl %eax, seen + 52
    movl $interrupt_stack_top, %eax
    subl %esp, %eax
    movl %eax, seen + 56
    popal
    movl $0x0D00, %ss:24(%esp) /* DS */
    movl $0x12345678, %eax
    iretl

    .macro WORDS text, at, count, step
    SAY "  \text"
    movl $(seen + \at), %esi
    movl $\count, %ecx
774:
    SAY " "
    HEX (%esi), 4
    addl $\step, %esi
    loop 774b
    NEWLINE
    .endm

test_entry:
    GATE idt, (8*0x41), CODE, monitor, 0xEE
    V86 "through the monitor and back", (IOPL3 | 0x200)
    int $0x41
    movw %ds, %bx
    movw %es, %cx
    pushfl
    popl %edx
    V86_DONE
    andl $0x003E7702, seen + 8
    andl $0x003E7702, %edx
    SHOW "eax", %eax, 8
    SHOW "ds", %ebx, 4
    SHOW "es", %ecx, 4
    SHOW "flags", %edx, 8
    movl seen, %eax
    subl probe_start, %eax
    SHOW "frame ip", %eax, 4
    WORDS "frame cs flags sp ss es ds fs gs", 4, 8, 4
    SHOW "frame flags", (seen+8), 8
    WORDS "inside ds es fs gs", 40, 4, 2
    WORDS "inside cs ss", 48, 2, 2
    SHOW "inside flags", (seen+52), 8
    SHOW "depth", (seen+56), 4
    ret

    /* One sensitive operation with IOPL 3 and with IOPL 0. */
    .macro SENSITIVE text, code:vararg
    V86 "\text, iopl 3"
    \code
    V86_DONE
    V86 "\text, iopl 0", 0
    \code
    V86_DONE
    .endm

    .macro INSENSITIVE text, code:vararg
    V86 "\text"
    \code
    V86_DONE
    .endm

test_sensitive:
    SENSITIVE "cli", cli
    SENSITIVE "sti", sti
    SENSITIVE "pushf", pushfw
    SENSITIVE "popf", popfw
    SENSITIVE "pushfd", pushfl
    SENSITIVE "int 41h", int $0x41
    V86 "iret, iopl 3"
    pushw $0x3202
    pushw %cs
    movl $(1f - V86_BASE), %eax
    pushw %ax
    iretw
    nop
1:
    V86_DONE
    V86 "iret, iopl 0", 0
    pushw $0x0202
    pushw %cs
    movl $(1f - V86_BASE), %eax
    pushw %ax
    iretw
    nop
1:
    V86_DONE
    INSENSITIVE "int3", int3
    movb $0xEE, idt + 8 * 3 + 5
    INSENSITIVE "int3, gate dpl 3", int3
    V86 "int3, gate dpl 3, iopl 0", 0
    int3
    V86_DONE
    INSENSITIVE "int 3, two bytes", .byte 0xCD, 3
    movb $0x8E, idt + 8 * 3 + 5
    INSENSITIVE "hlt", hlt
    INSENSITIVE "mov from cr0", movl %cr0, %eax
    INSENSITIVE "mov to dr7", movl %eax, %dr7
    INSENSITIVE "clts", clts
    INSENSITIVE "lgdt", lgdt 0
    INSENSITIVE "lmsw", lmsw %ax
    INSENSITIVE "smsw", smsw %ax
    INSENSITIVE "invlpg", invlpg 0
    INSENSITIVE "rdmsr", rdmsr
    INSENSITIVE "sldt", sldt %ax
    INSENSITIVE "str", str %ax
    INSENSITIVE "lldt", lldt %ax
    INSENSITIVE "ltr", ltr %ax
    INSENSITIVE "arpl", arpl %ax, %bx
    INSENSITIVE "lar", larw %ax, %bx
    INSENSITIVE "lsl", lslw %ax, %bx
    INSENSITIVE "verr", verr %ax
    INSENSITIVE "ud2", ud2
    V86 "popf keeps iopl and vm"
    pushl $0x00040202
    popfl
    pushfl
    popl %ecx
    cli
    V86_DONE
    andl $0x003E7702, %ecx
    SHOW "flags", %ecx, 8
    ret

test_segments:
    movb $0x5A, 0x12345
    V86 "segment loads"
    movw $0x1234, %ax
    movw %ax, %ds
    movb %ds:5, %bl
    movw $0xFFFF, %ax
    movw %ax, %fs
    movl %fs:0x10, %ecx /* 1 MB: the Multiboot header */
    pushw $0x1230
    popw %gs
    movb %gs:0x45, %bh
    V86_DONE
    SHOW "bx", %ebx, 4
    SHOW "ecx", %ecx, 8
    V86 "word at ffff"
    movw %ds:0xFFFF, %ax
    V86_DONE
    V86 "dword at fffc"
    movl %ds:0xFFFC, %eax
    V86_DONE
    V86 "offset 10000h"
    movl $0x10000, %ebx
    addr32 movb (%ebx), %al
    V86_DONE
    V86 "push wraps"
    movw $2, %sp
    pushw %ax
    pushw %ax
    movw %sp, %bx
    V86_DONE
    SHOW "sp", %ebx, 4
    V86 "far call and return"
    movw %sp, %bx
    movl $(v86_far - V86_BASE), %ds:0x200
    movw $0xFFFF, %ds:0x202
    lcallw *%ds:0x200
    subw %sp, %bx
    V86_DONE
    SHOW "cx", %ecx, 4
    SHOW "sp moved", %ebx, 4
    V86 "far jump past 64 KB"
    ljmpl $0xFFFF, $0x10000
    V86_DONE
    V86 "divide error"
    xorw %cx, %cx
    divw %cx
    V86_DONE
    V86 "les"
    movl $0x1A2B3C4D, %ds:0x100
    les %ds:0x100, %dx
    movw %es, %cx
    V86_DONE
    SHOW "dx", %edx, 4
    SHOW "cx", %ecx, 4
    ret

    .code16
v86_far:
    movw %cs, %cx
    lretw
    .code32

/* Gates that virtual-8086 mode may not use. */
test_gates:
    DESCRIPTOR 0x30, 0, 0xFFFFF, 0x9E, 0xC
    DESCRIPTOR 0x38, 0, 0xFFFFF, 0xFA, 0xC
    GATE idt, (8*0x42), 0x30, monitor, 0xEE
    V86 "handler is conforming"
    int $0x42
    V86_DONE
    GATE idt, (8*0x42), 0x38, monitor, 0xEE
    V86 "handler has dpl 3"
    int $0x42
    V86_DONE
    GATE idt, (8*0x42), CODE, monitor, 0x8E
    V86 "gate has dpl 0"
    int $0x42
    V86_DONE
    GATE idt, (8*0x42), CODE, monitor, 0x6E
    V86 "gate is absent"
    int $0x42
    V86_DONE
    ret

test_io:
    movw $(104 + 32), main_tss + 102
    movl $main_tss + 104 + 32, %edi
    movl $16, %ecx
    movl $-1, %eax
    rep stosl
    movb $0xFE, main_tss + 104 + 32 + 16 /* port 80h */
    V86 "out 80h, iopl 3"
    outb %al, $0x80
    V86_DONE
    V86 "in 81h, iopl 3: the map counts"
    inb $0x81, %al
    V86_DONE
    V86 "out 80h, iopl 0", 0
    outb %al, $0x80
    V86_DONE
    ret

/* ---- CR4.VME ---- */

test_vme:
    V86 "vme: no map in the tss"
    int $0x41
    V86_DONE
    movw $(104 + 32), main_tss + 102
    GATE idt, (8*0x41), CODE, monitor, 0xEE
    movl $-1, %eax
    movl $main_tss + 104, %edi
    movl $8, %ecx
    rep stosl
    movb $0xFD, main_tss + 104 + 0x60 / 8 /* vector 61h stays in the task */
    movl $(v86_ivt - V86_BASE), 4 * 0x61
    movw $0xFFFF, 4 * 0x61 + 2

    V86 "vme: sti sets vif, iopl 0", 0
    sti
    pushfw
    popw %cx
    int $0x61
    V86_DONE
    call show_vme
    V86 "vme: cli clears vif, iopl 0", VIF
    cli
    pushfw
    popw %cx
    int $0x61
    V86_DONE
    call show_vme
    V86 "vme: sti with vip", VIP
    sti
    V86_DONE
    V86 "vme: popf sets vif", 0
    pushw $0x0202
    popfw
    int $0x61
    V86_DONE
    call show_vme
    V86 "vme: popf with tf", 0
    pushw $0x0102
    popfw
    V86_DONE
    V86 "vme: popf sets if with vip", VIP
    pushw $0x0202
    popfw
    V86_DONE
    V86 "vme: popfd", 0
    pushl $2
    popfl
    V86_DONE
    V86 "vme: redirected int, iopl 3", (IOPL3 | 0x200)
    int $0x61
    V86_DONE
    call show_vme
    V86 "vme: int not redirected, iopl 0", 0
    int $0x41
    V86_DONE
    V86 "vme: int not redirected, iopl 3"
    int $0x41
    V86_DONE
    V86 "vme: iret, iopl 0", 0
    pushw $0x0202
    pushw %cs
    movl $(1f - V86_BASE), %eax
    pushw %ax
    iretw
    nop
1:
    int $0x61
    V86_DONE
    call show_vme
    V86 "vme: pushf shows vif and iopl 3", VIF
    pushfw
    popw %cx
    V86_DONE
    andl $0x7702, %ecx
    SHOW "pushed", %ecx, 4
    movl %cr4, %eax
    andl $~1, %eax
    movl %eax, %cr4
    /* CR4.PVI: the same for CLI and STI at CPL 3 of protected mode. */
    USER "no pvi: sti"
    sti
    USER_DONE
    movl %cr4, %eax
    orl $2, %eax
    movl %eax, %cr4
    USER "pvi: sti"
    sti
    ud2
    USER_DONE
    USER "pvi: cli", (VIF | 2)
    cli
    ud2
    USER_DONE
    USER "pvi: sti with vip", (VIP | 2)
    sti
    USER_DONE
    movl %cr4, %eax
    andl $~2, %eax
    movl %eax, %cr4
    ret

    .code16
v86_ivt: /* in the task: notes its frame and flags, then back to the caller's end by #UD */
    movw %sp, %bp
    movw 4(%bp), %dx /* pushed flags */
    ud2
    .code32

show_vme: /* CX: what PUSHF gave, DX: flags in the task's frame; the real ones are in the #UD report */
    andl $0x7702, %ecx
    andl $0x7702, %edx
    SHOW "pushf", %ecx, 4
    SHOW "frame flags", %edx, 4
    xorl %ecx, %ecx
    ret

main:
    movw $-1, main_tss + 102
    .ifdef TEST_VME
    SAY "vme\n"
    movl %cr4, %eax
    orl $1, %eax
    movl %eax, %cr4
    call test_vme
    .else
    SAY "v86\n"
    call test_entry
    call test_sensitive
    call test_segments
    call test_gates
    call test_io
    .endif
    SAY "end\n"
    ret
