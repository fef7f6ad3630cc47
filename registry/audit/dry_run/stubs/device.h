// The state of the dry-run device, which libcuda.so.1 holds and the other stub libraries use.
#pragma once
#include <cstddef>
#include <cstdint>

#define EXPORT extern "C" __attribute__((visibility("default")))

// What is counted; `_counting.py` names these in the same order.
enum Event { STREAM, EVENT, DEVICE, COPY, PAGEABLE_TO_DEVICE, PAGEABLE_TO_HOST, PINNED, ON_DEVICE, LAUNCH, DRIVER_LAUNCH, GRAPH_LAUNCH, EVENTS };

enum Memory { PAGEABLE, ON_GPU, PINNED_HOST };

extern "C" {
void syncfree_note(int event, const void* destination, const void* source, size_t bytes);
void syncfree_note_copy(const void* destination, const void* source, size_t bytes);
int syncfree_memory_of(const void* address);
void* syncfree_allocate(size_t bytes, int memory);
void syncfree_release(void* address);
void syncfree_adopt(void* address, size_t bytes, int memory);
void syncfree_memory(size_t* available, size_t* total);
int syncfree_attribute(int attribute);
int syncfree_devices();
int syncfree_capability();
int syncfree_driver_version();
const char* syncfree_device_name();
uintptr_t syncfree_new_handle();
int cuGetProcAddress_v2(const char* name, void** function, int version, unsigned long long flags, int* status);
}
