/* What a gdb asks: what we can do, what the registers are, which threads there are. A question that we do not
 * know gets an empty reply, as the protocol says. */
#include "tools/debugger/gdb_priv.h"

#include <string.h>

static bool starts(const char **text, const char *with)
{
    size_t length = strlen(with);
    if (strncmp(*text, with, length) != 0)
        return false;
    *text += length;
    return true;
}

static void query_supported(struct gdb_stub *stub, const char *features)
{
    stub->tells_breaks = strstr(features, "swbreak+") != NULL && strstr(features, "hwbreak+") != NULL;
    packet_text(&stub->reply, "PacketSize=");
    packet_hex_number(&stub->reply, PACKET_MAX);
    packet_text(&stub->reply, ";qXfer:features:read+;QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+");
}

/* target.xml:OFFSET,LENGTH */
static void query_features(struct gdb_stub *stub, const char *at)
{
    uint64_t offset, length;
    if (!starts(&at, "target.xml:") || !packet_number(&at, &offset) || *at++ != ',' ||
        !packet_number(&at, &length)) {
        gdb_error(stub);
        return;
    }
    size_t size = strlen(stub->xml);
    size_t first = offset < size ? (size_t)offset : size, count = size - first;
    if (count > length)
        count = (size_t)length;
    if (count > PACKET_MAX / 4)
        count = PACKET_MAX / 4;
    packet_text(&stub->reply, first + count < size ? "m" : "l");
    packet_binary(&stub->reply, stub->xml + first, count);
}

void gdb_query(struct gdb_stub *stub, const char *text)
{
    if (starts(&text, "qSupported")) {
        query_supported(stub, text);
    } else if (starts(&text, "qXfer:features:read:")) {
        query_features(stub, text);
    } else if (strcmp(text, "QStartNoAckMode") == 0) {
        stub->no_ack = true;
        packet_text(&stub->reply, "OK");
    } else if (starts(&text, "qAttached")) {
        packet_text(&stub->reply, "1");
    } else if (strcmp(text, "qfThreadInfo") == 0) {
        packet_text(&stub->reply, "m01");
    } else if (strcmp(text, "qsThreadInfo") == 0) {
        packet_text(&stub->reply, "l");
    } else if (strcmp(text, "qC") == 0) {
        packet_text(&stub->reply, "QC01");
    } else if (starts(&text, "qThreadExtraInfo,")) {
        const char *state = stub->debugger->cpu->s.activity == ACTIVITY_HALTED ? "CPU, halted" : "CPU";
        packet_hex(&stub->reply, (const uint8_t *)state, strlen(state));
    } else if (starts(&text, "qSymbol:")) {
        packet_text(&stub->reply, "OK");
    }
}
