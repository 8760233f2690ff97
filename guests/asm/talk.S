/* Answers lines typed on COM1, which come by interrupt into HLT. What it says tells when each line came, in cycles, and its
 * memory keeps a sum over the time of every byte: a run in which an input comes a cycle later is another run. Of lines that come
 * in one go it tells the last. One that begins with q ends it.
 *
 * For tests/guests/replay.sh; without input it waits for ever. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"

    .set INT_GATE, 0x8E
    .set PIC_VECTORS, 0x20

    .bss
    .balign 4
line_number:
    .skip 4
line_length:
    .skip 4
line_first: /* its first byte */
    .skip 4
line_done:
    .skip 4
done_length:
    .skip 4
leaving:
    .skip 4
last_time:
    .skip 4
sum_of_times:
    .skip 4
    .text

/* OUT of a list of byte << 16 | port */
    .macro OUTPUTS list:vararg
    .irp step, \list
    movw $(\step & 0xFFFF), %dx
    movb $(\step >> 16), %al
    outb %al, %dx
    .endr
    .endm

setup:
    GATE idt, (8 * (PIC_VECTORS + 4)), CODE, received, INT_GATE
    /* Both 8259s: ICW1 to ICW4, then all masked but IRQ 4. */
    OUTPUTS 0x110020, 0x200021, 0x040021, 0x010021, 0x1100A0, 0x2800A1, 0x0200A1, 0x0100A1, 0xEF0021, 0xFF00A1
    /* FIFO on, interrupt at once; OUT2, RTS, DTR; interrupt on received data. */
    OUTPUTS 0x0703FA, 0x0B03FC, 0x0103F9
    ret

received:
    pushal
1:
    movw $(COM1 + 5), %dx
    inb %dx, %al
    testb $1, %al
    jz 4f
    rdtsc
    movl %eax, last_time
    roll $5, sum_of_times
    xorl %eax, sum_of_times
    movw $COM1, %dx
    inb %dx, %al
    cmpb $'\n', %al
    je 3f
    cmpl $0, line_length
    jne 2f
    movb %al, line_first
2:
    incl line_length
    PUT_BYTE
    jmp 1b
3:
    movl line_length, %eax
    movl %eax, done_length
    movl $0, line_length
    movl $1, line_done
    incl line_number
    cmpb $'q', line_first
    jne 1b
    movl $1, leaving
    jmp 1b
4:
    movb $0x20, %al
    outb %al, $0x20
    popal
    iretl

main:
    call setup
1:
    SAY "> "
2:
    cli
    cmpl $0, line_done
    jne 3f
    sti
    hlt
    jmp 2b
3:
    movl $0, line_done
    SAY "\nline "
    HEX line_number, 2
    SAY " of "
    HEX done_length, 3
    SAY " bytes at "
    HEX last_time, 8
    SAY ", all "
    HEX sum_of_times, 8
    NEWLINE
    cmpl $0, leaving
    je 1b
    ret
