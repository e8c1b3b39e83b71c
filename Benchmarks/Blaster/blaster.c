// A gateway that does nothing but send: logs a client in, waits until it has subscribed, then writes pre-built
// tick-by-tick frames over loopback as fast as they are taken.
//
//     blaster STREAMS TICKS        (TICKS a multiple of 65,536)
//
// Prints `port N`; `subscribed` when STREAMS tick-by-tick requests have come; waits for a line on standard input; sends
// TICKS ticks over the requests in turn (three quotes, then a trade, as each request's kind has it); prints
// `sent TICKS SECONDS`; 300 ms later one more tick per request, so that a lost end shows; then answers the time until
// standard input ends. Every client gets the same bytes but for the request ids that it chose.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { max_streams = 64, block_ticks = 65536, server_version = 178 };

struct request { char id[12]; int is_trade; };
static struct request requests[max_streams];
static int wanted, subscribed, sent;
static char block[block_ticks * 96];

static void die(const char *what) {
    fprintf(stderr, "blaster: %s: %s\n", what, errno ? strerror(errno) : "closed");
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void write_all(int client, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(client, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) die("write");
        bytes += written;
        count -= (size_t)written;
    }
}

static void read_all(int client, char *bytes, size_t count) {
    while (count > 0) {
        ssize_t got = read(client, bytes, count);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0 && sent) exit(0);  // the client has what it wanted
        if (got <= 0) die("read");
        bytes += got;
        count -= (size_t)got;
    }
}

/// Appends a frame of `fields` (each ending in a `|` that becomes NUL) and returns its end.
static char *frame(char *at, const char *fields) {
    uint32_t length = htonl((uint32_t)strlen(fields));
    memcpy(at, &length, 4);
    at += 4;
    for (; *fields; fields++) *at++ = *fields == '|' ? 0 : *fields;
    return at;
}

static void send_frame(int client, const char *fields) {
    char bytes[256];
    write_all(client, bytes, (size_t)(frame(bytes, fields) - bytes));
}

/// One frame's body into `body`, NUL-terminated; returns its length.
static size_t read_frame(int client, char *body, size_t room) {
    uint32_t length;
    read_all(client, (char *)&length, 4);
    length = ntohl(length);
    if (length >= room) die("a frame too long");
    read_all(client, body, length);
    body[length] = 0;
    return length;
}

static const char *field(const char *body, size_t length, int index) {
    const char *end = body + length;
    for (; index > 0 && body < end; index--) body += strlen(body) + 1;
    return body < end ? body : "";
}

/// Logs the client in: hello, startApi, accounts and first id.
static void log_in(int client) {
    char body[4096], hello[64];
    read_all(client, body, 4);
    if (memcmp(body, "API", 4) != 0) die("no API greeting");
    read_frame(client, body, sizeof body);
    snprintf(hello, sizeof hello, "%d|20250812 15:00:00 US/Central|", server_version);
    send_frame(client, hello);
    do read_frame(client, body, sizeof body);
    while (strcmp(body, "71") != 0);
    send_frame(client, "15|1|SIM000001|");
    send_frame(client, "9|1|1|");
}

/// Takes one request: remembers tick-by-tick ones, answers what clients wait for while they start.
static void serve(int client) {
    char body[4096];
    size_t length = read_frame(client, body, sizeof body);
    if (strcmp(body, "97") == 0 && subscribed < wanted) {
        struct request *request = &requests[subscribed++];
        snprintf(request->id, sizeof request->id, "%s", field(body, length, 1));
        request->is_trade = strstr(field(body, length, 14), "Last") != NULL;
    } else if (strcmp(body, "49") == 0) {
        char reply[64];
        snprintf(reply, sizeof reply, "49|1|%ld|", (long)time(NULL));
        send_frame(client, reply);
    } else if (strcmp(body, "61") == 0) {
        send_frame(client, "62|1|");  // no positions: ib_async waits for that
    }
}

/// A tick of a price that walks in quarters, from a fixed seed.
static char *tick(char *at, int stream) {
    static uint32_t random = 1;
    static int quarters[max_streams];
    random = random * 1664525u + 1013904223u;
    quarters[stream] += (int)(random >> 29) - 3;
    int price = 93540 + quarters[stream] % 4000;
    unsigned size = random >> 24 & 63;
    static const char *const decimals[] = {"", ".25", ".5", ".75"};
    char fields[96];
    if (requests[stream].is_trade) {
        snprintf(fields, sizeof fields, "99|%s|1|1755010800|%d%s|%u|0|CME||", requests[stream].id, price / 4,
                 decimals[price & 3], size + 1);
    } else {
        snprintf(fields, sizeof fields, "99|%s|3|1755010800|%d%s|%d%s|%u|%u|0|", requests[stream].id, price / 4,
                 decimals[price & 3], (price + 1) / 4, decimals[(price + 1) & 3], size + 1, 64 - size);
    }
    return frame(at, fields);
}

/// Fills the block: the streams in runs of up to 16 ticks, as bursts come. Returns its end.
static char *build(size_t ticks) {
    char *at = block;
    for (size_t done = 0; done < ticks; done++) at = tick(at, (int)(done / 16 % (size_t)subscribed));
    return at;
}

static void blast(int client, size_t ticks) {
    char *end = build(block_ticks);
    double start = now();
    for (size_t done = 0; done < ticks; done += block_ticks) write_all(client, block, (size_t)(end - block));
    printf("sent %zu %.6f\n", ticks, now() - start);
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 3 || (wanted = atoi(argv[1])) < 1 || wanted > max_streams || atol(argv[2]) < 1
        || atol(argv[2]) % block_ticks != 0) {
        fprintf(stderr, "usage: blaster STREAMS(1..%d) TICKS(a multiple of %d)\n", max_streams, block_ticks);
        return 64;
    }
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1) != 0
        || getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        die("listen");
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    int client = accept(listener, NULL, NULL);
    if (client < 0) die("accept");
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    log_in(client);
    while (subscribed < wanted) serve(client);
    puts("subscribed");
    fflush(stdout);

    struct pollfd waits[] = {{.fd = client, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    char line[64];
    for (;;) {
        if (poll(waits, 2, -1) < 0) die("poll");
        if (waits[1].revents) {
            if (sent || !fgets(line, sizeof line, stdin)) return 0;
            blast(client, (size_t)atol(argv[2]));
            sent = 1;
            usleep(300000);
            for (int stream = 0; stream < subscribed; stream++) {
                char *end = tick(block, stream);
                write_all(client, block, (size_t)(end - block));
            }
        }
        if (waits[0].revents) serve(client);
    }
}
