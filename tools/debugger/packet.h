/* Packets of gdb's remote serial protocol ("Debugging with GDB", appendix E): $DATA#SUM, a byte '+' or '-'
 * for each until both sides have agreed to leave that out, and the byte 03h, which is no packet but Ctrl-C.
 *
 * Bytes go in one at a time, in any order and of any kind; what comes out is a packet whose sum is right and
 * which fits, or nothing. */
#ifndef CROSSPAGE_TOOLS_DEBUGGER_PACKET_H
#define CROSSPAGE_TOOLS_DEBUGGER_PACKET_H

#include "base/types.h"

enum { PACKET_MAX = 16384 };

enum packet_event {
    PACKET_NOTHING,
    PACKET_READY,     /* data, size: valid until the next byte */
    PACKET_BAD,       /* a wrong sum, or too long: to be sent again */
    PACKET_INTERRUPT, /* Ctrl-C */
    PACKET_AGAIN,     /* the other side did not understand ours */
};

enum packet_state { READ_IDLE, READ_DATA, READ_SUM_HIGH, READ_SUM_LOW };

struct packet_reader {
    enum packet_state state;
    bool too_long;
    uint8_t sum, high; /* of the data; first digit of the sum that came */
    size_t size;
    char data[PACKET_MAX + 1]; /* as sent, terminated */
};

enum packet_event packet_take(struct packet_reader *reader, uint8_t byte);

/* The value of a hexadecimal digit, or -1. */
int packet_digit(char c);
/* A number in hexadecimal digits, as many as there are but at most 16; false: there are none, or more. */
bool packet_number(const char **at, uint64_t *value);
/* Bytes from pairs of digits; false: not that many, or no digits. */
bool packet_bytes(const char **at, uint8_t *to, size_t size);

/* A packet being written. What does not fit is left out, and `overflow` says so. */
struct packet_writer {
    size_t size;
    bool overflow;
    char data[PACKET_MAX];
};

void packet_text(struct packet_writer *writer, const char *text);
void packet_hex(struct packet_writer *writer, const uint8_t *bytes, size_t size);
/* Digits of a number without leading zeros. */
void packet_hex_number(struct packet_writer *writer, uint64_t value);
/* Any bytes, escaped where the protocol asks for it. */
void packet_binary(struct packet_writer *writer, const char *bytes, size_t size);

/* The finished packet; room for the 4 bytes around the data. */
enum { PACKET_WIRE = PACKET_MAX + 4 };
size_t packet_finish(const struct packet_writer *writer, char wire[PACKET_WIRE]);

#endif
