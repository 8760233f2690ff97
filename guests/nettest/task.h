/* The two tasks: the process and the idle task. */
#ifndef NETTEST_TASK_H
#define NETTEST_TASK_H

#include "abi.h"

#include <stdbool.h>
#include <stdint.h>

/* Makes the process's first frame: it starts in ring 3 at USER_TEXT. */
void task_init(const struct config *config);

/* The idle task, on the stack the kernel was started on. */
_Noreturn void task_idle(void);

/* The process sleeps in a system call until ready() holds, which is asked before and then by task_poll(),
 * that is by every bottom half. */
void task_wait(bool (*ready)(void));
void task_poll(void);

/* How often the process gave way to the idle task. */
uint32_t task_idle_switches(void);

#endif
