// libcublas: handles; products compute nothing.
#include "device.h"
static int handle;
EXPORT int cublasCreate_v2(void** into) { *into = &handle; return 0; }
EXPORT int cublasGetVersion_v2(void*, int* version) { *version = CUDA_MAJOR * 10000; return 0; }
EXPORT const char* cublasGetStatusString(int) { return "an error of the dry-run device"; }
EXPORT int cublasGetMathMode(void*, int* mode) { *mode = 0; return 0; }
EXPORT int cublasGetPointerMode_v2(void*, int* mode) { *mode = 0; return 0; }
