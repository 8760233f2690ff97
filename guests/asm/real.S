/* Real-address mode, entered from protected mode: the IVT, limits, big real mode, A20, string wrap, error
 * codes that are not pushed (SDM vol. 3, 20.1; 9.9).
 *
 * The 16-bit code is copied to 1000:0000; what it finds goes into RESULT and is printed back in 32-bit
 * mode. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"

    .set SEGMENT, 0x1000
    .set RESULT, 0x20000
    .set STACK, 0x3000
    .set S_CODE16, 0x30
    .set S_DATA16, 0x38

    .bss
    .balign 16
saved_ivt:
    .skip 1024
    .text

main:
    SAY "real\n"
    DESCRIPTOR S_CODE16, (SEGMENT*16), 0xFFFF, 0x9A, 0
    DESCRIPTOR S_DATA16, 0, 0xFFFF, 0x92, 0
    movl $real_start, %esi
    movl $(SEGMENT * 16), %edi
    movl $(real_end - real_start), %ecx
    rep movsb
    movl $RESULT, %edi
    movl $256, %ecx
    movl $0xEEEEEEEE, %eax
    rep stosl
    movl $0, %esi
    movl $saved_ivt, %edi
    movl $256, %ecx
    rep movsl
    /* Every vector to its own stub: 4 bytes each from `r_stubs` on. */
    xorl %edi, %edi
    movl $(SEGMENT << 16 | (r_stubs - real_start)), %eax
1:
    movl %eax, (%edi)
    addl $4, %eax
    addl $4, %edi
    cmpl $128, %edi
    jb 1b
    movl %esp, probe_esp
    lidt real_idt
    ljmp $S_CODE16, $0

back: /* 32-bit again */
    movl $DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movl probe_esp, %esp
    lidt idt_register
    movl $saved_ivt, %esi
    xorl %edi, %edi
    movl $256, %ecx
    rep movsl
    movl $RESULT, %esi
    movl $names, %edi
1:
    cmpb $0, (%edi)
    je 2f
    movl %edi, say_pointer
    call say
    SAY ": "
    HEX (%esi), 8
    NEWLINE
    addl $4, %esi
    movl $-1, %ecx
    xorl %eax, %eax
    repne scasb
    jmp 1b
2:
    SAY "end\n"
    ret

    .data
    .balign 4
real_idt:
    .word 0x3FF
    .long 0

/* One line a result, in the order in which real_start stores them. A fault is stored as vector << 16 | IP of
 * the fault relative to the probe, otherwise 0. */
names:
    .asciz "cr0"
    .asciz "cs after the jump"
    .asciz "word at ffff"
    .asciz "byte at ffff"
    .asciz "dword at fffd"
    .asciz "32-bit offset 10000"
    .asciz "stack word at ffff"
    .asciz "divide error"
    .asciz "int 21h frame: ip"
    .asciz "int 21h frame: cs"
    .asciz "int 21h frame: flags"
    .asciz "int 21h handler flags"
    .asciz "after iret"
    .asciz "invalid opcode"
    .asciz "bound"
    .asciz "lar"
    .asciz "sldt"
    .asciz "mov from cr0, hlt-free"
    .asciz "lmsw and back: pe"
    .asciz "big real mode: byte at 1 MB through 0:"
    .asciz "big real mode: limit after a reload of the segment"
    .asciz "flat write to 200000"
    .asciz "a20 off: 100000 is 0"
    .asciz "a20 on: 100000 is not 0"
    .asciz "stosw wraps di"
    .asciz "di"
    .asciz "push wraps sp"
    .asciz "near jump past ffff"
    .asciz "idt limit too small: int 30h"
    .asciz "far call: cs"
    .asciz "pushfd and popfd keep vm and iopl"
    .asciz "single step: where"
    .byte 0
    .text

/* ---- 16-bit code, at SEGMENT:0 ---- */
    .code16
    .macro STORE value /* 32-bit register; clobbers nothing */
    pushl \value
    call r_store
    .endm

    .macro R_PROBE
    movw $(98f - real_start), %cs:(r_begin - real_start)
    movw $(99f - real_start), %cs:(r_resume - real_start)
    movl $0, %cs:(r_fault - real_start)
    movw %sp, %cs:(r_sp - real_start)
98:
    .endm

    .macro R_DONE
99:
    call r_done
    .endm

real_start:
    movw $S_DATA16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    movl %cr0, %eax
    andl $~1, %eax
    movl %eax, %cr0
    ljmpw $SEGMENT, $(1f - real_start)
1:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw $STACK, %ax
    movw %ax, %ss
    movw $0x8000, %sp
    movl %cr0, %eax
    andl $0x1F, %eax
    STORE %eax
    movl %cs, %eax
    movzwl %ax, %eax
    STORE %eax
    R_PROBE
    movw 0xFFFF, %ax
    R_DONE
    R_PROBE
    movb 0xFFFF, %al
    R_DONE
    R_PROBE
    movl 0xFFFD, %eax
    R_DONE
    R_PROBE
    movl $0x10000, %ebx
    addr32 movb (%ebx), %al
    R_DONE
    R_PROBE
    movw %ss:0xFFFF, %ax
    R_DONE
    R_PROBE
    xorw %cx, %cx
    divw %cx
    R_DONE

    movl $(SEGMENT << 16), %eax
    movw $(r_int21 - real_start), %ax
    movl %eax, 4 * 0x21
    sti
    cli
    pushw $0x0202
    popfw
r_int21_call:
    int $0x21
    cli
    pushfw
    popw %cx
    andw $0x7700, %cx
    movzwl %cs:(r_frame - real_start), %eax
    subl $(r_int21_call - real_start), %eax
    STORE %eax
    movzwl %cs:(r_frame + 2 - real_start), %eax
    STORE %eax
    movzwl %cs:(r_frame + 4 - real_start), %eax
    andl $0x7700, %eax
    STORE %eax
    movzwl %cs:(r_frame + 6 - real_start), %eax
    andl $0x7700, %eax
    STORE %eax
    movzwl %cx, %eax
    STORE %eax

    R_PROBE
    ud2
    R_DONE
    R_PROBE
    movl $0x00050000, 0x500
    movw $9, %ax
    bound %ax, 0x500
    R_DONE
    R_PROBE
    larw %ax, %bx
    R_DONE
    R_PROBE
    sldt %ax
    R_DONE
    R_PROBE
    movl %cr0, %eax
    R_DONE
    /* LMSW sets PE but cannot clear it. */
    movw $1, %ax
    lmsw %ax
    smsw %cx
    movl %cr0, %eax
    andl $~1, %eax
    movl %eax, %cr0
    movzwl %cx, %eax
    andl $1, %eax
    STORE %eax

    /* Big real mode: load a 4 GB segment in protected mode, drop PE, keep the limit. */
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    movw $DATA, %bx
    movw %bx, %fs
    andl $~1, %eax
    movl %eax, %cr0
    xorw %bx, %bx
    movw %bx, %fs
    movl $0x100000, %ebx
    R_PROBE
    addr32 movl %fs:(%ebx), %ecx
    R_DONE
    movw $0x10, %bx
    movw %bx, %fs
    movl $0x1FFF00, %ebx
    R_PROBE
    addr32 movb %fs:(%ebx), %al
    R_DONE
    movl $0x200000 - 0x100, %ebx
    movl $0x600DF00D, %eax
    addr32 movl %eax, %fs:(%ebx)
    addr32 movl %fs:(%ebx), %eax
    STORE %eax

    /* A20 by port 92h and the keyboard controller, of which either holds it high. FFFF:0010 is 100000h or 0. */
    movw $0xFFFF, %bx
    movw %bx, %es
    inb $0x92, %al
    andb $0xFC, %al
    outb %al, $0x92
    movb $0xDD, %al
    call r_kbc
    movl %es:0x10, %ecx
    xorl %eax, %eax
    cmpl 0, %ecx
    sete %al
    STORE %eax
    inb $0x92, %al
    orb $2, %al
    outb %al, $0x92
    movb $0xDF, %al
    call r_kbc
    movl %es:0x10, %ecx
    xorl %eax, %eax
    cmpl 0, %ecx
    setne %al
    STORE %eax

    movw $0x4000, %bx
    movw %bx, %es
    movw $0xFFFE, %di
    movw $2, %cx
    R_PROBE
    rep stosw
    R_DONE
    movzwl %di, %eax
    STORE %eax
    movw %sp, %bx
    R_PROBE
    movw $2, %sp
    pushw %ax
    pushw %ax
    movw %sp, %dx
    movw %bx, %sp
    R_DONE
    R_PROBE
    pushl $0x10000
    .byte 0x66
    ret
    R_DONE
    R_PROBE
    lidtw %cs:(r_short_idt - real_start)
    int $0x30
    R_DONE
    lidtw %cs:(r_full_idt - real_start)
    lcallw $SEGMENT, $(r_far - real_start)
    movzwl %dx, %eax
    STORE %eax
    pushl $0x00023202
    popfl
    pushfl
    popl %eax
    cli
    andl $0x00027702, %eax
    STORE %eax
    R_PROBE
    pushw $0x0102
    popfw
    nop
    nop
    R_DONE

    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    lgdtl %cs:(r_gdt - real_start)
    ljmpl $CODE, $back

r_kbc: /* command AL when the input buffer is empty, and wait until it is taken */
    movb %al, %ah
    call 1f
    movb %ah, %al
    outb %al, $0x64
1:
    inb $0x64, %al
    testb $2, %al
    jnz 1b
    ret

r_far:
    movw %cs, %dx
    lretw

r_int21:
    pushw %bp
    movw %sp, %bp
    pushl %eax
    movw 2(%bp), %ax
    movw %ax, %cs:(r_frame - real_start)
    movw 4(%bp), %ax
    movw %ax, %cs:(r_frame + 2 - real_start)
    movw 6(%bp), %ax
    movw %ax, %cs:(r_frame + 4 - real_start)
    pushfw
    popw %ax
    movw %ax, %cs:(r_frame + 6 - real_start)
    popl %eax
    popw %bp
    iretw

r_store: /* value above the return address; appended to RESULT */
    pushl %ebx
    pushl %eax
    pushw %ds
    movw %sp, %bx
    movl %ss:12(%bx), %eax
    movw $(RESULT >> 4), %bx
    movw %bx, %ds
    movw %cs:(r_next - real_start), %bx
    movl %eax, (%bx)
    addw $4, %cs:(r_next - real_start)
    popw %ds
    popl %eax
    popl %ebx
    retw $4

r_done:
    STORE %cs:(r_fault - real_start)
    ret

    .balign 4
r_stubs: /* CALL to the common handler: the return address tells the vector */
    .rept 32
    call r_exception
    nop
    .endr
r_exception:
    popw %ax
    subw $(r_stubs - real_start + 3), %ax
    shrw $2, %ax
    popw %bx /* IP */
    subw %cs:(r_begin - real_start), %bx
    movw %bx, %cs:(r_fault - real_start)
    movw %ax, %cs:(r_fault + 2 - real_start)
    movw $STACK, %ax
    movw %ax, %ss
    movw %cs:(r_sp - real_start), %sp
    pushw $2
    popfw
    jmp *%cs:(r_resume - real_start)

    .balign 4
r_begin:
    .word 0
r_resume:
    .word 0
r_sp:
    .word 0
r_next:
    .word 0
r_fault:
    .long 0
r_frame:
    .skip 8
r_short_idt:
    .word 0xBF
    .long 0
r_full_idt:
    .word 0x3FF
    .long 0
r_gdt:
    .word GDT_LIMIT
    .long gdt
real_end:
    .code32
