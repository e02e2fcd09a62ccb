/* SPDX-License-Identifier: Apache-2.0
 *
 * screen.c: ncurses as one object. Ncurses keeps its state in variables of its own, so the process has one screen. */
#define NCURSES_WIDECHAR 1
#include "core/terminal/screen.h"

#include "core/terminal/terminal_kind.h"
#include "core/terminal/wide_text.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Milliseconds until an escape character counts as the key of that name. */
#define ESCAPE_DELAY 25

struct gantry_screen {
    SCREEN *terminal;
    bool color;
    bool unicode;
};

static struct gantry_screen the_screen;

/* What ncurses would handle by itself: it is the business of whoever owns the signals. */
static const int handled[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
#define HANDLED (sizeof handled / sizeof *handled)

/* The locale of characters that the environment asks for. */
static const char *wanted_locale(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);

        if (value != NULL && value[0] != '\0')
            return value;
    }
    return "";
}

/* Has the process speak UTF-8 where its locale does, also one that is not installed; ASCII elsewhere. */
static bool choose_characters(void)
{
    if (setlocale(LC_CTYPE, "") == NULL &&
        (strcasestr(wanted_locale(), "UTF-8") != NULL || strcasestr(wanted_locale(), "utf8") != NULL))
        setlocale(LC_CTYPE, "C.UTF-8");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
        return true;
    setlocale(LC_CTYPE, "C");
    return false;
}

static void choose_colors(void)
{
    static const struct {
        enum gantry_style style;
        short color;
    } pairs[] = {{GANTRY_STYLE_ACCENT, COLOR_CYAN},
                 {GANTRY_STYLE_GOOD, COLOR_GREEN},
                 {GANTRY_STYLE_WARNING, COLOR_YELLOW},
                 {GANTRY_STYLE_ERROR, COLOR_RED}};

    the_screen.color = the_screen.color && has_colors() && start_color() == OK && use_default_colors() == OK;
    for (size_t i = 0; the_screen.color && i < sizeof pairs / sizeof *pairs; i++)
        init_pair((short)pairs[i].style, pairs[i].color, -1);
}

/* Keys come one by one, unseen, and Ctrl-S is one of them: a terminal that is held would hold the process. */
static void choose_modes(void)
{
    struct termios modes;

    set_escdelay(ESCAPE_DELAY);
    cbreak();
    noecho();
    nonl();
    intrflush(stdscr, FALSE);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    leaveok(stdscr, TRUE);
    curs_set(0);
    if (tcgetattr(STDIN_FILENO, &modes) == 0) {
        modes.c_iflag &= ~(tcflag_t)(IXON | IXOFF);
        tcsetattr(STDIN_FILENO, TCSANOW, &modes);
        def_prog_mode();
    }
}

int gantry_screen_open(bool color, struct gantry_screen **screen, struct gantry_error *err)
{
    struct sigaction before[HANDLED];

    if (the_screen.terminal != NULL)
        return gantry_fail(err, "SCREEN_BUSY", "open screen: the process has one already; close that one");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return gantry_fail(err, "SCREEN_UNSUPPORTED", "standard input and output are no terminal");
    if (gantry_terminal_kind_check(err) < 0)
        return -1;
    the_screen.unicode = choose_characters();
    the_screen.color = color;
    for (size_t i = 0; i < HANDLED; i++)
        sigaction(handled[i], NULL, &before[i]);
    the_screen.terminal = newterm(NULL, stdout, stdin);
    for (size_t i = 0; i < HANDLED; i++)
        sigaction(handled[i], &before[i], NULL);
    if (the_screen.terminal == NULL)
        return gantry_fail(err, "SCREEN_UNSUPPORTED", "the terminal '%.64s' cannot be drawn on", getenv("TERM"));
    choose_modes();
    choose_colors();
    *screen = &the_screen;
    return 0;
}

/* Leaves the screen: a terminal that does not bring back what it showed before is empty then. */
static void leave_screen(void)
{
    if (tigetstr("rmcup") == NULL) {
        erase();
        refresh();
    }
    endwin();
}

void gantry_screen_free(struct gantry_screen *screen)
{
    if (screen == NULL)
        return;
    leave_screen();
    delscreen(screen->terminal);
    screen->terminal = NULL;
}

void gantry_screen_size(struct gantry_screen *screen, int *rows, int *columns)
{
    struct winsize size;

    (void)screen; /* as with all of ncurses, there is one terminal */
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0 &&
        (size.ws_row != LINES || size.ws_col != COLS))
        resizeterm(size.ws_row, size.ws_col);
    *rows = LINES;
    *columns = COLS;
}

bool gantry_screen_has_unicode(const struct gantry_screen *screen)
{
    return screen->unicode;
}

int gantry_screen_width(const struct gantry_screen *screen, const char *text, size_t length)
{
    struct gantry_wide_text wide;

    return gantry_wide_text_take(&wide, text, length, GANTRY_WIDE_TEXT_COLUMNS, screen->unicode);
}

void gantry_screen_erase(struct gantry_screen *screen)
{
    (void)screen;
    erase();
}

static void set_style(const struct gantry_screen *screen, enum gantry_style style)
{
    static const attr_t plain[GANTRY_STYLES] = {
        [GANTRY_STYLE_BOLD] = A_BOLD,    [GANTRY_STYLE_DIM] = A_DIM,    [GANTRY_STYLE_REVERSE] = A_REVERSE,
        [GANTRY_STYLE_WARNING] = A_BOLD, [GANTRY_STYLE_ERROR] = A_BOLD,
    };
    bool colored = screen->color && style >= GANTRY_STYLE_ACCENT;

    attr_set(colored ? A_NORMAL : plain[style], colored ? (short)style : 0, NULL);
}

void gantry_screen_put(struct gantry_screen *screen, int row, int column, int width, enum gantry_style style,
                       const char *text, size_t length)
{
    struct gantry_wide_text wide;
    int taken;

    if (row < 0 || row >= LINES || column < 0 || column >= COLS || width <= 0)
        return;
    if (width > COLS - column)
        width = COLS - column;
    if (width > GANTRY_WIDE_TEXT_COLUMNS)
        width = GANTRY_WIDE_TEXT_COLUMNS;
    taken = gantry_wide_text_take(&wide, text, length, width, screen->unicode);
    set_style(screen, style);
    mvaddnwstr(row, column, wide.characters, wide.count);
    for (; taken < width; taken++)
        mvaddch(row, column + taken, ' ');
    attr_set(A_NORMAL, 0, NULL);
}

void gantry_screen_show(struct gantry_screen *screen, bool anew)
{
    (void)screen;
    if (anew)
        clearok(curscr, TRUE);
    refresh();
}

/* Names of what is no character; NULL for others. */
static const char *name_of_code(wint_t code)
{
    static const struct {
        wint_t code;
        const char *name;
    } names[] = {{KEY_UP, "up"},         {KEY_DOWN, "down"},       {KEY_LEFT, "left"}, {KEY_RIGHT, "right"},
                 {KEY_PPAGE, "page_up"}, {KEY_NPAGE, "page_down"}, {KEY_HOME, "home"}, {KEY_END, "end"},
                 {KEY_FIND, "home"},     {KEY_SELECT, "end"},      {KEY_DC, "delete"}, {KEY_BACKSPACE, "backspace"},
                 {KEY_ENTER, "enter"},   {KEY_F(1), "f1"}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            return names[i].name;
    return NULL;
}

static const char *name_of_control(wint_t character)
{
    switch (character) {
    case '\t':
        return "tab";
    case '\n':
    case '\r':
        return "enter";
    case '\b':
    case 0x7f:
        return "backspace";
    case 0x1b:
        return "escape";
    default:
        return NULL;
    }
}

static bool take_character(wint_t character, char key[GANTRY_SCREEN_KEY_SIZE])
{
    const char *name = name_of_control(character);

    if (name != NULL)
        snprintf(key, GANTRY_SCREEN_KEY_SIZE, "%s", name);
    else if (character >= 1 && character <= 26)
        snprintf(key, GANTRY_SCREEN_KEY_SIZE, "ctrl-%c", (int)('a' + character - 1));
    else
        return gantry_wide_text_encode(character, key);
    return true;
}

/* Whether standard input will never have a key again. */
static bool is_gone(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int waiting = 1;

    if (poll(&input, 1, 0) <= 0)
        return false;
    if ((input.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        return true;
    return ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting == 0;
}

enum gantry_screen_input gantry_screen_key(struct gantry_screen *screen, char key[GANTRY_SCREEN_KEY_SIZE])
{
    wint_t code;
    int came;

    (void)screen;
    while ((came = get_wch(&code)) != ERR) {
        const char *name = came == KEY_CODE_YES ? name_of_code(code) : NULL;

        if (name != NULL)
            snprintf(key, GANTRY_SCREEN_KEY_SIZE, "%s", name);
        if (name != NULL || (came == OK && take_character(code, key)))
            return GANTRY_SCREEN_KEY;
    }
    return is_gone() ? GANTRY_SCREEN_END : GANTRY_SCREEN_NOTHING;
}

/* Whether the process is to end: it would not be told of that while it is stopped. */
static bool is_to_end(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGHUP) == 1);
}

void gantry_screen_suspend(struct gantry_screen *screen)
{
    (void)screen;
    leave_screen();
    do {
        raise(SIGSTOP);
    } while (!is_to_end() && tcgetpgrp(STDIN_FILENO) != getpgrp() && tcgetpgrp(STDIN_FILENO) > 0);
    clearok(curscr, TRUE);
}
