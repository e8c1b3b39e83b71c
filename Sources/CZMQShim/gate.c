// CURVE keys, and the thread that answers libzmq's authentication requests (ZAP, ZeroMQ RFC 27).
#define _GNU_SOURCE
#include "czmq_shim.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static int failure(void) { return errno != 0 ? errno : EIO; }

int czs_curve_new_pair(uint8_t *public_key, uint8_t *secret_key) {
    char public_text[41], secret_text[41];
    if (zmq_curve_keypair(public_text, secret_text) != 0) return failure();
    int code = czs_key_decode(public_text, public_key);
    return code != 0 ? code : czs_key_decode(secret_text, secret_key);
}

int czs_curve_public_of(const uint8_t *secret_key, uint8_t *public_key) {
    char secret_text[41], public_text[41];
    czs_key_encode(secret_key, secret_text);
    if (zmq_curve_public(public_text, secret_text) != 0) return failure();
    return czs_key_decode(public_text, public_key);
}

int czs_key_decode(const char *text, uint8_t *key) {
    if (strnlen(text, 41) != 40) return EINVAL;
    uint8_t decoded[32];
    if (zmq_z85_decode(decoded, text) == NULL) return EINVAL;
    memcpy(key, decoded, sizeof decoded);
    return 0;
}

void czs_key_encode(const uint8_t *key, char *text) {
    // Fails only for lengths that are not a multiple of four.
    zmq_z85_encode(text, key, CZS_KEY_BYTES);
}

struct czs_gate {
    void *socket;  // the thread's alone once it runs
    pthread_t thread;
    pthread_mutex_t lock;
    uint8_t *keys;  // under lock
    size_t count;   // under lock
    _Atomic uint64_t admitted;
    _Atomic uint64_t refused;
    char domain[256];
};

/// Compares without telling by its time how much was right.
static bool same_key(const uint8_t *a, const uint8_t *b) {
    uint8_t difference = 0;
    for (int index = 0; index < CZS_KEY_BYTES; index++) difference |= a[index] ^ b[index];
    return difference == 0;
}

static bool allowed(czs_gate *gate, const uint8_t *key) {
    bool found = false;
    pthread_mutex_lock(&gate->lock);
    for (size_t index = 0; index < gate->count && !found; index++) {
        found = same_key(gate->keys + index * CZS_KEY_BYTES, key);
    }
    pthread_mutex_unlock(&gate->lock);
    return found;
}

static bool equals(const char *text, const czs_slot *slot) {
    return slot->length == strlen(text) && memcmp(slot->buffer, text, slot->length) == 0;
}

static int reply(czs_gate *gate, const czs_slot *request, bool admit) {
    const czs_part parts[] = {
        {"1.0", 3},
        {request->buffer, request->length},
        {admit ? "200" : "400", 3},
        {admit ? "OK" : "refused", admit ? 2 : 7},
        {"", 0},
        {"", 0},
    };
    return czs_send((czs_socket *)gate->socket, parts, sizeof parts / sizeof parts[0], -1);
}

/// Frames of a request: version, request id, domain, address, routing id, mechanism, credentials.
static void *answer(void *argument) {
    czs_gate *gate = argument;
    char version[8], request[64], domain[256], address[256], routing[256], mechanism[16];
    uint8_t key[CZS_KEY_BYTES];
    for (;;) {
        czs_slot slots[] = {
            {version, sizeof version, 0}, {request, sizeof request, 0}, {domain, sizeof domain, 0},
            {address, sizeof address, 0}, {routing, sizeof routing, 0}, {mechanism, sizeof mechanism, 0},
            {key, sizeof key, 0},
        };
        size_t frames = 0;
        int code = czs_receive((czs_socket *)gate->socket, slots, 7, -1, &frames);
        if (code != 0 && code != EMSGSIZE) break;  // the context was shut down
        if (frames < 2 || slots[1].length > sizeof request) slots[1].length = 0;
        bool admit = code == 0 && frames == 7 && equals("1.0", &slots[0]) && equals(gate->domain, &slots[2])
            && equals("CURVE", &slots[5]) && slots[6].length == CZS_KEY_BYTES && allowed(gate, key);
        atomic_fetch_add_explicit(admit ? &gate->admitted : &gate->refused, 1, memory_order_relaxed);
        if (reply(gate, &slots[1], admit) != 0) break;
    }
    zmq_close(gate->socket);
    return NULL;
}

static void release(czs_gate *gate) {
    pthread_mutex_destroy(&gate->lock);
    free(gate->keys);
    free(gate);
}

/// The thread takes no signals: those are for the threads that ask for them.
static int start_thread(czs_gate *gate) {
    sigset_t all, before;
    sigfillset(&all);
    int code = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (code != 0) return code;
    code = pthread_create(&gate->thread, NULL, answer, gate);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

int czs_gate_start(czs_context *context, const char *domain, const uint8_t *keys, size_t count, czs_gate **started) {
    *started = NULL;
    czs_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL) return ENOMEM;
    if (strlen(domain) == 0 || strlen(domain) >= sizeof gate->domain) {
        free(gate);
        return EINVAL;
    }
    strcpy(gate->domain, domain);
    int code = pthread_mutex_init(&gate->lock, NULL);
    if (code != 0) {
        free(gate);
        return code;
    }
    code = czs_gate_allow(gate, keys, count);
    if (code == 0) {
        gate->socket = zmq_socket(context, ZMQ_REP);
        if (gate->socket == NULL) code = failure();
    }
    if (code == 0) {
        int linger = 0;
        zmq_setsockopt(gate->socket, ZMQ_LINGER, &linger, sizeof linger);
        if (zmq_bind(gate->socket, "inproc://zeromq.zap.01") != 0) code = failure();
        if (code == 0) code = start_thread(gate);
        if (code != 0) zmq_close(gate->socket);
    }
    if (code != 0) {
        release(gate);
        return code;
    }
    *started = gate;
    return 0;
}

int czs_gate_allow(czs_gate *gate, const uint8_t *keys, size_t count) {
    if ((keys == NULL && count != 0) || count > 65536) return EINVAL;
    uint8_t *copy = malloc(count == 0 ? 1 : count * CZS_KEY_BYTES);
    if (copy == NULL) return ENOMEM;
    if (count != 0) memcpy(copy, keys, count * CZS_KEY_BYTES);
    pthread_mutex_lock(&gate->lock);
    uint8_t *old = gate->keys;
    gate->keys = copy;
    gate->count = count;
    pthread_mutex_unlock(&gate->lock);
    free(old);
    return 0;
}

void czs_gate_counts(czs_gate *gate, uint64_t *admitted, uint64_t *refused) {
    *admitted = atomic_load_explicit(&gate->admitted, memory_order_relaxed);
    *refused = atomic_load_explicit(&gate->refused, memory_order_relaxed);
}

void czs_gate_join(czs_gate *gate) {
    pthread_join(gate->thread, NULL);
    release(gate);
}
