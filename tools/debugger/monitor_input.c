/* What a monitor does with the guest's keyboard and screen: "sendkey", "screendump". Keys by QEMU's names;
 * scan codes of set 1 (IBM PS/2 Technical Reference, keyboard section). */
#include "tools/debugger/monitor.h"

#include "base/check.h"
#include "devices/i8042.h"
#include "devices/vga.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX = 8, E0 = I8042_KEY_EXTENDED };

static const struct key {
    const char *name;
    uint8_t code;
} keys[] = {
    {"esc", 0x01},
    {"minus", 0x0C},
    {"equal", 0x0D},
    {"backspace", 0x0E},
    {"tab", 0x0F},
    {"bracket_left", 0x1A},
    {"bracket_right", 0x1B},
    {"ret", 0x1C},
    {"ctrl", 0x1D},
    {"semicolon", 0x27},
    {"apostrophe", 0x28},
    {"grave_accent", 0x29},
    {"shift", 0x2A},
    {"backslash", 0x2B},
    {"comma", 0x33},
    {"dot", 0x34},
    {"slash", 0x35},
    {"shift_r", 0x36},
    {"asterisk", 0x37},
    {"alt", 0x38},
    {"spc", 0x39},
    {"caps_lock", 0x3A},
    {"f1", 0x3B},
    {"f2", 0x3C},
    {"f3", 0x3D},
    {"f4", 0x3E},
    {"f5", 0x3F},
    {"f6", 0x40},
    {"f7", 0x41},
    {"f8", 0x42},
    {"f9", 0x43},
    {"f10", 0x44},
    {"num_lock", 0x45},
    {"scroll_lock", 0x46},
    {"f11", 0x57},
    {"f12", 0x58},
    {"ctrl_r", E0 | 0x1D},
    {"alt_r", E0 | 0x38},
    {"home", E0 | 0x47},
    {"up", E0 | 0x48},
    {"pgup", E0 | 0x49},
    {"left", E0 | 0x4B},
    {"right", E0 | 0x4D},
    {"end", E0 | 0x4F},
    {"down", E0 | 0x50},
    {"pgdn", E0 | 0x51},
    {"insert", E0 | 0x52},
    {"delete", E0 | 0x53},
    {"meta_l", E0 | 0x5B},
    {"meta_r", E0 | 0x5C},
};

/* 0: no such key. Letters and digits stand for themselves: their rows, as the codes from FIRST on have them.
 */
static uint8_t code_of(const char *name)
{
    static const char rows[] = "1234567890\0\0\0\0qwertyuiop\0\0\0\0asdfghjkl\0\0\0\0\0zxcvbnm";
    enum { FIRST = 0x02 };
    if (name[0] != '\0' && name[1] == '\0') {
        const char *at = memchr(rows, name[0], sizeof rows - 1);
        return at != NULL ? (uint8_t)(FIRST + (at - rows)) : 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strcmp(keys[i].name, name) == 0)
            return keys[i].code;
    return 0;
}

bool monitor_sendkey(struct debugger *debugger, char **words, FILE *out)
{
    uint8_t codes[KEYS_MAX];
    char text[80], *rest = NULL;
    unsigned count = 0;
    if (words[0] == NULL)
        return false;
    struct device *keyboard = board_find(vm_board(lab_vm(debugger->lab)), "i8042");
    snprintf(text, sizeof text, "%s", words[0]);
    for (char *name = strtok_r(words[0], "-", &rest); name; name = strtok_r(NULL, "-", &rest)) {
        uint8_t code = code_of(name);
        if (code == 0 || count == KEYS_MAX) {
            fprintf(out, "no such key, or too many: '%.40s'\n", name);
            return true;
        }
        codes[count++] = code;
    }
    debugger_note_change(debugger, "keys %s", text);
    host_sync(lab_host(debugger->lab));
    for (unsigned i = 0; i < count; i++)
        i8042_key(keyboard, codes[i], true);
    for (unsigned i = count; i-- > 0;)
        i8042_key(keyboard, codes[i], false);
    return true;
}

/* ---- The screen ---- */

static bool write_text(struct device *vga, FILE *file)
{
    struct vga_text text;
    char row[256];
    if (!vga_text_mode(vga, &text))
        return false;
    for (unsigned n = 0; n < text.rows; n++) {
        (void)vga_text_row(vga, n, row, sizeof row);
        fprintf(file, "%s\n", row);
    }
    return true;
}

/* PPM, as QEMU writes it. */
static void write_picture(struct device *vga, FILE *file)
{
    struct vga_size size = vga_render(vga, NULL, 0);
    size_t count = (size_t)size.width * size.height;
    uint32_t *pixels = xcalloc(count + 1, sizeof *pixels);
    size = vga_render(vga, pixels, count);
    fprintf(file, "P6\n%u %u\n255\n", size.width, size.height);
    for (size_t i = 0; i < count; i++) {
        const uint8_t rgb[3] = {(uint8_t)(pixels[i] >> 16), (uint8_t)(pixels[i] >> 8), (uint8_t)pixels[i]};
        fwrite(rgb, 1, sizeof rgb, file);
    }
    free(pixels);
}

bool monitor_screendump(struct debugger *debugger, char **words, FILE *out)
{
    if (words[0] == NULL)
        return false;
    struct device *vga = board_find(vm_board(lab_vm(debugger->lab)), "vga");
    size_t length = strlen(words[0]);
    bool text = length > 4 && strcmp(words[0] + length - 4, ".txt") == 0;
    FILE *file = fopen(words[0], "w");
    if (file == NULL) {
        fprintf(out, "cannot write '%s': %s\n", words[0], strerror(errno));
        return true;
    }
    if (text && !write_text(vga, file))
        fputs("the screen is in a graphics mode: it has no text\n", out);
    else if (!text)
        write_picture(vga, file);
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        fprintf(out, "writing '%s' failed\n", words[0]);
    return true;
}
