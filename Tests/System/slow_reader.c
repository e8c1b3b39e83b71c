/* A reader that is always interrupted at the wrong moment: preloaded into ib-stream, it pauses before it opens a file
   of durable slots and after it has opened a log part or a journal file, so that who writes them comes on meanwhile. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void pause_here(void) {
    struct timespec time = {.tv_nsec = 20 * 1000 * 1000};
    nanosleep(&time, NULL);
}

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    int reads = (flags & O_ACCMODE) == O_RDONLY;
    if (reads && ends_with(path, ".durable")) pause_here();
    int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (reads && ends_with(path, ".log")) pause_here();
    return descriptor;
}
