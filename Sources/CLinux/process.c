#include "clinux_process.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

void clx_set_thread_name(const char *name) {
    char cut[16];
    size_t length = strnlen(name, sizeof cut - 1);
    memcpy(cut, name, length);
    cut[length] = 0;
    // Can only fail for a name that is too long.
    (void)pthread_setname_np(pthread_self(), cut);
}

int clx_thread_id(void) { return (int)syscall(SYS_gettid); }

int clx_lower_thread_priority(void) {
    // On Linux both belong to a thread. linux/ioprio.h is not installed everywhere:
    // IOPRIO_WHO_PROCESS is 1, the idle class 3.
    id_t self = (id_t)clx_thread_id();
    if (setpriority(PRIO_PROCESS, self, 10) != 0) return errno;
    return syscall(SYS_ioprio_set, 1, self, 3 << 13) == 0 ? 0 : errno;
}

int clx_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int clx_block_and_signalfd(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        if (sigaddset(&set, signals[i]) != 0) return -1;
    int failure = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (failure != 0) {
        errno = failure;
        return -1;
    }
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int clx_read_signal(int descriptor) {
    struct signalfd_siginfo info;
    ssize_t got;
    do {
        got = read(descriptor, &info, sizeof info);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

int clx_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int clx_pidfd_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int clx_reap(pid_t pid, clx_exit *ended) {
    int status = 0;
    pid_t got;
    do {
        got = waitpid(pid, &status, WNOHANG);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return (int)got;
    ended->pid = got;
    ended->signalled = WIFSIGNALED(status) ? 1 : 0;
    ended->value = ended->signalled ? WTERMSIG(status) : WEXITSTATUS(status);
    return 1;
}

int clx_become_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

int clx_pass_credentials(int descriptor) {
    int on = 1;
    return setsockopt(descriptor, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
}

ssize_t clx_receive_with_credentials(int descriptor, void *buffer, size_t capacity, pid_t *pid, uid_t *uid) {
    // Room for the credentials and for descriptors that somebody may send along; those are closed at once.
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * 253)];
    } control;
    struct iovec piece = {.iov_base = buffer, .iov_len = capacity};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got;
    do {
        got = recvmsg(descriptor, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return -1;
    int found = 0;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item != NULL; item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level != SOL_SOCKET) continue;
        if (item->cmsg_type == SCM_CREDENTIALS && item->cmsg_len == CMSG_LEN(sizeof(struct ucred))) {
            struct ucred sender;
            memcpy(&sender, CMSG_DATA(item), sizeof sender);
            *pid = sender.pid;
            *uid = sender.uid;
            found = 1;
        } else if (item->cmsg_type == SCM_RIGHTS) {
            size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t i = 0; i < count; i++) {
                int received;
                memcpy(&received, CMSG_DATA(item) + i * sizeof(int), sizeof received);
                close(received);
            }
        }
    }
    if (!found) {
        errno = EPROTO;
        return -1;
    }
    return got;
}

int clx_terminal_size(int descriptor, int *columns, int *rows) {
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0) return -1;
    *columns = size.ws_col > 0 ? size.ws_col : 80;
    *rows = size.ws_row > 0 ? size.ws_row : 24;
    return 0;
}

char **clx_environment(void) { return environ; }

void clx_give_memory_back(void) { malloc_trim(0); }

const char *clx_error_text(int code) { return strerrordesc_np(code); }

int clx_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }
