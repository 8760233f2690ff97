/* Descriptor tables and the dispatch of exceptions, interrupts and system calls (SDM vol. 3, chapters 3, 5, 6
 * and 7). Flat segments; gates: interrupt gates for interrupts and page faults (CR2 must be read before the
 * next one), a trap gate of privilege 3 for system calls, which therefore run with interrupts on. */
#include "cpu.h"
#include "abi.h"
#include "console.h"
#include "io.h"
#include "irq.h"
#include "mm.h"
#include "net.h"
#include "pci.h"
#include "syscall.h"

enum {
    SEGMENT_KERNEL_CODE = 0x9a,
    SEGMENT_KERNEL_DATA = 0x92,
    SEGMENT_USER_CODE = 0xfa,
    SEGMENT_USER_DATA = 0xf2,
    SEGMENT_TSS = 0x89,
    SEGMENT_TSS_BUSY = 0x02,
    GATE_INTERRUPT = 0x8e,
    GATE_SYSTEM_CALL = 0xef,
    VECTOR_PAGE_FAULT = 14,
};

struct tss {
    uint32_t link, esp0, ss0, unused[22];
    uint16_t trap, io_map; /* beyond the limit: no ports for ring 3 */
};

struct descriptor_pointer {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

struct cpu {
    uint64_t gdt[8] __attribute__((aligned(8)));
    uint64_t idt[256] __attribute__((aligned(8)));
    struct tss idle, user;
};

static struct cpu cpu;

static uint64_t segment(uint32_t base, uint32_t limit, uint8_t access, uint8_t flags)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

static uint64_t tss_segment(const struct tss *tss)
{
    return segment((uint32_t)(uintptr_t)tss, sizeof *tss - 1, SEGMENT_TSS, 0);
}

static void gate_set(unsigned vector, uint32_t stub, uint8_t type)
{
    cpu.idt[vector] =
        (stub & 0xffff) | (uint64_t)KERNEL_CS << 16 | (uint64_t)type << 40 | (uint64_t)(stub >> 16) << 48;
}

static void tables_load(void)
{
    struct descriptor_pointer gdt = {sizeof cpu.gdt - 1, (uint32_t)(uintptr_t)cpu.gdt};
    struct descriptor_pointer idt = {sizeof cpu.idt - 1, (uint32_t)(uintptr_t)cpu.idt};
    __asm__ volatile("lgdt %0; lidt %1\n\t"
                     "ljmp %2, $1f\n"
                     "1:\tmovl %3, %%ds; movl %3, %%es; movl %3, %%ss; movl %4, %%fs; movl %4, %%gs\n\t"
                     "lldt %w4"
                     :
                     : "m"(gdt), "m"(idt), "i"(KERNEL_CS), "r"(KERNEL_DS), "r"(0)
                     : "memory");
}

void cpu_init(void)
{
    cpu.idle = (struct tss){.esp0 = (uint32_t)(uintptr_t)(idle_stack + STACK_SIZE),
                            .ss0 = KERNEL_DS,
                            .io_map = sizeof(struct tss)};
    cpu.user = (struct tss){.esp0 = (uint32_t)(uintptr_t)(user_stack + STACK_SIZE),
                            .ss0 = KERNEL_DS,
                            .io_map = sizeof(struct tss)};
    cpu.gdt[KERNEL_CS / 8] = segment(0, 0xfffff, SEGMENT_KERNEL_CODE, 0xc);
    cpu.gdt[KERNEL_DS / 8] = segment(0, 0xfffff, SEGMENT_KERNEL_DATA, 0xc);
    cpu.gdt[USER_CS / 8] = segment(0, 0xfffff, SEGMENT_USER_CODE, 0xc);
    cpu.gdt[USER_DS / 8] = segment(0, 0xfffff, SEGMENT_USER_DATA, 0xc);
    cpu.gdt[TSS_IDLE / 8] = tss_segment(&cpu.idle);
    cpu.gdt[TSS_USER / 8] = tss_segment(&cpu.user);
    for (unsigned vector = 0; vector < 48; vector++)
        gate_set(vector, entry_stubs[vector], GATE_INTERRUPT);
    gate_set(SYSCALL_VECTOR, entry_stubs[48], GATE_SYSTEM_CALL);
    tables_load();
    cpu_load_task(TSS_IDLE);
}

void cpu_load_task(uint16_t selector)
{
    cpu.gdt[selector / 8] &= ~((uint64_t)SEGMENT_TSS_BUSY << 40);
    __asm__ volatile("ltr %0" : : "r"(selector) : "memory");
}

static _Noreturn void die(const struct frame *frame, uint32_t address)
{
    console_line_hex("unexpected exception", frame->vector);
    console_line_hex("  error code", frame->error);
    console_line_hex("  at", frame->eip);
    console_line_hex("  CR2", address);
    machine_exit(net_config()->exit_ways, 1);
}

void trap_dispatch(struct frame *frame)
{
    uint32_t address;
    if (frame->vector >= VECTOR_IRQ0 && frame->vector < VECTOR_IRQ0 + 16) {
        irq_dispatch(frame->vector - VECTOR_IRQ0);
        return;
    }
    if (frame->vector == SYSCALL_VECTOR) {
        frame->eax = (uint32_t)syscall_dispatch(frame->eax, frame->ebx, frame->ecx, frame->edx);
        return;
    }
    __asm__ volatile("movl %%cr2, %0" : "=r"(address));
    if (frame->vector != VECTOR_PAGE_FAULT || !mm_user_fault(address, frame->error))
        die(frame, address);
    syscall_count_fault();
}
