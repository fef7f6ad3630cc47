// Ranks of one machine and what they send each other: one segment of shared memory per communicator, with one slot per pair of
// ranks. Everything is made of sends and receives, which take turns until all are done, at the call: there is no stream to wait for.
#pragma once
#include "nccl_values.h"
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <functional>
#include <set>
#include <string>
#include <sys/mman.h>
#include <tuple>
#include <unistd.h>

namespace nccl {

enum Result { SUCCESS = 0, SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4, INVALID_USAGE = 5, REMOTE_ERROR = 6 };
enum { RANKS = 64, SLOT = 256 << 10, HEAD = 4096 };

inline thread_local std::string last_error;
inline int failed(int result, const std::string& why) {
  last_error = "syncfree dry run: " + why;
  fprintf(stderr, "%s\n", last_error.c_str());
  return result;
}

struct Channel {
  std::atomic<uint64_t> sent, received;  // numbers of pieces
  char call[48];                         // what the sender called, and
  uint64_t bytes;                        // how much it sends in all
  char data[SLOT];
};

struct Head {
  std::atomic<int> attached;
  std::atomic<int> processes[RANKS];  // 0: not there yet; negative: it has left
};

struct Communicator {
  std::string name;
  int rank, size, splits = 0, error = 0;
  char* memory;
  Head* head() const { return (Head*)memory; }
  Channel* channel(int from, int to) const { return (Channel*)(memory + HEAD + sizeof(Channel) * (size_t)(from * size + to)); }
  size_t bytes() const { return HEAD + sizeof(Channel) * (size_t)(size * size); }
};

struct Transfer {
  Communicator* communicator;
  int peer;
  bool sends;
  char* data;
  size_t bytes, moved = 0;
  const char* call;
};

struct Operation {
  const char* call;
  Communicator* communicator;
  size_t bytes;
  std::vector<Transfer> transfers;
  std::function<int()> finish;
};

inline double seconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

inline double timeout() {
  static const double limit = [] {
    const char* text = getenv("SYNC_AUDIT_DRY_RUN_NCCL_TIMEOUT_S");
    return text && *text ? atof(text) : 600.0;  // as PyTorch's own
  }();
  return limit;
}

// Moves one piece; returns 1 when it did, 0 when the other side must come first, and -1 when that side called something else.
inline int advance(Transfer& transfer, std::string& why) {
  Communicator& own = *transfer.communicator;
  Channel& channel = *(transfer.sends ? own.channel(own.rank, transfer.peer) : own.channel(transfer.peer, own.rank));
  uint64_t sent = channel.sent.load(std::memory_order_acquire), received = channel.received.load(std::memory_order_acquire);
  if (transfer.sends != (sent == received)) return 0;
  size_t left = transfer.bytes - transfer.moved, piece = left < SLOT ? left : (size_t)SLOT;
  if (transfer.sends) {
    snprintf(channel.call, sizeof channel.call, "%s", transfer.call);
    channel.bytes = transfer.bytes;
    memcpy(channel.data, transfer.data + transfer.moved, piece);
    channel.sent.store(sent + 1, std::memory_order_release);
  } else {
    bool same = !strcmp(channel.call, transfer.call) || (!strcmp(channel.call, "ncclSend") && !strcmp(transfer.call, "ncclRecv"));
    if (!same || channel.bytes != transfer.bytes) {
      why = std::string("rank ") + std::to_string(transfer.peer) + " called " + channel.call + " with " + std::to_string(channel.bytes) +
            " bytes and rank " + std::to_string(own.rank) + " " + transfer.call + " with " + std::to_string(transfer.bytes) +
            " bytes; on a GPU they would hang or mix up their data: ranks must call the same collectives in the same order";
      return -1;
    }
    memcpy(transfer.data + transfer.moved, channel.data, piece);
    channel.received.store(received + 1, std::memory_order_release);
  }
  transfer.moved += piece;
  return 1;
}

inline bool has_left(const Communicator& communicator, int rank) {
  int process = communicator.head()->processes[rank];
  if (process < 0) return true;
  FILE* file = fopen(("/proc/" + std::to_string(process) + "/stat").c_str(), "r");
  if (!file) return true;
  char text[512] = "";
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  const char* name = strrchr(text, ')');
  return length == 0 || (name && (name[2] == 'Z' || name[2] == 'X'));  // ended, and its parent has not asked
}

inline int run(std::vector<Operation>& operations) {
  double since = seconds(), looked = since;
  for (;;) {
    bool moved = false;
    Transfer* waiting = nullptr;
    std::set<std::tuple<Communicator*, int, bool>> busy;  // between two ranks the order of calls is the order of messages
    for (Operation& operation : operations) {
      for (Transfer& transfer : operation.transfers) {
        auto pair = std::make_tuple(transfer.communicator, transfer.peer, transfer.sends);
        if (transfer.moved == transfer.bytes || busy.count(pair)) continue;
        std::string why;
        int result;
        while ((result = advance(transfer, why)) > 0) {
          moved = true;
          if (transfer.moved == transfer.bytes) break;
        }
        if (result < 0) return transfer.communicator->error = failed(INVALID_USAGE, why);
        if (transfer.moved == transfer.bytes) continue;
        busy.insert(pair);
        waiting = &transfer;
      }
    }
    if (!waiting) break;
    double now = seconds();
    if (moved) since = looked = now;
    else usleep(now - since < 0.01 ? 20 : 500);
    bool gone = false;
    if (now - looked > 0.2) {
      looked = now;
      gone = has_left(*waiting->communicator, waiting->peer) && now - since > 1;  // what it had sent has been taken by now
    }
    if (!gone && now - since < timeout()) continue;
    Communicator& own = *waiting->communicator;
    std::string limit = std::to_string((int)timeout()) + " s (SYNC_AUDIT_DRY_RUN_NCCL_TIMEOUT_S)";
    return own.error = failed(gone ? REMOTE_ERROR : SYSTEM_ERROR, std::string(waiting->call) + " of " + std::to_string(waiting->bytes) +
        " bytes: rank " + std::to_string(own.rank) + " of " + std::to_string(own.size) + " waits for rank " + std::to_string(waiting->peer) +
        (gone ? ", whose process has ended or left the communicator" : ", which did not come within " + limit +
         "; on a GPU the ranks would hang: they must call the same collectives in the same order"));
  }
  for (Operation& operation : operations)
    if (int result = operation.finish ? operation.finish() : 0) return operation.communicator->error = result;
  return SUCCESS;
}

inline int wait_for_all(Communicator& own) {
  double since = seconds();
  while (own.head()->attached < own.size) {
    if (seconds() - since > timeout())
      return own.error = failed(SYSTEM_ERROR, "ncclCommInitRank: only " + std::to_string(own.head()->attached) + " of " + std::to_string(own.size) +
          " ranks came within " + std::to_string((int)timeout()) + " s (SYNC_AUDIT_DRY_RUN_NCCL_TIMEOUT_S); this is rank " + std::to_string(own.rank));
    usleep(200);
  }
  unlink(own.name.c_str());  // nobody else needs the name; it stays where a rank did not come
  return SUCCESS;
}

inline int attach(const std::string& name, int rank, int size, Communicator** into) {
  if (size < 1 || size > RANKS || rank < 0 || rank >= size)
    return failed(INVALID_ARGUMENT, "rank " + std::to_string(rank) + " of " + std::to_string(size) + "; the dry run has 1 to " + std::to_string(RANKS) + " ranks");
  auto* own = new Communicator{"/dev/shm/" + name, rank, size, 0, 0, nullptr};
  int file = open(own->name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, (off_t)own->bytes()) != 0)
    return failed(SYSTEM_ERROR, "no shared memory for " + std::to_string(size) + " ranks: " + own->name + ": " + strerror(errno));
  own->memory = (char*)mmap(nullptr, own->bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (own->memory == MAP_FAILED) return failed(SYSTEM_ERROR, own->name + " cannot be mapped: " + strerror(errno));
  own->head()->processes[rank] = getpid();
  own->head()->attached++;
  *into = own;
  return SUCCESS;
}

inline void leave(Communicator* own) {
  own->head()->processes[own->rank] = -1;
  munmap(own->memory, own->bytes());
  delete own;
}

}  // namespace nccl
