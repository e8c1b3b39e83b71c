// The one call of libzmq by which a stranger can end the process: 4.3.4 takes EMFILE from accept4 on a unix socket
// for a bug of its own and aborts (ipc_listener.cpp). A thousand connections to a socket file did that to a
// service with the usual limit of descriptors.
//
// The linker puts this accept4 before the C library's for everything in the program. It keeps the last descriptors for
// the process itself: a connection that would take one of them is closed at once and reported as ECONNABORTED, which
// libzmq (and libmicrohttpd) take for a peer that went away. Descriptors are given lowest first, so the
// number of the new one says how many are open.
#define _GNU_SOURCE
#include "czmq_shim.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

long czs_connection_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX) return INT32_MAX;
    return (long)limit.rlim_cur - CZS_OWN_DESCRIPTORS;
}

int accept4(int listener, struct sockaddr *address, socklen_t *restrict length, int flags) {
    long accepted = syscall(SYS_accept4, listener, address, length, flags);
    if (accepted >= 0 && accepted < czs_connection_limit()) return (int)accepted;
    if (accepted >= 0) {
        close((int)accepted);
    } else if (errno == EMFILE || errno == ENFILE) {
        // The process itself has used up its own: the listener stays readable, so do not spin on it.
        poll(NULL, 0, 10);
    } else {
        return -1;
    }
    errno = ECONNABORTED;
    return -1;
}
