// The bare work of the connector in C, to measure the connector against: read a gateway's socket, cut frames, decode
// tick-by-tick messages, number them, append them as checksummed blocks to a file, publish them over ZeroMQ.
//
//     baseline PORT STREAMS JOURNAL-FILE ENDPOINT
//
// One thread, no allocation per tick, the same batching as the connector: per read of up to 256 KiB one block in the
// file and one message of up to 256 records per stream. It has no reconnecting, no gaps, no replay, no definitions, no
// errors but death. The file is used round and round within 256 MiB.
#include <arpa/inet.h>
#include <clinux_io.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { max_streams = 64, run_records = 256, read_bytes = 256 << 10, journal_bytes = 256 << 20, first_request = 20 };

struct record {
    uint32_t seq, epoch;
    int64_t ts_event, ts_recv;
    int32_t con_id;
    uint8_t kind, source;
    uint16_t flags;
    union {
        struct { int64_t bid_price, ask_price, bid_size, ask_size; } quote;
        struct { int64_t price, size; char exchange[10], conditions[6]; } trade;
    };
};
_Static_assert(sizeof(struct record) == 64, "the record of the file format");

struct block_header {
    uint32_t magic;
    uint16_t version, codec;
    uint32_t records, bytes;
    uint64_t durable_to;
    uint32_t part_id, crc;
};
_Static_assert(sizeof(struct block_header) == 32, "the block header of the file format");

struct stream {
    int32_t con_id;
    uint8_t kind;
    uint32_t seq;
    int staged;
    char topic[32];
    struct record run[run_records];
};

static struct stream streams[max_streams];
static int stream_count, dirty[max_streams], dirty_count, journal;
static off_t journal_offset;
static uint32_t epoch;
static int64_t last_recv;
static void *publisher;
static char buffer[2 * read_bytes];
static volatile sig_atomic_t stopped;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int64_t real_nanos(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// MARK: Decoding. Fields end in NUL; `at` moves past it.

static int64_t integer(const char **at) {
    int64_t value = 0;
    const char *p = *at;
    int negative = *p == '-';
    if (negative) p++;
    for (; *p; p++) value = value * 10 + (*p - '0');
    *at = p + 1;
    return negative ? -value : value;
}

/// A decimal as units of 1e-9.
static int64_t decimal(const char **at) {
    const char *p = *at;
    int negative = *p == '-';
    if (negative) p++;
    int64_t value = 0;
    for (; *p && *p != '.'; p++) value = value * 10 + (*p - '0');
    int64_t unit = 100000000;
    value *= 1000000000;
    if (*p == '.')
        for (p++; *p; p++, unit /= 10) value += (*p - '0') * unit;
    *at = p + 1;
    return negative ? -value : value;
}

static void text(const char **at, char *into, size_t room) {
    size_t length = strlen(*at);
    memset(into, 0, room);
    memcpy(into, *at, length < room ? length : room);
    *at += length + 1;
}

// MARK: Journal and feed

static void append(void) {
    struct block_header header = {.magic = 0x42544249, .version = 1, .part_id = epoch};
    struct iovec pieces[max_streams + 1] = {{&header, sizeof header}};
    for (int index = 0; index < dirty_count; index++) {
        struct stream *stream = &streams[dirty[index]];
        pieces[index + 1] = (struct iovec){stream->run, (size_t)stream->staged * sizeof(struct record)};
        header.records += (uint32_t)stream->staged;
    }
    header.bytes = header.records * sizeof(struct record);
    uint32_t crc = 0;
    for (int index = 0; index <= dirty_count; index++)
        crc = clx_crc32c(crc, pieces[index].iov_base, pieces[index].iov_len);
    header.crc = crc;
    size_t bytes = sizeof header + header.bytes;
    if (journal_offset + (off_t)bytes > journal_bytes) journal_offset = 0;
    if (pwritev(journal, pieces, dirty_count + 1, journal_offset) != (ssize_t)bytes) die("journal");
    journal_offset += (off_t)bytes;
}

static void publish(const char *topic, const void *payload, size_t bytes) {
    if (zmq_send(publisher, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0
        || zmq_send(publisher, payload, bytes, ZMQ_DONTWAIT) < 0)
        die("publish");
}

static void flush(void) {
    if (dirty_count == 0) return;
    append();
    for (int index = 0; index < dirty_count; index++) {
        struct stream *stream = &streams[dirty[index]];
        publish(stream->topic, stream->run, (size_t)stream->staged * sizeof(struct record));
        stream->staged = 0;
    }
    dirty_count = 0;
}

/// Message 99: `99 reqId kind time …`.
static void take(const char *body) {
    if (body[0] != '9' || body[1] != '9' || body[2] != 0) return;
    const char *at = body + 3;
    int64_t index = integer(&at) - first_request;
    if (index < 0 || index >= stream_count) return;
    struct stream *stream = &streams[index];
    if (stream->staged == run_records) flush();
    if (stream->staged == 0) dirty[dirty_count++] = (int)index;
    struct record *record = &stream->run[stream->staged++];
    int64_t kind = integer(&at);
    record->ts_event = integer(&at) * 1000000000;
    record->seq = ++stream->seq;
    record->epoch = epoch;
    record->ts_recv = ++last_recv;
    record->con_id = stream->con_id;
    record->kind = stream->kind;
    record->source = 0;
    if (kind == 3) {
        record->quote.bid_price = decimal(&at);
        record->quote.ask_price = decimal(&at);
        record->quote.bid_size = decimal(&at);
        record->quote.ask_size = decimal(&at);
        record->flags = (uint16_t)integer(&at) & 3;
    } else {
        record->trade.price = decimal(&at);
        record->trade.size = decimal(&at);
        record->flags = (uint16_t)integer(&at) & 3;
        text(&at, record->trade.exchange, sizeof record->trade.exchange);
        text(&at, record->trade.conditions, sizeof record->trade.conditions);
    }
}

// MARK: The gateway

static void send_fields(int gateway, const char *fields) {
    char bytes[256];
    uint32_t count = 4;
    for (; *fields; fields++) bytes[count++] = *fields == '|' ? 0 : *fields;
    uint32_t length = htonl(count - 4);
    memcpy(bytes, &length, 4);
    if (write(gateway, bytes, count) != (ssize_t)count) die("gateway");
}

static int connect_gateway(int port) {
    int gateway = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (gateway < 0 || connect(gateway, (struct sockaddr *)&address, sizeof address) != 0) die("gateway");
    if (write(gateway, "API", 4) != 4) die("gateway");
    send_fields(gateway, "v157..178");
    char answer[256];
    if (read(gateway, answer, sizeof answer) <= 0) die("gateway");
    send_fields(gateway, "71|2|7||");
    for (int index = 0; index < stream_count; index++) {
        char request[128];
        snprintf(request, sizeof request, "97|%d|%d|||||||CME||USD|||%s|0|0|", first_request + index,
                 streams[index].con_id, streams[index].kind == 1 ? "Last" : "BidAsk");
        send_fields(gateway, request);
    }
    return gateway;
}

/// Reads once and takes every whole frame; keeps the rest for the next time. 0 when the gateway has gone.
static int serve(int gateway) {
    static size_t held;
    ssize_t got = read(gateway, buffer + held, read_bytes);
    if (got <= 0) return 0;
    int64_t now = real_nanos() - 1;
    if (now > last_recv) last_recv = now;
    size_t end = held + (size_t)got, at = 0;
    while (end - at >= 4) {
        uint32_t length;
        memcpy(&length, buffer + at, 4);
        length = ntohl(length);
        if (length == 0 || length > read_bytes) die("frame");
        if (end - at - 4 < length) break;
        take(buffer + at + 4);
        at += 4 + length;
    }
    flush();
    held = end - at;
    memmove(buffer, buffer + at, held);
    return 1;
}

static void stop(int signal) {
    (void)signal;
    stopped = 1;
}

int main(int argc, char **argv) {
    if (argc != 5 || (stream_count = atoi(argv[2])) < 1 || stream_count > max_streams) {
        fprintf(stderr, "usage: baseline PORT STREAMS JOURNAL-FILE ENDPOINT\n");
        return 64;
    }
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    epoch = (uint32_t)time(NULL);
    for (int index = 0; index < stream_count; index++) {
        streams[index].con_id = 1000 + index / 2;
        streams[index].kind = index % 2 ? 1 : 3;
        snprintf(streams[index].topic, sizeof streams[index].topic, "tick.%d.%s", streams[index].con_id,
                 index % 2 ? "last" : "bid_ask");
    }
    journal = open(argv[3], O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (journal < 0 || posix_fallocate(journal, 0, journal_bytes) != 0) die("journal");
    void *context = zmq_ctx_new();
    publisher = zmq_socket(context, ZMQ_XPUB);
    int high_water_mark = 8192, linger = 0;
    zmq_setsockopt(publisher, ZMQ_SNDHWM, &high_water_mark, sizeof high_water_mark);
    zmq_setsockopt(publisher, ZMQ_LINGER, &linger, sizeof linger);
    if (zmq_bind(publisher, argv[4]) != 0) die("bind");
    int gateway = connect_gateway(atoi(argv[1]));

    int64_t next_watermark = 0;
    zmq_pollitem_t items[] = {{.fd = gateway, .events = ZMQ_POLLIN}, {.socket = publisher, .events = ZMQ_POLLIN}};
    while (!stopped) {
        if (zmq_poll(items, 2, 100) < 0) continue;
        if (items[1].revents) {
            char subscription[64];
            while (zmq_recv(publisher, subscription, sizeof subscription, ZMQ_DONTWAIT) >= 0) continue;
        }
        if (items[0].revents && !serve(gateway)) break;
        if (real_nanos() >= next_watermark) {
            next_watermark = real_nanos() + 1000000000;
            publish("watermark", "{}", 2);
        }
    }
    zmq_close(publisher);
    zmq_ctx_term(context);
    return 0;
}
