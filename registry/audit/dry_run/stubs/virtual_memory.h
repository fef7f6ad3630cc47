// The driver's virtual memory management on the dry-run device: physical memory is a file in memory, which processes share by its
// descriptor; so expandable segments and symmetric memory work. Part of libcuda.cpp.
#pragma once
#include <unistd.h>

namespace {

struct Physical {
  int file;
  size_t bytes;
  bool imported;
  int users;  // the handle, and each mapping
};

struct Mapping {
  Physical* physical;
  size_t bytes;
};

enum { INVALID_VALUE = 1, NO_MEMORY = 2, NOT_SUPPORTED = 801, FILE_DESCRIPTOR = 1 };
std::mutex mapping_lock;

std::map<uintptr_t, Mapping>& mappings() {
  static auto* all = new std::map<uintptr_t, Mapping>;
  return *all;
}

void drop(Physical* physical) {
  if (--physical->users) return;
  if (!physical->imported) on_device -= physical->bytes;
  close(physical->file);
  delete physical;
}

}  // namespace

EXPORT int cuMemGetAllocationGranularity(size_t* bytes, const void*, int) { *bytes = 2 << 20; return 0; }

EXPORT int cuMemCreate(void** handle, size_t bytes, const void*, unsigned long long) {
  size_t available, total;
  syncfree_memory(&available, &total);
  if (bytes > available) return NO_MEMORY;
  int file = memfd_create("syncfree dry run", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, bytes)) return NO_MEMORY;
  on_device += bytes;
  *handle = new Physical{file, bytes, false, 1};
  return 0;
}

EXPORT int cuMemRelease(void* handle) {
  std::lock_guard<std::mutex> guard(mapping_lock);
  drop((Physical*)handle);
  return 0;
}

EXPORT int cuMemExportToShareableHandle(void* into, void* handle, int type, unsigned long long) {
  if (type != FILE_DESCRIPTOR) return NOT_SUPPORTED;
  *(int*)into = dup(((Physical*)handle)->file);
  return *(int*)into < 0 ? INVALID_VALUE : 0;
}

EXPORT int cuMemImportFromShareableHandle(void** handle, void* descriptor, int type) {
  if (type != FILE_DESCRIPTOR) return NOT_SUPPORTED;
  int file = dup((int)(intptr_t)descriptor);
  if (file < 0) return INVALID_VALUE;
  *handle = new Physical{file, (size_t)lseek(file, 0, SEEK_END), true, 1};
  return 0;
}

EXPORT int cuMemAddressReserve(void** into, size_t bytes, size_t, void*, unsigned long long) {
  *into = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return *into == MAP_FAILED ? NO_MEMORY : 0;
}

EXPORT int cuMemAddressFree(void* address, size_t bytes) { return munmap(address, bytes) ? INVALID_VALUE : 0; }

EXPORT int cuMemMap(void* address, size_t bytes, size_t offset, void* handle, unsigned long long) {
  auto* physical = (Physical*)handle;
  std::lock_guard<std::mutex> guard(mapping_lock);
  if (mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, physical->file, offset) == MAP_FAILED) return INVALID_VALUE;
  physical->users++;
  mappings()[(uintptr_t)address] = {physical, bytes};
  syncfree_adopt(address, bytes, ON_GPU);
  return 0;
}

EXPORT int cuMemUnmap(void* address, size_t bytes) {
  std::lock_guard<std::mutex> guard(mapping_lock);
  auto first = mappings().lower_bound((uintptr_t)address), last = mappings().lower_bound((uintptr_t)address + bytes);
  for (auto each = first; each != last; ++each) {
    mmap((void*)each->first, each->second.bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    syncfree_adopt((void*)each->first, each->second.bytes, PAGEABLE);
    drop(each->second.physical);
  }
  mappings().erase(first, last);
  return 0;
}

EXPORT int cuMemRetainAllocationHandle(void** handle, void* address) {
  std::lock_guard<std::mutex> guard(mapping_lock);
  auto found = mappings().upper_bound((uintptr_t)address);
  if (found == mappings().begin()) return INVALID_VALUE;
  --found;
  if ((uintptr_t)address >= found->first + found->second.bytes) return INVALID_VALUE;
  found->second.physical->users++;
  *handle = found->second.physical;
  return 0;
}
