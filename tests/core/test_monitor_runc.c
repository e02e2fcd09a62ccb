/* SPDX-License-Identifier: Apache-2.0
 *
 * test_monitor_runc.c: the monitor over the real runc, as root: ends, adoption, deaths with the owner. Without runc,
 * and without root, its tests are skipped. */
#include "monitor_fixture.h"

#define CONFIG                                                                                                         \
    "{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":false,\"user\":{\"uid\":0,\"gid\":0},"                        \
    "\"args\":[\"/bin/%s\",\"-c\",\"%s\"],\"env\":[\"PATH=/usr/bin:/bin\"],\"cwd\":\"/\",\"noNewPrivileges\":true},"   \
    "\"root\":{\"path\":\"%s/rootfs\",\"readonly\":false},\"mounts\":["                                                \
    "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"                                               \
    "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"mode=755\",\"size=64k\"]},"      \
    "{\"destination\":\"/usr\",\"type\":\"bind\",\"source\":\"/usr\",\"options\":[\"rbind\",\"ro\"]}],"                \
    "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"        \
    "{\"type\":\"network\"}]}}"

static const char *runc;
static char paths[6][600]; /* --root, log, pid file, bundle */
static const char *id;

static void make_bundle(const char *shell, const char *script)
{
    char path[600];
    FILE *config;

    snprintf(path, sizeof path, "mkdir -p %.200s/rootfs/usr; cd %.200s/rootfs; ln -s usr/bin usr/lib usr/lib64 .", top,
             top);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof path, "%s/config.json", dir);
    config = fopen(path, "we");
    assert_non_null(config);
    fprintf(config, CONFIG, shell, script, top);
    fclose(config);
}

static void spawn_container(const char *shell, const char *script)
{
    make_bundle(shell, script);
    snprintf(paths[0], sizeof paths[0], "%s/state", top);
    snprintf(paths[1], sizeof paths[1], "%s/runtime.log", dir);
    snprintf(paths[2], sizeof paths[2], "%s/pid", dir);
    id = strrchr(top, '/') + 1;
    const char *const run[] = {runc,           "--root",   paths[0], "--log",    paths[1],
                               "--log-format", "json",     "run",    "--detach", "--pid-file",
                               paths[2],       "--bundle", dir,      id,         NULL};
    const char *const delete_command[] = {runc, "--root", paths[0], "delete", "--force", id, NULL};

    options.run = run;
    options.delete_command = delete_command;
    if (gantry_monitor_spawn(loop, &options, &callbacks, &monitor, &err) < 0)
        fail_msg("%s", err.message);
}

static bool state_exists(void)
{
    char path[700];

    snprintf(path, sizeof path, "%s/%s", paths[0], id);
    return access(path, F_OK) == 0;
}

static int set_up_runc(void **state)
{
    runc = access("/usr/sbin/runc", X_OK) == 0 ? "/usr/sbin/runc" : "/usr/bin/runc";
    return set_up(state);
}

static void skip_without_runc(void)
{
    if (geteuid() != 0 || access(runc, X_OK) != 0)
        skip();
    skip_without_pidfds();
}

static int tear_down_runc(void **state)
{
    char command[1400];

    gantry_monitor_free(monitor);
    monitor = NULL;
    snprintf(command, sizeof command, "[ ! -d %s/state ] || %s --root %s/state delete --force %s 2>/dev/null || true",
             top, runc, top, strrchr(top, '/') + 1);
    return system(command) == 0 ? tear_down(state) : -1;
}

static void a_code_and_output_come_from_runc(void **state)
{
    (void)state;
    skip_without_runc();
    spawn_container("sh", "echo one; echo two >&2; exit 7");
    WAIT_FOR(EXIT);
    assert_string_equal(seen.output[0], "one\n");
    assert_string_equal(seen.output[1], "two\n");
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].code, 7);
    assert_true(state_exists()); /* the cgroup is there yet, for who asks about memory */
}

static void runc_s_own_error_is_told(void **state)
{
    (void)state;
    skip_without_runc();
    spawn_container("no-such-shell", "true");
    WAIT_FOR(FAILED);
    assert_string_equal(seen.reason, "exited");
    assert_non_null(strstr(seen.text, "no such file or directory"));
    assert_false(state_exists());
}

static void lines_survive_an_adoption(void **state)
{
    long lines = 0;

    (void)state;
    skip_without_runc();
    spawn_container("sh",
                    "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo $i; [ $((i % 10)) = 0 ] && sleep 0.01; done; "
                    "exit 2");
    WAIT_UNTIL(seen.length[0] > 300);
    for (int i = 0; i < 3; i++) {
        leave();
        usleep(200000);
        adopt();
        WAIT_FOR(RUNNING);
        pass_ms(30);
    }
    WAIT_FOR(EXIT);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].code, 2);
    for (char *at = seen.output[0], *end = at; *at != '\0'; at = end + 1)
        assert_int_equal(strtol(at, &end, 10), ++lines);
    assert_int_equal(lines, 2000);
}

/* The first process of a namespace ignores TERM by itself, where it has no handler. */
static void a_deaf_first_process_dies_with_its_owner(void **state)
{
    pid_t pid;
    int64_t begun;

    (void)state;
    skip_without_runc();
    options.dies_with_owner = true;
    options.grace_ms = 300;
    options.removes = (const char *const[]){"config.json", NULL};
    spawn_container("sh", "while true; do sleep 1; done");
    WAIT_FOR(CREATED);
    pid = gantry_monitor_pid(monitor);
    begun = now_ms();
    leave();
    WAIT_UNTIL(!exists("", ""));
    print_message("gone after %d ms, of which 300 were its grace\n", (int)(now_ms() - begun));
    assert_true(now_ms() - begun >= 300);
    assert_false(runs(pid));
    assert_false(state_exists());
}

static void a_willing_one_is_gone_at_once(void **state)
{
    int64_t begun;

    (void)state;
    skip_without_runc();
    options.dies_with_owner = true;
    options.grace_ms = 10000;
    options.removes = (const char *const[]){"config.json", NULL};
    spawn_container("sh", "trap 'exit 0' TERM; echo ready; while true; do sleep 0.01; done");
    WAIT_UNTIL(seen.length[0] > 0 && seen.count[GANTRY_MONITOR_CREATED] > 0);
    begun = now_ms();
    leave();
    WAIT_UNTIL(!exists("", ""));
    print_message("gone after %d ms\n", (int)(now_ms() - begun));
    assert_true(now_ms() - begun < 5000);
    assert_false(state_exists());
}

static void a_killed_monitor_leaves_a_container_that_is_heard(void **state)
{
    (void)state;
    skip_without_runc();
    spawn_container("sh", "echo one; sleep 0.7; echo two; exit 3");
    WAIT_UNTIL(seen.count[GANTRY_MONITOR_CREATED] > 0 && seen.length[0] == 4);
    kill(monitor_pid(), SIGKILL);
    WAIT_FOR(LOST);
    WAIT_FOR(EXIT);
    assert_false(seen.last[GANTRY_MONITOR_EXIT].is_known);
    assert_string_equal(seen.output[0], "one\ntwo\n");
}

static void a_killed_container_is_a_signal(void **state)
{
    (void)state;
    skip_without_runc();
    spawn_container("sh", "echo ready; while true; do sleep 1; done");
    WAIT_UNTIL(seen.count[GANTRY_MONITOR_CREATED] > 0 && seen.length[0] > 0);
    assert_int_equal(gantry_monitor_signal(monitor, SIGKILL, &err), 0);
    WAIT_FOR(EXIT);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].signal, SIGKILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_code_and_output_come_from_runc, set_up_runc, tear_down_runc),
        cmocka_unit_test_setup_teardown(runc_s_own_error_is_told, set_up_runc, tear_down_runc),
        cmocka_unit_test_setup_teardown(lines_survive_an_adoption, set_up_runc, tear_down_runc),
        cmocka_unit_test_setup_teardown(a_deaf_first_process_dies_with_its_owner, set_up_runc, tear_down_runc),
        cmocka_unit_test_setup_teardown(a_willing_one_is_gone_at_once, set_up_runc, tear_down_runc),
        cmocka_unit_test_setup_teardown(a_killed_monitor_leaves_a_container_that_is_heard, set_up_runc, tear_down_runc),
        cmocka_unit_test_setup_teardown(a_killed_container_is_a_signal, set_up_runc, tear_down_runc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
