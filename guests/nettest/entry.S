/* Entries from interrupts, exceptions and system calls; the switch between the two tasks; the way to ring 3;
 * checksums. */
#include "cpu.h"

        .text

/* One stub per vector: 0..31 exceptions, 32..47 the PIC pair, and the system call. Those of the exceptions
 * for which the CPU pushes no error code (SDM vol. 3, table 6-1) push 0 in its place. */
        .macro  stub vector, has_error
stub_\vector:
        .if     \has_error == 0
        pushl   $0
        .endif
        pushl   $\vector
        jmp     entry_common
        .endm

        .altmacro
        .macro  stub_for vector
        .if     \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17
        stub    \vector, 1
        .else
        stub    \vector, 0
        .endif
        .endm
        .macro  address_for vector
        .long   stub_\vector
        .endm

        .set    number, 0
        .rept   48
        stub_for %number
        .set    number, number + 1
        .endr
        stub    128, 0

entry_common:
        cld
        pushl   %es
        pushl   %ds
        pushal
        movl    $KERNEL_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        pushl   %esp
        call    trap_dispatch
        addl    $4, %esp
        popal
        popl    %ds
        popl    %es
        addl    $8, %esp
        iret

/* void task_switch(uint32_t *save_esp, uint32_t load_esp): registers the C calling convention keeps go to the
 * old stack. A stack never run yet must look the same (task.c). */
        .globl  task_switch
task_switch:
        movl    4(%esp), %eax
        movl    8(%esp), %edx
        pushl   %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        movl    %esp, (%eax)
        movl    %edx, %esp
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        ret

/* void user_enter(uint32_t eip, uint32_t esp) */
        .globl  user_enter
user_enter:
        movl    4(%esp), %ecx
        movl    8(%esp), %edx
        movl    $USER_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        pushl   %eax
        pushl   %edx
        pushl   $0x202 /* interrupts on */
        pushl   $USER_CS
        pushl   %ecx
        iret

/* uint32_t checksum_add(const void *data, size_t length, uint32_t sum)
 * Ones' complement sum of 32-bit words, as RFC 1071 allows; an odd byte counts as the low half of a word. */
        .globl  checksum_add
checksum_add:
        pushl   %esi
        movl    8(%esp), %esi
        movl    12(%esp), %ecx
        movl    16(%esp), %eax
        movl    %ecx, %edx
        shrl    $4, %ecx
        jz      2f
        clc
1:      adcl    (%esi), %eax
        adcl    4(%esi), %eax
        adcl    8(%esi), %eax
        adcl    12(%esi), %eax
        leal    16(%esi), %esi /* lea and dec leave the carry alone */
        decl    %ecx
        jnz     1b
        adcl    $0, %eax
2:      andl    $15, %edx
        jz      5f
3:      cmpl    $2, %edx
        jb      4f
        movzwl  (%esi), %ecx
        addl    %ecx, %eax
        adcl    $0, %eax
        addl    $2, %esi
        subl    $2, %edx
        jnz     3b
        jmp     5f
4:      movzbl  (%esi), %ecx
        addl    %ecx, %eax
        adcl    $0, %eax
5:      popl    %esi
        ret

/* uint32_t checksum_copy(void *to, const void *from, size_t length, uint32_t sum): the same while copying. */
        .globl  checksum_copy
checksum_copy:
        pushl   %esi
        pushl   %edi
        pushl   %ebx
        movl    16(%esp), %edi
        movl    20(%esp), %esi
        movl    24(%esp), %ecx
        movl    28(%esp), %eax
        shrl    $4, %ecx
        jz      2f
        clc
1:      movl    (%esi), %ebx
        adcl    %ebx, %eax
        movl    4(%esi), %edx
        movl    %ebx, (%edi)
        adcl    %edx, %eax
        movl    8(%esi), %ebx
        movl    %edx, 4(%edi)
        adcl    %ebx, %eax
        movl    12(%esi), %edx
        movl    %ebx, 8(%edi)
        adcl    %edx, %eax
        movl    %edx, 12(%edi)
        leal    16(%esi), %esi
        leal    16(%edi), %edi
        decl    %ecx
        jnz     1b
        adcl    $0, %eax
2:      movl    24(%esp), %edx
        andl    $15, %edx
        jz      5f
3:      cmpl    $2, %edx
        jb      4f
        movzwl  (%esi), %ecx
        movw    %cx, (%edi)
        addl    %ecx, %eax
        adcl    $0, %eax
        addl    $2, %esi
        addl    $2, %edi
        subl    $2, %edx
        jnz     3b
        jmp     5f
4:      movzbl  (%esi), %ecx
        movb    %cl, (%edi)
        addl    %ecx, %eax
        adcl    $0, %eax
5:      popl    %ebx
        popl    %edi
        popl    %esi
        ret

        .section .rodata
        .balign 4
        .globl  entry_stubs
entry_stubs:
        .set    number, 0
        .rept   48
        address_for %number
        .set    number, number + 1
        .endr
        .long   stub_128

        .section .note.GNU-stack, "", @progbits
