#include "cbuild.h"

// In C and in a target of its own: another commit compiles this file anew, and nothing else, before the programs are
// linked.
#ifndef BUILD_COMMIT
#define BUILD_COMMIT ""
#endif

const char *cbuild_commit(void) { return BUILD_COMMIT; }
