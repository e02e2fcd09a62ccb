/* SPDX-License-Identifier: Apache-2.0
 *
 * terminal_kind.c: terminfo's answers; its header defines macros of many short names, which stay in here. */
#include "core/terminal/terminal_kind.h"

#include <curses.h>
#include <stdlib.h>
#include <term.h>
#include <unistd.h>

int gantry_terminal_kind_check(struct gantry_error *err)
{
    const char *name = getenv("TERM");
    int found = 0;
    bool able;

    if (name == NULL || name[0] == '\0')
        return gantry_fail(err, "SCREEN_UNSUPPORTED",
                           "TERM is not set, so the kind of the terminal is not known; set it, as to xterm");
    setupterm(name, STDOUT_FILENO, &found);
    if (found < 1) {
        return gantry_fail(err, "SCREEN_UNSUPPORTED",
                           "TERM is '%.64s', a terminal that is not known here; install ncurses-term, or set TERM to "
                           "what it is like, as to xterm",
                           name);
    }
    able = found == 1 && cur_term != NULL && cursor_address != NULL && (clear_screen != NULL || clr_eos != NULL);
    if (cur_term != NULL)
        del_curterm(cur_term);
    if (!able)
        return gantry_fail(err, "SCREEN_UNSUPPORTED", "TERM is '%.64s', a terminal that no screen can be drawn on",
                           name);
    return 0;
}
