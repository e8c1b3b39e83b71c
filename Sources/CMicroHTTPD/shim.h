#pragma once
#include <microhttpd.h>
#include <netinet/in.h>

/// The calls that are variadic in C and so hidden from Swift.

/// Starts a daemon with a thread of its own on a listening socket. `answer` is called for each request, `notify` when a
/// connection begins and before its descriptor is closed, all with `context`, on
/// the daemon's thread. NULL: errno says why.
static inline struct MHD_Daemon *_Nullable cmh_start(
    int listener, MHD_AccessHandlerCallback _Nonnull answer, MHD_NotifyConnectionCallback _Nonnull notify,
    void *_Nonnull context, unsigned connections, unsigned idle_seconds, size_t connection_bytes) {
    return MHD_start_daemon(
        MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, answer, context, MHD_OPTION_LISTEN_SOCKET, listener,
        MHD_OPTION_NOTIFY_CONNECTION, notify, context, MHD_OPTION_CONNECTION_LIMIT, connections,
        MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_bytes, MHD_OPTION_END);
}

/// The connection's socket; -1 when it has none.
static inline int cmh_descriptor(struct MHD_Connection *_Nonnull connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != NULL ? info->connect_fd : -1;
}

/// True when the client is on this host.
static inline int cmh_is_local(struct MHD_Connection *_Nonnull connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info == NULL || info->client_addr == NULL) return 0;
    if (info->client_addr->sa_family == AF_INET) {
        const struct sockaddr_in *name = (const struct sockaddr_in *)info->client_addr;
        return ntohl(name->sin_addr.s_addr) >> 24 == 127;
    }
    if (info->client_addr->sa_family != AF_INET6) return 0;
    const struct in6_addr *address = &((const struct sockaddr_in6 *)info->client_addr)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(address) || (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}
