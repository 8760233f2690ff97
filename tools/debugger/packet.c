/* Reading and writing packets (packet.h). */
#include "tools/debugger/packet.h"

#include <string.h>

enum { INTERRUPT = 0x03 };

static enum packet_event take_idle(struct packet_reader *reader, uint8_t byte)
{
    switch (byte) {
    case '$':
        reader->state = READ_DATA;
        reader->size = 0;
        reader->sum = 0;
        reader->too_long = false;
        return PACKET_NOTHING;
    case INTERRUPT: return PACKET_INTERRUPT;
    case '-': return PACKET_AGAIN;
    default: return PACKET_NOTHING; /* '+', or noise */
    }
}

static enum packet_event take_data(struct packet_reader *reader, uint8_t byte)
{
    if (byte == '#') {
        reader->state = READ_SUM_HIGH;
        return PACKET_NOTHING;
    }
    if (byte == '$') /* the end of the one before was lost */
        return take_idle(reader, byte);
    reader->sum = (uint8_t)(reader->sum + byte);
    if (reader->size < PACKET_MAX)
        reader->data[reader->size++] = (char)byte;
    else
        reader->too_long = true;
    return PACKET_NOTHING;
}

enum packet_event packet_take(struct packet_reader *reader, uint8_t byte)
{
    switch (reader->state) {
    case READ_IDLE: return take_idle(reader, byte);
    case READ_DATA: return take_data(reader, byte);
    case READ_SUM_HIGH:
        reader->high = byte;
        reader->state = READ_SUM_LOW;
        return PACKET_NOTHING;
    default: break;
    }
    int high = packet_digit((char)reader->high), low = packet_digit((char)byte);
    reader->state = READ_IDLE;
    reader->data[reader->size] = '\0';
    bool right = high >= 0 && low >= 0 && (high << 4 | low) == reader->sum;
    return right && !reader->too_long ? PACKET_READY : PACKET_BAD;
}

int packet_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool packet_number(const char **at, uint64_t *value)
{
    unsigned digits = 0;
    *value = 0;
    for (; packet_digit(**at) >= 0; ++*at) {
        if (++digits > 16)
            return false;
        *value = *value << 4 | (unsigned)packet_digit(**at);
    }
    return digits != 0;
}

bool packet_bytes(const char **at, uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++, *at += 2) {
        int high = packet_digit((*at)[0]), low = high >= 0 ? packet_digit((*at)[1]) : -1;
        if (low < 0)
            return false;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* ---- Writing ---- */

static void put(struct packet_writer *writer, char c)
{
    if (writer->size < sizeof writer->data)
        writer->data[writer->size++] = c;
    else
        writer->overflow = true;
}

void packet_text(struct packet_writer *writer, const char *text)
{
    while (*text != '\0')
        put(writer, *text++);
}

static char digit(unsigned value)
{
    return "0123456789abcdef"[value & 15];
}

void packet_hex(struct packet_writer *writer, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        put(writer, digit(bytes[i] >> 4));
        put(writer, digit(bytes[i]));
    }
}

void packet_hex_number(struct packet_writer *writer, uint64_t value)
{
    int shift = 60;
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        put(writer, digit((unsigned)(value >> shift)));
}

void packet_binary(struct packet_writer *writer, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '#' || bytes[i] == '$' || bytes[i] == '}' || bytes[i] == '*') {
            put(writer, '}');
            put(writer, (char)(bytes[i] ^ 0x20));
        } else {
            put(writer, bytes[i]);
        }
    }
}

size_t packet_finish(const struct packet_writer *writer, char wire[PACKET_WIRE])
{
    uint8_t sum = 0;
    for (size_t i = 0; i < writer->size; i++)
        sum = (uint8_t)(sum + (uint8_t)writer->data[i]);
    wire[0] = '$';
    memcpy(wire + 1, writer->data, writer->size);
    wire[writer->size + 1] = '#';
    wire[writer->size + 2] = digit(sum >> 4);
    wire[writer->size + 3] = digit(sum);
    return writer->size + 4;
}
