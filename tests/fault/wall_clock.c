/* SPDX-License-Identifier: Apache-2.0
 *
 * Preloaded into a process (LD_PRELOAD), moves its wall clock, and no other, by the seconds in the file
 * $BATON_WALL_CLOCK, an int64_t that may change at any time.
 *
 * libfaketime cannot be used: it hangs in a program that uses jemalloc, which reads a clock before libfaketime is ready.
 * Nothing here allocates or needs to be initialised in a certain order.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t no_offset = 0;
static const volatile int64_t *offset = NULL;

static int64_t ahead(void) {
    const volatile int64_t *now = __atomic_load_n(&offset, __ATOMIC_ACQUIRE);
    if (now == NULL) {
        const char *file = getenv("BATON_WALL_CLOCK");
        const int descriptor = file == NULL ? -1 : open(file, O_RDONLY | O_CLOEXEC);
        now = &no_offset;
        if (descriptor >= 0) {
            void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, descriptor, 0);
            if (page != MAP_FAILED) {
                now = page;
            }
            close(descriptor);
        }
        __atomic_store_n(&offset, now, __ATOMIC_RELEASE);
    }
    return *now;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    const long done = syscall(SYS_clock_gettime, clock, out);
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        out->tv_sec += ahead();
    }
    return (int)done;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    (void)zone;
    struct timespec now;
    const int done = clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return done;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

/* The kernel knows nothing of all this: an end of waiting by the moved clock is moved back. One by the monotonic clock is
 * told from it by its size. */
int pthread_cond_timedwait(
    pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict until
) {
    struct timespec end = *until;
    const clockid_t clock = end.tv_sec > 1000000000 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    if (clock == CLOCK_REALTIME) {
        end.tv_sec -= ahead();
    }
    return pthread_cond_clockwait(condition, mutex, clock, &end);
}
