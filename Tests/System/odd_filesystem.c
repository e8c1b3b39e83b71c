/* A file system that lacks calls: preloaded, the calls that $ODD_CALLS names (such as
   "fallocate=95,directory_fsync=22") fail with the errno that stands there, for what lies below $ODD_BELOW. Everything
   else goes to the kernel. "@file": the file names them at the program's start.

   fallocate, directory_fsync, fdatasync, link, renameat2, flock, and readonly_flock: an exclusive lock of what may only
   be read. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *below, *calls;
static char kept[256];

__attribute__((constructor)) static void begin(void) {
    below = getenv("ODD_BELOW");
    calls = getenv("ODD_CALLS");
    if (calls == NULL || calls[0] != '@') return;
    int file = open(calls + 1, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, kept, sizeof kept - 1);
    if (file >= 0) close(file);
    kept[length > 0 ? length : 0] = 0;
    calls = kept;
}

static int is_below(const char *path) { return below != NULL && strncmp(path, below, strlen(below)) == 0; }

/* The errno for a call on a path; 0: the call is there. */
static int refusal(const char *call, const char *path) {
    size_t length = strlen(call);
    if (calls == NULL || !is_below(path)) return 0;
    for (const char *at = calls; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, call, length) == 0 && at[length] == '=') return atoi(at + length + 1);
    }
    return 0;
}

static int refusal_of_file(const char *call, int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return refusal(call, path);
}

static int refuse(int code) {
    errno = code;
    return -1;
}

int fallocate(int file, int mode, off_t offset, off_t count) {
    int code = refusal_of_file("fallocate", file);
    return code ? refuse(code) : (int)syscall(SYS_fallocate, file, mode, (long)offset, (long)count);
}

int fallocate64(int file, int mode, off_t offset, off_t count) __attribute__((alias("fallocate")));

int fsync(int file) {
    struct stat info;
    int code = fstat(file, &info) == 0 && S_ISDIR(info.st_mode) ? refusal_of_file("directory_fsync", file) : 0;
    return code ? refuse(code) : (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    int code = refusal_of_file("fdatasync", file);
    return code ? refuse(code) : (int)syscall(SYS_fdatasync, file);
}

int link(const char *from, const char *to) {
    int code = refusal("link", to);
    return code ? refuse(code) : (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    int code = flags ? refusal("renameat2", to) : 0;
    return code ? refuse(code) : (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
}

int flock(int file, int operation) {
    int code = refusal_of_file("flock", file);
    if (code == 0 && operation & LOCK_EX && (fcntl(file, F_GETFL) & O_ACCMODE) == O_RDONLY)
        code = refusal_of_file("readonly_flock", file);
    return code ? refuse(code) : (int)syscall(SYS_flock, file, operation);
}
