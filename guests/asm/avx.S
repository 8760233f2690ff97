/* x86-64-v3 in code that runs often enough to be translated: what YMM registers hold across legacy and VEX
 * instructions, XSAVE and modes; what switches AVX off; alignment, pages and unmasked exceptions; AES and bit
 * manipulation. Sums over all iterations are printed. */
#include "runtime64.inc"
#include "window64.inc"

    .set ROUNDS, 100
    .set TS, 8

    .bss
    .balign 4096
frame0:
    .skip 4096
frame1:
    .skip 4096
    .balign 64
area: /* of XSAVE */
    .skip 1024
image: /* of YMM registers */
    .skip 16 * 32
rounds:
    .skip 8
count:
    .skip 8

    .section .rodata
    .balign 32
words:
    .set n, 0
    .rept 16 * 8
    .long 0x3F800000 + n * 0x00123457
    .set n, n + 1
    .endr
/* FIPS 197, appendix B: input, key */
plain:
    .byte 0x32, 0x43, 0xF6, 0xA8, 0x88, 0x5A, 0x30, 0x8D, 0x31, 0x31, 0x98, 0xA2, 0xE0, 0x37, 0x07, 0x34
key:
    .byte 0x2B, 0x7E, 0x15, 0x16, 0x28, 0xAE, 0xD2, 0xA6, 0xAB, 0xF7, 0x15, 0x88, 0x09, 0xCF, 0x4F, 0x3C
indexes: /* of doublewords: the last four are in the next page */
    .long 0, 5, 9, 1, 1024, 1030, 1025, 1040
mask:
    .long -1, -1, -1, -1, 0, 0, 0, 0
    .text

    .macro TEST text
    SAY "\text\n"
    movq $ROUNDS, rounds
    xorl %ebx, %ebx
    movq $0, count
    .endm

    .macro LOOP label
    decq rounds
    jnz \label
    .endm

    .macro HANDLER vector, to
    GATE idt, (16*\vector), CODE, \to, 0x8E
    .endm

    .macro NO_HANDLER vector
    GATE idt, (16*\vector), CODE, (stubs+16*\vector), 0x8E
    .endm

    .macro MAP n, frame, bits
    movl $\frame + \bits, w_pt + 8 * \n
    movabsq $(WINDOW + 4096 * \n), %rax
    invlpg (%rax)
    .endm

    .macro RESULT
    SHOW "sum", %rbx, 16
    SHOW "faults", count, 4
    .endm

enable:
    movq %cr4, %rax
    orl $0x40600, %eax /* OSXSAVE, OSXMMEXCPT, OSFXSR */
    movq %rax, %cr4
    movl $7, %eax
set_xcr0: /* to EAX */
    pushq %rcx
    pushq %rdx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xsetbv
    popq %rdx
    popq %rcx
    ret

load: /* all registers, from `words` */
    .set n, 0
    .irp reg, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vmovdqa words + n, %ymm\reg
    .set n, n + 32
    .endr
    ret

fold: /* all registers into RBX */
    .set n, 0
    .irp reg, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vmovdqa %ymm\reg, image + n
    .set n, n + 32
    .endr
    movl $image, %esi
    movl $64, %ecx
1:
    rorx $57, %rbx, %rbx
    addq (%rsi), %rbx
    addq $8, %rsi
    decl %ecx
    jnz 1b
    ret

/* ---- Upper halves ---- */

test_halves:
    TEST "legacy keeps upper halves, VEX clears them"
    call load
1:
    vpaddd %ymm1, %ymm0, %ymm8
    paddd %xmm2, %xmm8
    vpaddd %xmm3, %xmm8, %xmm9
    vaddss %xmm4, %xmm8, %xmm10
    addss %xmm4, %xmm11
    vmovd %ebx, %xmm12
    vpshufb %ymm8, %ymm13, %ymm13
    movdqa %xmm12, %xmm14
    call fold
    LOOP 1b
    RESULT
    TEST "VZEROUPPER, VZEROALL"
1:
    call load
    vpaddd %ymm1, %ymm0, %ymm8
    vzeroupper
    paddd %xmm2, %xmm8
    call fold
    vzeroall
    pxor %xmm2, %xmm8
    call fold
    LOOP 1b
    RESULT
    TEST "the same in 32-bit code"
1:
    call load
    ljmp *to_code32
    .pushsection .rodata
to_code32:
    .long 2f
    .word CODE32
    .popsection
    .code32
2:
    vpaddd %ymm1, %ymm0, %ymm2
    vzeroupper
    vpermq $0x1B, %ymm2, %ymm3
    ljmp $CODE, $3f
    .code64
3:
    call fold
    ljmp *again_code32
    .pushsection .rodata
again_code32:
    .long 4f
    .word CODE32
    .popsection
    .code32
4:
    vzeroall
    ljmp $CODE, $5f
    .code64
5:
    call fold
    LOOP 1b
    RESULT
    ret

/* ---- State in memory ---- */

test_save:
    TEST "XSAVE and XRSTOR"
1:
    call load
    vpaddd %ymm1, %ymm0, %ymm8
    movl $7, %eax
    xorl %edx, %edx
    xsave area
    vzeroall
    movl $2, %eax
    xrstor area
    call fold
    vzeroall
    movl $4, %eax
    xrstor area
    call fold
    movl $6, %eax
    xrstor area
    call fold
    LOOP 1b
    RESULT
    ret

/* ---- What switches AVX off ---- */

no_device: /* #NM */
    clts
    incq count
    iretq

no_opcode: /* #UD: XCR0 as it was */
    pushq %rax
    movl $7, %eax
    call set_xcr0
    popq %rax
    incq count
    iretq

test_off:
    HANDLER 7, no_device
    HANDLER 6, no_opcode
    TEST "CR0.TS"
    call load
1:
    vpaddd %ymm0, %ymm1, %ymm1
    movq %cr0, %rax
    orl $TS, %eax
    movq %rax, %cr0
    vpaddd %ymm1, %ymm2, %ymm2
    call fold
    LOOP 1b
    RESULT
    TEST "XCR0"
1:
    vpaddd %ymm0, %ymm1, %ymm1
    movl $3, %eax
    call set_xcr0
    paddd %xmm1, %xmm3
    andn %rbx, %rax, %rcx /* needs no vectors */
    vpaddd %ymm1, %ymm2, %ymm2
    call fold
    LOOP 1b
    RESULT
    NO_HANDLER 7
    NO_HANDLER 6
    movl $3, %eax
    call set_xcr0
    PROBE "VPXOR without XCR0.AVX"
    vpxor %xmm0, %xmm0, %xmm0
    DONE
    PROBE "ANDN without XCR0.AVX"
    andn %rbx, %rax, %rcx
    DONE
    movl $7, %eax
    call set_xcr0
    ret

/* ---- Memory ---- */

align: /* #GP */
    andl $~31, %esi
    incq count
    addq $8, %rsp
    iretq

appear: /* #PF: the page from now on is there */
    pushq %rax
    movl $frame1 + P + W, w_pt + 8
    movq %cr2, %rax
    shrq $12, %rax
    addq %rax, count
    popq %rax
    addq $8, %rsp
    iretq

test_memory:
    TEST "alignment"
    HANDLER 13, align
    call load
    movl $words, %esi
1:
    addl $16, %esi
    vmovdqa (%rsi), %ymm4 /* one in two is not aligned */
    vmovdqa 16(%rsi), %xmm5
    vpaddd 1(%rsi), %ymm4, %ymm6
    vmovdqu 7(%rsi), %ymm7
    movl $words, %ecx
    testb $3, rounds
    cmovzl %ecx, %esi
    pushq %rsi
    call fold
    popq %rsi
    LOOP 1b
    RESULT
    NO_HANDLER 13

    TEST "across pages, of which the second is not there"
    HANDLER 14, appear
    MAP 0, frame0, P | W
1:
    MAP 1, 0, 0
    movabsq $(WINDOW + 4096 - 8), %rdi
    vmovdqu %ymm2, (%rdi)
    vmovdqu (%rdi), %ymm8
    MAP 1, 0, 0
    movabsq $(WINDOW + 4096 - 16), %rdi
    vmovdqu (%rdi), %ymm9
    vpaddd -8(%rdi), %ymm8, %ymm2
    MAP 1, 0, 0
    movabsq $WINDOW, %rdi
    vmovdqa indexes, %ymm10
    vpcmpeqd %ymm11, %ymm11, %ymm11
    vpgatherdd %ymm11, (%rdi, %ymm10, 4), %ymm12
    MAP 1, 0, 0
    movabsq $(WINDOW + 4096 - 16), %rdi
    vmovdqa mask, %ymm13
    vpmaskmovd (%rdi), %ymm13, %ymm14 /* nothing of the second page */
    vpmaskmovd %ymm8, %ymm13, (%rdi)
    call fold
    LOOP 1b
    RESULT
    NO_HANDLER 14
    ret

/* ---- Floating point ---- */

masked: /* #XM: with all exceptions masked it is no fault; flags are kept */
    stmxcsr area
    orl $0x1F80, area
    vldmxcsr area
    incq count
    iretq

test_float:
    TEST "an unmasked exception"
    HANDLER 19, masked
    call load
    vxorps %ymm5, %ymm5, %ymm5
1:
    movl $0x1D80, area /* division by zero */
    ldmxcsr area
    vfmadd231ps %ymm1, %ymm2, %ymm3
    vdivps %ymm5, %ymm3, %ymm6
    vcvtps2ph $0, %ymm6, %xmm7
    vsqrtpd %ymm1, %ymm8
    vstmxcsr area
    addl area, %ebx
    call fold
    LOOP 1b
    RESULT
    NO_HANDLER 19
    ret

/* ---- AES and bits ---- */

    .macro NEXT_KEY constant, last=0
    aeskeygenassist $\constant, %xmm1, %xmm2
    vpshufd $0xFF, %xmm2, %xmm2
    vpslldq $4, %xmm1, %xmm3
    vpxor %xmm3, %xmm1, %xmm1
    vpslldq $8, %xmm1, %xmm3
    vpxor %xmm3, %xmm1, %xmm1
    vpxor %xmm2, %xmm1, %xmm1
    .if \last
    vaesenclast %xmm1, %xmm0, %xmm0
    .else
    aesenc %xmm1, %xmm0
    .endif
    .endm

test_aes:
    TEST "AES-128 of FIPS 197, appendix B, and again of the result"
    vmovdqu plain, %xmm0
1:
    vmovdqu key, %xmm1
    vpxor %xmm1, %xmm0, %xmm0
    NEXT_KEY 0x01
    NEXT_KEY 0x02
    NEXT_KEY 0x04
    NEXT_KEY 0x08
    NEXT_KEY 0x10
    NEXT_KEY 0x20
    NEXT_KEY 0x40
    NEXT_KEY 0x80
    NEXT_KEY 0x1B
    NEXT_KEY 0x36, 1
    cmpq $ROUNDS, rounds
    jne 2f
    vmovq %xmm0, %rax
    vpextrq $1, %xmm0, %rdx
    SHOW "once, low", %rax, 16
    SHOW "high", %rdx, 16
2:
    vpclmulqdq $0x11, %xmm0, %xmm1, %xmm4
    vmovq %xmm4, %rax
    rorx $3, %rbx, %rbx
    xorq %rax, %rbx
    LOOP 1b
    RESULT
    ret

test_bits:
    TEST "bit manipulation"
    movabsq $0x123456789ABCDEF, %rdx
    movq %rdx, %r10
1:
    mulx words(%rip), %r14, %r15
    andn %r14, %r15, %r11
    blsr %r11, %r11
    adcq $0, %rbx
    blsmsk %r14, %r8
    blsi words + 64(%rip), %r9
    adcq $0, %rbx
    bextr %r14, %r15, %rcx
    bzhi %r14, %r10, %rdi
    adcq $0, %rbx
    pdep %r10, %r14, %rsi
    pext %r15, %r10, %r12
    tzcntq %r14, %r13
    lzcntl words + 32(%rip), %ebp
    shlx %r13, %r14, %r14
    sarx %rbp, words(%rip), %rax
    movbeq words + 8(%rip), %rdx
    .irp reg, %r8, %r9, %rcx, %rdi, %rsi, %r12, %r13, %rbp, %r14, %rax, %r11
    rorx $59, %rbx, %rbx
    xorq \reg, %rbx
    .endr
    addq %rbx, %rdx
    addq %r11, %r10
    LOOP 1b
    RESULT
    ret

main:
    SAY "avx\n"
    call enable
    call window_on
    call test_halves
    call test_save
    call test_off
    call test_memory
    call test_float
    call test_aes
    call test_bits
    SAY "end\n"
    ret
