/* Building a line of text in a fixed buffer; shared by kernel and user program (so everything is inline). */
#ifndef NETTEST_TEXT_H
#define NETTEST_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
    size_t length;
    char data[200]; /* a longer line is cut */
};

static inline void text_char(struct text *text, char c)
{
    if (text->length < sizeof text->data)
        text->data[text->length++] = c;
}

static inline void text_string(struct text *text, const char *string)
{
    while (*string != '\0')
        text_char(text, *string++);
}

/* 64 by 32 bits; the compiler would call a library that is not there. */
static inline uint64_t divide64(uint64_t dividend, uint32_t divisor, uint32_t *remainder)
{
    uint32_t high = (uint32_t)(dividend >> 32), low = (uint32_t)dividend, quotient_high, rest, quotient_low;
    quotient_high = high / divisor;
    rest = high % divisor;
    __asm__("divl %4" : "=a"(quotient_low), "=d"(rest) : "0"(low), "1"(rest), "rm"(divisor) : "cc");
    if (remainder != NULL)
        *remainder = rest;
    return (uint64_t)quotient_high << 32 | quotient_low;
}

/* Decimal, with leading zeros up to `width` digits. */
static inline void text_decimal(struct text *text, uint64_t value, unsigned width)
{
    char digits[20];
    unsigned count = 0;
    while (value != 0 || count == 0 || count < width) {
        uint32_t digit;
        value = divide64(value, 10, &digit);
        digits[count++] = (char)('0' + digit);
    }
    while (count > 0)
        text_char(text, digits[--count]);
}

static inline void text_hex(struct text *text, uint32_t value, unsigned width)
{
    for (unsigned shift = 32; shift > 0; shift -= 4)
        if (shift <= 4 * width || value >> (shift - 4) != 0)
            text_char(text, "0123456789abcdef"[value >> (shift - 4) & 15]);
}

#endif
