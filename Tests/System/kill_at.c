/* Ends the process as SIGKILL does, in front of its $KILL_AT-th call that changes a file or a name, or makes it durable
   (from 1). What was done before stays done. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long left = -1;

__attribute__((constructor)) static void begin(void) {
    const char *at = getenv("KILL_AT");
    left = at == NULL ? -1 : atol(at);
}

static void count(void) {
    if (left > 0 && atomic_fetch_sub(&left, 1) == 1) kill(getpid(), SIGKILL);
}

int fsync(int file) { count(); return (int)syscall(SYS_fsync, file); }
int fdatasync(int file) { count(); return (int)syscall(SYS_fdatasync, file); }
int ftruncate(int file, off_t bytes) { count(); return (int)syscall(SYS_ftruncate, file, bytes); }
int ftruncate64(int file, off_t bytes) __attribute__((alias("ftruncate")));
int unlink(const char *path) { count(); return (int)syscall(SYS_unlink, path); }
int link(const char *from, const char *to) { count(); return (int)syscall(SYS_link, from, to); }
int rename(const char *from, const char *to) { count(); return (int)syscall(SYS_rename, from, to); }

int renameat2(int fd, const char *from, int into, const char *to, unsigned flags) {
    count();
    return (int)syscall(SYS_renameat2, fd, from, into, to, flags);
}

ssize_t pwritev(int file, const struct iovec *pieces, int number, off_t offset) {
    count();
    return syscall(SYS_pwritev, file, pieces, (long)number, (long)offset, 0L);
}

ssize_t pwritev64(int file, const struct iovec *pieces, int number, off_t offset) __attribute__((alias("pwritev")));

ssize_t pwrite(int file, const void *bytes, size_t count_, off_t offset) {
    count();
    return syscall(SYS_pwrite64, file, bytes, count_, (long)offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t count_, off_t offset) __attribute__((alias("pwrite")));
