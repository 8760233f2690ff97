/* Resetting the machine, in all the ways a PC has: 0xCF9, the keyboard controller, port 0x92, triple faults.
 * The guest counts its boots in memory that it does not load, above its image. Before each reset it leaves
 * behind what a reset must undo: paging with global pages, a breakpoint on its own first instructions, MSRs,
 * A20 off. Each boot shows what it finds, then maps the window to another page than the boot before it.
 *
 * Run without -no-reboot. What firmware decides (memory types, interrupt controllers) is not shown. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"
#include "page_bits.inc"
    .set WINDOW, 0x40000000
#include "paging.inc"

    .set BOOTS, 0x1000000 /* phys: magic, count */
    .set MAGIC, 0x74736552
    .set HIGH, 0x200000   /* phys, an even megabyte: code that runs with A20 off */
    .set SYSENTER_EIP, 0x176

    .bss
    .balign 4096
directory:
    .skip 4096
table:
    .skip 4096
boot:
    .skip 4
    .text

show_bits: /* wanted by paging.inc */
    ret

count_boots:
    movl $0, boot
    cmpl $MAGIC, BOOTS
    jne 1f
    movl BOOTS + 4, %eax
    incl %eax
    movl %eax, boot
1:
    movl $MAGIC, BOOTS
    movl boot, %eax
    movl %eax, BOOTS + 4
    ret

show_state:
    movl %cr0, %eax
    andl $0x80010001, %eax
    SHOW "cr0", %eax, 8
    movl %cr4, %eax
    andl $0x98, %eax
    SHOW "cr4", %eax, 8
    movl %dr7, %eax
    SHOW "dr7", %eax, 8
    movl $SYSENTER_EIP, %ecx
    rdmsr
    SHOW "sysenter eip", %eax, 8
    movl $0, 0x8000 /* what A20 would fold together with the next megabyte */
    movl $1, 0x8000 + HIGH + 0x100000
    movl $2, 0x8000 + HIGH
    SHOW "a20", (0x8000 + HIGH + 0x100000), 2
    ret

/* Everything 1:1 by 4 MB pages, global; the window shows frame 0 or 1 in turn. */
paging_on:
    movl $directory, %edi
    movl $(PS | G | W | P), %eax
    movl $16, %ecx
1:
    movl %eax, (%edi)
    addl $0x400000, %eax
    addl $4, %edi
    loop 1b
    movl $table, directory + (WINDOW >> 20)
    orl $(W | P), directory + (WINDOW >> 20)
    movl $0x11110000, frame0
    movl $0x22220000, frame1
    movl $frame0, %eax
    testl $1, boot
    jz 2f
    movl $frame1, %eax
2:
    orl $(G | W | P), %eax
    movl %eax, table
    movl $directory, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x90, %eax /* PSE, PGE */
    movl %eax, %cr4
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    PROBE "window"
    movl boot, %eax
    addl %eax, WINDOW
    DONE
    SHOW "window", WINDOW, 8
    PROBE "beyond it"
    movl WINDOW + 4096, %eax
    DONE
    ret

leave_traces:
    movl $SYSENTER_EIP, %ecx
    movl $0x12345678, %eax
    xorl %edx, %edx
    wrmsr
    movl $main, %eax
    movl %eax, %dr0
    movl $2, %eax /* global, execution */
    movl %eax, %dr7
    ret

by_cf9:
    movb $0x02, %al
    movw $0xCF9, %dx
    outb %al, %dx
    movb $0x06, %al
    outb %al, %dx
    jmp .

by_keyboard:
    inb $0x64, %al
    testb $2, %al
    jnz by_keyboard
    movb $0xFE, %al
    outb %al, $0x64
    jmp .

by_port92:
    inb $0x92, %al
    andb $0xFE, %al
    outb %al, $0x92
    orb $1, %al
    outb %al, $0x92
    jmp .

by_empty_idt:
    lidt no_table
    int3

by_empty_directory:
    movl $empty_directory, %eax
    movl %cr4, %edx
    andl $~0x80, %edx /* drops the global pages */
    movl %eax, %cr3
    movl %edx, %cr4
    jmp .

by_cf9_without_a20:
    movl $a20_off, %esi
    movl $HIGH, %edi
    movl $(a20_off_end - a20_off), %ecx
    rep movsb
    movl %cr0, %eax
    andl $0x7FFFFFFF, %eax
    movl $HIGH, %edx
    jmp *%edx
a20_off:
    movl %eax, %cr0
    inb $0x92, %al
    andb $0xFC, %al
    outb %al, $0x92
    movb $0x06, %al
    movw $0xCF9, %dx
    outb %al, %dx
    jmp .
a20_off_end:

    .balign 4
no_table:
    .word 0
    .long 0
ways:
    .long by_cf9, by_keyboard, by_port92, by_empty_idt, by_empty_directory, by_cf9_without_a20, by_keyboard, 0
    .set WAYS, 7

    .bss
    .balign 4096
empty_directory:
    .skip 4096
    .text

main:
    call count_boots
    SAY "boot "
    HEX boot, 2
    NEWLINE
    call show_state
    call paging_on
    call leave_traces
    movl boot, %eax
    cmpl $WAYS, %eax
    jae 9f
    /* What the transmitter still holds would be lost. */
    movw $(COM1 + 5), %dx
1:
    inb %dx, %al
    testb $0x40, %al
    jz 1b
    movl boot, %eax
    movl ways(,%eax,4), %eax
    jmp *%eax
9:
    SAY "end\n"
    ret
