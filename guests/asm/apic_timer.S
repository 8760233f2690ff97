/* The local APIC's timer is started by a store while nothing else is due: its interrupt comes in time, though the
 * loop that waits for it leaves the fast path for nothing (SDM vol. 3, 10.5.4). Ends with value 0, or 1 if an
 * interrupt was late. For test_lab: how late is late depends on simulated time, so other emulators do not run it. */
    .set TSS_EXTRA, 4
#include "runtime32.inc"

    .set APIC, 0xFEE00000
    .set EOI, 0xB0
    .set SPURIOUS, 0xF0
    .set LVT_TIMER, 0x320
    .set INITIAL_COUNT, 0x380
    .set DIVIDE, 0x3E0
    .set VECTOR, 0x40
    .set COUNT, 1000   /* of the bus clock, which no profile has slower than a sixteenth of the CPU's */
    .set LATE, 17000   /* cycles */
    .set ROUNDS, 200

main:
    GATE idt, (8*VECTOR), CODE, arrived, 0x8E
    movl $0x100 + 0xFF, APIC + SPURIOUS
    movl $0xB, APIC + DIVIDE /* by 1 */
    movl $VECTOR, APIC + LVT_TIMER
    movl $ROUNDS, %ebp
    movl %esp, %ebx
next:
    sti
    nop
    rdtsc
    movl %eax, %esi
    movl $COUNT, APIC + INITIAL_COUNT /* the last that anything but the loop sees */
1:
    incl %ecx
    jmp 1b

arrived:
    rdtsc
    subl %esi, %eax
    movl %ebx, %esp
    movl $0, APIC + EOI
    cmpl $LATE, %eax
    ja late
    decl %ebp
    jnz next
    ret
late:
    EXIT_BODY 1
