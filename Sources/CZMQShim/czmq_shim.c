#include "czmq_shim.h"
