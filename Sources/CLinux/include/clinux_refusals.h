#pragma once

/// Calls that a file system may not have, and what is done without: see docs/assumptions.md.
typedef enum {
    /// `fallocate`: files are filled with zeros.
    CLX_NO_RESERVATION,
    /// `fsync` of a directory.
    CLX_NO_DIRECTORY_SYNC,
    /// `link`: files are copied.
    CLX_NO_LINK,
    /// `flock`.
    CLX_NO_LOCK,
    CLX_REFUSAL_KINDS
} clx_refusal;

/// True when an errno value says that a file system (or a sandbox) has no such call, and not that the call failed.
int clx_is_refusal(int code);

/// Remembers that something was done without a call: the first of each kind. Any thread; total.
void clx_note_refusal(clx_refusal kind, const char *_Nonnull path, int code);

/// Gives one that nobody has taken yet, with its path (at most `count` bytes,
/// with a NUL). Returns 0 when there is none.
int clx_take_refusal(clx_refusal *_Nonnull kind, int *_Nonnull code, char *_Nonnull path, int count);

/// Makes new and removed names in a directory durable, as far as its file system can: one that can't
/// is noted. Returns 0, or the errno value.
int clx_sync_directory(const char *_Nonnull path);
