/* Multiboot 1 entry (Multiboot Specification 0.6.96, 3.1 to 3.3): 32-bit protected mode, paging off, EAX the
 * magic number, EBX the physical address of the information structure.
 *
 * Runs at its physical address. Copies the command line, which may lie anywhere in physical memory, maps the
 * first 4 MB both at 0 and at KERNEL_BASE with one page table, turns paging on and continues in the high half;
 * mm_init() then builds the final tables. */
#include "cpu.h"

#define MULTIBOOT_HEADER_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS        0x00000003 /* modules on page boundaries, memory sizes wanted */
#define MULTIBOOT_MAGIC        0x2badb002
#define INFO_FLAGS             0
#define INFO_COMMAND_LINE      16
#define INFO_HAS_COMMAND_LINE  4
#define COMMAND_LINE_SIZE      1024
#define PAGE_PRESENT_WRITE     3
#define CR0_PG_WP              0x80010000

#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE)

        .section .boot, "ax"
        .balign 4
        .long   MULTIBOOT_HEADER_MAGIC
        .long   MULTIBOOT_FLAGS
        .long   -(MULTIBOOT_HEADER_MAGIC + MULTIBOOT_FLAGS)

        .globl  _start
_start:
        cli
        cld
        cmpl    $MULTIBOOT_MAGIC, %eax
        jne     2f
        testl   $INFO_HAS_COMMAND_LINE, INFO_FLAGS(%ebx)
        jz      2f
        movl    INFO_COMMAND_LINE(%ebx), %esi
        movl    $PHYSICAL(boot_command_line), %edi
        movl    $(COMMAND_LINE_SIZE - 1), %ecx /* the last byte stays 0 */
1:      lodsb
        stosb
        testb   %al, %al
        loopnz  1b
2:
        movl    $PHYSICAL(boot_page_table), %edi
        movl    $PAGE_PRESENT_WRITE, %eax
        movl    $1024, %ecx
3:      stosl
        addl    $4096, %eax
        loop    3b
        movl    $PHYSICAL(boot_page_directory), %edi
        movl    $(PHYSICAL(boot_page_table) + PAGE_PRESENT_WRITE), %eax
        movl    %eax, (%edi)
        movl    %eax, (KERNEL_BASE >> 20)(%edi)
        movl    %edi, %cr3
        movl    %cr0, %eax
        orl     $CR0_PG_WP, %eax
        movl    %eax, %cr0
        movl    $high, %eax
        jmp     *%eax

        .text
high:
        movl    $(idle_stack + STACK_SIZE), %esp
        xorl    %ebp, %ebp
        pushl   $0
        popfl
        call    kernel_main
4:      cli
        hlt
        jmp     4b

        .bss
        .balign 4096
boot_page_directory:
        .skip   4096
boot_page_table:
        .skip   4096
        .globl  idle_stack, user_stack
idle_stack:
        .skip   STACK_SIZE
user_stack:
        .skip   STACK_SIZE
        .globl  boot_command_line
boot_command_line:
        .skip   COMMAND_LINE_SIZE

        .section .note.GNU-stack, "", @progbits
