/* SPDX-License-Identifier: Apache-2.0 */
#include "face/record.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct shared {
    struct gantry_record record;
    pthread_mutex_t launching; /* held by the launcher as long as it lives */
    pthread_mutex_t cleaning;  /* held by who takes away */
};

static struct shared *shared_of(struct gantry_record *record)
{
    return (struct shared *)(void *)((char *)record - offsetof(struct shared, record));
}

static int make_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);

    if (error != 0)
        return error;
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    error = pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return error;
}

struct gantry_record *gantry_record_new(struct gantry_error *err)
{
    struct shared *made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (made == MAP_FAILED || make_lock(&made->launching) != 0 || make_lock(&made->cleaning) != 0) {
        gantry_fail(err, "OUT_OF_MEMORY", "begin a launch: out of memory");
        return NULL;
    }
    return &made->record;
}

/* True once the lock is held: a holder that was killed leaves it as any other does. */
static bool taken(pthread_mutex_t *lock, int error)
{
    if (error == EOWNERDEAD)
        pthread_mutex_consistent(lock);
    return error == 0 || error == EOWNERDEAD;
}

bool gantry_record_begin_launch(struct gantry_record *record)
{
    struct shared *shared = shared_of(record);

    if (!taken(&shared->launching, pthread_mutex_trylock(&shared->launching)))
        return false;
    atomic_store(&record->launcher, getpid());
    return !atomic_load(&record->closed);
}

static void await_launcher(struct shared *shared, int timeout_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    if (taken(&shared->launching, pthread_mutex_clocklock(&shared->launching, CLOCK_MONOTONIC, &until)))
        return;
    /* It holds its lock, so the number is its own still. */
    kill(atomic_load(&shared->record.launcher), SIGKILL);
    taken(&shared->launching, pthread_mutex_lock(&shared->launching));
}

enum gantry_record_stage gantry_record_begin_clean(struct gantry_record *record, int timeout_ms)
{
    struct shared *shared = shared_of(record);

    taken(&shared->cleaning, pthread_mutex_lock(&shared->cleaning));
    atomic_store(&record->closed, 1);
    await_launcher(shared, timeout_ms);
    return atomic_load(&record->stage);
}

void gantry_record_end_clean(struct gantry_record *record, bool clean)
{
    struct shared *shared = shared_of(record);

    if (clean)
        atomic_store(&record->stage, GANTRY_RECORD_CLEAN);
    pthread_mutex_unlock(&shared->launching);
    pthread_mutex_unlock(&shared->cleaning);
}
