/* A device writes code that has run often enough to be translated: sectors come by bus-master DMA into the page of a
 * function that is called, into the page of the loop that waits for them, and across two pages, which also have other
 * names (ATA/ATAPI-6; PIIX3 data sheet, Bus Master IDE). The sectors are written by DMA first. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"
#include "window32.inc"

    .set ROUNDS, 100
    .set SECTOR, 2000 /* of the disk; three are used */
    .set COMMAND, 0   /* of the bus master: registers */
    .set STATUS, 2
    .set TABLE, 4
    .set START, 1
    .set TO_MEMORY, 8
    .set READ_DMA, 0xC8
    .set WRITE_DMA, 0xCA

    .bss
    .balign 4096
sectors: /* what is written to the disk */
    .skip 3 * 512
    .balign 4096
target: /* what is read is called here */
    .skip 8192
regions: /* physical region descriptor table */
    .skip 16
master:
    .skip 4
function: /* configuration address of the IDE controller */
    .skip 4
rounds:
    .skip 4
    .text

/* ---- PCI ---- */

pci_select: /* register ECX of `function` */
    movl function, %eax
    addl %ecx, %eax
    movw $0xCF8, %dx
    outl %eax, %dx
    movw $0xCFC, %dx
    ret

find_master:
    movl $0x80000000, function
1:
    movl $8, %ecx
    call pci_select
    inl %dx, %eax
    shrl $16, %eax
    cmpl $0x0101, %eax /* IDE */
    je 2f
    addl $0x100, function
    cmpl $0x80010000, function
    jb 1b
    ret
2:
    movl $0x20, %ecx
    call pci_select
    inl %dx, %eax
    andl $0xFFF0, %eax
    jnz 3f
    movl $0xD000, %eax
    outl %eax, %dx
3:
    movl %eax, master
    movl $4, %ecx
    call pci_select
    inl %dx, %eax
    andl $0xFFFF, %eax
    orl $5, %eax /* I/O, bus master */
    outl %eax, %dx
    ret

/* ---- Disk ---- */

    .macro PORT_OUT port, value
    movb $\value, %al
    movw $\port, %dx
    outb %al, %dx
    .endm

    .macro MASTER_OUT register, value
    movb $\value, %al
    movl master, %edx
    addl $\register, %edx
    outb %al, %dx
    .endm

not_busy:
    movw $0x1F7, %dx
1:
    inb %dx, %al
    testb $0x88, %al /* BSY, DRQ */
    jnz 1b
    ret

    /* Sector SECTOR + AL, EBX sectors by command AH; bus master command CL. `regions` is set. */
transfer:
    pushl %eax
    pushl %ecx
    MASTER_OUT COMMAND, 0
    MASTER_OUT STATUS, 6
    movl master, %edx
    addl $TABLE, %edx
    movl $regions, %eax
    outl %eax, %dx
    PORT_OUT 0x3F6, 2 /* no interrupts */
    PORT_OUT 0x1F6, 0xE0
    call not_busy
    movb %bl, %al
    movw $0x1F2, %dx
    outb %al, %dx
    movl 4(%esp), %eax
    movzbl %al, %eax
    addl $SECTOR, %eax
    movw $0x1F3, %dx
    outb %al, %dx
    movb %ah, %al
    movw $0x1F4, %dx
    outb %al, %dx
    PORT_OUT 0x1F5, 0
    movb 5(%esp), %al
    movw $0x1F7, %dx
    outb %al, %dx
    popl %ecx
    movl master, %edx
    movb %cl, %al
    orb $START, %al
    outb %al, %dx
    addl $STATUS, %edx
1:
    inb %dx, %al
    testb $1, %al
    jnz 1b
    call not_busy
    MASTER_OUT COMMAND, 0
    popl %eax
    ret

    /* The code at `from` becomes sector n of those written, at an offset in it. */
    .macro PLACE n, offset, from, size
    movl $\from, %esi
    movl $sectors + 512 * \n + \offset, %edi
    movl $\size, %ecx
    rep movsb
    .endm

    .macro REGION n, address, size, last=0
    movl $\address, regions + 8 * \n
    movl $\size + (\last << 31), regions + 8 * \n + 4
    .endm

    .macro READ n, count=1
    movl $\count, %ebx
    movb $\n, %al
    movb $READ_DMA, %ah
    movb $TO_MEMORY, %cl
    call transfer
    .endm

one:
    movl $1, %eax
    ret
    .set one_size, . - one
other:
    movl $0x40, %eax
    leal (%eax,%eax,2), %eax
    ret
    .set other_size, . - other
    .set ACROSS, 510 /* of a sector */
across:
    movl $0x12345, %eax
    ret
    .set across_size, . - across

write_sectors:
    PLACE 0, 0, one, one_size
    PLACE 1, 0, other, other_size
    PLACE 1, ACROSS, across, 2 /* and on in the next */
    PLACE 2, 0, (across+2), (across_size-2)
    REGION 0, sectors, 3*512, 1
    movl $3, %ebx
    movb $0, %al
    movb $WRITE_DMA, %ah
    xorl %ecx, %ecx
    jmp transfer

/* ---- Tests ---- */

    /* ROUNDS times: sector 0 and 1 by turns to `place`, then calls of it. */
    .macro TEST text, place, code
    SAY "\text\n"
    movl $ROUNDS, rounds
    xorl %ebp, %ebp
    REGION 0, \place, 512, 1
1:
    READ 0
    \code
    READ 1
    \code
    decl rounds
    jnz 1b
    SHOW "sum", %ebp, 8
    .endm

    .macro CALLS_OF place
    movl $\place, %edi
    movl $40, %ecx
3:
    call *%edi
    addl %eax, %ebp
    decl %ecx
    jnz 3b
    .endm

main:
    SAY "hot_dma\n"
    call find_master
    movl $target + P, pt_window
    movl $target + 4096 + P, pt_window + 4
    call paging_on
    call write_sectors
    TEST "a function", target, "CALLS_OF target"
    TEST "through another name of its page", target, "CALLS_OF WINDOW"
    TEST "at the end of a page", (target+4096-512), "CALLS_OF WINDOW+4096-512"
    SAY "an instruction in two pages\n"
    movl $ROUNDS, rounds
    xorl %ebp, %ebp
    REGION 0, (target+4096-512), 512
    REGION 1, (target+4096), 512, 1
1:
    movl $0, target + 4096 - 2
    movl $0, target + 4096
    READ 1, 2
    CALLS_OF target+4096-2
    CALLS_OF WINDOW+4096-2
    decl rounds
    jnz 1b
    SHOW "sum", %ebp, 8
    SAY "beside the loop that waits\n"
    jmp beside

    .balign 4096
beside:
    movl $ROUNDS, rounds
    xorl %ebp, %ebp
    REGION 0, place, 512, 1
1:
    READ 0
    call place
    addl %eax, %ebp
    READ 1
    call place
    addl %eax, %ebp
    decl rounds
    jnz 1b
    jmp 2f
    .balign 512
place:
    .skip 512
2:
    SHOW "sum", %ebp, 8
    SAY "end\n"
    ret
