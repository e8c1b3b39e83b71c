#include "ccommit.h"

// A target that no other one depends on, named by the products alone: another commit compiles this file and links the
// programs, and nothing else is built anew.
#ifndef BUILD_COMMIT
#define BUILD_COMMIT ""
#endif

const char ccommit_text[] = BUILD_COMMIT;
