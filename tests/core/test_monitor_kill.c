/* SPDX-License-Identifier: Apache-2.0
 *
 * test_monitor_kill.c: kill -9 of a container's owner, monitor and first process, in every order, at every step. */
#include "monitor_fixture.h"

enum step { AT_PIPES, AT_START, AT_CREATED, AT_EXIT, STEPS };
enum victim { OWNER, MONITOR, CONTAINER, VICTIMS };

static const enum victim orders[][VICTIMS] = {
    {OWNER, MONITOR, CONTAINER}, {OWNER, CONTAINER, MONITOR}, {MONITOR, OWNER, CONTAINER},
    {MONITOR, CONTAINER, OWNER}, {CONTAINER, OWNER, MONITOR}, {CONTAINER, MONITOR, OWNER},
};
static const char *const names[] = {"owner", "monitor", "container"};
static const char *const steps[] = {"pipes", "start", "created", "exit"};

struct walk {
    enum step step;
    pid_t owner;
    pid_t monitor;
    pid_t container; /* or the runtime, while it is at work; 0 where there is neither */
};

static pid_t first_child(pid_t parent)
{
    char path[64];
    char text[64] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    file = fopen(path, "re");
    if (file != NULL && fgets(text, sizeof text, file) == NULL)
        text[0] = '\0';
    if (file != NULL)
        fclose(file);
    return (pid_t)strtol(text, NULL, 10);
}

static bool step_is_reached(enum step step)
{
    switch (step) {
    case AT_PIPES:
        return seen.count[GANTRY_MONITOR_PIPES] > 0;
    case AT_START:
        return exists("/", "begun");
    case AT_CREATED:
        return seen.count[GANTRY_MONITOR_CREATED] > 0;
    default:
        return seen.count[GANTRY_MONITOR_EXIT] > 0;
    }
}

/* The owner: a process of its own, which says when it is there and lives until it is killed. */
static void own_until_killed(enum step step, int told)
{
    const char *script = step == AT_START  ? "touch $1/begun; exec sleep 1000"
                         : step == AT_EXIT ? DETACHED("exit 3")
                                           : LIVES;

    gantry_loop_free(loop);
    if (gantry_loop_new(&loop, &err) < 0)
        _exit(1);
    seen.start_at_once = step != AT_PIPES;
    spawn_script(script);
    while (!step_is_reached(step)) {
        gantry_loop_step(loop, 2, &err);
        if (seen.count[GANTRY_MONITOR_FAILED] + seen.count[GANTRY_MONITOR_LOST] > 0) {
            print_error("the container was not created: %s %d %s\n", seen.reason, seen.last[GANTRY_MONITOR_FAILED].code,
                        seen.text);
            _exit(1);
        }
    }
    if (write(told, "x", 1) != 1)
        _exit(1);
    for (;;)
        gantry_loop_step(loop, -1, &err);
}

static void begin_walk(struct walk *walk)
{
    char byte;
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    walk->owner = fork();
    if (walk->owner == 0)
        own_until_killed(walk->step, ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    walk->monitor = monitor_pid();
    walk->container = walk->monitor > 0 ? first_child(walk->monitor) : 0;
    assert_true(walk->monitor > 0);
}

static void kill_victim(const struct walk *walk, enum victim victim)
{
    const pid_t pids[] = {walk->owner, walk->monitor, walk->container};

    if (pids[victim] > 0)
        kill(pids[victim], SIGKILL);
}

/* Whether any child runs that this process has or has become the parent of. */
static bool children_run(void)
{
    char path[64];
    char list[4096];
    char *at = list;
    char *end;
    FILE *file;
    size_t length;

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    file = fopen(path, "re");
    length = file != NULL ? fread(list, 1, sizeof list - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    list[length] = '\0';
    for (long pid = strtol(at, &end, 10); end != at; pid = strtol(at, &end, 10)) {
        if (runs((pid_t)pid))
            return true;
        at = end;
    }
    return false;
}

/* What the first death alone must lead to. */
static void check_first(const struct walk *walk, enum victim victim)
{
    bool dies = options.dies_with_owner;

    if (victim == OWNER && (dies || walk->step == AT_PIPES))
        WAIT_UNTIL(!is_alive());
    if (victim == OWNER && dies)
        WAIT_UNTIL(!exists("", ""));
    if (victim == OWNER && dies && walk->step != AT_PIPES)
        assert_true(exists("", ".deleted"));
    if (victim == OWNER && !dies && (walk->step == AT_CREATED || walk->step == AT_START))
        assert_true(is_alive() && runs(walk->container));
    if (victim == MONITOR && walk->step == AT_CREATED)
        assert_true(runs(walk->container) && runs(walk->owner));
    if (victim == MONITOR && walk->step == AT_START)
        WAIT_UNTIL(!runs(walk->container));
    if (victim == CONTAINER && walk->step == AT_CREATED) {
        WAIT_UNTIL(exists("/", "exit"));
        assert_int_equal(strncmp(text_of("exit"), "exit 0 9 ", 9), 0);
        assert_true(is_alive());
    }
}

/* Children of the three become this process's with the end of each: asked before, the list would be short. */
static void wait_for_all(const struct walk *walk)
{
    int64_t end = now_ms() + PATIENCE_MS;
    bool some_run = true;

    WAIT_UNTIL(!runs(walk->owner) && !runs(walk->monitor) && !runs(walk->container));
    while (some_run && now_ms() < end) {
        gantry_loop_step(loop, 2, &err);
        some_run = children_run();
    }
    if (some_run)
        fail_msg("something outlives them: %d", system("ps -o pid,ppid,stat,args --ppid $PPID >&2"));
}

static void walk_once(enum step step, size_t order, int pause_ms)
{
    struct walk walk = {.step = step};

    begin_walk(&walk);
    for (int i = 0; i < VICTIMS; i++) {
        kill_victim(&walk, orders[order][i]);
        if (i == 0 && pause_ms > 0) {
            pass_ms(pause_ms);
            check_first(&walk, orders[order][i]);
        }
    }
    wait_for_all(&walk);
    end_orphans();
    assert_false(is_alive());
}

static void walk_all(bool dies)
{
    skip_without_pidfds();
    for (size_t step = 0; step < STEPS; step++) {
        for (size_t order = 0; order < sizeof orders / sizeof *orders; order++) {
            for (int pause_ms = 0; pause_ms <= 30; pause_ms += 30) {
                char command[2048];

                print_message("%s: %s first, then %s, %d ms\n", steps[step], names[orders[order][0]],
                              names[orders[order][1]], pause_ms);
                snprintf(command, sizeof command, "rm -rf %s %s.deleted; mkdir -m 700 %s", dir, dir, dir);
                assert_int_equal(system(command), 0);
                options.dies_with_owner = dies;
                options.grace_ms = 1000;
                options.removes = (const char *const[]){"begun", NULL};
                options.deadline_ms = step == AT_START && dies ? 500 : 0;
                walk_once((enum step)step, order, pause_ms);
            }
        }
    }
}

static void nothing_outlives_all_three(void **state)
{
    (void)state;
    walk_all(false);
}

static void nothing_outlives_all_three_where_it_dies_with_its_owner(void **state)
{
    (void)state;
    walk_all(true);
}

static void without_its_monitor_a_container_is_still_heard(void **state)
{
    (void)state;
    spawn_script(DETACHED("echo before; while [ ! -e $1/go ]; do sleep 0.05; done; echo after; exit 4"));
    WAIT_UNTIL(seen.count[GANTRY_MONITOR_CREATED] > 0 && seen.length[0] == 7);
    kill(monitor_pid(), SIGKILL);
    WAIT_FOR(LOST);
    assert_int_equal(seen.count[GANTRY_MONITOR_EXIT], 0);
    assert_int_equal(gantry_monitor_signal(monitor, SIGCONT, &err), 0);
    char path[600];
    snprintf(path, sizeof path, "%s/go", dir);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    WAIT_FOR(EXIT);
    assert_false(seen.last[GANTRY_MONITOR_EXIT].is_known);
    assert_string_equal(seen.output[0], "before\nafter\n");
    assert_int_equal(gantry_monitor_start(monitor, &err), -1);
    assert_string_equal(err.code, "MONITOR_GONE");
    leave();
    assert_int_equal(gantry_monitor_connect(loop, dir, false, &callbacks, &monitor, &err), -1);
    assert_string_equal(err.code, "MONITOR_GONE");
    assert_true(exists("/", "pid"));
    assert_false(exists("/", "exit"));
}

static void signals_of_a_service_manager_do_not_end_it(void **state)
{
    static const int numbers[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGUSR1, SIGALRM};
    pid_t pid;

    (void)state;
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    pid = monitor_pid();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        kill(pid, numbers[i]);
    pass_ms(50);
    assert_true(is_alive());
    gantry_monitor_signal(monitor, SIGKILL, &err);
    WAIT_FOR(EXIT);
    assert_true(seen.last[GANTRY_MONITOR_EXIT].is_known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_outlives_all_three, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_outlives_all_three_where_it_dies_with_its_owner, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_its_monitor_a_container_is_still_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signals_of_a_service_manager_do_not_end_it, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
