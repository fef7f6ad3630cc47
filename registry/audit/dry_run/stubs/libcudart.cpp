// libcudart: NVIDIA's runtime API on the dry-run device.
#include "device.h"
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

using Stream = void*;

enum { SUCCESS = 0, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, STREAM_CAPTURE_UNSUPPORTED = 900 };

namespace {

thread_local int current = 0;
std::mutex capture_lock;
std::map<Stream, unsigned long long> captures;
unsigned long long last_capture = 0;
int graph;

unsigned long long capturing(Stream stream) {
  std::lock_guard<std::mutex> guard(capture_lock);
  auto found = captures.find(stream);
  return found == captures.end() ? 0 : found->second;
}

int wait(int event, const void* on) {
  syncfree_note(event, on, nullptr, 0);
  return SUCCESS;
}

int created(void** into) {
  *into = (void*)syncfree_new_handle();
  return SUCCESS;
}

template <typename T>
void put(void* structure, size_t offset, T value) { memcpy((char*)structure + offset, &value, sizeof value); }

}  // namespace

EXPORT int cudaGetDeviceCount(int* number) { *number = syncfree_devices(); return SUCCESS; }
EXPORT int cudaGetDevice(int* device) { *device = current; return SUCCESS; }
EXPORT int cudaSetDevice(int device) {
  if (device < 0 || device >= syncfree_devices()) return INVALID_DEVICE;
  current = device;
  return SUCCESS;
}
EXPORT int cudaDeviceGetAttribute(int* value, int attribute, int) { *value = syncfree_attribute(attribute); return SUCCESS; }

// The layout of cudaDeviceProp: offsets in bytes, which differ between the major releases of CUDA.
#if CUDA_MAJOR >= 13
enum { SIZE = 1008, MULTIPROCESSORS = 384, MAPS_HOST = 392, CONCURRENT = 560, BUS = 568, ASYNC_ENGINES = 584, UNIFIED = 588, BUS_WIDTH = 592,
       L2 = 596, THREADS_OF_SM = 604, SHARED_OF_SM = 624, REGISTERS_OF_SM = 632, SHARED_OPTIN = 672, BLOCKS_OF_SM = 688 };
#else
enum { SIZE = 1032, MULTIPROCESSORS = 388, MAPS_HOST = 400, CONCURRENT = 576, BUS = 584, ASYNC_ENGINES = 600, UNIFIED = 604, BUS_WIDTH = 612,
       L2 = 616, THREADS_OF_SM = 624, SHARED_OF_SM = 640, REGISTERS_OF_SM = 648, SHARED_OPTIN = 696, BLOCKS_OF_SM = 712 };
#endif

EXPORT int cudaGetDeviceProperties(void* p, int) {
  memset(p, 0, SIZE);
  strcpy((char*)p, syncfree_device_name());
  memset((char*)p + 256, 7, 16);
  size_t available, total;
  syncfree_memory(&available, &total);
  put(p, 288, total);
  put(p, 296, (size_t)syncfree_attribute(8));
  put(p, 304, syncfree_attribute(12));
  put(p, 308, syncfree_attribute(10));
  put(p, 320, syncfree_attribute(1));
  for (int axis = 0; axis < 3; axis++) {
    put(p, 324 + 4 * axis, syncfree_attribute(2 + axis));
    put(p, 336 + 4 * axis, syncfree_attribute(5 + axis));
  }
  put(p, 352, (size_t)65536);
  put(p, 360, syncfree_attribute(75));
  put(p, 364, syncfree_attribute(76));
  put(p, 368, (size_t)512);
  put(p, MULTIPROCESSORS, syncfree_attribute(16));
  put(p, MAPS_HOST, 1);
  put(p, CONCURRENT, 1);
  put(p, BUS, 1);
  put(p, ASYNC_ENGINES, 3);
  put(p, UNIFIED, 1);
  put(p, BUS_WIDTH, syncfree_attribute(37));
  put(p, L2, syncfree_attribute(38));
  put(p, THREADS_OF_SM, syncfree_attribute(39));
  put(p, SHARED_OF_SM, (size_t)syncfree_attribute(81));
  put(p, REGISTERS_OF_SM, syncfree_attribute(82));
  put(p, SHARED_OPTIN, (size_t)syncfree_attribute(97));
  put(p, BLOCKS_OF_SM, syncfree_attribute(106));
  return SUCCESS;
}
EXPORT int cudaGetDeviceProperties_v2(void* p, int device) { return cudaGetDeviceProperties(p, device); }

EXPORT int cudaMalloc(void** into, size_t bytes) { *into = syncfree_allocate(bytes, ON_GPU); return *into ? SUCCESS : OUT_OF_MEMORY; }
EXPORT int cudaMallocAsync(void** into, size_t bytes, Stream) { return cudaMalloc(into, bytes); }
EXPORT int cudaMallocManaged(void** into, size_t bytes, unsigned) { return cudaMalloc(into, bytes); }
EXPORT int cudaFree(void* address) { if (address) syncfree_release(address); return SUCCESS; }
EXPORT int cudaFreeAsync(void* address, Stream) { return cudaFree(address); }
EXPORT int cudaHostAlloc(void** into, size_t bytes, unsigned) { *into = syncfree_allocate(bytes, PINNED_HOST); return *into ? SUCCESS : OUT_OF_MEMORY; }
EXPORT int cudaMallocHost(void** into, size_t bytes) { return cudaHostAlloc(into, bytes, 0); }
EXPORT int cudaFreeHost(void* address) { return cudaFree(address); }
EXPORT int cudaHostRegister(void* address, size_t bytes, unsigned) { syncfree_adopt(address, bytes, PINNED_HOST); return SUCCESS; }
EXPORT int cudaHostUnregister(void* address) { syncfree_adopt(address, 0, PAGEABLE); return SUCCESS; }
EXPORT int cudaHostGetDevicePointer(void** into, void* host, unsigned) { *into = host; return SUCCESS; }
EXPORT int cudaHostGetFlags(unsigned* flags, void*) { *flags = 0; return SUCCESS; }
EXPORT int cudaMemGetInfo(size_t* available, size_t* total) { syncfree_memory(available, total); return SUCCESS; }
EXPORT int cudaDeviceGetDefaultMemPool(void** pool, int) { *pool = (void*)0x10; return SUCCESS; }

EXPORT int cudaPointerGetAttributes(void* into, const void* pointer) {
  int memory = syncfree_memory_of(pointer);
  memset(into, 0, CUDA_MAJOR >= 13 ? 88 : 24);
  put(into, 0, memory == ON_GPU ? 2 : memory == PINNED_HOST ? 1 : 0);
  put(into, 4, memory == PAGEABLE ? -2 : current);
  if (memory != PAGEABLE) put(into, 8, pointer);
  if (memory != ON_GPU) put(into, 16, pointer);
  return SUCCESS;
}

EXPORT int cudaMemcpy(void* to, const void* from, size_t bytes, int) { syncfree_note(COPY, to, from, bytes); memmove(to, from, bytes); return SUCCESS; }
EXPORT int cudaMemcpyAsync(void* to, const void* from, size_t bytes, int, Stream) { syncfree_note_copy(to, from, bytes); memmove(to, from, bytes); return SUCCESS; }
EXPORT int cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, Stream) { return cudaMemcpyAsync(to, from, bytes, 0, nullptr); }
EXPORT int cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height, int, Stream) {
  syncfree_note_copy(to, from, width * height);
  for (size_t row = 0; row < height; row++) memmove((char*)to + row * to_pitch, (const char*)from + row * from_pitch, width);
  return SUCCESS;
}
EXPORT int cudaMemcpyBatchAsync(void** to, void** from, size_t* bytes, size_t number, ...) {
  for (size_t index = 0; index < number; index++) cudaMemcpyAsync(to[index], from[index], bytes[index], 0, nullptr);
  return SUCCESS;
}
EXPORT int cudaMemcpyToSymbol(const void*, const void*, size_t bytes, size_t, int) { syncfree_note(COPY, nullptr, nullptr, bytes); return SUCCESS; }
EXPORT int cudaGetSymbolAddress(void** into, const void*) { *into = syncfree_allocate(65536, ON_GPU); return SUCCESS; }
EXPORT int cudaMemset(void* to, int value, size_t bytes) { memset(to, value, bytes); return SUCCESS; }
EXPORT int cudaMemsetAsync(void* to, int value, size_t bytes, Stream) { memset(to, value, bytes); return SUCCESS; }

EXPORT int cudaStreamSynchronize(Stream stream) { return capturing(stream) ? STREAM_CAPTURE_UNSUPPORTED : wait(STREAM, stream); }
EXPORT int cudaEventSynchronize(void* event) { return wait(EVENT, event); }
EXPORT int cudaDeviceSynchronize() { return wait(DEVICE, nullptr); }
EXPORT int cudaStreamCreate(Stream* into) { return created(into); }
EXPORT int cudaStreamCreateWithFlags(Stream* into, unsigned) { return created(into); }
EXPORT int cudaStreamCreateWithPriority(Stream* into, unsigned, int) { return created(into); }
EXPORT int cudaStreamGetPriority(Stream, int* priority) { *priority = 0; return SUCCESS; }
EXPORT int cudaDeviceGetStreamPriorityRange(int* least, int* greatest) { if (least) *least = 0; if (greatest) *greatest = -5; return SUCCESS; }
EXPORT int cudaEventCreate(void** into) { return created(into); }
EXPORT int cudaEventCreateWithFlags(void** into, unsigned) { return created(into); }
EXPORT int cudaEventElapsedTime(float* milliseconds, void*, void*) { *milliseconds = 0.01f; return SUCCESS; }
EXPORT int cudaLaunchHostFunc(Stream, void (*function)(void*), void* data) { function(data); return SUCCESS; }
EXPORT int cudaThreadExchangeStreamCaptureMode(int*) { return SUCCESS; }

EXPORT int cudaStreamBeginCapture(Stream stream, int) { std::lock_guard<std::mutex> guard(capture_lock); captures[stream] = ++last_capture; return SUCCESS; }
EXPORT int cudaStreamEndCapture(Stream stream, void** into) { std::lock_guard<std::mutex> guard(capture_lock); captures.erase(stream); if (into) *into = &graph; return SUCCESS; }
EXPORT int cudaStreamIsCapturing(Stream stream, int* status) { *status = capturing(stream) ? 1 : 0; return SUCCESS; }
#if CUDA_MAJOR >= 13
EXPORT int cudaStreamGetCaptureInfo(Stream stream, int* status, unsigned long long* id, void** into, const void***, const void**, size_t* number) {
#else
EXPORT int cudaStreamGetCaptureInfo_v2(Stream stream, int* status, unsigned long long* id, void** into, const void***, size_t* number) {
#endif
  unsigned long long capture = capturing(stream);
  *status = capture ? 1 : 0;
  if (id) *id = capture;
  if (into) *into = &graph;
  if (number) *number = 0;
  return SUCCESS;
}
EXPORT int cudaGraphInstantiate(void** into, void*, unsigned long long) { *into = &graph; return SUCCESS; }
EXPORT int cudaGraphInstantiateWithFlags(void** into, void*, unsigned long long) { *into = &graph; return SUCCESS; }
EXPORT int cudaGraphInstantiateWithParams(void** into, void*, void*) { *into = &graph; return SUCCESS; }
EXPORT int cudaGraphGetNodes(void*, void**, size_t* number) { *number = 1; return SUCCESS; }
EXPORT int cudaGraphLaunch(void*, Stream) { syncfree_note(GRAPH_LAUNCH, nullptr, nullptr, 0); return SUCCESS; }

EXPORT int cudaFuncGetAttributes(void* into, const void*) {
  memset(into, 0, 144);
  put(into, 24, 1024);   // threads of a block
  put(into, 28, 32);     // registers
  put(into, 32, syncfree_capability());
  put(into, 36, syncfree_capability());
  put(into, 44, 49152);  // dynamic shared memory
  return SUCCESS;
}
EXPORT int cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* number, const void*, int, size_t) { *number = 2; return SUCCESS; }
EXPORT int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* number, const void*, int, size_t, unsigned) { *number = 2; return SUCCESS; }
EXPORT int cudaOccupancyMaxActiveClusters(int* number, const void*, const void*) { *number = 66; return SUCCESS; }
EXPORT int cudaOccupancyAvailableDynamicSMemPerBlock(size_t* bytes, const void*, int, int) { *bytes = 49152; return SUCCESS; }

struct Dimensions { unsigned x, y, z; };
static thread_local struct { Dimensions grid, block; size_t shared; void* stream; } configuration;
EXPORT unsigned __cudaPushCallConfiguration(Dimensions grid, Dimensions block, size_t shared, void* stream) { configuration = {grid, block, shared, stream}; return 0; }
EXPORT int __cudaPopCallConfiguration(Dimensions* grid, Dimensions* block, size_t* shared, void* stream) {
  *grid = configuration.grid;
  *block = configuration.block;
  *shared = configuration.shared;
  *(void**)stream = configuration.stream;
  return SUCCESS;
}
static int launched() { syncfree_note(LAUNCH, nullptr, nullptr, 0); return SUCCESS; }
EXPORT int cudaLaunchKernel(const void*, Dimensions, Dimensions, void**, size_t, Stream) { return launched(); }
EXPORT int __cudaLaunchKernel(const void*, Dimensions, Dimensions, void**, size_t, Stream) { return launched(); }
EXPORT int cudaLaunchCooperativeKernel(const void*, Dimensions, Dimensions, void**, size_t, Stream) { return launched(); }
EXPORT int cudaLaunchKernelExC(const void*, const void*, void**) { return launched(); }
EXPORT int __cudaGetKernel(void** kernel, const void* function) { *kernel = (void*)function; return SUCCESS; }
EXPORT int cudaGetFuncBySymbol(void** kernel, const void* function) { *kernel = (void*)function; return SUCCESS; }
static void* binary[4];
EXPORT void** __cudaRegisterFatBinary(void*) { return binary; }
EXPORT char __cudaInitModule(void**) { return 1; }

EXPORT const char* cudaGetErrorString(int) { return "an error of the dry-run device"; }
EXPORT const char* cudaGetErrorName(int) { return "DRY_RUN"; }
EXPORT int cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned version, unsigned long long flags, int* status) {
  int found = 0;
  cuGetProcAddress_v2(name, function, version, flags, &found);
  if (status) *status = found;
  return SUCCESS;
}
EXPORT int cudaGetDriverEntryPoint(const char* name, void** function, unsigned long long flags, int* status) { return cudaGetDriverEntryPointByVersion(name, function, 0, flags, status); }
EXPORT int cudaRuntimeGetVersion(int* version) { *version = syncfree_driver_version(); return SUCCESS; }
EXPORT int cudaDriverGetVersion(int* version) { *version = syncfree_driver_version(); return SUCCESS; }
EXPORT int cudaDeviceGetPCIBusId(char* text, int length, int) { strncpy(text, "0000:01:00.0", length); return SUCCESS; }
EXPORT int cudaDeviceCanAccessPeer(int* can, int, int) { *can = 0; return SUCCESS; }
EXPORT int cudaIpcGetMemHandle(void* handle, void* address) { memset(handle, 0, 64); memcpy(handle, &address, sizeof address); return SUCCESS; }
EXPORT int cudaIpcOpenMemHandle(void** into, ...) { *into = syncfree_allocate(1 << 20, ON_GPU); return SUCCESS; }
