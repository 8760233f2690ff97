/* 32-bit paging: present, R/W, U/S, CR0.WP, accessed and dirty bits, error codes and CR2, 4 MB pages, accesses
 * that cross a page, faults of implicit accesses (SDM vol. 3, 4.3, 4.6, 4.7, 4.8).
 *
 * Accessed bits of upper levels after a fault are left to implementations (4.8), so entries are shown only
 * after accesses that succeeded. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"
#include "window32.inc"
#include "paging.inc"

    .macro SET_WP on
    movl %cr0, %eax
    andl $~0x10000, %eax
    orl $(\on << 16), %eax
    movl %eax, %cr0
    .endm

    .bss
want_pde:
    .skip 4
want_pte:
    .skip 4
    .text

set_entries:
    pushl %eax
    movl want_pde, %eax
    orl $pt_window, %eax
    movl %eax, window_pde
    movl want_pte, %eax
    orl $frame0, %eax
    movl %eax, pt_window
    movl $frame1 + P + W + U, pt_window + 4
    FLUSH
    popl %eax
    ret

show_bits:
    cmpl $0, probe_failed
    jne 1f
    SAY "      pde "
    HEX window_pde, 3
    SAY " pte "
    HEX pt_window, 3
    SAY " "
    HEX (pt_window + 4), 3
    NEWLINE
1:
    ret

/* ---- Every combination of P, W and U in both levels ---- */

test_permissions:
    movl $pdes, %ebp
1:
    movl (%ebp), %eax
    movl %eax, want_pde
    xorl %edx, %edx
2:
    movl ptes(,%edx,4), %eax
    movl %eax, want_pte
    SAY "  pde "
    HEX want_pde, 3
    SAY " pte "
    HEX want_pte, 3
    NEWLINE
    movl $set_entries, %esi
    call try_all
    incl %edx
    cmpl $5, %edx
    jb 2b
    addl $4, %ebp
    cmpl $pdes_end, %ebp
    jb 1b
    ret

    .data
pdes:
    .long P | W | U, P | U, P | W, 0
pdes_end:
ptes:
    .long 0, P, P | W, P | U, P | W | U
    .text

/* ---- Accesses across the two pages ---- */

    .macro CROSS what, pte0, pte1, code:vararg
    call fill_frames
    movl $frame0 + \pte0, pt_window
    movl $frame1 + \pte1, pt_window + 4
    FLUSH
    PROBE "\what"
    \code
    DONE
    SHOW "tail", (frame0 + 4092), 8
    SHOW "head", frame1, 8
    call show_bits
    .endm

test_crossing:
    movl $pt_window + P + W + U, window_pde
    CROSS "write, both pages", P | W, P | W, movl $0x12345678, WINDOW + 0xFFE
    CROSS "write, second absent", P | W, 0, movl $0x12345678, WINDOW + 0xFFE
    CROSS "write, first absent", 0, P | W, movl $0x12345678, WINDOW + 0xFFE
    CROSS "write, both absent", 0, 0, movl $0x12345678, WINDOW + 0xFFE
    CROSS "write, second read-only", P | W, P, movl $0x12345678, WINDOW + 0xFFD
    CROSS "read, second absent", P | W, 0, movl WINDOW + 0xFFF, %eax
    CROSS "rmw, second read-only", P | W, P, incl WINDOW + 0xFFD
    CROSS "rmw, both pages", P | W, P | W, addl $1, WINDOW + 0xFFE
    CROSS "xchg, second read-only", P | W, P, xchgl %eax, WINDOW + 0xFFE
    CROSS "cmpxchg not equal, read-only", P, P, cmpxchgl %ecx, WINDOW + 0x10
    CROSS "bt, read-only", P, P, btl $1, WINDOW + 0x10
    CROSS "bts, read-only", P, P, btsl $1, WINDOW + 0x10
    CROSS "sgdt, both pages", P | W, P | W, sgdt WINDOW + 0xFFE
    call fill_frames
    movl $frame0 + P + W, pt_window
    movl $0, pt_window + 4
    FLUSH
    PROBE "rep movsd into an absent page"
    movl $frame1, %esi
    movl $WINDOW + 0xFF0, %edi
    movl $100, %ecx
    rep movsl
    DONE
    SHOW "ecx", %ecx, 8
    SHOW "edi", %edi, 8
    movl $frame1, %eax
    subl %esi, %eax
    SHOW "minus esi", %eax, 8
    PROBE "rep stosb backwards into an absent page"
    movl $WINDOW - 0xF00, %esi
    movl $WINDOW + 3, %edi
    movl $100, %ecx
    std
    rep stosb
    DONE
    cld
    SHOW "ecx", %ecx, 8
    SHOW "edi", %edi, 8
    movl $0, pt_window
    movl $frame1 + P + W + U, pt_window + 4
    FLUSH
    USER "push into an absent page"
    movl $WINDOW + 0x1000, %esp
    pushl $1
    USER_DONE
    SHOW "esp", probe_outer_esp, 8
    USER "pusha across into an absent page"
    movl $WINDOW + 0x1010, %esp
    pushal
    USER_DONE
    SHOW "esp", probe_outer_esp, 8
    USER "call with the stack in an absent page"
    movl $WINDOW + 0x1000, %esp
    call op_read
    USER_DONE
    SHOW "esp", probe_outer_esp, 8
    call fill_frames
    USER "run off the end into an absent page"
    movl $WINDOW + 0x1000, %eax
    jmp *%eax
    USER_DONE
    ret

/* ---- Implicit accesses ---- */

test_implicit:
    /* A copy of the GDT whose entries from 130h on lie in the second page of the window. */
    call fill_frames
    movl $gdt, %esi
    movl $frame0 + 0x1000 - 0x130, %edi
    movl $0x130 / 4, %ecx
    rep movsl
    movl $frame0 + P + W, pt_window
    movl $0, pt_window + 4
    FLUSH
    lgdt high_gdt
    PROBE "descriptor in an absent page"
    movl $0x138, %eax
    movl %eax, %fs
    DONE
    USER "user: descriptor in an absent page"
    movl $0x13B, %eax
    movl %eax, %fs
    USER_DONE
    movl $frame1 + P, pt_window + 4 /* supervisor, read-only */
    movl $0x0000FFFF, frame1 + 8    /* data, DPL 3, not accessed */
    movl $0x00CFF200, frame1 + 12
    FLUSH
    USER "user: descriptor in a supervisor page, accessed bit to set"
    movl $0x13B, %eax
    movl %eax, %fs
    USER_DONE
    SHOW "access", (frame1 + 13), 2
    movl $0x00CFF200, frame1 + 12
    SET_WP 1
    FLUSH
    USER "user: the same with WP"
    movl $0x13B, %eax
    movl %eax, %fs
    USER_DONE
    SHOW "access", (frame1 + 13), 2
    movl $0x00CFF300, frame1 + 12
    USER "user: accessed already, with WP"
    movl $0x13B, %eax
    movl %eax, %fs
    USER_DONE
    SET_WP 0
    lgdt gdt_register
    ret

    .data
high_gdt:
    .word 0x1FF
    .long WINDOW + 0x1000 - 0x130
    .text

/* ---- 4 MB pages ---- */

test_large:
    movl $P | W | PS, %eax /* without CR4.PSE: a page table at physical 0 */
    movl %eax, window_pde
    movl $0, 0x400 /* that table's entry 100h */
    FLUSH
    PROBE "ps without cr4.pse"
    movl WINDOW + 0x100000, %eax
    DONE
    movl %cr4, %eax
    orl $0x10, %eax
    movl %eax, %cr4
    PROBE "4 MB page"
    movl WINDOW + 0x100000, %eax /* the Multiboot header */
    DONE
    SHOW "eax", %eax, 8
    SHOW "pde", window_pde, 8
    PROBE "4 MB page, write"
    movl $0x55AA, WINDOW + frame0
    DONE
    SHOW "frame", frame0, 8
    SHOW "pde", window_pde, 8
    USER "user: supervisor 4 MB page"
    movl WINDOW + 0x100000, %eax
    USER_DONE
    movl $P | U | PS, window_pde
    SET_WP 1
    FLUSH
    USER "user: read-only 4 MB page"
    movl %eax, WINDOW + 0x100000
    USER_DONE
    PROBE "supervisor, WP: read-only 4 MB page"
    movl %eax, WINDOW + 0x100000
    DONE
    SET_WP 0
    movl $0x200000 | P | W | PS, window_pde
    FLUSH
    PROBE "4 MB page, bit 21 reserved"
    movl WINDOW, %eax
    DONE
    ret

main:
    SAY "paging\n"
    call paging_on
    SAY "WP 0\n"
    call test_permissions
    SET_WP 1
    SAY "WP 1\n"
    call test_permissions
    call test_crossing
    SET_WP 0
    call test_implicit
    call test_large
    SAY "end\n"
    ret
