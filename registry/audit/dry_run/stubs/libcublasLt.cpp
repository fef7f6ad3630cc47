// libcublasLt: descriptors, and one algorithm for every product.
#include "device.h"
#include <cstring>
static int handle;
EXPORT int cublasLtCreate(void** into) { *into = &handle; return 0; }
EXPORT int cublasLtMatmulDescCreate(void** into, int, int) { *into = &handle; return 0; }
EXPORT int cublasLtMatrixLayoutCreate(void** into, int, unsigned long, unsigned long, long) { *into = &handle; return 0; }
EXPORT int cublasLtMatmulPreferenceCreate(void** into) { *into = &handle; return 0; }
EXPORT unsigned long cublasLtGetVersion() { return CUDA_MAJOR * 10000; }
EXPORT int cublasLtMatmulAlgoGetHeuristic(void*, void*, void*, void*, void*, void*, void*, int wanted, void* into, int* number) {
  *number = wanted > 0 ? 1 : 0;
  memset(into, 0, 96 * *number);
  return 0;
}
