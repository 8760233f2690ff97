/* Messages on the first serial port. */
#ifndef NETTEST_CONSOLE_H
#define NETTEST_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

void console_init(void);
void console_write(const char *data, size_t length);

/* "nettest: " before, newline after. */
void console_line(const char *message);
void console_line_hex(const char *message, uint32_t value);

#endif
