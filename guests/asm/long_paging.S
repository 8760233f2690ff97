/* 4-level paging: permissions at all levels, NX, 2 MB and 1 GB pages, reserved bits, accesses across pages
 * (SDM vol. 3, 4.5 to 4.7). */
#include "runtime64.inc"
#include "window64.inc"

    .bss
    .balign 4096
frame0:
    .skip 4096
frame1:
    .skip 4096
op:
    .skip 8
    .text

ops:
    .quad op_read, op_write, op_rmw, op_exec
op_names:
    .quad name_read, name_write, name_rmw, name_exec
name_read:
    .asciz "read"
name_write:
    .asciz "write"
name_rmw:
    .asciz "rmw"
name_exec:
    .asciz "exec"
op_read:
    movabsq $(WINDOW + 8), %rdx
    movq (%rdx), %rax
    ret
op_write:
    movabsq $(WINDOW + 8), %rdx
    movq %rax, (%rdx)
    ret
op_rmw:
    movabsq $(WINDOW + 8), %rdx
    incq (%rdx)
    ret
op_exec:
    movabsq $(WINDOW + 0x10), %rdx
    call *%rdx
    ret

fill_frames:
    pushq %rax
    pushq %rcx
    pushq %rdi
    movq $frame0, %rdi
    movl $2048, %ecx
    movl $0x90909090, %eax
    rep stosl
    movb $0xC3, frame0 + 0x20
    popq %rdi
    popq %rcx
    popq %rax
    ret

try: /* op RBX */
    call fill_frames
    movq %rbx, op
    testb $4, %bl
    jnz 1f
    SAY "    S "
    jmp 2f
1:
    SAY "    U "
2:
    movq %rbx, %rax
    andl $3, %eax
    movq op_names(,%rax,8), %rax
    movq %rax, say_pointer
    call say
    testb $4, %bl
    jnz 3f
    PROBE ""
    call *ops(,%rbx,8)
    DONE
    jmp 4f
3:
    USER ""
    movq op, %rbx
    andl $3, %ebx
    call *ops(,%rbx,8)
    USER_DONE
    movq op, %rbx
4:
    cmpq $0, probe_failed
    jne 5f
    SAY "      "
    HEX w_pml4e, 3
    SAY " "
    HEX w_pdpte, 3
    SAY " "
    HEX w_pd, 3
    SAY " "
    HEX w_pt, 3
    NEWLINE
5:
    ret

/* Row R12: extra bits of PML4E, PDPTE, PDE, PTE. */
set_entries:
    movq (%r12), %rax
    orq $w_pdpt, %rax
    movq %rax, w_pml4e
    movq 8(%r12), %rax
    orq $w_pd, %rax
    movq %rax, w_pdpte
    movq 16(%r12), %rax
    orq $w_pt, %rax
    movq %rax, w_pd
    movq 24(%r12), %rax
    orq $frame0, %rax
    movq %rax, w_pt
    FLUSH
    ret

    .data
    .balign 8
    .set NX, 0x8000000000000000
    .set ALL, P | W | U
rows:
    .quad ALL, ALL, ALL, ALL
    .quad P | W, ALL, ALL, ALL
    .quad ALL, P | U, ALL, ALL
    .quad ALL, ALL, P | W, ALL
    .quad ALL, ALL, ALL, P
    .quad ALL | NX, ALL, ALL, ALL
    .quad ALL, ALL | NX, ALL, ALL
    .quad ALL, ALL, ALL | NX, ALL
    .quad ALL, ALL, ALL, ALL | NX
    .quad 0, ALL, ALL, ALL
    .quad ALL, 0, ALL, ALL
    .quad ALL, ALL, 0, ALL
    .quad ALL, ALL, ALL, 0
    .quad ALL | PS, ALL, ALL, ALL
    .quad ALL, ALL | 0x0008000000000000, ALL, ALL
    .quad ALL | 0x7FF0000000000000, ALL, ALL, ALL /* ignored bits */
    .quad ALL, ALL, P | U | NX, P | W
rows_end:
    .text

test_rows:
    movq $rows, %r12
1:
    SAY "  "
    HEX (%r12), 16
    SAY " "
    HEX 8(%r12), 16
    SAY " "
    HEX 16(%r12), 16
    SAY " "
    HEX 24(%r12), 16
    NEWLINE
    xorl %ebx, %ebx
2:
    call set_entries
    call try
    incl %ebx
    cmpl $8, %ebx
    jb 2b
    addq $32, %r12
    cmpq $rows_end, %r12
    jb 1b
    ret

test_large:
    movq $rows, %r12
    call set_entries
    movq $(0x200000 | ALL | PS), %rax
    movq %rax, w_pd
    FLUSH
    movabsq $WINDOW, %r14
    PROBE "2 MB page"
    movq 0x10(%r14), %rax
    movb %al, 0x1FFFFF(%r14)
    DONE
    SHOW "pde", w_pd, 8
    movq $(0x200000 | ALL | PS | 0x2000), %rax
    movq %rax, w_pd
    FLUSH
    PROBE "2 MB page, bit 13 reserved"
    movq 0x10(%r14), %rax
    DONE
    movq $(P | W | PS), w_pdpte
    FLUSH
    PROBE "1 GB page"
    movl 0x100000(%r14), %eax /* the Multiboot header */
    DONE
    movl %eax, %eax
    SHOW "eax", %rax, 8
    SHOW "pdpte", w_pdpte, 8
    PROBE "1 GB page, write"
    movq %rax, frame0(%r14)
    DONE
    SHOW "pdpte", w_pdpte, 8
    USER "user: supervisor 1 GB page"
    movabsq $WINDOW, %r14
    movl 0x100000(%r14), %eax
    USER_DONE
    movq $(P | W | PS | 0x2000), w_pdpte
    FLUSH
    movabsq $WINDOW, %r14
    PROBE "1 GB page, bit 13 reserved"
    movl 0x100000(%r14), %eax
    DONE
    ret

    .macro CROSS what, pte0, pte1, code:vararg
    call fill_frames
    movq $(frame0 + \pte0), %rax
    movq %rax, w_pt
    movq $(frame1 + \pte1), %rax
    movq %rax, w_pt + 8
    FLUSH
    movabsq $(WINDOW + 0x1000), %r14
    PROBE "\what"
    \code
    DONE
    SHOW "tail", (frame0+4088), 16
    SHOW "head", frame1, 16
    .endm

test_crossing:
    movq $rows, %r12
    call set_entries
    movabsq $0x1122334455667788, %r13
    CROSS "write, both", ALL, ALL, movq %r13, -3(%r14)
    CROSS "write, second absent", ALL, 0, movq %r13, -3(%r14)
    CROSS "write, second read-only", ALL, P, movq %r13, -3(%r14)
    CROSS "rmw, second read-only", ALL, P, addq %r13, -3(%r14)
    CROSS "read, first absent", 0, ALL, movq -3(%r14), %rax
    CROSS "cmpxchg8b, second read-only", ALL, P, cmpxchg8b -3(%r14)
    movq %cr4, %rax
    orq $0x200, %rax
    movq %rax, %cr4
    xorps %xmm0, %xmm0
    CROSS "movups store, second absent", ALL, 0, movups %xmm0, -8(%r14)
    CROSS "movups store, both", ALL, ALL, movups %xmm0, -7(%r14)
    CROSS "cmpxchg16b, misaligned", ALL, ALL, cmpxchg16b -8(%r14)
    CROSS "cmpxchg16b, read-only", P, P, cmpxchg16b -16(%r14)
    ret

main:
    SAY "long_paging\n"
    call test_rows
    call test_large
    call test_crossing
    SAY "end\n"
    ret
