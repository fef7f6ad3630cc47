// libcuda.so.1: the dry-run device and NVIDIA's driver API on it. Device memory is host memory that the kernel commits when it is
// touched; a kernel launch does nothing; waits, copies and launches are counted, and reported to Python where it asked for that.
#include "device.h"
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <sys/mman.h>

namespace {

struct Block {
  size_t bytes;
  int memory;
};

std::mutex lock;
std::atomic<long> on_device{0};
std::atomic<long> counts[EVENTS];
std::atomic<uintptr_t> handles{0x100000};
int context, module;

std::map<uintptr_t, Block>& blocks() {
  static auto* all = new std::map<uintptr_t, Block>;  // never destroyed: destructors of other libraries free memory at exit
  return *all;
}

long setting(const char* name, long otherwise) {
  const char* text = getenv(name);
  return text && *text ? atol(text) : otherwise;
}

// Python's, looked up when it asks for reports; the stubs link to no libpython.
struct Python {
  int (*ensure)();
  void (*release)(int);
  void (*fetch)(void**, void**, void**);
  void (*restore)(void*, void*, void*);
  int (*is_initialized)();
} python;

using Report = void (*)(int, size_t);
std::atomic<Report> report{nullptr};
std::atomic<unsigned> reported{0};

}  // namespace

EXPORT int syncfree_watch(Report function, unsigned events) {
  python.ensure = (int (*)())dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
  python.release = (void (*)(int))dlsym(RTLD_DEFAULT, "PyGILState_Release");
  python.fetch = (void (*)(void**, void**, void**))dlsym(RTLD_DEFAULT, "PyErr_Fetch");
  python.restore = (void (*)(void*, void*, void*))dlsym(RTLD_DEFAULT, "PyErr_Restore");
  python.is_initialized = (int (*)())dlsym(RTLD_DEFAULT, "Py_IsInitialized");
  if (!python.ensure || !python.release || !python.fetch || !python.restore || !python.is_initialized) return 1;
  reported = events;
  report = function;
  return 0;
}

EXPORT void syncfree_counts(long* into) {
  for (int event = 0; event < EVENTS; event++) into[event] = counts[event];
}

EXPORT void syncfree_note(int event, const void*, const void*, size_t bytes) {
  counts[event]++;
  Report function = report;
  if (!function || !(reported >> event & 1) || !python.is_initialized()) return;
  int state = python.ensure();
  void *type, *value, *trace;
  python.fetch(&type, &value, &trace);  // a wait may come while an exception is set, which a Python function must not be called with
  function(event, bytes);
  python.restore(type, value, trace);
  python.release(state);
}

EXPORT void syncfree_note_copy(const void* destination, const void* source, size_t bytes) {
  int to = syncfree_memory_of(destination), from = syncfree_memory_of(source);
  int event = PINNED;
  if (to == ON_GPU && from == ON_GPU) event = ON_DEVICE;
  else if (to == ON_GPU && from == PAGEABLE) event = PAGEABLE_TO_DEVICE;
  else if (from == ON_GPU && to == PAGEABLE) event = PAGEABLE_TO_HOST;
  syncfree_note(event, destination, source, bytes);
}

EXPORT int syncfree_memory_of(const void* address) {
  std::lock_guard<std::mutex> guard(lock);
  auto after = blocks().upper_bound((uintptr_t)address);
  if (after == blocks().begin()) return PAGEABLE;
  --after;
  return (uintptr_t)address < after->first + after->second.bytes ? after->second.memory : PAGEABLE;
}

EXPORT void syncfree_adopt(void* address, size_t bytes, int memory) {
  std::lock_guard<std::mutex> guard(lock);
  if (memory == PAGEABLE) blocks().erase((uintptr_t)address);
  else blocks()[(uintptr_t)address] = {bytes, memory};
}

EXPORT void* syncfree_allocate(size_t bytes, int memory) {
  size_t pages = bytes ? (bytes + 4095) / 4096 * 4096 : 4096;
  if (memory == ON_GPU) {
    size_t available, total;
    syncfree_memory(&available, &total);
    if (pages > available) return nullptr;
  }
  void* address = mmap(nullptr, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return nullptr;
  if (memory == ON_GPU) on_device += pages;
  syncfree_adopt(address, pages, memory);
  return address;
}

EXPORT void syncfree_release(void* address) {
  size_t bytes;
  {
    std::lock_guard<std::mutex> guard(lock);
    auto found = blocks().find((uintptr_t)address);
    if (found == blocks().end()) return;
    bytes = found->second.bytes;
    if (found->second.memory == ON_GPU) on_device -= bytes;
    blocks().erase(found);
  }
  munmap(address, bytes);
}

EXPORT void syncfree_memory(size_t* available, size_t* total) {
  static const size_t capacity = (size_t)setting("SYNC_AUDIT_DRY_RUN_MEMORY_GIB", 80) << 30;
  size_t used = on_device;
  *total = capacity;
  *available = capacity > used ? capacity - used : 0;
}

EXPORT int syncfree_devices() {
  static const int number = (int)setting("SYNC_AUDIT_DRY_RUN_DEVICES", 1);
  return number;
}

EXPORT int syncfree_capability() {
  static const int capability = (int)setting("SYNC_AUDIT_DRY_RUN_CAPABILITY", 90);
  return capability;
}

EXPORT int syncfree_driver_version() { return CUDA_MAJOR * 1000; }
EXPORT const char* syncfree_device_name() { return "syncfree dry run (no GPU; kernels do nothing)"; }
EXPORT uintptr_t syncfree_new_handle() { return handles += 16; }

// The values of CUdevice_attribute that libraries ask for; every other attribute is 1: present, supported.
EXPORT int syncfree_attribute(int attribute) {
  const bool hopper = syncfree_capability() >= 90;
  switch (attribute) {
    case 1: return 1024;                      // threads of a block
    case 2: case 3: return 1024;              // block, x and y
    case 4: return 64;                        // block, z
    case 5: return 2147483647;                // grid, x
    case 6: case 7: return 65535;             // grid, y and z
    case 8: return 49152;                     // shared memory of a block
    case 10: return 32;                       // warp
    case 12: case 82: return 65536;           // registers of a block, of a multiprocessor
    case 13: return 1980000;                  // clock, kHz
    case 16: return 132;                      // multiprocessors
    case 18: case 20: return 0;               // integrated; compute mode: shared
    case 36: return 2619000;                  // memory clock, kHz
    case 37: return 5120;                     // memory bus, bits
    case 38: return 50 << 20;                 // L2 cache
    case 39: return 2048;                     // threads of a multiprocessor
    case 75: return syncfree_capability() / 10;
    case 76: return syncfree_capability() % 10;
    case 81: return hopper ? 233472 : 167936; // shared memory of a multiprocessor
    case 97: return hopper ? 232448 : 166912; // shared memory of a block that opts in
    case 106: return 32;                      // blocks of a multiprocessor
    case 128: return 0;                       // handles of fabric memory
    case 132: return 0;                       // multicast
    default: return 1;
  }
}

#include "virtual_memory.h"

EXPORT int cuInit(unsigned) { return 0; }
EXPORT int cuDriverGetVersion(int* version) { *version = syncfree_driver_version(); return 0; }
EXPORT int cuDeviceGet(int* device, int ordinal) { *device = ordinal; return ordinal < syncfree_devices() ? 0 : 101; }
EXPORT int cuDeviceGetCount(int* number) { *number = syncfree_devices(); return 0; }
EXPORT int cuDeviceGetName(char* name, int length, int) { snprintf(name, length, "%s", syncfree_device_name()); return 0; }
EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int) { size_t available; syncfree_memory(&available, bytes); return 0; }
EXPORT int cuDeviceGetAttribute(int* value, int attribute, int) { *value = syncfree_attribute(attribute); return 0; }
EXPORT int cuDeviceGetUuid_v2(void* uuid, int) { memset(uuid, 7, 16); return 0; }
EXPORT int cuDeviceGetUuid(void* uuid, int) { memset(uuid, 7, 16); return 0; }
EXPORT int cuDevicePrimaryCtxRetain(void** into, int) { *into = &context; return 0; }
EXPORT int cuDevicePrimaryCtxGetState(int, unsigned* flags, int* active) { if (flags) *flags = 0; if (active) *active = 1; return 0; }
EXPORT int cuCtxGetCurrent(void** into) { *into = &context; return 0; }
EXPORT int cuCtxGetDevice(int* device) { *device = 0; return 0; }
EXPORT int cuCtxGetLimit(size_t* value, int) { *value = 1 << 20; return 0; }
EXPORT int cuModuleLoad(void** into, const char*) { *into = &module; return 0; }
EXPORT int cuModuleLoadData(void** into, const void*) { *into = &module; return 0; }
EXPORT int cuModuleLoadDataEx(void** into, const void*, unsigned, void*, void*) { *into = &module; return 0; }
EXPORT int cuModuleLoadFatBinary(void** into, const void*) { *into = &module; return 0; }
EXPORT int cuModuleGetFunction(void** into, void*, const char*) { *into = (void*)syncfree_new_handle(); return 0; }
EXPORT int cuModuleGetGlobal_v2(void** into, size_t* bytes, void*, const char*) { *into = syncfree_allocate(65536, ON_GPU); if (bytes) *bytes = 65536; return 0; }
EXPORT int cuLibraryLoadData(void** into, const void*, void*, void*, unsigned, void*, void*, unsigned) { *into = &module; return 0; }
EXPORT int cuLibraryGetKernel(void** into, void*, const char*) { *into = (void*)syncfree_new_handle(); return 0; }
EXPORT int cuLibraryGetModule(void** into, void*) { *into = &module; return 0; }
EXPORT int cuKernelGetFunction(void** into, void* kernel) { *into = kernel; return 0; }
EXPORT int cuFuncGetAttribute(int* value, int attribute, void*) { *value = attribute == 0 ? 1024 : attribute == 4 ? 32 : 0; return 0; }
EXPORT int cuLaunchKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**) { syncfree_note(DRIVER_LAUNCH, nullptr, nullptr, 0); return 0; }
EXPORT int cuLaunchKernelEx(const void*, void*, void**, void**) { syncfree_note(DRIVER_LAUNCH, nullptr, nullptr, 0); return 0; }
EXPORT int cuLaunchCooperativeKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**) { syncfree_note(DRIVER_LAUNCH, nullptr, nullptr, 0); return 0; }
EXPORT int cuOccupancyMaxActiveClusters(int* number, void*, const void*) { *number = 66; return 0; }
EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* number, void*, int, size_t) { *number = 2; return 0; }
EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* number, void*, int, size_t, unsigned) { *number = 2; return 0; }
EXPORT int cuGetErrorString(int, const char** text) { *text = "an error of the dry-run device"; return 0; }
EXPORT int cuGetErrorName(int, const char** text) { *text = "DRY_RUN"; return 0; }
EXPORT int cuMemAlloc_v2(void** into, size_t bytes) { *into = syncfree_allocate(bytes, ON_GPU); return *into ? 0 : 2; }
EXPORT int cuMemFree_v2(void* address) { syncfree_release(address); return 0; }
EXPORT int cuMemGetInfo_v2(size_t* available, size_t* total) { syncfree_memory(available, total); return 0; }
EXPORT int cuMemHostAlloc(void** into, size_t bytes, unsigned) { *into = syncfree_allocate(bytes, PINNED_HOST); return 0; }
EXPORT int cuMemAllocHost_v2(void** into, size_t bytes) { *into = syncfree_allocate(bytes, PINNED_HOST); return 0; }
EXPORT int cuMemFreeHost(void* address) { syncfree_release(address); return 0; }
EXPORT int cuMemcpyHtoD_v2(void* to, const void* from, size_t bytes) { syncfree_note(COPY, to, from, bytes); memmove(to, from, bytes); return 0; }
EXPORT int cuMemcpyDtoH_v2(void* to, const void* from, size_t bytes) { syncfree_note(COPY, to, from, bytes); memmove(to, from, bytes); return 0; }
EXPORT int cuMemcpyAsync(void* to, const void* from, size_t bytes, void*) { syncfree_note_copy(to, from, bytes); memmove(to, from, bytes); return 0; }
EXPORT int cuMemcpyHtoDAsync_v2(void* to, const void* from, size_t bytes, void*) { return cuMemcpyAsync(to, from, bytes, nullptr); }
EXPORT int cuMemcpyDtoHAsync_v2(void* to, const void* from, size_t bytes, void*) { return cuMemcpyAsync(to, from, bytes, nullptr); }
EXPORT int cuMemsetD8Async(void* to, unsigned char value, size_t bytes, void*) { memset(to, value, bytes); return 0; }
EXPORT int cuStreamSynchronize(void* stream) { syncfree_note(STREAM, stream, nullptr, 0); return 0; }
EXPORT int cuEventSynchronize(void* event) { syncfree_note(EVENT, event, nullptr, 0); return 0; }
EXPORT int cuCtxSynchronize() { syncfree_note(DEVICE, nullptr, nullptr, 0); return 0; }
EXPORT int cuStreamCreate(void** into, unsigned) { *into = (void*)syncfree_new_handle(); return 0; }
EXPORT int cuStreamCreateWithPriority(void** into, unsigned, int) { *into = (void*)syncfree_new_handle(); return 0; }
EXPORT int cuEventCreate(void** into, unsigned) { *into = (void*)syncfree_new_handle(); return 0; }
EXPORT int cuStreamIsCapturing(void*, int* status) { *status = 0; return 0; }
EXPORT int cuStreamGetCaptureInfo_v2(void*, int* status, void*, void*, void*, void*) { *status = 0; return 0; }
EXPORT int cuTensorMapEncodeTiled(void* map, ...) { memset(map, 0, 128); return 0; }
EXPORT int cuTensorMapEncodeIm2col(void* map, ...) { memset(map, 0, 128); return 0; }

EXPORT int cuPointerGetAttribute(void* into, int attribute, uintptr_t pointer) {
  int memory = syncfree_memory_of((void*)pointer);
  switch (attribute) {
    case 1: *(void**)into = memory ? &context : nullptr; return memory ? 0 : 1;
    case 2: *(unsigned*)into = memory == ON_GPU ? 2 : 1; return memory ? 0 : 1;
    case 3: *(uintptr_t*)into = memory ? pointer : 0; return memory ? 0 : 1;
    case 9: *(int*)into = 0; return memory ? 0 : 1;
    case 11: case 12: {
      std::lock_guard<std::mutex> guard(lock);
      auto block = blocks().upper_bound(pointer);
      if (block == blocks().begin()) return 1;
      --block;
      *(uintptr_t*)into = attribute == 11 ? block->first : block->second.bytes;
      return 0;
    }
    default: *(int*)into = 0; return memory ? 0 : 1;
  }
}

EXPORT int cuGetProcAddress_v2(const char* name, void** function, int, unsigned long long, int* status) {
  static void* self = dlopen("libcuda.so.1", RTLD_LAZY);
  char versioned[256];
  *function = nullptr;
  for (const char* suffix : {"_v2", "_v3", ""}) {
    snprintf(versioned, sizeof versioned, "%s%s", name, suffix);
    if ((*function = dlsym(self, versioned))) break;
  }
  if (status) *status = *function ? 0 : 1;
  return *function ? 0 : 500;
}
EXPORT int cuGetProcAddress(const char* name, void** function, int version, unsigned long long flags) { return cuGetProcAddress_v2(name, function, version, flags, nullptr); }
EXPORT int cuMemGetAddressRange_v2(uintptr_t* base, size_t* bytes, uintptr_t pointer) {
  if (base) cuPointerGetAttribute(base, 11, pointer);
  if (bytes) cuPointerGetAttribute(bytes, 12, pointer);
  return syncfree_memory_of((void*)pointer) ? 0 : 1;
}
