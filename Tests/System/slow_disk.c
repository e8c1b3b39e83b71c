/* A disk with little throughput, for ib-recorder: preloaded, each write to its log takes as long as its bytes need at
   the rate that stands in the file $SLOW_DISK (bytes a second; 0: as fast as it goes), and never so long that it counts
   as a disk that does not answer: the writes behind it pay for the rest. The rate may be changed while the program
   runs. Other programs are left alone. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const double longest_seconds = 1.8;
static const char *rate_file;
/* Bytes whose time has not been taken yet. One thread writes the log. */
static double owed_bytes;

static int link_target(const char *link, char *text, size_t size) {
    ssize_t length = readlink(link, text, size - 1);
    if (length < 0) return 0;
    text[length] = 0;
    return 1;
}

__attribute__((constructor)) static void begin(void) {
    char program[4096];
    if (link_target("/proc/self/exe", program, sizeof program) && strstr(program, "/ib-recorder"))
        rate_file = getenv("SLOW_DISK");
}

static double bytes_per_second(void) {
    char text[32] = "";
    int file = (int)syscall(SYS_openat, AT_FDCWD, rate_file, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    if (read(file, text, sizeof text - 1) < 0) text[0] = 0;
    close(file);
    return atof(text);
}

static void take_time(int file, size_t bytes) {
    char link[64], path[4096];
    if (rate_file == NULL) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    if (!link_target(link, path, sizeof path) || !strstr(path, "/state/log/") || !strstr(path, ".log")) return;
    double rate = bytes_per_second();
    if (rate <= 0) owed_bytes = 0;
    if (rate <= 0) return;
    owed_bytes += (double)bytes;
    double seconds = owed_bytes / rate;
    if (seconds > longest_seconds) seconds = longest_seconds;
    owed_bytes -= seconds * rate;
    struct timespec rest = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&rest, &rest) < 0 && errno == EINTR) {}
}

ssize_t pwritev(int file, const struct iovec *pieces, int count, off_t offset) {
    size_t bytes = 0;
    for (int i = 0; i < count; i++) bytes += pieces[i].iov_len;
    take_time(file, bytes);
    return syscall(SYS_pwritev, file, pieces, count, (long)offset, 0L);
}

ssize_t pwritev64(int file, const struct iovec *pieces, int count, off_t offset)
    __attribute__((alias("pwritev")));
