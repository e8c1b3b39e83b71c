#pragma once
// Processes, threads and descriptors: the calls that Glibc's Swift module hides. Every function that can fail returns
// -1 with errno set, as the call beneath does.

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Names the calling thread; at most 15 bytes, the rest is cut by us.
void clx_set_thread_name(const char *_Nonnull name);

/// The kernel's id of the calling thread.
int clx_thread_id(void);

/// Makes the calling thread one of the background: nice 10, disk requests only when nobody else has any. Returns 0, or
/// the errno value; then it goes on as it was.
int clx_lower_thread_priority(void);

/// A non-blocking, close-on-exec eventfd with the count 0.
int clx_eventfd(void);

/// A non-blocking, close-on-exec signalfd for the `count` signals, which are blocked in the calling thread first
/// (and so in every thread that it starts).
int clx_block_and_signalfd(const int *_Nonnull signals, size_t count);

/// Reads one signal from a signalfd. Returns the signal's number, or 0 if none is pending.
int clx_read_signal(int descriptor);

/// A close-on-exec pidfd of a process.
int clx_pidfd_open(pid_t pid);

/// Sends a signal to the process behind a pidfd: never to another one that got the same number.
int clx_pidfd_signal(int pidfd, int signal);

/// What became of a child.
typedef struct {
    /// 0 while it runs.
    pid_t pid;
    /// True when it ended by a signal; `value` is the signal then, else the exit status.
    int signalled;
    int value;
} clx_exit;

/// Reaps one ended child without waiting (`pid` -1: any). Returns 1 with `*ended` filled, 0 if none has ended, -1.
int clx_reap(pid_t pid, clx_exit *_Nonnull ended);

/// Makes the calling process the one that orphans below it fall to.
int clx_become_subreaper(void);

/// Asks the kernel to deliver the sender's credentials with every datagram of a unix socket.
int clx_pass_credentials(int descriptor);

/// Receives one datagram without waiting, with the sender's credentials as the kernel saw them. Returns its length
/// (more than `capacity` if it was cut), or -1 (EAGAIN: none there; EPROTO: no credentials came with it).
ssize_t clx_receive_with_credentials(int descriptor, void *_Nonnull buffer, size_t capacity, pid_t *_Nonnull pid,
                                     uid_t *_Nonnull uid);

/// Terminal width and height in characters; -1 if the descriptor is no terminal.
int clx_terminal_size(int descriptor, int *_Nonnull columns, int *_Nonnull rows);

/// The process's environment as execve takes it. Owned by the C library; nothing in the product changes it.
char *_Nullable *_Nullable clx_environment(void);

/// Gives memory that the program has freed back to the system, as far as whole pages are free.
void clx_give_memory_back(void);

/// The system's words for an errno value: a constant, or null for a number that means nothing.
const char *_Nullable clx_error_text(int code);

/// A pipe, close-on-exec at both ends: `ends[0]` is read, `ends[1]` written.
int clx_pipe(int *_Nonnull ends);
