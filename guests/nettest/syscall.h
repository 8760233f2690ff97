/* System calls of the nettest kernel; numbers and arguments in abi.h. */
#ifndef NETTEST_SYSCALL_H
#define NETTEST_SYSCALL_H

#include <stdint.h>

int32_t syscall_dispatch(uint32_t number, uint32_t a, uint32_t b, uint32_t c);

void syscall_count_fault(void);

#endif
