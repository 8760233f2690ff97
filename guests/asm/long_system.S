/* Long mode: SYSCALL and SYSRET, SYSENTER and SYSEXIT, invalid opcodes, control registers, leaving and
 * re-entering (SDM vol. 3, 5.8.7, 5.8.8, 9.8.5; vol. 2, appendix A). */
#include "runtime64.inc"

    .bss
    .balign 16
seen:
    .skip 128
    .text

/* ---- SYSCALL, SYSENTER ---- */

    .macro SET_MSR index, low, high=0
    movl $\index, %ecx
    movl $\low, %eax
    movl $\high, %edx
    wrmsr
    .endm

syscall_entry:
    movq %rcx, seen
    movq %r11, seen + 8
    movl %cs, %eax
    movq %rax, seen + 16
    movl %ss, %eax
    movq %rax, seen + 24
    pushfq
    popq %rax
    movq %rax, seen + 32
    movq %rsp, seen + 40
    cmpq $0, seen + 64
    jne 1f
    rex.w sysret
1:
    movl $user_back32, %ecx
    movl $0x202, %r11d
    sysretl

    .code32
user_back32:
    movl %cs, %eax
    movl %eax, seen + 72
    movl %ss, %eax
    movl %eax, seen + 80
    int $EXC_RETURN
    .code64

test_syscall:
    SET_MSR 0xC0000081, 0, ((UCODE32 - 3) << 16 | CODE)
    SET_MSR 0xC0000082, syscall_entry
    SET_MSR 0xC0000084, 0x4700 /* TF, IF, DF, NT */
    xorl %eax, %eax
    movq %rax, seen + 64
    USER "user: syscall and sysretq", 0x3202
    std
    syscall
1:
    movl %cs, %ebx
    movl %ss, %ebp
    pushfq
    popq %r12
    cld
    USER_DONE
    movq seen, %rax
    subq probe_start, %rax
    SHOW "rcx", %rax, 8
    SHOW "r11", (seen+8), 8
    SHOW "cs", (seen+16), 4
    SHOW "ss", (seen+24), 4
    SHOW "flags", (seen+32), 8
    movq seen + 40, %rax
    subq $user_stack_top, %rax
    SHOW "rsp", %rax, 8
    SHOW "user cs", %rbx, 4
    SHOW "user ss", %rbp, 4
    SHOW "user flags", %r12, 8
    movq $1, seen + 64
    USER "user: syscall and sysretl"
    syscall
    USER_DONE
    SHOW "user cs", (seen+72), 4
    SHOW "user ss", (seen+80), 4
    movq $0, seen + 64
    USER "user: sysret"
    rex.w sysret
    USER_DONE
    PROBE "sysretq to a non-canonical address"
    movabsq $0x0000800000000000, %rcx
    movl $2, %r11d
    rex.w sysret
    DONE
    PROBE "wrmsr lstar, non-canonical"
    SET_MSR 0xC0000082, 0, 0x8000
    DONE
    SET_MSR 0xC0000082, syscall_entry
    PROBE "syscall at cpl 0"
    syscall
    DONE
    SHOW "cs", (seen+16), 4
    movl $EFER, %ecx
    rdmsr
    andl $~1, %eax
    wrmsr
    USER "user: syscall without efer.sce"
    syscall
    USER_DONE
    rdmsr
    orl $1, %eax
    wrmsr
    /* SYSENTER: CS 30h-like block at 0x10: CS 10h, SS 18h, then 32-bit user CS 20h, SS 28h; 64-bit CS 30h, SS 38h */
    SET_MSR 0x174, CODE
    SET_MSR 0x175, interrupt_stack_top
    SET_MSR 0x176, sysenter_entry
    USER "user: sysenter, sysexitq", 0x202
    sysenter
    USER_DONE
    SHOW "cs", (seen+16), 4
    SHOW "ss", (seen+24), 4
    SHOW "flags", (seen+32), 8
    SHOW "user cs", (seen+72), 4
    SHOW "user ss", (seen+80), 4
    USER32 "user 32: sysenter, sysexitq", 0x202
    sysenter
    USER_DONE
    SHOW "cs", (seen+16), 4
    SHOW "user cs", (seen+72), 4
    PROBE "sysexitq to a non-canonical address"
    movabsq $0x0000800000000000, %rdx
    movq $user_stack_top, %rcx
    rex.w sysexit
    DONE
    SET_MSR 0x174, 0
    USER "user: sysenter, null cs"
    sysenter
    USER_DONE
    ret

sysenter_entry:
    movl %cs, %eax
    movq %rax, seen + 16
    movl %ss, %eax
    movq %rax, seen + 24
    pushfq
    popq %rax
    andl $0x003E7702, %eax
    movq %rax, seen + 32
    movq $user_back64, %rdx
    movq $user_stack_top, %rcx
    rex.w sysexit

user_back64:
    movl %cs, %eax
    movq %rax, seen + 72
    movl %ss, %eax
    movq %rax, seen + 80
    int $EXC_RETURN

/* ---- Invalid in 64-bit mode ---- */

    .macro INVALID name, bytes:vararg
    PROBE "\name"
    .byte \bytes
    DONE
    .endm

test_invalid:
    INVALID "06 push es", 0x06
    INVALID "0E push cs", 0x0E
    INVALID "1F pop ds", 0x1F
    INVALID "27 daa", 0x27
    INVALID "2F das", 0x2F
    INVALID "37 aaa", 0x37
    INVALID "3F aas", 0x3F
    INVALID "60 pusha", 0x60
    INVALID "61 popa", 0x61
    INVALID "82 group 1", 0x82, 0xC0, 1
    INVALID "9A lcall", 0x9A, 0, 0, 0, 0, 8, 0
    INVALID "CE into", 0xCE
    INVALID "D4 aam", 0xD4, 10
    INVALID "D5 aad", 0xD5, 10
    INVALID "D6 salc", 0xD6
    INVALID "EA ljmp", 0xEA, 0, 0, 0, 0, 8, 0
    INVALID "lock mov", 0xF0, 0x89, 0xC0
    INVALID "lock add register", 0xF0, 0x01, 0xC0
    INVALID "0F 0A", 0x0F, 0x0A
    INVALID "0F FF ud0", 0x0F, 0xFF, 0xC0
    ret

/* ---- Control registers ---- */

test_control:
    PROBE "cr8"
    movl $5, %eax
    movq %rax, %cr8
    xorl %ecx, %ecx
    movq %cr8, %rcx
    DONE
    SHOW "cr8", %rcx, 4
    PROBE "cr8: reserved bits"
    movl $16, %eax
    movq %rax, %cr8
    DONE
    xorl %eax, %eax
    movq %rax, %cr8
    PROBE "efer: reserved bit"
    movl $EFER, %ecx
    rdmsr
    orl $2, %eax
    wrmsr
    DONE
    PROBE "efer"
    movl $EFER, %ecx
    rdmsr
    DONE
    movl %eax, %eax
    SHOW "efer", %rax, 4
    PROBE "dr7: upper half"
    movabsq $0x100000400, %rax
    movq %rax, %dr7
    DONE
    PROBE "mov from cr1"
    .byte 0x0F, 0x20, 0xC8
    DONE
    PROBE "mov from cr9"
    .byte 0x44, 0x0F, 0x20, 0xC8
    DONE
    PROBE "smsw writes 64 bits"
    movq $-1, %rax
    .byte 0x48, 0x0F, 0x01, 0xE0 /* smsw %rax */
    DONE
    andq $~0xA, %rax
    SHOW "rax", %rax, 16
    PROBE "leave long mode and return"
    ljmpl *to_compat
    .code32
compat:
    movl %cr0, %eax
    andl $0x7FFFFFFF, %eax
    movl %eax, %cr0 /* legacy mode, no paging */
    movl $EFER, %ecx
    rdmsr
    movl %eax, %ebx
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    rdmsr
    ljmp $CODE, $1f
    .code64
1:
    DONE
    movl %ebx, %ebx
    movl %eax, %eax
    SHOW "efer without paging", %rbx, 4
    SHOW "efer with paging", %rax, 4
    ret

    .data
    .balign 8
to_compat:
    .long compat
    .word CODE32
    .text

main:
    SAY "long_system\n"
    call test_syscall
    call test_invalid
    call test_control
    SAY "end\n"
    ret
