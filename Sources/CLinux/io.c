#include "clinux_io.h"
#include "clinux_refusals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static uint32_t crc_table[256];
static int crc_by_instruction;

/// Filled before main, so that no thread ever sees it half made.
__attribute__((constructor)) static void prepare_crc(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t rest = byte;
        for (int bit = 0; bit < 8; bit++) rest = (rest >> 1) ^ ((rest & 1) ? 0x82F63B78u : 0);
        crc_table[byte] = rest;
    }
#if defined(__x86_64__)
    __builtin_cpu_init();
    crc_by_instruction = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
#endif
}

uint32_t clx_crc32c_portable(uint32_t crc, const void *bytes, size_t count) {
    const uint8_t *at = bytes;
    uint32_t rest = ~crc;
    while (count--) rest = (rest >> 8) ^ crc_table[(rest ^ *at++) & 0xFF];
    return ~rest;
}

#if defined(__x86_64__)
static inline uint64_t word_at(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/// The remainder moved on by the number of zero bytes that `factor` stands for: x^(8 * bytes - 33) mod P, reflected.
__attribute__((target("sse4.2,pclmul"))) static inline uint64_t moved(uint64_t rest, uint32_t factor) {
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)rest), _mm_cvtsi32_si128((int)factor), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

/// The instruction takes three cycles but one can start each cycle, hence three lanes of 512 bytes side by side.
__attribute__((target("sse4.2,pclmul"))) static uint32_t crc_instruction(uint32_t crc, const uint8_t *at,
                                                                          size_t count) {
    enum { lane = 512 };
    const uint32_t past_one_lane = 0xdd7e3b0c, past_two_lanes = 0x170076fa;
    uint64_t a = ~crc;
    while (count >= 3 * lane) {
        uint64_t b = 0, c = 0;
        for (const uint8_t *end = at + lane; at < end; at += 8) {
            a = _mm_crc32_u64(a, word_at(at));
            b = _mm_crc32_u64(b, word_at(at + lane));
            c = _mm_crc32_u64(c, word_at(at + 2 * lane));
        }
        a = moved(a, past_two_lanes) ^ moved(b, past_one_lane) ^ c;
        at += 2 * lane;
        count -= 3 * lane;
    }
    for (; count >= 8; at += 8, count -= 8) a = _mm_crc32_u64(a, word_at(at));
    for (; count > 0; at++, count--) a = _mm_crc32_u8((uint32_t)a, *at);
    return ~(uint32_t)a;
}
#endif

uint32_t clx_crc32c(uint32_t crc, const void *bytes, size_t count) {
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    // Or no input of a fuzzer would get past the checksums. Only clang's -fsanitize=fuzzer defines this.
    (void)crc, (void)bytes, (void)count;
    return 0;
#endif
#if defined(__x86_64__)
    if (crc_by_instruction) return crc_instruction(crc, bytes, count);
#endif
    return clx_crc32c_portable(crc, bytes, count);
}

int clx_pwritev_all(int fd, struct iovec *pieces, int count, int64_t offset) {
    while (count > 0) {
        ssize_t written = pwritev(fd, pieces, count, offset);
        if (written < 0) {
            if (errno == EINTR) continue;
            return errno;
        }
        offset += written;
        size_t rest = (size_t)written;
        while (count > 0 && rest >= pieces->iov_len) {
            rest -= pieces->iov_len;
            pieces++;
            count--;
        }
        if (count > 0) {
            // A write of nothing although there is something to write would go on for ever.
            if (written == 0) return EIO;
            pieces->iov_base = (char *)pieces->iov_base + rest;
            pieces->iov_len -= rest;
        }
    }
    return 0;
}

int64_t clx_pread_all(int fd, void *into, size_t count, int64_t offset) {
    size_t done = 0;
    while (done < count) {
        ssize_t got = pread(fd, (char *)into + done, count - done, offset + (int64_t)done);
        if (got < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        if (got == 0) break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

int clx_fallocate(int fd, int64_t offset, int64_t count) {
    int failed;
    do failed = fallocate(fd, 0, offset, count);
    while (failed && errno == EINTR);
    return failed ? errno : 0;
}

int clx_file_at(const char *path, clx_file_id *id) {
    struct stat info;
    if (lstat(path, &info) != 0) return errno;
    *id = (clx_file_id){info.st_dev, info.st_ino};
    return 0;
}

int clx_rename_exclusively(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (!clx_is_refusal(errno)) return errno;
    // A file system without the flag: look first. The directory has one owner, who holds a lock.
    if (access(to, F_OK) == 0) return EEXIST;
    return rename(from, to) ? errno : 0;
}

int clx_exchange(const char *one, const char *other) {
    return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0 ? 0 : errno;
}

void clx_start_writeback(int fd, int64_t offset, int64_t count) {
    (void)sync_file_range(fd, offset, count, SYNC_FILE_RANGE_WRITE);
}
