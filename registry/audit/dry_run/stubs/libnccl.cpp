// libnccl: communicators between the processes of one machine. Collectives move the bytes of the dry-run device's memory, at the
// call; ranks that do not come, that have ended, or that call something else are errors with a sentence.
#include "device.h"
#include "nccl_ranks.h"
#include <memory>

using namespace nccl;
using Stream = void*;
struct UniqueId { char text[128]; };

static thread_local int depth = 0;
static thread_local std::vector<Operation> grouped;
static thread_local std::vector<Communicator*> joining;
static std::vector<double> factors;

static int done(std::vector<Operation>& operations) {
  std::vector<Operation> all;
  std::vector<Communicator*> joined;
  all.swap(operations);
  joined.swap(joining);
  for (Communicator* communicator : joined)
    if (int result = wait_for_all(*communicator)) return result;
  return run(all);
}

static int started(Operation operation) {
  grouped.push_back(std::move(operation));
  return depth ? SUCCESS : done(grouped);
}

static Operation operation(const char* call, Communicator* own, size_t bytes) { return {call, own, bytes, {}, nullptr}; }
static void send(Operation& to, int peer, const void* data) { to.transfers.push_back({to.communicator, peer, true, (char*)data, to.bytes, 0, to.call}); }
static void receive(Operation& to, int peer, void* data) { to.transfers.push_back({to.communicator, peer, false, (char*)data, to.bytes, 0, to.call}); }

// What every rank contributes comes to this rank in a buffer, in the order of the ranks; `then` uses it.
static int gathered(const char* call, Communicator* own, size_t bytes, const std::vector<int>& destinations, bool takes, const char* data,
                    size_t stride, std::function<int(char*)> then) {
  Operation all = operation(call, own, bytes);
  for (int rank : destinations)
    if (rank != own->rank) send(all, rank, data + (size_t)rank * stride);
  if (takes) {
    auto buffer = std::make_shared<std::vector<char>>(bytes * (size_t)own->size + 1);
    for (int rank = 0; rank < own->size; rank++)
      if (rank != own->rank) receive(all, rank, buffer->data() + (size_t)rank * bytes);
    all.finish = [=] {
      memcpy(buffer->data() + (size_t)own->rank * bytes, data + (size_t)own->rank * stride, bytes);
      return then(buffer->data());
    };
  }
  return started(std::move(all));
}

static std::vector<int> everybody(const Communicator* own) {
  std::vector<int> ranks;
  for (int rank = 0; rank < own->size; rank++) ranks.push_back(rank);
  return ranks;
}

static int reduced(const char* call, const char* buffer, Communicator* own, void* into, size_t count, int type, int reduction) {
  std::vector<const char*> parts;
  for (int rank = 0; rank < own->size; rank++) parts.push_back(buffer + (size_t)rank * count * bytes_of(type));
  double factor = reduction >= CREATED ? factors.at((size_t)(reduction - CREATED)) : 1;
  if (reduce(parts, (char*)into, count, type, reduction, factor)) return SUCCESS;
  return failed(INVALID_ARGUMENT, std::string(call) + " of values of 8 bits is not computed in the dry run");
}

EXPORT int ncclGetVersion(int* version) { *version = 22907; return SUCCESS; }
EXPORT const char* ncclGetErrorString(int result) { return result == SUCCESS ? "no error" : "an error of the dry-run device"; }
EXPORT const char* ncclGetLastError(void*) { return last_error.c_str(); }
EXPORT int ncclGetUniqueId(UniqueId* id) {
  uint64_t random[2];
  FILE* file = fopen("/dev/urandom", "rb");
  if (!file || fread(random, sizeof random, 1, file) != 1) return failed(SYSTEM_ERROR, "/dev/urandom cannot be read");
  fclose(file);
  memset(id, 0, sizeof *id);
  snprintf(id->text, sizeof id->text, "syncfree-nccl-%016lx%016lx", (unsigned long)random[0], (unsigned long)random[1]);
  return SUCCESS;
}

EXPORT int ncclCommInitRank(Communicator** into, int size, UniqueId id, int rank) {
  if (int result = attach(id.text, rank, size, into)) return result;
  joining.push_back(*into);
  return depth ? SUCCESS : done(grouped);
}
EXPORT int ncclCommInitRankConfig(Communicator** into, int size, UniqueId id, int rank, void*) { return ncclCommInitRank(into, size, id, rank); }
EXPORT int ncclCommInitRankScalable(Communicator** into, int size, int rank, int, UniqueId* ids, void*) { return ncclCommInitRank(into, size, ids[0], rank); }
EXPORT int ncclCommInitAll(Communicator** into, int size, const int*) {
  UniqueId id;
  ncclGetUniqueId(&id);
  depth++;
  for (int rank = 0; rank < size; rank++)
    if (int result = ncclCommInitRank(into + rank, size, id, rank)) return result;
  return --depth ? SUCCESS : done(grouped);
}
EXPORT int ncclCommSplit(Communicator* parent, int color, int key, Communicator** into, void*) {
  struct Choice { int color, key; } mine{color, key};
  std::vector<Choice> all((size_t)parent->size);
  int outer = depth, number = parent->splits++;
  depth = 0;
  int result = gathered("ncclCommSplit", parent, sizeof mine, everybody(parent), true, (const char*)&mine, 0, [&](char* found) {
    memcpy(all.data(), found, sizeof mine * all.size());
    return SUCCESS;
  });
  depth = outer;
  *into = nullptr;
  if (result || color < 0) return result;
  int rank = 0, size = 0;
  for (int other = 0; other < parent->size; other++) {
    if (all[(size_t)other].color != color) continue;
    size++;
    int theirs = all[(size_t)other].key;
    if (theirs < key || (theirs == key && other < parent->rank)) rank++;
  }
  UniqueId id{};
  snprintf(id.text, sizeof id.text, "%.90s-%d-%d", parent->name.c_str() + strlen("/dev/shm/"), number, color);
  return ncclCommInitRank(into, size, id, rank);
}
EXPORT int ncclCommShrink(Communicator* parent, int* excluded, int count, Communicator** into, void* config, int) {
  bool stays = true;
  for (int index = 0; index < count; index++) stays = stays && excluded[index] != parent->rank;
  return ncclCommSplit(parent, stays ? 0 : -1, parent->rank, into, config);
}
EXPORT int ncclCommCount(const Communicator* own, int* size) { *size = own->size; return SUCCESS; }
EXPORT int ncclCommUserRank(const Communicator* own, int* rank) { *rank = own->rank; return SUCCESS; }
EXPORT int ncclCommCuDevice(const Communicator*, int* device) { *device = 0; return SUCCESS; }
EXPORT int ncclCommGetAsyncError(Communicator* own, int* error) { *error = own->error; return SUCCESS; }
EXPORT int ncclCommDestroy(Communicator* own) { if (own) leave(own); return SUCCESS; }
EXPORT int ncclCommAbort(Communicator* own) { return ncclCommDestroy(own); }
EXPORT int ncclMemAlloc(void** into, size_t bytes) { *into = syncfree_allocate(bytes, ON_GPU); return *into ? SUCCESS : SYSTEM_ERROR; }
EXPORT int ncclMemFree(void* address) { syncfree_release(address); return SUCCESS; }
EXPORT int ncclRedOpCreatePreMulSum(int* reduction, void* scalar, int type, int, Communicator*) {
  factors.push_back(value_of(scalar, type));
  *reduction = CREATED + (int)factors.size() - 1;
  return SUCCESS;
}

EXPORT int ncclGroupStart() { depth++; return SUCCESS; }
EXPORT int ncclGroupEnd() { return --depth ? SUCCESS : done(grouped); }

EXPORT int ncclSend(const void* data, size_t count, int type, int peer, Communicator* own, Stream) {
  Operation one = operation("ncclSend", own, count * bytes_of(type));
  send(one, peer, data);
  return started(std::move(one));
}
EXPORT int ncclRecv(void* data, size_t count, int type, int peer, Communicator* own, Stream) {
  Operation one = operation("ncclRecv", own, count * bytes_of(type));
  receive(one, peer, data);
  return started(std::move(one));
}
EXPORT int ncclBroadcast(const void* data, void* into, size_t count, int type, int root, Communicator* own, Stream) {
  Operation all = operation("ncclBroadcast", own, count * bytes_of(type));
  if (own->rank != root) receive(all, root, into);
  else
    for (int rank = 0; rank < own->size; rank++)
      if (rank != root) send(all, rank, data);
  if (own->rank == root && data != into) memmove(into, data, all.bytes);
  return started(std::move(all));
}
EXPORT int ncclBcast(void* data, size_t count, int type, int root, Communicator* own, Stream stream) { return ncclBroadcast(data, data, count, type, root, own, stream); }
EXPORT int ncclAllReduce(const void* data, void* into, size_t count, int type, int reduction, Communicator* own, Stream) {
  return gathered("ncclAllReduce", own, count * bytes_of(type), everybody(own), true, (const char*)data, 0,
                  [=](char* found) { return reduced("ncclAllReduce", found, own, into, count, type, reduction); });
}
EXPORT int ncclReduce(const void* data, void* into, size_t count, int type, int reduction, int root, Communicator* own, Stream) {
  return gathered("ncclReduce", own, count * bytes_of(type), {root}, own->rank == root, (const char*)data, 0,
                  [=](char* found) { return reduced("ncclReduce", found, own, into, count, type, reduction); });
}
EXPORT int ncclReduceScatter(const void* data, void* into, size_t count, int type, int reduction, Communicator* own, Stream) {
  size_t bytes = count * bytes_of(type);
  return gathered("ncclReduceScatter", own, bytes, everybody(own), true, (const char*)data, bytes,
                  [=](char* found) { return reduced("ncclReduceScatter", found, own, into, count, type, reduction); });
}
EXPORT int ncclAllGather(const void* data, void* into, size_t count, int type, Communicator* own, Stream) {
  size_t bytes = count * bytes_of(type);
  return gathered("ncclAllGather", own, bytes, everybody(own), true, (const char*)data, 0,
                  [=](char* found) { memcpy(into, found, bytes * (size_t)own->size); return SUCCESS; });
}
EXPORT int ncclAlltoAll(const void* data, void* into, size_t count, int type, Communicator* own, Stream) {
  size_t bytes = count * bytes_of(type);
  return gathered("ncclAlltoAll", own, bytes, everybody(own), true, (const char*)data, bytes,
                  [=](char* found) { memcpy(into, found, bytes * (size_t)own->size); return SUCCESS; });
}
