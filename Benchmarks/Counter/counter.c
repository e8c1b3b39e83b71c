// Counts what a subscriber receives of a blast.
//
//     counter ENDPOINT STREAMS TICKS
//
// Prints `ready` when the first message of any kind has come (both publishers send watermarks), then receives until the
// streams' numbers say that TICKS ticks and the one per stream that ends the blast were published. Prints
// `received N lost N seconds S`: seconds from the first tick's arrival to the last of the TICKS.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

enum { record_bytes = 64, max_streams = 64 };

struct stream { int32_t con_id; uint8_t kind; uint32_t seq; };
static struct stream streams[max_streams];
static int known;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

/// The stream that a record belongs to: `more` and `marker` records name its kind in their first body byte.
static struct stream *stream_of(const uint8_t *record) {
    int32_t con_id;
    memcpy(&con_id, record + 24, 4);
    uint8_t kind = record[28] < 128 ? record[28] : record[32];
    for (int index = 0; index < known; index++)
        if (streams[index].con_id == con_id && streams[index].kind == kind) return &streams[index];
    if (known == max_streams) exit(1);
    streams[known] = (struct stream){.con_id = con_id, .kind = kind};
    return &streams[known++];
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: counter ENDPOINT STREAMS TICKS\n");
        return 64;
    }
    long count = atol(argv[2]), ticks = atol(argv[3]);
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_SUB);
    int high_water_mark = 8192, patience = 20000;
    zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water_mark, sizeof high_water_mark);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, sizeof patience);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    if (zmq_connect(socket, argv[1]) != 0) return 1;

    static _Alignas(8) uint8_t payload[1 << 20];
    char topic[64];
    int ready = 0;
    long numbered = 0, others = 0, received = 0, messages = 0;
    double first = 0, last = 0;
    while (numbered - others < ticks + count) {
        int topic_bytes = zmq_recv(socket, topic, sizeof topic, 0);
        if (topic_bytes < 0) break;  // nothing more comes: what is missing counts as lost
        int bytes = zmq_recv(socket, payload, sizeof payload, 0);
        if (bytes < 0) break;
        if (!ready) {
            ready = 1;
            puts("ready");
            fflush(stdout);
        }
        if (topic_bytes < 5 || memcmp(topic, "tick.", 5) != 0) continue;
        messages++;
        struct stream *stream = stream_of(payload);
        for (int offset = 0; offset < bytes; offset += record_bytes) {
            if (payload[offset + 28] < 128) received++;
            else others++;
        }
        uint32_t seq;
        memcpy(&seq, payload + bytes - record_bytes, 4);
        numbered += seq - stream->seq;
        stream->seq = seq;
        if (first == 0 && received > 0) first = now();
        if (numbered - others <= ticks) last = now();
    }
    printf("received %ld lost %ld seconds %.6f messages %ld\n", received, ticks + count - received,
           last - first, messages);
    return 0;
}
