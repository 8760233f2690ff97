/* Boot sector for emulators without a Multiboot loader (Bochs): reads the image that follows it on the hard
 * disk to 64 KB with the BIOS, copies it to 1 MB and enters it in 32-bit mode like a Multiboot loader would.
 * IMAGE_SECTORS is given by the build. A20 is opened with port 0x92. */
    .code16
    .section .text
    .global _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7c00, %sp
    movb %dl, drive
next:
    movw $packet, %si
    movb drive, %dl
    movb $0x42, %ah
    int $0x13
    jc failed
    addw $0x20, packet + 6 /* 0x200 bytes further */
    incl packet + 8
    decw left
    jnz next
    inb $0x92, %al
    orb $2, %al
    outb %al, $0x92
    lgdtl gdt_register
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $8, $protected
failed:
    hlt
    jmp failed

    .code32
protected:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $0x10000, %esi
    movl $0x100000, %edi
    movl $(IMAGE_SECTORS * 128), %ecx
    cld
    rep movsl
    movl $0x2BADB002, %eax
    movl $0x100020, %edx /* the entry address is kept behind the Multiboot header */
    jmp *(%edx)

    .balign 4
packet:
    .word 16, 1, 0, 0x1000
    .long 1, 0
left:
    .word IMAGE_SECTORS
drive:
    .byte 0x80
    .balign 8
gdt:
    .quad 0, 0x00CF9A000000FFFF, 0x00CF92000000FFFF
gdt_register:
    .word 23
    .long gdt
    .org 510
    .word 0xAA55
