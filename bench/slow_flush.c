/* Makes every flush of a process 5 ms slower (BENCH_FLUSH_MICROSECONDS), as on a disk that is far away.
   Loaded before the C library (LD_PRELOAD); the flush itself still happens. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void dawdle(void) {
    const char *set = getenv("BENCH_FLUSH_MICROSECONDS");
    long micros = set ? atol(set) : 5000;
    struct timespec pause = {micros / 1000000, (micros % 1000000) * 1000};
    nanosleep(&pause, NULL);
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    dawdle();
    return real(fd);
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    dawdle();
    return real(fd);
}
