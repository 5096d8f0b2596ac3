// The memory account of one session (slice/memory_account.h): credit that the agent has handed out, spent and refilled
// locally. It speaks the memory messages of slice/session_protocol.h but owns no socket: the session sends for it, and
// its watcher thread hands replies in.
//
// Thread-safe. Reserve() and Release() are a few atomic operations while the credit lasts. A Reserve() that needs more
// waits for the agent on a condition variable, for a bounded time; on the thread that reads the socket it reads
// instead.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "slice/control_page.h"
#include "slice/memory_account.h"
#include "slice/session_protocol.h"

namespace xpool {

class MemoryCredit : public MemoryAccount {
 public:
  static constexpr uint64_t kMaxChunkBytes = 16 * kMiB;

  struct Options {
    const Clock* clock = nullptr;
    // Sends one message without blocking. Called with the account's lock held, and only between Attach() and
    // LinkLost().
    std::function<absl::Status(std::span<const std::byte>)> send;
    // Whether the calling thread is the one that reads the socket, and its way to read for at most |timeout_ns|.
    std::function<bool()> is_reader;
    std::function<void(int64_t timeout_ns)> read_some;
    int64_t patience_ns = 2 * kNsPerSec;  // how long Reserve() waits for an agent that is away or does not answer
  };

  explicit MemoryCredit(Options options) : options_(std::move(options)) {}

  // RESOURCE_EXHAUSTED past the quota (asked, used, limit); UNAVAILABLE when the agent does not answer in time;
  // the slice's own error when it is gone.
  absl::Status Reserve(uint64_t bytes) override;
  void Release(uint64_t bytes) override;
  uint64_t used_bytes() const override { return used_.load(std::memory_order_relaxed); }

  uint64_t held_bytes() const { return held_.load(std::memory_order_relaxed); }
  uint64_t limit_bytes() const;

  // The agent is there (again): the whole credit is |granted_bytes|, or what is held already if that is more.
  // REQUIRES: |page| stays mapped.
  void Attach(ControlPage* page, uint64_t granted_bytes, uint64_t limit_bytes);

  // The agent is away: what is held stays usable, requests wait.
  void LinkLost();

  // The slice is gone: everything fails with |why| from now on.
  void Fail(absl::Status why);

  // In the child of a fork: everything fails, and no lock is taken any more.
  void DetachAfterFork();

  // INVALID_ARGUMENT for a reply that nobody asked for or whose sum overflows.
  absl::Status HandleReply(const MemoryReply& reply);

  // Gives unused credit back, all but |keep_bytes|.
  void ReturnUnused(uint64_t keep_bytes);

 private:
  uint64_t ChunkBytes() const;
  bool TakeFree(uint64_t bytes);
  uint64_t TakeFreeUpTo(uint64_t bytes);
  uint64_t TakeFreeAbove(uint64_t keep_bytes);
  void Publish();
  absl::Status ReserveSlow(uint64_t bytes);
  absl::Status AskLocked(uint64_t bytes, int64_t deadline_ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ExchangeLocked(uint64_t ask_bytes, int64_t deadline_ns, MemoryReply* reply)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AwaitLinkLocked(int64_t deadline_ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WaitLocked(int64_t deadline_ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  std::atomic<ControlPage*> page_{nullptr};
  std::atomic<bool> failed_{false};
  std::atomic<bool> forked_{false};
  std::atomic<uint64_t> first_limit_bytes_{0};
  // held_ = free_ + used_, up to what is between two of them at this moment.
  std::atomic<uint64_t> free_{0};
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> held_{0};  // changed under mutex_

  Mutex mutex_;
  CondVar changed_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  bool attached_ ABSL_GUARDED_BY(mutex_) = false;
  bool asking_ ABSL_GUARDED_BY(mutex_) = false;       // a Reserve() is between its request and its end
  bool outstanding_ ABSL_GUARDED_BY(mutex_) = false;  // a request on this link has no reply yet
  bool awaited_ ABSL_GUARDED_BY(mutex_) = false;      // and somebody waits for it
  bool replied_ ABSL_GUARDED_BY(mutex_) = false;      // |reply_| is the answer to the awaited request
  MemoryReply reply_ ABSL_GUARDED_BY(mutex_) = {};
};

}  // namespace xpool
