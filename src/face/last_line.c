/* SPDX-License-Identifier: Apache-2.0 */
#include "face/last_line.h"

#include <string.h>

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The byte that an escape of JSON stands for: of those that are one byte and can be shown, else a space. */
static char unescaped(char byte)
{
    if (byte == '"' || byte == '\\' || byte == '/')
        return byte;
    return ' ';
}

/* The message of a line of hclog's JSON; the line itself where it is none. Ends `line` at the message's end. */
static const char *message_of(char *line)
{
    static const char key[] = "\"@message\":\"";
    char *message = line[0] == '{' ? strstr(line, key) : NULL;
    char *to;

    if (message == NULL)
        return line;
    message += sizeof key - 1;
    to = message;
    for (const char *from = message; *from != '\0' && *from != '"'; from++) {
        if (*from == '\\' && from[1] != '\0')
            *to++ = unescaped(*++from);
        else
            *to++ = *from;
    }
    *to = '\0';
    return message;
}

static void end_line(struct gantry_last_line *last)
{
    const char *text;
    size_t length;

    while (last->held > 0 && strchr(" \t\r", last->line[last->held - 1]) != NULL)
        last->held--;
    last->line[last->held] = '\0';
    last->held = 0;
    text = message_of(last->line);
    if (last->is_crash || text[0] == '\0')
        return;
    last->is_crash = begins_with(text, "panic: ") || begins_with(text, "fatal error: ");
    length = strnlen(text, sizeof last->text - 1);
    memcpy(last->text, text, length);
    last->text[length] = '\0';
}

void gantry_last_line_feed(struct gantry_last_line *last, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n')
            end_line(last);
        else if (bytes[i] != '\0' && last->held < sizeof last->line - 1)
            last->line[last->held++] = bytes[i];
    }
}

void gantry_last_line_finish(struct gantry_last_line *last)
{
    if (last->held > 0)
        end_line(last);
}
