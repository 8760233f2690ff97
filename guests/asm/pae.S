/* PAE paging: NX, 2 MB pages, reserved bits, PDPTEs that are loaded with CR3 (SDM vol. 3, 4.4). Needs a CPU
 * with NX. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"
#include "window_pae.inc"
#include "paging.inc"

    .bss
want_pde:
    .skip 8
want_pte:
    .skip 8
    .text

set_entries:
    pushl %eax
    movl want_pde, %eax
    orl $pt_window, %eax
    movl %eax, pd_window
    movl want_pde + 4, %eax
    movl %eax, pd_window + 4
    movl want_pte, %eax
    orl $frame0, %eax
    movl %eax, pt_window
    movl want_pte + 4, %eax
    movl %eax, pt_window + 4
    FLUSH
    popl %eax
    ret

show_bits:
    cmpl $0, probe_failed
    jne 1f
    SAY "      pde "
    HEX pd_window, 3
    SAY " pte "
    HEX pt_window, 3
    NEWLINE
1:
    ret

    .data
rows: /* PDE low, high, PTE low, high */
    .long P | W | U, 0, P | W | U, 0
    .long P | W | U, 0, P | W | U, NX
    .long P | W | U, NX, P | W | U, 0
    .long P | W | U, NX, P | U, NX
    .long P | U, 0, P | W | U, 0
    .long P | W, 0, P | W | U, 0
    .long P | W | U, 0, P | W, NX
    .long P | W | U, 0, 0, NX
    .long 0, NX, P | W | U, 0
    .long P | W | U, 0x00100000, P | W | U, 0 /* bit 52 */
    .long P | W | U, 0, P | W | U, 0x40000000 /* bit 62 */
    .long P | W | U, 0, P | U, 0x00080000     /* bit 51 */
rows_end:
    .text

test_rows:
    movl $rows, %ebp
1:
    movl (%ebp), %eax
    movl %eax, want_pde
    movl 4(%ebp), %eax
    movl %eax, want_pde + 4
    movl 8(%ebp), %eax
    movl %eax, want_pte
    movl 12(%ebp), %eax
    movl %eax, want_pte + 4
    SAY "  pde "
    HEX 4(%ebp), 8
    SAY " "
    HEX (%ebp), 3
    SAY " pte "
    HEX 12(%ebp), 8
    SAY " "
    HEX 8(%ebp), 3
    NEWLINE
    movl $set_entries, %esi
    call try_all
    addl $16, %ebp
    cmpl $rows_end, %ebp
    jb 1b
    ret

test_large:
    movl $P | W | U | PS, pd_window
    movl $0, pd_window + 4
    FLUSH
    PROBE "2 MB page"
    movl WINDOW + 0x100000, %eax
    DONE
    SHOW "eax", %eax, 8
    SHOW "pde", pd_window, 8
    PROBE "2 MB page, write"
    movl $0x55AA, WINDOW + frame0
    DONE
    SHOW "frame", frame0, 8
    SHOW "pde", pd_window, 8
    movl $NX, pd_window + 4
    FLUSH
    PROBE "2 MB page with NX"
    movl $WINDOW + op_read, %eax
    call *%eax
    DONE
    movl $0, pd_window + 4
    movl $0x2000 | P | W | U | PS, pd_window
    FLUSH
    PROBE "2 MB page, bit 13 reserved"
    movl WINDOW, %eax
    DONE
    ret

test_pdptes:
    PROBE "pdpte not present"
    movl 0x80000000, %eax
    DONE
    PROBE "pdpte with w bit: mov cr3"
    movl $pd_window + P + W, pdpt + 16
    FLUSH
    DONE
    PROBE "pdpte with bit 8: mov cr3"
    movl $pd_window + P + 0x100, pdpt + 16
    FLUSH
    DONE
    PROBE "pdpte not present with reserved bits"
    movl $pd_window + 0x1FE, pdpt + 16
    FLUSH
    DONE
    movl $pt_window + P + W + U, pd_window
    movl $frame0 + P + W + U, pt_window
    movl $0, pt_window + 4
    FLUSH
    movl $pd_window + P, pdpt + 16 /* not loaded yet: as long as nobody writes CR3, CR0.PG or CR4.PAE */
    PROBE "pdpte in memory only"
    movl 0x80000008, %eax
    DONE
    FLUSH
    PROBE "pdpte loaded"
    movl 0x80000008, %eax
    DONE
    movl $0, pdpt + 16
    PROBE "pdpte kept by the cpu"
    invlpg 0x80000000
    movl 0x80000008, %eax
    DONE
    ret

main:
    SAY "pae\n"
    call paging_on
    SAY "EFER.NXE 0\n"
    call test_rows
    movl $EFER, %ecx
    rdmsr
    orl $0x800, %eax
    wrmsr
    SAY "EFER.NXE 1\n"
    call test_rows
    call test_large
    call test_pdptes
    SAY "end\n"
    ret
