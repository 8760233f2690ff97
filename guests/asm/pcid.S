/* Process-context identifiers (SDM vol. 3, 4.10): faults of CR4.PCIDE, CR3 and INVPCID, and what an address
 * means in several spaces, in loops that run often enough to be translated.
 *
 * A processor may drop a translation at any time, and Bochs drops all of them at every load of CR3. So what is
 * printed is what must be there: a space's own translation when its tables are used, the new one after what
 * must drop the old one. Whether a translation that nothing has dropped was kept is only counted, in `kept`,
 * where a comparison of engines sees it.
 *
 * Space n (from 0) has PCID n + 1 and tables of its own: at WINDOW, frame n; at SHARED a global page, the same
 * in all; at LARGE a large page. A frame holds n + 1, and a function that returns it, which ends in SHARED. */
#include "runtime64.inc"
#include "page_bits.inc"

    .set WINDOW, 0x7FFFC0000000 /* PML4 entry 255, PDPT entry 511 */
    .set SHARED, WINDOW + 0x1000
    .set LARGE, WINDOW + 0x200000
    .set SPACES, 40
    .set ROUNDS, 60
    .set PCIDE, 1 << 17
    .set PGE, 1 << 7
    .set FUNCTION, 0x100
    .set RETURN, 0x180

    .bss
    .balign 0x200000
large0:
    .skip 0x200000
large1:
    .skip 0x200000
tables: /* of each space: PML4, PDPT, PD, PT */
    .skip SPACES * 0x4000
frames:
    .skip SPACES * 0x1000
shared0:
    .skip 4096
shared1:
    .skip 4096
descriptor:
    .skip 16
rounds:
    .skip 8
kept:
    .skip 8
    .text

/* ---- Spaces ---- */

    /* RAX = PTE of WINDOW in space n */
    .macro PTE_OF n
    movq $(tables + \n * 0x4000 + 0x3000), %rax
    .endm

    /* Select space n, keeping what it has or not. */
    .macro SPACE n, keep=1
    movabsq $(tables + \n * 0x4000 + \n + 1 + (\keep << 63)), %rax
    movq %rax, %cr3
    .endm

select_rdi: /* the same for space RDI, kept; clobbers RAX */
    movq %rdi, %rax
    shlq $14, %rax
    leaq tables + 1(%rax,%rdi), %rax
    btsq $63, %rax
    movq %rax, %cr3
    ret

    .macro DROP type, pcid, address=0
    movq $\pcid, descriptor
    movabsq $\address, %rax
    movq %rax, descriptor + 8
    movl $\type, %eax
    invpcid descriptor, %rax
    .endm

fill_frame: /* at RDI with number RAX */
    movq %rax, (%rdi)
    movb $0xB8, FUNCTION(%rdi) /* mov $number, %eax; ret */
    movl %eax, FUNCTION + 1(%rdi)
    movb $0xC3, FUNCTION + 5(%rdi)
    movb $0xC3, RETURN(%rdi)
    ret

make_spaces:
    xorl %ecx, %ecx
1:
    movq %rcx, %rbx
    shlq $14, %rbx
    addq $tables, %rbx
    movq pml4, %rax
    movq %rax, (%rbx)
    leaq 0x1007(%rbx), %rax
    movq %rax, 255 * 8(%rbx)
    addq $0x1000, %rax
    movq %rax, 0x1000 + 511 * 8(%rbx)
    addq $0x1000, %rax
    movq %rax, 0x2000(%rbx)
    movq $large0 + P + W + U + PS, 0x2000 + 8(%rbx)
    movq %rcx, %rdi
    shlq $12, %rdi
    addq $frames, %rdi
    leaq P + W + U(%rdi), %rax
    movq %rax, 0x3000(%rbx)
    movq $shared0 + P + W + U + G, 0x3000 + 8(%rbx)
    leaq 1(%rcx), %rax
    call fill_frame
    movb $0xE9, FUNCTION + 5(%rdi) /* jmp SHARED + RETURN */
    movl $0x1000 + RETURN - FUNCTION - 10, FUNCTION + 6(%rdi)
    incl %ecx
    cmpl $SPACES, %ecx
    jb 1b
    movq $shared0, %rdi
    movl $0x100, %eax
    call fill_frame
    movq $shared1, %rdi
    movl $0x200, %eax
    call fill_frame
    movq $large0, %rdi
    movl $0x1000, %eax
    call fill_frame
    movq $large1, %rdi
    movl $0x2000, %eax
    call fill_frame
    ret

    .macro TEST text
    SAY "\text\n"
    movq $ROUNDS, rounds
    xorl %ebx, %ebx
    .endm

    .macro LOOP label
    decq rounds
    jnz \label
    .endm

    /* RBX += what address holds, and what the function there returns */
    .macro VISIT address
    movabsq $(\address), %rdx
    addq (%rdx), %rbx
    movabsq $(\address + FUNCTION), %rdx
    call *%rdx
    addq %rax, %rbx
    .endm

    /* Was the translation of WINDOW, whose number was `old`, kept? */
    .macro COUNT_KEPT old
    movabsq $WINDOW, %rdx
    xorl %ecx, %ecx
    cmpq $\old, (%rdx)
    sete %cl
    addq %rcx, kept
    .endm

/* ---- Faults ---- */

faults_before:
    PROBE "CR3 bit 63 without PCIDE"
    movabsq $(pml4 + (1 << 63)), %rax
    movq %rax, %cr3
    DONE
    PROBE "INVPCID of an address, PCID 0, without PCIDE"
    DROP 0, 0, WINDOW
    DONE
    PROBE "INVPCID of an address, PCID 1, without PCIDE"
    DROP 0, 1, WINDOW
    DONE
    PROBE "INVPCID of PCID 1 without PCIDE"
    DROP 1, 1
    DONE
    PROBE "INVPCID of all without PCIDE"
    DROP 2, 1
    DONE
    movq %cr3, %rax
    orq $0x18, %rax
    movq %rax, %cr3
    PROBE "PCIDE with bits in CR3"
    movq %cr4, %rax
    orq $PCIDE, %rax
    movq %rax, %cr4
    DONE
    movq $pml4, %rax
    movq %rax, %cr3
    PROBE "PCIDE"
    movq %cr4, %rax
    orq $(PCIDE | PGE), %rax
    movq %rax, %cr4
    DONE
    ret

faults_after:
    PROBE "CR3 bit 63"
    SPACE 0
    DONE
    movq %cr3, %rax
    subq $tables, %rax
    SHOW "CR3 reads as tables +", %rax, 16
    PROBE "CR3 bit 62"
    movabsq $(pml4 + (1 << 62)), %rax
    movq %rax, %cr3
    DONE
    PROBE "PCIDE and another PCID"
    movq %cr4, %rax
    movq %rax, %cr4
    DONE
    PROBE "PAE cleared"
    movq %cr4, %rax
    andq $~0x20, %rax
    movq %rax, %cr4
    DONE
    PROBE "PG cleared in compatibility mode"
    pushq $CODE32
    pushq $1f
    lretq
    .code32
1:
    movl %cr0, %eax
    andl $0x7FFFFFFF, %eax
    movl %eax, %cr0
    ud2
    DONE
    .irp type, 0, 1, 2, 3, 4, 0x7FFFFFFF
    PROBE "INVPCID type \type"
    DROP \type, 2, WINDOW
    DONE
    PROBE "INVPCID type \type, bit 12 of the PCID"
    DROP \type, 0x1000, WINDOW
    DONE
    PROBE "INVPCID type \type, non-canonical address"
    DROP \type, 2, 0x800000000000
    DONE
    .endr
    PROBE "INVPCID, type of 64 bits"
    btsq $32, %rax
    invpcid descriptor, %rax
    DONE
    PROBE "INVPCID, non-canonical operand"
    movabsq $0x800000000000, %rdx
    movl $2, %eax
    invpcid (%rdx), %rax
    DONE
    PROBE "INVPCID, operand not present"
    movabsq $(WINDOW + 0x5000), %rdx
    movl $2, %eax
    invpcid (%rdx), %rax
    DONE
    USER "INVPCID at CPL 3"
    movl $2, %eax
    invpcid descriptor, %rax
    USER_DONE
    ret

/* ---- Own tables ---- */

test_own:
    TEST "each space its own"
1:
    SPACE 0
    VISIT WINDOW
    SPACE 1
    VISIT WINDOW
    VISIT SHARED
    LOOP 1b
    SHOW "sum", %rbx, 8
    TEST "more spaces than fit"
1:
    xorl %edi, %edi
2:
    call select_rdi
    VISIT WINDOW
    addl $7, %edi /* in another order each time around */
    cmpl $SPACES, %edi
    jb 3f
    subl $SPACES, %edi
3:
    testl %edi, %edi
    jnz 2b
    LOOP 1b
    SHOW "sum", %rbx, 8
    ret

/* At CPL 3, called with INT back. */
test_user:
    TEST "each space its own at CPL 3"
    movq $20, rounds
1:
    SPACE 2
    USER "space 2"
    .rept 3
    VISIT WINDOW
    .endr
    USER_DONE
    SPACE 3
    USER "space 3"
    .rept 3
    VISIT WINDOW
    VISIT LARGE
    .endr
    USER_DONE
    LOOP 1b
    SHOW "sum", %rbx, 8
    ret

/* ---- What drops a translation of another space ---- */

    /* Space 0 learns a mapping; from space 1 it is changed, then `how` is done to space 0's, and space 0 must
     * see the new one, and set A. */
    .macro DROPS text, how:vararg
    TEST "\text"
1:
    PTE_OF 0
    movq $frames + P + W + U, (%rax)
    SPACE 0, 0
    VISIT WINDOW
    SPACE 1
    VISIT WINDOW
    PTE_OF 0
    movq $frames + 0x2000 + P + W + U, (%rax)
    \how
    SPACE 0
    VISIT WINDOW
    PTE_OF 0
    movq (%rax), %rax
    andl $A, %eax
    addq %rax, %rbx
    LOOP 1b
    SHOW "sum", %rbx, 8
    .endm

    .macro CR4_TWICE bit
    movq %cr4, %rax
    xorq $\bit, %rax
    movq %rax, %cr4
    xorq $\bit, %rax
    movq %rax, %cr4
    .endm

    .macro PCIDE_AND_BACK
    movq %cr4, %rax
    andq $~PCIDE, %rax
    movq %rax, %cr4
    movq $pml4, %rax
    movq %rax, %cr3
    movq %cr4, %rax
    orq $PCIDE, %rax
    movq %rax, %cr4
    .endm

    .macro SPACE_0_AND_INVLPG
    SPACE 0
    movabsq $WINDOW, %rax
    invlpg (%rax)
    .endm

test_drops:
    DROPS "INVPCID of the address", DROP 0, 1, (WINDOW + 0x123)
    DROPS "INVPCID of the PCID", DROP 1, 1
    DROPS "INVPCID of all", DROP 2, 0
    DROPS "INVPCID of all but global ones", DROP 3, 0
    DROPS "CR3 without bit 63", SPACE 0, 0
    DROPS "INVLPG", SPACE_0_AND_INVLPG
    DROPS "CR4.PGE", CR4_TWICE PGE
    DROPS "CR4.PCIDE cleared", PCIDE_AND_BACK
    PTE_OF 0
    movq $frames + P + W + U, (%rax)
    DROP 2, 0
    ret

/* Nothing that must drop space 0's: the old one, or the new one. */
test_kept:
    TEST "what need not be dropped"
1:
    .irp what, 0, 1, 2, 3
    PTE_OF 0
    movq $frames + P + W + U, (%rax)
    SPACE 0, 0
    VISIT WINDOW
    SPACE 1
    PTE_OF 0
    movq $frames + 0x2000 + P + W + U, (%rax)
    .if \what == 1
    DROP 1, 2
    .elseif \what == 2
    DROP 0, 2, WINDOW
    .elseif \what == 3
    movabsq $WINDOW, %rax
    invlpg (%rax)
    .endif
    SPACE 0
    COUNT_KEPT 1
    .endr
    LOOP 1b
    SHOW "sum", %rbx, 8
    PTE_OF 0
    movq $frames + P + W + U, (%rax)
    DROP 2, 0
    ret

/* ---- Global and large pages ---- */

    /* Spaces 0 and 1 learn the global page; it is changed in the tables of both, and what space 1 does must drop
     * it for space 0, too. */
    .macro DROPS_GLOBAL text, how:vararg
    TEST "global page: \text"
1:
    .irp frame, shared0, shared1
    PTE_OF 0
    movq $\frame + P + W + U + G, 8(%rax)
    PTE_OF 1
    movq $\frame + P + W + U + G, 8(%rax)
    SPACE 1
    \how
    SPACE 0
    VISIT SHARED
    SPACE 1
    VISIT SHARED
    .endr
    LOOP 1b
    SHOW "sum", %rbx, 8
    .endm

    .macro INVLPG_SHARED
    movabsq $SHARED, %rax
    invlpg (%rax)
    .endm

test_global:
    DROPS_GLOBAL "INVLPG", INVLPG_SHARED
    DROPS_GLOBAL "INVPCID of all", DROP 2, 0
    DROPS_GLOBAL "CR4.PGE", CR4_TWICE PGE
    /* A page that is global in one space and not in another. */
    TEST "global in one space"
1:
    PTE_OF 0
    movq $shared0 + P + W + U, 8(%rax)
    PTE_OF 1
    movq $shared0 + P + W + U + G, 8(%rax)
    DROP 2, 0
    SPACE 0
    VISIT SHARED
    SPACE 1
    VISIT SHARED
    PTE_OF 0
    movq $shared1 + P + W + U, 8(%rax)
    DROP 2, 0
    SPACE 0
    VISIT SHARED
    LOOP 1b
    SHOW "sum", %rbx, 8
    ret

    .macro PDE_LARGE n, frame
    movq $\frame + P + W + U + PS, tables + \n * 0x4000 + 0x2008
    .endm

test_large:
    TEST "large page: INVPCID of an address in it"
1:
    PDE_LARGE 0, large0
    SPACE 0, 0
    VISIT LARGE
    movabsq $LARGE + 0x1FF000, %rdx
    addq (%rdx), %rbx
    SPACE 1
    VISIT LARGE
    PDE_LARGE 0, large1
    DROP 0, 1, (LARGE + 0x54321)
    SPACE 0
    VISIT LARGE
    LOOP 1b
    SHOW "sum", %rbx, 8
    ret

/* ---- All ---- */

    /* RBX = a bit of what CPUID leaf \leaf says in \register. */
    .macro FEATURE text, leaf, register, bit
    movl $\leaf, %eax
    xorl %ecx, %ecx
    cpuid
    movl \register, %eax
    shrl $\bit, %eax
    andl $1, %eax
    movl %eax, %r12d
    SHOW "\text", %r12, 1
    .endm

main:
    SAY "pcid\n"
    FEATURE "INVPCID", 7, %ebx, 10
    FEATURE "PCID", 1, %ecx, 17
    testl %r12d, %r12d
    jnz 1f
    PROBE "PCIDE"
    movq %cr4, %rax
    orq $PCIDE, %rax
    movq %rax, %cr4
    DONE
    PROBE "INVPCID"
    DROP 2, 0
    DONE
    SAY "end\n"
    ret
1:
    call make_spaces
    call faults_before
    call faults_after
    call test_own
    call test_user
    call test_drops
    call test_kept
    call test_global
    call test_large
    movq $pml4, %rax
    movq %rax, %cr3
    SAY "end\n"
    ret
