// libnvidia-ml.so.1: NVIDIA's management API on the dry-run device.
#include "device.h"
#include <cstdio>
#include <cstring>

struct Memory3 { unsigned long long total, available, used; };

// Plain nvmlInit too: without it torch asks cudaGetDeviceCount, after which a process must not fork.
EXPORT int nvmlInit() { return 0; }
EXPORT int nvmlInit_v2() { return 0; }
EXPORT int nvmlInitWithFlags(unsigned) { return 0; }
EXPORT int nvmlShutdown() { return 0; }
EXPORT const char* nvmlErrorString(int) { return "an error of the dry-run device"; }
EXPORT int nvmlDeviceGetCount_v2(unsigned* number) { *number = syncfree_devices(); return 0; }
EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** handle) { *handle = (void*)(0x100ul + index); return (int)index < syncfree_devices() ? 0 : 2; }
EXPORT int nvmlDeviceGetHandleByUUID(const char*, void** handle) { *handle = (void*)0x100ul; return 0; }
EXPORT int nvmlDeviceGetIndex(void* handle, unsigned* index) { *index = (unsigned)((unsigned long)handle - 0x100ul); return 0; }
EXPORT int nvmlDeviceGetName(void*, char* text, unsigned length) { snprintf(text, length, "%s", syncfree_device_name()); return 0; }
EXPORT int nvmlDeviceGetUUID(void*, char* text, unsigned length) { snprintf(text, length, "GPU-07070707-0707-0707-0707-070707070707"); return 0; }
EXPORT int nvmlDeviceGetCudaComputeCapability(void*, int* major, int* minor) { *major = syncfree_capability() / 10; *minor = syncfree_capability() % 10; return 0; }
EXPORT int nvmlDeviceGetMemoryInfo(void*, Memory3* memory) {
  size_t available, total;
  syncfree_memory(&available, &total);
  *memory = {total, available, total - available};
  return 0;
}
EXPORT int nvmlDeviceGetP2PStatus(void*, void*, int, int* status) { *status = 5; return 0; }
EXPORT int nvmlSystemGetDriverVersion(char* text, unsigned length) { snprintf(text, length, "580.00"); return 0; }
EXPORT int nvmlSystemGetCudaDriverVersion_v2(int* version) { *version = syncfree_driver_version(); return 0; }
