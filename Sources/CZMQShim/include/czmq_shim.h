/// The C-backed IPC core: everything of libzmq 4.3 that the system uses, as small total functions.
///
/// Rules that hold for every function here:
///
/// - A socket is made, used and closed by one thread. A context may be used by any thread.
/// - A function that returns `int` returns 0, or an errno value: the system's, or one of `CZS_ETERM`,
///   `CZS_EFSM`, `CZS_ENOCOMPATPROTO`. It
///   never aborts and sets no global state. EINTR is never returned: interrupted calls are repeated, except in
///   `czs_poll`, where an interruption counts as "nothing ready".
/// - Buffers belong to the caller; nothing is kept after the return except where the comment says so.
/// - After `czs_context_shutdown` every call on the context's sockets returns `CZS_ETERM`, blocked ones included; then
///   each thread closes its sockets.
#ifndef CZMQ_SHIM_H
#define CZMQ_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The context was shut down (libzmq's ETERM).
#define CZS_ETERM 156384765
/// The socket cannot do this in its state (libzmq's EFSM).
#define CZS_EFSM 156384763
/// The endpoint's transport is not for this kind of socket (libzmq's ENOCOMPATPROTO).
#define CZS_ENOCOMPATPROTO 156384764

typedef struct czs_context czs_context;
typedef struct czs_socket czs_socket;

/// The version of the libzmq that is loaded.
void czs_version(int *_Nonnull major, int *_Nonnull minor, int *_Nonnull patch);

/// True when the loaded libzmq can do CURVE.
bool czs_has_curve(void);

/// A text for any errno value that this header's functions return. Never NULL; static storage.
const char *_Nonnull czs_error_text(int code);

/// Descriptors that connections from outside never take (`accept.c`).
#define CZS_OWN_DESCRIPTORS 128

/// A connection that would get this descriptor or a higher one is closed at once: the
/// process's limit of descriptors, less its own.
long czs_connection_limit(void);

// MARK: - Contexts

/// Makes a context with `io_threads` (1 or more) background threads and room for `max_sockets` sockets.
/// NULL when memory or descriptors are short; then `*failure` holds the errno value.
///
/// libzmq's threads have proven to run in this process when this returns: where the system forbids them something
/// (libzmq aborts then), the process ends here, and not after it has said that it is ready.
czs_context *_Nullable czs_context_new(int io_threads, int max_sockets, int *_Nonnull failure);

/// Makes every call on the context's sockets return `CZS_ETERM` from now on. Any thread, any number of times.
int czs_context_shutdown(czs_context *_Nonnull context);

/// Frees the context. Blocks until all its sockets are closed and their linger times are over.
int czs_context_destroy(czs_context *_Nonnull context);

// MARK: - Sockets

enum czs_kind {
    CZS_XPUB = 0,
    CZS_SUB = 1,
    CZS_ROUTER = 2,
    CZS_DEALER = 3,
    CZS_PAIR = 4,
    CZS_REQ = 5,
};

/// Opens a socket. EMFILE: the context's or the process's limit is reached.
int czs_socket_open(czs_context *_Nonnull context, enum czs_kind kind, czs_socket *_Nullable *_Nonnull socket);

/// Closes the socket; it must not be used again. Messages still queued are sent within its linger time.
int czs_socket_close(czs_socket *_Nonnull socket);

enum czs_option {
    CZS_SEND_HWM = 0,
    CZS_RECEIVE_HWM = 1,
    CZS_LINGER_MILLIS = 2,
    CZS_MAX_MESSAGE_BYTES = 3,
    CZS_XPUB_VERBOSE = 4,
    CZS_XPUB_NODROP = 5,
    CZS_ROUTER_MANDATORY = 6,
    CZS_ROUTER_HANDOVER = 7,
    CZS_IMMEDIATE = 8,
    CZS_HEARTBEAT_INTERVAL_MILLIS = 9,
    CZS_HEARTBEAT_TIMEOUT_MILLIS = 10,
    CZS_HEARTBEAT_TTL_MILLIS = 11,
    CZS_HANDSHAKE_MILLIS = 12,
    CZS_RECONNECT_MILLIS = 13,
    CZS_RECONNECT_MAX_MILLIS = 14,
    CZS_CONNECT_TIMEOUT_MILLIS = 15,
    CZS_TCP_KEEPALIVE = 16,
    CZS_IPV6 = 17,
    CZS_BACKLOG = 18,
    CZS_CURVE_SERVER = 19,
    CZS_SEND_BUFFER_BYTES = 20,
    CZS_RECEIVE_BUFFER_BYTES = 21,
    /// Nobody gets in while nobody answers libzmq's authentication requests; without it everybody does.
    CZS_ZAP_ENFORCE_DOMAIN = 22,
};

/// Sets a number-valued option. EINVAL: libzmq refuses the value.
int czs_socket_set_int(czs_socket *_Nonnull socket, enum czs_option option, int64_t value);

enum czs_bytes_option {
    CZS_SUBSCRIBE = 0,
    CZS_UNSUBSCRIBE = 1,
    CZS_ROUTING_ID = 2,
    CZS_ZAP_DOMAIN = 3,
    /// The three keys: 32 bytes each.
    CZS_CURVE_PUBLIC_KEY = 4,
    CZS_CURVE_SECRET_KEY = 5,
    CZS_CURVE_SERVER_KEY = 6,
};

/// Sets a byte-valued option; `bytes` may be NULL only when `count` is 0 (subscribe to everything).
int czs_socket_set_bytes(
    czs_socket *_Nonnull socket, enum czs_bytes_option option, const void *_Nullable bytes, size_t count);

/// Binds. EADDRINUSE: somebody listens there; for `ipc://` paths too, where libzmq itself would take the file away from
/// a living server. EACCES, ENOENT, ENAMETOOLONG: the path; ENODEV: no such interface; EINVAL: not an endpoint.
///
/// The file of an `ipc://` path is the caller's: it stays when the socket is closed, and the same endpoint may be bound
/// again when it has vanished. Connections that came through an earlier binding go on.
int czs_socket_bind(czs_socket *_Nonnull socket, const char *_Nonnull endpoint);

/// Ends all bindings to the endpoint and the connections that came through them. ENOENT: it is not bound.
int czs_socket_unbind(czs_socket *_Nonnull socket, const char *_Nonnull endpoint);

/// Connects in the background; success says nothing about the peer. EINVAL: not an endpoint.
int czs_socket_connect(czs_socket *_Nonnull socket, const char *_Nonnull endpoint);

/// Copies the last bound or connected endpoint (`tcp://127.0.0.1:40123` after a bind to port `*`) with its NUL.
/// EINVAL when `capacity` is too small.
int czs_socket_last_endpoint(czs_socket *_Nonnull socket, char *_Nonnull buffer, size_t capacity);

// MARK: - Sending

/// A piece of memory to send; `bytes` may be NULL only when `count` is 0.
typedef struct czs_part {
    const void *_Nullable bytes;
    size_t count;
} czs_part;

/// Sends one message of `count` (1 or more) frames, whole or not at all.
///
/// `wait_millis` 0 never blocks; -1 waits for ever. EAGAIN: no room in that time (a publisher never says so: it drops
/// for the slow one). EHOSTUNREACH: a mandatory router does not know the peer named by the first frame.
int czs_send(czs_socket *_Nonnull socket, const czs_part *_Nonnull parts, size_t count, int wait_millis);

/// Counts the bytes of messages to one client that libzmq still holds: not yet
/// taken by the system's socket, or not read.
typedef struct czs_tally czs_tally;

/// A tally of 0 bytes; NULL when memory is short.
czs_tally *_Nullable czs_tally_new(void);

/// Bytes held now, with what libzmq needs for each message. Any thread.
int64_t czs_tally_bytes(const czs_tally *_Nonnull tally);

/// Gives the tally up; it lives on until the messages that it counts are gone.
void czs_tally_release(czs_tally *_Nonnull tally);

/// As `czs_send` with `wait_millis` 0, its last frame counted by `tally` while libzmq holds it. ENOMEM: nothing was
/// sent of the last frame; the message is incomplete and the peer is to be dropped.
int czs_send_counted(
    czs_socket *_Nonnull socket, const czs_part *_Nonnull parts, size_t count, czs_tally *_Nonnull tally);

/// Ends the connection of a client of the server at socket file `path`, by the descriptor that `czs_receive_from` told.
/// ENOENT: the descriptor is no such connection (any more).
int czs_drop_connection(int descriptor, const char *_Nonnull path);

/// One message of the live feed: a topic and a run of records.
typedef struct czs_run {
    const void *_Nullable topic;
    size_t topic_count;
    const void *_Nullable payload;
    size_t payload_count;
} czs_run;

/// Publishes `count` two-frame messages, never blocking; `*sent` says how many went out whole.
///
/// The work is per run, not per record: each payload is copied once, as a block, into the message that libzmq queues.
int czs_publish(czs_socket *_Nonnull socket, const czs_run *_Nonnull runs, size_t count, size_t *_Nonnull sent);

// MARK: - Receiving

/// A place for one frame. `length` is set to the frame's own length, which is above `capacity` when it was cut.
typedef struct czs_slot {
    void *_Nullable buffer;
    size_t capacity;
    size_t length;
} czs_slot;

/// Receives one whole message into the caller's buffers.
///
/// `*frames` is set to the number of frames that the message had; those beyond `count` are read and thrown away.
/// `wait_millis` as in `czs_send`. EAGAIN: nothing came. EMSGSIZE: a message came and is consumed, but a frame was
/// longer than its slot: the slots hold the cut bytes and the real lengths.
int czs_receive(
    czs_socket *_Nonnull socket, czs_slot *_Nonnull slots, size_t count, int wait_millis, size_t *_Nonnull frames);

/// As `czs_receive`; `*source` is the descriptor of the connection that the message came over, or -1. The connection,
/// and so the descriptor, may be gone by now.
int czs_receive_from(
    czs_socket *_Nonnull socket, czs_slot *_Nonnull slots, size_t count, int wait_millis, size_t *_Nonnull frames,
    int *_Nonnull source);

// MARK: - Polling

#define CZS_POLL_IN 1
#define CZS_POLL_OUT 2
#define CZS_POLL_ERROR 4

/// One thing to wait for: a socket, or a descriptor when `socket` is NULL (a negative descriptor is skipped). The bytes
/// are libzmq's `zmq_pollitem_t`.
typedef struct czs_poll_item {
    czs_socket *_Nullable socket;
    int descriptor;
    short events;
    short ready;
} czs_poll_item;

/// Waits until an item is ready or `wait_millis` (-1: for ever) are over; `*ready` counts the ready items. A
/// signal ends the wait with 0 ready items.
int czs_poll(czs_poll_item *_Nonnull items, size_t count, long wait_millis, size_t *_Nonnull ready);

// MARK: - Monitoring

#define CZS_EVENT_CONNECTED 0x0001
#define CZS_EVENT_CONNECT_DELAYED 0x0002
#define CZS_EVENT_CONNECT_RETRIED 0x0004
#define CZS_EVENT_LISTENING 0x0008
#define CZS_EVENT_BIND_FAILED 0x0010
#define CZS_EVENT_ACCEPTED 0x0020
#define CZS_EVENT_ACCEPT_FAILED 0x0040
#define CZS_EVENT_CLOSED 0x0080
#define CZS_EVENT_CLOSE_FAILED 0x0100
#define CZS_EVENT_DISCONNECTED 0x0200
#define CZS_EVENT_MONITOR_STOPPED 0x0400
#define CZS_EVENT_HANDSHAKE_FAILED_NO_DETAIL 0x0800
#define CZS_EVENT_HANDSHAKE_SUCCEEDED 0x1000
#define CZS_EVENT_HANDSHAKE_FAILED_PROTOCOL 0x2000
#define CZS_EVENT_HANDSHAKE_FAILED_AUTH 0x4000
#define CZS_EVENT_ALL 0xFFFF

/// Lets `socket` tell its connection events (a mask of `CZS_EVENT_…`) at `endpoint`, an `inproc://` address to which a
/// `CZS_PAIR` socket connects. By the socket's thread.
int czs_monitor_start(czs_socket *_Nonnull socket, const char *_Nonnull endpoint, int events);

/// Receives one event from the `CZS_PAIR` socket: its bit, its value (a descriptor, an errno value, a ZAP status: by
/// event) and the endpoint, cut at `capacity` with a NUL. EAGAIN: nothing came in time. EPROTO: not an event.
int czs_monitor_receive(
    czs_socket *_Nonnull pair, int wait_millis, uint16_t *_Nonnull event, uint32_t *_Nonnull value,
    char *_Nonnull endpoint, size_t capacity);

// MARK: - CURVE and access control

#define CZS_KEY_BYTES 32

/// Makes a new key pair. ENOTSUP: libzmq was built without CURVE.
int czs_curve_new_pair(uint8_t *_Nonnull public_key, uint8_t *_Nonnull secret_key);

/// The public key that belongs to a secret one.
int czs_curve_public_of(const uint8_t *_Nonnull secret_key, uint8_t *_Nonnull public_key);

/// 40 characters of Z85 and a NUL to 32 bytes; EINVAL when the text is anything else.
int czs_key_decode(const char *_Nonnull text, uint8_t *_Nonnull key);

/// 32 bytes to 40 characters of Z85 and a NUL (41 bytes).
void czs_key_encode(const uint8_t *_Nonnull key, char *_Nonnull text);

typedef struct czs_gate czs_gate;

/// Starts the context's access control: a thread that answers libzmq's authentication requests (ZAP, RFC 27) and lets
/// in only CURVE clients of this `domain` whose public key is in the list of `count` keys of 32 bytes (copied).
///
/// It answers until the context is shut down, so that a CURVE server of this context is never without
/// it. Where it is all the same, `CZS_ZAP_ENFORCE_DOMAIN` lets nobody in. EADDRINUSE: this context has
/// one already. Free it with `czs_gate_join`.
int czs_gate_start(
    czs_context *_Nonnull context, const char *_Nonnull domain, const uint8_t *_Nullable keys, size_t count,
    czs_gate *_Nullable *_Nonnull gate);

/// Replaces the list. Any thread. Connections that stand are not ended. ENOMEM leaves the old list.
int czs_gate_allow(czs_gate *_Nonnull gate, const uint8_t *_Nullable keys, size_t count);

/// How many requests were let in and refused so far. Any thread.
void czs_gate_counts(czs_gate *_Nonnull gate, uint64_t *_Nonnull admitted, uint64_t *_Nonnull refused);

/// Waits for the thread to end and frees the gate; only after `czs_context_shutdown`, before `czs_context_destroy`.
void czs_gate_join(czs_gate *_Nonnull gate);

#endif
