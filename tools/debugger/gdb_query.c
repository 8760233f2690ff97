/* What a gdb asks: what we can do, what the registers are, which threads there are. A question that we do not
 * know gets an empty reply, as the protocol says. */
#include "tools/debugger/gdb_priv.h"

#include "base/check.h"
#include "tools/debugger/monitor.h"

#include <stdlib.h>
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

/* `monitor TEXT`: what it says comes in front of the reply, in packets of its own. */
static void query_command(struct gdb_stub *stub, const char *at)
{
    enum { PART = 2048 };
    char line[PACKET_MAX / 2 + 1], *text = NULL;
    size_t size = strlen(at) / 2;
    if (!packet_bytes(&at, (uint8_t *)line, size) || *at != '\0') {
        gdb_error(stub);
        return;
    }
    line[size] = '\0';
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    monitor_obey(stub->debugger, line, out);
    CHECK(fclose(out) == 0);
    for (size_t done = 0; done < size; done += PART) {
        gdb_begin(stub);
        packet_text(&stub->reply, "O");
        packet_hex(&stub->reply, (const uint8_t *)text + done, size - done < PART ? size - done : PART);
        gdb_send(stub);
    }
    free(text);
    gdb_begin(stub);
    packet_text(&stub->reply, "OK");
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
    } else if (starts(&text, "qRcmd,")) {
        query_command(stub, text);
    } else if (starts(&text, "qSymbol:")) {
        packet_text(&stub->reply, "OK");
    }
}
