// libnccl: communicators of one process; collectives move nothing.
#include "device.h"
#include <cstring>
static int communicator;
EXPORT int ncclGetVersion(int* version) { *version = 22907; return 0; }
EXPORT const char* ncclGetErrorString(int) { return "an error of the dry-run device"; }
EXPORT const char* ncclGetLastError(void*) { return ""; }
EXPORT int ncclGetUniqueId(void* id) { memset(id, 1, 128); return 0; }
EXPORT int ncclCommInitRank(void** into, ...) { *into = &communicator; return 0; }
EXPORT int ncclCommInitRankConfig(void** into, ...) { *into = &communicator; return 0; }
EXPORT int ncclCommInitRankScalable(void** into, ...) { *into = &communicator; return 0; }
EXPORT int ncclCommSplit(void*, int, int, void** into, void*) { *into = &communicator; return 0; }
EXPORT int ncclCommGetAsyncError(void*, int* error) { *error = 0; return 0; }
EXPORT int ncclMemAlloc(void** into, size_t) { *into = nullptr; return 1; }
