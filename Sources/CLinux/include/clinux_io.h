#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/// CRC-32C (Castagnoli) of `count` bytes behind those that `crc` stands for; start with 0. Total.
uint32_t clx_crc32c(uint32_t crc, const void *_Nullable bytes, size_t count);

/// The same by table, for processors without the instruction and for tests.
uint32_t clx_crc32c_portable(uint32_t crc, const void *_Nullable bytes, size_t count);

/// Writes all `count` pieces (at most 1024) at `offset`, normally in one system call; goes on after a short write or
/// EINTR and may change the array in doing so. Returns 0, or the errno value; then any part may have been written.
int clx_pwritev_all(int fd, struct iovec *_Nonnull pieces, int count, int64_t offset);

/// Reads up to `count` bytes at `offset`, until they are there or the file ends. Returns the bytes read, or minus the
/// errno value.
int64_t clx_pread_all(int fd, void *_Nonnull into, size_t count, int64_t offset);

/// Reserves disk space and makes the file as long. Returns 0, or the errno value.
int clx_fallocate(int fd, int64_t offset, int64_t count);

/// A file, whatever its name: the same two numbers are the same file.
typedef struct {
    uint64_t device;
    uint64_t inode;
} clx_file_id;

/// Which file stands at `path` (a link itself, not its target). Returns 0, or the errno value.
int clx_file_at(const char *_Nonnull path, clx_file_id *_Nonnull id);

/// Renames within a directory; fails with EEXIST instead of replacing. Returns 0, or the errno value.
int clx_rename_exclusively(const char *_Nonnull from, const char *_Nonnull to);

/// Lets two files change their names in one step. Returns 0, or the errno value; a refusal
/// where the file system has no such call.
int clx_exchange(const char *_Nonnull one, const char *_Nonnull other);

/// Lets the kernel begin to write a range of dirty pages out, without waiting. Only a hint: a failure means nothing.
void clx_start_writeback(int fd, int64_t offset, int64_t count);
