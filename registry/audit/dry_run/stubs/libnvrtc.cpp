// libnvrtc: programs that compile to nothing.
#include "device.h"
#include <cstring>
static int program;
EXPORT int nvrtcVersion(int* major, int* minor) { *major = CUDA_MAJOR; *minor = 0; return 0; }
EXPORT int nvrtcCreateProgram(void** into, ...) { *into = &program; return 0; }
EXPORT int nvrtcGetCUBINSize(void*, size_t* bytes) { *bytes = 16; return 0; }
EXPORT int nvrtcGetPTXSize(void*, size_t* bytes) { *bytes = 16; return 0; }
EXPORT int nvrtcGetCUBIN(void*, char* into) { memset(into, 0, 16); return 0; }
EXPORT int nvrtcGetPTX(void*, char* into) { memset(into, 0, 16); return 0; }
EXPORT int nvrtcGetProgramLogSize(void*, size_t* bytes) { *bytes = 1; return 0; }
EXPORT int nvrtcGetProgramLog(void*, char* into) { *into = 0; return 0; }
EXPORT int nvrtcGetLoweredName(void*, const char*, const char** name) { *name = "kernel"; return 0; }
EXPORT const char* nvrtcGetErrorString(int) { return "an error of the dry-run device"; }
EXPORT int nvrtcGetNumSupportedArchs(int* number) { *number = 1; return 0; }
EXPORT int nvrtcGetSupportedArchs(int* into) { *into = syncfree_capability(); return 0; }
