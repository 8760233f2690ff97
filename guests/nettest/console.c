/* The first serial port (16550 at 0x3f8), polled, 115200 8n1. Output only. */
#include "console.h"
#include "io.h"
#include "text.h"

enum {
    COM1 = 0x3f8,
    UART_DATA = 0,
    UART_IER = 1,
    UART_FCR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    LCR_8N1 = 0x03,
    LCR_DLAB = 0x80,
    LSR_THR_EMPTY = 0x20,
};

void console_init(void)
{
    outb(COM1 + UART_IER, 0);
    outb(COM1 + UART_LCR, LCR_DLAB);
    outb(COM1 + UART_DATA, 1); /* divisor 1: 115200 */
    outb(COM1 + UART_IER, 0);
    outb(COM1 + UART_LCR, LCR_8N1);
    outb(COM1 + UART_FCR, 0x07); /* FIFOs on and empty */
    outb(COM1 + UART_MCR, 0x03); /* DTR, RTS */
}

static void console_put(char c)
{
    while ((inb(COM1 + UART_LSR) & LSR_THR_EMPTY) == 0)
        ;
    outb(COM1 + UART_DATA, (uint8_t)c);
}

void console_write(const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n')
            console_put('\r');
        console_put(data[i]);
    }
}

static void console_text(struct text *text)
{
    text_char(text, '\n');
    console_write(text->data, text->length);
}

void console_line(const char *message)
{
    struct text text = {.length = 0};
    text_string(&text, "nettest: ");
    text_string(&text, message);
    console_text(&text);
}

void console_line_hex(const char *message, uint32_t value)
{
    struct text text = {.length = 0};
    text_string(&text, "nettest: ");
    text_string(&text, message);
    text_string(&text, " 0x");
    text_hex(&text, value, 8);
    console_text(&text);
}
