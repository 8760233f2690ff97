/* SYSENTER and SYSEXIT in 32-bit protected mode, RDTSC and RDPMC guards, CLTS and device-not-available
 * (SDM vol. 2; vol. 3, 5.8.7). */
    .set TSS_EXTRA, 4
#include "runtime32.inc"

    .set MSR_CS, 0x174
    .set MSR_ESP, 0x175
    .set MSR_EIP, 0x176
    .set BASE, 0x30 /* CS; SS, user CS and user SS follow */

    .bss
    .balign 16
seen:
    .skip 64
    .text

    .macro WRMSR32 index, value
    movl $\index, %ecx
    movl $\value, %eax
    xorl %edx, %edx
    wrmsr
    .endm

entry:
    movl %eax, %ss:seen
    movl %cs, %eax
    movl %eax, %ss:seen + 4
    movl %ss, %eax
    movl %eax, %ss:seen + 8
    movl %esp, %ss:seen + 12
    pushfl
    popl %eax
    andl $0x003E7702, %eax
    movl %eax, %ss:seen + 16
    movl $0x11, %ss:seen + 20
    lar %ss:four_selectors, %eax /* descriptor tables are not consulted: selectors here are empty */
    setz %ss:seen + 20
    movl $user_back, %edx
    movl $user_stack_top - 64, %ecx
    sysexit

four_selectors:
    .word BASE

user_back:
    movl %cs, %eax
    movl %eax, seen + 24
    movl %ss, %eax
    movl %eax, seen + 28
    movl %esp, seen + 32
    pushfl
    popl %eax
    andl $0x003E7702, %eax
    movl %eax, seen + 36
    int $EXC_RETURN

    .macro SHOW_SEEN
    SHOW "cs", (seen+4), 4
    SHOW "ss", (seen+8), 4
    movl $interrupt_stack_top, %eax
    subl seen + 12, %eax
    SHOW "esp", %eax, 8
    SHOW "flags", (seen+16), 8
    SHOW "in the gdt", (seen+20), 2
    SHOW "user cs", (seen+24), 4
    SHOW "user ss", (seen+28), 4
    movl $user_stack_top, %eax
    subl seen + 32, %eax
    SHOW "user esp", %eax, 8
    SHOW "user flags", (seen+36), 8
    .endm

main:
    SAY "sysenter\n"
    WRMSR32 MSR_CS, 0
    PROBE "sysenter, null cs"
    sysenter
    DONE
    PROBE "sysexit, null cs"
    sysexit
    DONE
    WRMSR32 MSR_CS, BASE
    WRMSR32 MSR_ESP, interrupt_stack_top
    WRMSR32 MSR_EIP, entry
    movl $MSR_CS, %ecx
    rdmsr
    SHOW "msr cs", %eax, 8
    USER "user: sysenter and sysexit", 0x3202
    sysenter
    USER_DONE
    SHOW_SEEN
    PROBE "sysenter from cpl 0"
    pushl $0x202
    popfl
    sysenter
    DONE
    SHOW_SEEN
    WRMSR32 MSR_CS, (BASE+3)
    USER "user: msr cs with rpl 3"
    sysenter
    USER_DONE
    SHOW_SEEN
    WRMSR32 MSR_CS, BASE
    USER "user: sysexit"
    sysexit
    USER_DONE
    movl %cr4, %eax
    orl $4, %eax
    movl %eax, %cr4
    USER "user: rdtsc with cr4.tsd"
    rdtsc
    USER_DONE
    PROBE "rdtsc with cr4.tsd"
    rdtsc
    DONE
    movl %cr4, %eax
    andl $~4, %eax
    movl %eax, %cr4
    USER "user: rdtsc"
    rdtsc
    USER_DONE
    USER "user: cpuid"
    xorl %eax, %eax
    cpuid
    USER_DONE
    /* CR0.TS, EM, MP and the floating point unit. */
    movl %cr0, %eax
    orl $8, %eax
    movl %eax, %cr0
    PROBE "ts: fnop"
    fnop
    DONE
    PROBE "ts: fwait without mp"
    fwait
    DONE
    movl %cr0, %eax
    orl $2, %eax
    movl %eax, %cr0
    PROBE "ts: fwait with mp"
    fwait
    DONE
    PROBE "ts: movd"
    movd %eax, %mm0
    DONE
    PROBE "clts, fnop"
    clts
    fnop
    DONE
    movl %cr0, %eax
    orl $4, %eax
    movl %eax, %cr0
    PROBE "em: fnop"
    fnop
    DONE
    PROBE "em: emms"
    emms
    DONE
    PROBE "em: fwait"
    fwait
    DONE
    movl %cr0, %eax
    andl $~4, %eax
    movl %eax, %cr0
    PROBE "sse without osfxsr"
    xorps %xmm0, %xmm0
    DONE
    movl %cr4, %eax
    orl $0x200, %eax
    movl %eax, %cr4
    PROBE "sse with osfxsr"
    xorps %xmm0, %xmm0
    DONE
    PROBE "movaps misaligned"
    movaps seen + 4, %xmm0
    DONE
    PROBE "movups misaligned"
    movups seen + 4, %xmm0
    DONE
    PROBE "fxsave misaligned"
    fxsave seen + 8
    DONE
    PROBE "ldmxcsr reserved bits"
    movl $0x10000, seen
    ldmxcsr seen
    DONE
    SAY "end\n"
    ret
