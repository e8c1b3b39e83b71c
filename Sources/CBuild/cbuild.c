#include "cbuild.h"

// Weak: what is linked without CCommit (tests, benchmarks) has no commit.
extern const char ccommit_text[] __attribute__((weak));

const char *cbuild_commit(void) { return ccommit_text ? ccommit_text : ""; }
