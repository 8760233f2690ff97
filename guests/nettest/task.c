/* Scheduling, in the shape of Linux 2.2 with one process: a task that sleeps or wakes up costs a stack
 * switch, LTR (each task has its own TSS), FS and GS, and a CR3 load, also for the idle task, which runs on
 * the kernel's page tables. The kernel is not preempted: the idle loop looks for work after every interrupt.
 *
 * The word idle-cr3=keep is the change to the guest that Sugerman 2001 tries in section 4.2: the idle task
 * uses nothing but the kernel's part, which every process's tables have too, so the way to it leaves CR3
 * alone. The way back still loads it. */
#include "task.h"
#include "abi.h"
#include "cpu.h"
#include "io.h"
#include "mm.h"

struct task {
    uint32_t esp; /* of the kernel stack, while not running */
    uint32_t tables;
    uint16_t tss;
    bool runnable;
};

struct scheduler {
    struct task idle, user;
    bool (*ready)(void); /* what the process waits for while it is not runnable */
    uint32_t idle_switches;
    bool keep_tables; /* on the way to the idle task */
};

static struct scheduler scheduler;

static void user_first(void)
{
    user_enter(USER_TEXT, USER_STACK_TOP);
}

void task_init(const struct config *config)
{
    scheduler.keep_tables = config->idle_keeps_tables != 0;
    /* What task_switch pops: four registers and the return address. */
    uint32_t *stack = (uint32_t *)(void *)(user_stack + STACK_SIZE) - 6;
    stack[4] = (uint32_t)(uintptr_t)user_first;
    scheduler.user = (struct task){(uint32_t)(uintptr_t)stack, mm_user_tables(), TSS_USER, true};
    scheduler.idle = (struct task){0, mm_kernel_tables(), TSS_IDLE, true};
}

/* Called with interrupts off. */
static void switch_to(struct task *from, struct task *to)
{
    cpu_load_task(to->tss);
    if (to != &scheduler.idle || !scheduler.keep_tables)
        __asm__ volatile("movl %0, %%cr3" : : "r"(to->tables) : "memory");
    /* Nobody here uses them, but the kernel cannot know. */
    __asm__ volatile("movl %0, %%fs; movl %0, %%gs" : : "r"(0));
    task_switch(&from->esp, to->esp);
}

void task_idle(void)
{
    for (;;) {
        interrupts_off();
        if (scheduler.user.runnable)
            switch_to(&scheduler.idle, &scheduler.user);
        else
            __asm__ volatile("sti; hlt" : : : "memory"); /* nothing gets between the two */
    }
}

void task_wait(bool (*ready)(void))
{
    interrupts_off();
    if (!ready()) {
        scheduler.ready = ready;
        scheduler.user.runnable = false;
        scheduler.idle_switches++;
        switch_to(&scheduler.user, &scheduler.idle);
    }
    interrupts_on();
}

void task_poll(void)
{
    if (!scheduler.user.runnable && scheduler.ready())
        scheduler.user.runnable = true;
}

uint32_t task_idle_switches(void)
{
    return scheduler.idle_switches;
}
