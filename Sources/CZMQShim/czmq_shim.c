#define _GNU_SOURCE
#include "czmq_shim.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

_Static_assert(CZS_ETERM == ETERM, "the header repeats libzmq's number");
_Static_assert(CZS_EFSM == EFSM, "the header repeats libzmq's number");
_Static_assert(CZS_ENOCOMPATPROTO == ENOCOMPATPROTO, "the header repeats libzmq's number");
_Static_assert(sizeof(czs_poll_item) == sizeof(zmq_pollitem_t), "polled in place");
_Static_assert(offsetof(czs_poll_item, socket) == offsetof(zmq_pollitem_t, socket), "polled in place");
_Static_assert(offsetof(czs_poll_item, descriptor) == offsetof(zmq_pollitem_t, fd), "polled in place");
_Static_assert(offsetof(czs_poll_item, events) == offsetof(zmq_pollitem_t, events), "polled in place");
_Static_assert(offsetof(czs_poll_item, ready) == offsetof(zmq_pollitem_t, revents), "polled in place");
_Static_assert(
    CZS_POLL_IN == ZMQ_POLLIN && CZS_POLL_OUT == ZMQ_POLLOUT && CZS_POLL_ERROR == ZMQ_POLLERR, "polled in place");
_Static_assert(CZS_EVENT_HANDSHAKE_FAILED_AUTH == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, "event bits are libzmq's");
_Static_assert(CZS_EVENT_DISCONNECTED == ZMQ_EVENT_DISCONNECTED, "event bits are libzmq's");

/// ZMQ_ZAP_ENFORCE_DOMAIN: libzmq 4.3 has it, and its header shows it to users of its draft interface only.
#define ENFORCE_DOMAIN 93

// The opaque types are libzmq's own pointers under a name that the compiler can tell apart.
static void *raw(czs_socket *socket) { return (void *)socket; }

/// errno is never 0 after a failed call; EIO stands for the impossible.
static int failure(void) { return errno != 0 ? errno : EIO; }

static int64_t now_millis(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void czs_version(int *major, int *minor, int *patch) { zmq_version(major, minor, patch); }

bool czs_has_curve(void) { return zmq_has("curve") == 1; }

const char *czs_error_text(int code) { return zmq_strerror(code); }

// MARK: - Contexts

/// Sends a byte from one socket to another through the system, which takes libzmq's own threads on
/// both sides. 0 once it has arrived, or an errno value. In a context of its own: a closed socket
/// gives its place back in its own time only.
static int threads_answer(void) {
    static _Atomic unsigned number;
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "ipc://@ib-stream-%ld-%u", (long)getpid(), atomic_fetch_add(&number, 1));
    int linger = 0, wait_millis = 10000, code = 0;
    char byte = 0;
    void *context = zmq_ctx_new();
    if (context == NULL) return failure();
    void *there = zmq_socket(context, ZMQ_PULL), *here = zmq_socket(context, ZMQ_PUSH);
    if (there == NULL || here == NULL || zmq_setsockopt(here, ZMQ_LINGER, &linger, sizeof linger) != 0
        || zmq_setsockopt(there, ZMQ_RCVTIMEO, &wait_millis, sizeof wait_millis) != 0 || zmq_bind(there, endpoint) != 0
        || zmq_connect(here, endpoint) != 0 || zmq_send(here, &byte, 1, ZMQ_DONTWAIT) < 0)
        code = failure();
    while (code == 0 && zmq_recv(there, &byte, 1, 0) < 0) {
        if (errno != EINTR) code = failure();
    }
    if (there != NULL) zmq_close(there);
    if (here != NULL) zmq_close(here);
    while (zmq_ctx_term(context) != 0 && errno == EINTR) {
    }
    return code;
}

czs_context *czs_context_new(int io_threads, int max_sockets, int *failed) {
    *failed = threads_answer();
    if (*failed != 0) return NULL;
    void *context = zmq_ctx_new();
    if (context == NULL) {
        *failed = failure();
        return NULL;
    }
    if (zmq_ctx_set(context, ZMQ_IO_THREADS, io_threads) != 0 || zmq_ctx_set(context, ZMQ_MAX_SOCKETS, max_sockets) != 0) {
        *failed = failure();
        zmq_ctx_term(context);
        return NULL;
    }
    return (czs_context *)context;
}

int czs_context_shutdown(czs_context *context) { return zmq_ctx_shutdown(context) == 0 ? 0 : failure(); }

int czs_context_destroy(czs_context *context) {
    while (zmq_ctx_term(context) != 0) {
        if (errno != EINTR) return failure();
    }
    return 0;
}

// MARK: - Sockets

int czs_socket_open(czs_context *context, enum czs_kind kind, czs_socket **socket) {
    static const int kinds[] = {
        [CZS_XPUB] = ZMQ_XPUB,     [CZS_SUB] = ZMQ_SUB,   [CZS_ROUTER] = ZMQ_ROUTER,
        [CZS_DEALER] = ZMQ_DEALER, [CZS_PAIR] = ZMQ_PAIR, [CZS_REQ] = ZMQ_REQ,
    };
    *socket = NULL;
    if ((size_t)kind >= sizeof kinds / sizeof kinds[0]) return EINVAL;
    void *opened = zmq_socket(context, kinds[kind]);
    if (opened == NULL) return failure();
    *socket = (czs_socket *)opened;
    return 0;
}

int czs_socket_close(czs_socket *socket) { return zmq_close(raw(socket)) == 0 ? 0 : failure(); }

int czs_socket_set_int(czs_socket *socket, enum czs_option option, int64_t value) {
    static const int options[] = {
        [CZS_SEND_HWM] = ZMQ_SNDHWM,
        [CZS_RECEIVE_HWM] = ZMQ_RCVHWM,
        [CZS_LINGER_MILLIS] = ZMQ_LINGER,
        [CZS_MAX_MESSAGE_BYTES] = ZMQ_MAXMSGSIZE,
        [CZS_XPUB_VERBOSE] = ZMQ_XPUB_VERBOSE,
        [CZS_XPUB_NODROP] = ZMQ_XPUB_NODROP,
        [CZS_ROUTER_MANDATORY] = ZMQ_ROUTER_MANDATORY,
        [CZS_ROUTER_HANDOVER] = ZMQ_ROUTER_HANDOVER,
        [CZS_IMMEDIATE] = ZMQ_IMMEDIATE,
        [CZS_HEARTBEAT_INTERVAL_MILLIS] = ZMQ_HEARTBEAT_IVL,
        [CZS_HEARTBEAT_TIMEOUT_MILLIS] = ZMQ_HEARTBEAT_TIMEOUT,
        [CZS_HEARTBEAT_TTL_MILLIS] = ZMQ_HEARTBEAT_TTL,
        [CZS_HANDSHAKE_MILLIS] = ZMQ_HANDSHAKE_IVL,
        [CZS_RECONNECT_MILLIS] = ZMQ_RECONNECT_IVL,
        [CZS_RECONNECT_MAX_MILLIS] = ZMQ_RECONNECT_IVL_MAX,
        [CZS_CONNECT_TIMEOUT_MILLIS] = ZMQ_CONNECT_TIMEOUT,
        [CZS_TCP_KEEPALIVE] = ZMQ_TCP_KEEPALIVE,
        [CZS_IPV6] = ZMQ_IPV6,
        [CZS_BACKLOG] = ZMQ_BACKLOG,
        [CZS_CURVE_SERVER] = ZMQ_CURVE_SERVER,
        [CZS_SEND_BUFFER_BYTES] = ZMQ_SNDBUF,
        [CZS_RECEIVE_BUFFER_BYTES] = ZMQ_RCVBUF,
        [CZS_ZAP_ENFORCE_DOMAIN] = ENFORCE_DOMAIN,
    };
    if ((size_t)option >= sizeof options / sizeof options[0]) return EINVAL;
    if (option == CZS_MAX_MESSAGE_BYTES) {
        return zmq_setsockopt(raw(socket), ZMQ_MAXMSGSIZE, &value, sizeof value) == 0 ? 0 : failure();
    }
    if (value < INT32_MIN || value > INT32_MAX) return EINVAL;
    int narrow = (int)value;
    return zmq_setsockopt(raw(socket), options[option], &narrow, sizeof narrow) == 0 ? 0 : failure();
}

int czs_socket_set_bytes(czs_socket *socket, enum czs_bytes_option option, const void *bytes, size_t count) {
    static const int options[] = {
        [CZS_SUBSCRIBE] = ZMQ_SUBSCRIBE,
        [CZS_UNSUBSCRIBE] = ZMQ_UNSUBSCRIBE,
        [CZS_ROUTING_ID] = ZMQ_ROUTING_ID,
        [CZS_ZAP_DOMAIN] = ZMQ_ZAP_DOMAIN,
        [CZS_CURVE_PUBLIC_KEY] = ZMQ_CURVE_PUBLICKEY,
        [CZS_CURVE_SECRET_KEY] = ZMQ_CURVE_SECRETKEY,
        [CZS_CURVE_SERVER_KEY] = ZMQ_CURVE_SERVERKEY,
    };
    if ((size_t)option >= sizeof options / sizeof options[0]) return EINVAL;
    if (bytes == NULL && count != 0) return EINVAL;
    return zmq_setsockopt(raw(socket), options[option], bytes == NULL ? "" : bytes, count) == 0 ? 0 : failure();
}

/// True when a process accepts connections on the socket file at `path`.
static bool somebody_listens(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address.sun_path || path[0] == '@') return false;
    memcpy(address.sun_path, path, length + 1);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0) return false;
    // EAGAIN: it listens, but its queue is full.
    bool listens = connect(probe, (struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN;
    close(probe);
    return listens;
}

/// A listening socket at `path`, in place of whatever file is there; -1 with errno set.
static int listen_at(const char *path, int backlog) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, length + 1);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) return -1;
    unlink(path);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, backlog) == 0) return listener;
    int code = errno;
    close(listener);
    errno = code;
    return -1;
}

/// libzmq gets a socket that listens already: then the file is ours, and closing an old listener of the same path,
/// which happens later and on another thread, can't remove the file of a new one.
static int bind_file(czs_socket *socket, const char *endpoint, const char *path) {
    if (somebody_listens(path)) return EADDRINUSE;
    int backlog = 0;
    size_t length = sizeof backlog;
    if (zmq_getsockopt(raw(socket), ZMQ_BACKLOG, &backlog, &length) != 0) return failure();
    int listener = listen_at(path, backlog);
    if (listener < 0) return failure();
    int code = 0, none = -1;
    if (zmq_setsockopt(raw(socket), ZMQ_USE_FD, &listener, sizeof listener) != 0) code = failure();
    if (code == 0 && zmq_bind(raw(socket), endpoint) != 0) code = failure();
    // Fails for no reason that could be met: the value is the option's default.
    zmq_setsockopt(raw(socket), ZMQ_USE_FD, &none, sizeof none);
    if (code == 0) return 0;
    close(listener);
    unlink(path);
    return code;
}

int czs_socket_bind(czs_socket *socket, const char *endpoint) {
    static const char ipc[] = "ipc://";
    const char *path = endpoint + sizeof ipc - 1;
    bool is_file = strncmp(endpoint, ipc, sizeof ipc - 1) == 0 && path[0] != '@' && path[0] != '*' && path[0] != 0;
    if (is_file) return bind_file(socket, endpoint, path);
    return zmq_bind(raw(socket), endpoint) == 0 ? 0 : failure();
}

int czs_socket_unbind(czs_socket *socket, const char *endpoint) {
    return zmq_unbind(raw(socket), endpoint) == 0 ? 0 : failure();
}

int czs_socket_connect(czs_socket *socket, const char *endpoint) {
    return zmq_connect(raw(socket), endpoint) == 0 ? 0 : failure();
}

int czs_socket_last_endpoint(czs_socket *socket, char *buffer, size_t capacity) {
    size_t length = capacity;
    return zmq_getsockopt(raw(socket), ZMQ_LAST_ENDPOINT, buffer, &length) == 0 ? 0 : failure();
}

// MARK: - Sending

/// Waits until the socket may be read or written. 0, EAGAIN when `deadline` (monotonic ms; negative: none) passes, or
/// another errno value.
static int wait_for(czs_socket *socket, short events, int64_t deadline) {
    for (;;) {
        int64_t left = -1;
        if (deadline >= 0) {
            left = deadline - now_millis();
            if (left < 0) left = 0;
        }
        zmq_pollitem_t item = {.socket = raw(socket), .events = events};
        int ready = zmq_poll(&item, 1, (long)left);
        if (ready > 0) return 0;
        if (ready < 0 && errno != EINTR) return failure();
        if (ready == 0 && deadline >= 0 && now_millis() >= deadline) return EAGAIN;
    }
}

static int64_t deadline_after(int wait_millis) { return wait_millis < 0 ? -1 : now_millis() + wait_millis; }

/// One frame, at once. A frame behind the first never meets a full queue: libzmq decides per message.
static int send_frame(czs_socket *socket, const void *bytes, size_t count, int flags) {
    while (zmq_send(raw(socket), bytes, count, flags | ZMQ_DONTWAIT) < 0) {
        if (errno != EINTR) return failure();
    }
    return 0;
}

struct czs_tally {
    _Atomic int64_t bytes;
    /// The owner's, and one for each message that is held.
    _Atomic int64_t holders;
};

/// The last frame of a counted message, with its tally in front.
struct counted {
    czs_tally *tally;
    int64_t cost;
    unsigned char bytes[];
};

/// What libzmq takes for a message of a few frames beside their bytes.
#define MESSAGE_COST 512

czs_tally *czs_tally_new(void) {
    czs_tally *tally = calloc(1, sizeof *tally);
    if (tally != NULL) atomic_store(&tally->holders, 1);
    return tally;
}

int64_t czs_tally_bytes(const czs_tally *tally) { return atomic_load(&tally->bytes); }

void czs_tally_release(czs_tally *tally) {
    if (atomic_fetch_sub(&tally->holders, 1) == 1) free(tally);
}

/// libzmq calls it, on any thread, when it needs the frame no more.
static void release_counted(void *data, void *hint) {
    (void)data;
    struct counted *counted = hint;
    atomic_fetch_sub(&counted->tally->bytes, counted->cost);
    czs_tally_release(counted->tally);
    free(counted);
}

static int send_counted_frame(czs_socket *socket, const czs_part *part, czs_tally *tally) {
    struct counted *counted = malloc(sizeof *counted + part->count);
    if (counted == NULL) return ENOMEM;
    counted->tally = tally;
    counted->cost = (int64_t)part->count + MESSAGE_COST;
    if (part->count != 0) memcpy(counted->bytes, part->bytes, part->count);
    zmq_msg_t message;
    if (zmq_msg_init_data(&message, counted->bytes, part->count, release_counted, counted) != 0) {
        free(counted);
        return ENOMEM;
    }
    atomic_fetch_add(&tally->holders, 1);
    atomic_fetch_add(&tally->bytes, counted->cost);
    while (zmq_msg_send(&message, raw(socket), ZMQ_DONTWAIT) < 0) {
        if (errno == EINTR) continue;
        int code = failure();
        zmq_msg_close(&message);
        return code;
    }
    return 0;
}

int czs_send_counted(czs_socket *socket, const czs_part *parts, size_t count, czs_tally *tally) {
    if (count == 0) return EINVAL;
    for (size_t index = 0; index + 1 < count; index++) {
        int code = send_frame(socket, parts[index].bytes, parts[index].count, ZMQ_SNDMORE);
        if (code != 0) return code;
    }
    return send_counted_frame(socket, &parts[count - 1], tally);
}

int czs_drop_connection(int descriptor, const char *path) {
    struct sockaddr_un name = {0};
    socklen_t length = sizeof name;
    if (descriptor < 0 || getsockname(descriptor, (struct sockaddr *)&name, &length) != 0) return ENOENT;
    if (name.sun_family != AF_UNIX || strncmp(name.sun_path, path, sizeof name.sun_path) != 0) return ENOENT;
    return shutdown(descriptor, SHUT_RDWR) == 0 ? 0 : ENOENT;
}

int czs_send(czs_socket *socket, const czs_part *parts, size_t count, int wait_millis) {
    if (count == 0) return EINVAL;
    int64_t deadline = 0;
    for (size_t index = 0; index < count; index++) {
        if (parts[index].bytes == NULL && parts[index].count != 0) return EINVAL;
    }
    for (size_t index = 0; index < count; index++) {
        int flags = index + 1 < count ? ZMQ_SNDMORE : 0;
        int code = send_frame(socket, parts[index].bytes, parts[index].count, flags);
        while (code == EAGAIN && wait_millis != 0) {
            if (deadline == 0) deadline = deadline_after(wait_millis);
            code = wait_for(socket, ZMQ_POLLOUT, deadline);
            if (code == 0) code = send_frame(socket, parts[index].bytes, parts[index].count, flags);
            // A router is always writable, whoever the message is for: then look once a millisecond.
            if (code == EAGAIN && deadline >= 0 && now_millis() >= deadline) break;
            if (code == EAGAIN) poll(NULL, 0, 1);
        }
        if (code != 0) return code;
    }
    return 0;
}

int czs_publish(czs_socket *socket, const czs_run *runs, size_t count, size_t *sent) {
    *sent = 0;
    for (size_t index = 0; index < count; index++) {
        const czs_run *run = &runs[index];
        if ((run->topic == NULL && run->topic_count != 0) || (run->payload == NULL && run->payload_count != 0)) {
            return EINVAL;
        }
        int code = send_frame(socket, run->topic, run->topic_count, ZMQ_SNDMORE);
        if (code == 0) code = send_frame(socket, run->payload, run->payload_count, 0);
        if (code != 0) return code;
        *sent = index + 1;
    }
    return 0;
}

// MARK: - Receiving

int czs_receive(czs_socket *socket, czs_slot *slots, size_t count, int wait_millis, size_t *frames) {
    int source = 0;
    return czs_receive_from(socket, slots, count, wait_millis, frames, &source);
}

int czs_receive_from(
    czs_socket *socket, czs_slot *slots, size_t count, int wait_millis, size_t *frames, int *source) {
    int64_t deadline = 0;
    bool cut = false;
    *frames = 0;
    *source = -1;
    for (;;) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        int code = zmq_msg_recv(&message, raw(socket), ZMQ_DONTWAIT) < 0 ? failure() : 0;
        if (code != 0) {
            zmq_msg_close(&message);
            if (code == EINTR) continue;
            // Only in front of a message: its frames arrive together.
            if (code != EAGAIN || wait_millis == 0) return code;
            if (deadline == 0) deadline = deadline_after(wait_millis);
            code = wait_for(socket, ZMQ_POLLIN, deadline);
            if (code != 0) return code;
            continue;
        }
        size_t length = zmq_msg_size(&message);
        if (*frames < count) {
            czs_slot *slot = &slots[*frames];
            slot->length = length;
            size_t copied = length < slot->capacity ? length : slot->capacity;
            if (copied != 0) memcpy(slot->buffer, zmq_msg_data(&message), copied);
            if (copied < length) cut = true;
        }
        *frames += 1;
        bool more = zmq_msg_more(&message) != 0;
        if (!more) *source = zmq_msg_get(&message, ZMQ_SRCFD);
        zmq_msg_close(&message);
        if (!more) return cut ? EMSGSIZE : 0;
    }
}

// MARK: - Polling

int czs_poll(czs_poll_item *items, size_t count, long wait_millis, size_t *ready) {
    *ready = 0;
    if (count > INT32_MAX) return EINVAL;
    int polled = zmq_poll((zmq_pollitem_t *)items, (int)count, wait_millis);
    if (polled < 0) {
        int code = failure();
        for (size_t index = 0; index < count; index++) items[index].ready = 0;
        return code == EINTR ? 0 : code;
    }
    *ready = (size_t)polled;
    return 0;
}

// MARK: - Monitoring

int czs_monitor_start(czs_socket *socket, const char *endpoint, int events) {
    return zmq_socket_monitor(raw(socket), endpoint, events) == 0 ? 0 : failure();
}

int czs_monitor_receive(
    czs_socket *pair, int wait_millis, uint16_t *event, uint32_t *value, char *endpoint, size_t capacity) {
    uint8_t head[6];
    czs_slot slots[2] = {
        {.buffer = head, .capacity = sizeof head},
        {.buffer = endpoint, .capacity = capacity == 0 ? 0 : capacity - 1},
    };
    size_t frames = 0;
    int code = czs_receive(pair, slots, 2, wait_millis, &frames);
    if (code != 0 && code != EMSGSIZE) return code;
    if (frames != 2 || slots[0].length != sizeof head) return EPROTO;
    memcpy(event, head, sizeof *event);
    memcpy(value, head + sizeof *event, sizeof *value);
    if (capacity != 0) endpoint[slots[1].length < capacity - 1 ? slots[1].length : capacity - 1] = 0;
    return 0;
}
