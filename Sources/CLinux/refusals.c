#include "clinux_refusals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/// What NFS and some drivers let out although user space has no name for it.
#define KERNEL_ENOTSUPP 524

enum { FREE, BEING_NOTED, NOTED, TAKEN };

static struct {
    atomic_int state;
    int code;
    char path[4096];
} refusals[CLX_REFUSAL_KINDS];

int clx_is_refusal(int code) {
    return code == EOPNOTSUPP || code == ENOSYS || code == EINVAL || code == EPERM || code == KERNEL_ENOTSUPP;
}

void clx_note_refusal(clx_refusal kind, const char *path, int code) {
    int state = FREE;
    if (!atomic_compare_exchange_strong(&refusals[kind].state, &state, BEING_NOTED)) return;
    refusals[kind].code = code;
    snprintf(refusals[kind].path, sizeof refusals[kind].path, "%s", path);
    atomic_store(&refusals[kind].state, NOTED);
}

int clx_take_refusal(clx_refusal *kind, int *code, char *path, int count) {
    for (int at = 0; at < CLX_REFUSAL_KINDS; at++) {
        int state = NOTED;
        if (!atomic_compare_exchange_strong(&refusals[at].state, &state, TAKEN)) continue;
        *kind = (clx_refusal)at;
        *code = refusals[at].code;
        snprintf(path, (size_t)count, "%s", refusals[at].path);
        return 1;
    }
    return 0;
}

int clx_sync_directory(const char *path) {
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return errno;
    int code = 0;
    while (fsync(directory) != 0) {
        code = errno;
        if (code != EINTR) break;
        code = 0;
    }
    close(directory);
    // Some want a descriptor that may write, which directories never have.
    if (code != 0 && (clx_is_refusal(code) || code == EBADF)) {
        clx_note_refusal(CLX_NO_DIRECTORY_SYNC, path, code);
        return 0;
    }
    return code;
}
