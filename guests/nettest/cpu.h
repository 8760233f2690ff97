/* Segments, descriptor tables, exceptions and task state of the nettest kernel. The assembly files include
 * this too. Selector numbers and the stack layout of an entry are those Linux 2.2 used, because the point of
 * this guest is to look like it. */
#ifndef NETTEST_CPU_H
#define NETTEST_CPU_H

#define KERNEL_BASE 0xc0000000 /* virtual address of physical address 0 */
#define KERNEL_CS   0x10
#define KERNEL_DS   0x18
#define USER_CS     0x23
#define USER_DS     0x2b
#define TSS_IDLE    0x30
#define TSS_USER    0x38

#define STACK_SIZE  8192
#define VECTOR_IRQ0 0x20

#ifndef __ASSEMBLER__

#include <stdint.h>

/* What entry.S leaves on the kernel stack. */
struct frame {
    uint32_t edi, esi, ebp, unused_esp, ebx, edx, ecx, eax;
    uint32_t ds, es;
    uint32_t vector, error;
    uint32_t eip, cs, eflags;
    uint32_t esp, ss; /* only when the entry came from ring 3 */
};

/* Kernel stacks of the two tasks, in boot.S. */
extern uint8_t idle_stack[STACK_SIZE], user_stack[STACK_SIZE];

void cpu_init(void);

/* Makes `selector` (TSS_IDLE or TSS_USER) the current task: its kernel stack is used from ring 3. */
void cpu_load_task(uint16_t selector);

/* Called by entry.S with every exception, interrupt and system call. */
void trap_dispatch(struct frame *frame);

/* entry.S */
void task_switch(uint32_t *save_esp, uint32_t load_esp);
_Noreturn void user_enter(uint32_t eip, uint32_t esp);
extern const uint32_t entry_stubs[49];

#endif

#endif
