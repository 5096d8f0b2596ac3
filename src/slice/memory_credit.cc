#include "slice/memory_credit.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace xpool {
namespace {

constexpr int64_t kReadStepNs = 10 * kNsPerMs;

absl::Status OverQuota(uint64_t asked, uint64_t used, uint64_t limit) {
  return absl::ResourceExhaustedError(
      absl::StrCat("asked for ", FormatBytes(asked), " of device memory; the slice uses ", FormatBytes(used), " of ",
                   FormatBytes(limit), "; free some or resize it with: xpool slice resize --memory SIZE"));
}

absl::Status Forked() {
  return absl::FailedPreconditionError("this slice belongs to the parent process; open the device again after fork()");
}

}  // namespace

uint64_t MemoryCredit::limit_bytes() const {
  const ControlPage* const page = page_.load(std::memory_order_acquire);
  const uint64_t now = page == nullptr || forked_.load() ? 0 : page->memory_limit_bytes.load(std::memory_order_relaxed);
  return now != 0 ? now : first_limit_bytes_.load(std::memory_order_relaxed);
}

uint64_t MemoryCredit::ChunkBytes() const { return std::clamp<uint64_t>(limit_bytes() / 16, 1, kMaxChunkBytes); }

bool MemoryCredit::TakeFree(uint64_t bytes) {
  uint64_t free = free_.load(std::memory_order_relaxed);
  do {
    if (free < bytes) return false;
  } while (!free_.compare_exchange_weak(free, free - bytes));
  return true;
}

uint64_t MemoryCredit::TakeFreeUpTo(uint64_t bytes) {
  uint64_t free = free_.load(std::memory_order_relaxed);
  while (!free_.compare_exchange_weak(free, free - std::min(free, bytes))) {
  }
  return std::min(free, bytes);
}

uint64_t MemoryCredit::TakeFreeAbove(uint64_t keep_bytes) {
  uint64_t free = free_.load(std::memory_order_relaxed);
  while (!free_.compare_exchange_weak(free, std::min(free, keep_bytes))) {
  }
  return free - std::min(free, keep_bytes);
}

// Two threads may publish in the wrong order; the last one to look sees it and repeats.
void MemoryCredit::Publish() {
  ControlPage* const page = page_.load(std::memory_order_acquire);
  if (page == nullptr) return;
  uint64_t used;
  do {
    used = used_.load();
    page->memory_used_bytes.store(used);
  } while (used_.load() != used);
}

absl::Status MemoryCredit::Reserve(uint64_t bytes) {
  if (forked_.load(std::memory_order_relaxed)) return Forked();
  if (failed_.load(std::memory_order_acquire)) {
    MutexLock lock(&mutex_);
    return failure_;
  }
  if (!TakeFree(bytes)) RETURN_IF_ERROR(ReserveSlow(bytes));
  used_.fetch_add(bytes);
  Publish();
  return absl::OkStatus();
}

void MemoryCredit::Release(uint64_t bytes) {
  if (forked_.load(std::memory_order_relaxed)) return;
  uint64_t used = used_.load(std::memory_order_relaxed);
  uint64_t given;
  do {
    given = std::min(used, bytes);  // a double release must not make credit out of nothing
  } while (!used_.compare_exchange_weak(used, used - given));
  const uint64_t free = free_.fetch_add(given) + given;
  Publish();
  const uint64_t chunk = ChunkBytes();
  if (free / 2 > chunk) ReturnUnused(chunk);
}

void MemoryCredit::ReturnUnused(uint64_t keep_bytes) {
  if (forked_.load(std::memory_order_relaxed)) return;
  MutexLock lock(&mutex_);
  if (!attached_) return;
  const uint64_t unused = TakeFreeAbove(keep_bytes);
  if (unused == 0) return;
  MemoryReturn message = NewMessage<MemoryReturn>();
  message.bytes = unused;
  if (options_.send(MessageBytes(message)).ok()) {
    held_.fetch_sub(unused);
  } else {
    free_.fetch_add(unused);  // the next release or trim tries again
  }
}

void MemoryCredit::Attach(ControlPage* page, uint64_t granted_bytes, uint64_t limit_bytes) {
  MutexLock lock(&mutex_);
  const uint64_t held = held_.load();
  if (granted_bytes > held) {
    held_.store(granted_bytes);
    free_.fetch_add(granted_bytes - held);
  }
  first_limit_bytes_.store(limit_bytes);
  page_.store(page, std::memory_order_release);
  Publish();
  attached_ = true;
  changed_.SignalAll();
}

void MemoryCredit::LinkLost() {
  MutexLock lock(&mutex_);
  attached_ = false;
  outstanding_ = false;
  changed_.SignalAll();
}

void MemoryCredit::Fail(absl::Status why) {
  MutexLock lock(&mutex_);
  failure_ = std::move(why);
  attached_ = false;
  outstanding_ = false;
  failed_.store(true, std::memory_order_release);
  changed_.SignalAll();
}

void MemoryCredit::DetachAfterFork() {
  forked_.store(true, std::memory_order_relaxed);
  page_.store(nullptr, std::memory_order_relaxed);
}

absl::Status MemoryCredit::HandleReply(const MemoryReply& reply) {
  MutexLock lock(&mutex_);
  if (!outstanding_) return absl::InvalidArgumentError("the agent answered a memory request nobody made");
  if (reply.granted_bytes > UINT64_MAX / 2 - std::min(held_.load(), UINT64_MAX / 2))
    return absl::InvalidArgumentError("the agent granted more memory than can be counted");
  outstanding_ = false;
  held_.fetch_add(reply.granted_bytes);
  if (awaited_) {
    reply_ = reply;
    replied_ = true;
  } else {
    free_.fetch_add(reply.granted_bytes);  // whoever asked has given up
  }
  changed_.SignalAll();
  return absl::OkStatus();
}

absl::Status MemoryCredit::ReserveSlow(uint64_t bytes) {
  const uint64_t limit = limit_bytes();
  if (bytes > limit) return OverQuota(bytes, used_bytes(), limit);
  MutexLock lock(&mutex_);
  const int64_t deadline_ns = options_.clock->NowNs() + options_.patience_ns;
  while (asking_) RETURN_IF_ERROR(WaitLocked(deadline_ns));
  asking_ = true;
  absl::Status status = AskLocked(bytes, deadline_ns);
  asking_ = false;
  changed_.SignalAll();
  return status;
}

// Collects |bytes| from the free credit and from the agent: at first with a chunk for the next calls, then, when the
// slice has no such chunk left, exactly what is missing.
absl::Status MemoryCredit::AskLocked(uint64_t bytes, int64_t deadline_ns) {
  uint64_t taken = 0;
  absl::Status status;
  bool exact = false;
  while (status.ok()) {
    status = AwaitLinkLocked(deadline_ns);
    if (!status.ok()) break;
    taken += TakeFreeUpTo(bytes - taken);
    if (taken == bytes) return absl::OkStatus();
    const uint64_t missing = bytes - taken;
    const uint64_t ask = exact ? missing : std::max(missing, ChunkBytes());
    MemoryReply reply{};
    status = ExchangeLocked(ask, deadline_ns, &reply);
    if (absl::IsAborted(status)) {  // the link broke: ask the next agent
      status = absl::OkStatus();
      continue;
    }
    if (!status.ok()) break;
    const uint64_t used_here = std::min(reply.granted_bytes, missing);
    taken += used_here;
    free_.fetch_add(reply.granted_bytes - used_here);
    if (taken == bytes) return absl::OkStatus();
    if (reply.granted_bytes == 0 && ask == missing) status = OverQuota(bytes, reply.used_bytes, reply.limit_bytes);
    exact = true;
  }
  free_.fetch_add(taken);
  return status;
}

// One request and its reply. ABORTED when the link broke in between.
absl::Status MemoryCredit::ExchangeLocked(uint64_t ask_bytes, int64_t deadline_ns, MemoryReply* reply) {
  MemoryRequest request = NewMessage<MemoryRequest>();
  request.bytes = ask_bytes;
  if (!options_.send(MessageBytes(request)).ok()) {
    // Full or breaking: a moment later it is either writable or known to be gone.
    const int64_t moment_ns = std::min(deadline_ns, options_.clock->NowNs() + kReadStepNs);
    const absl::Status waited = WaitLocked(moment_ns);
    if (!waited.ok()) return waited;
    return absl::AbortedError("the agent's socket takes nothing");
  }
  outstanding_ = true;
  awaited_ = true;
  replied_ = false;
  absl::Status status;
  while (status.ok() && outstanding_) status = WaitLocked(deadline_ns);
  awaited_ = false;
  if (replied_) {
    *reply = reply_;
    return absl::OkStatus();
  }
  return status.ok() ? absl::AbortedError("the agent went away") : status;
}

// Until the agent is there and owes no reply.
absl::Status MemoryCredit::AwaitLinkLocked(int64_t deadline_ns) {
  while (!attached_ || outstanding_) RETURN_IF_ERROR(WaitLocked(deadline_ns));
  return failure_;
}

absl::Status MemoryCredit::WaitLocked(int64_t deadline_ns) {
  if (!failure_.ok()) return failure_;
  const int64_t left_ns = deadline_ns - options_.clock->NowNs();
  if (left_ns <= 0) {
    return absl::UnavailableError(
        "the xpool agent does not answer, so no more device memory can be had; see whether xpoold runs");
  }
  if (options_.is_reader && options_.is_reader()) {
    mutex_.Unlock();
    options_.read_some(std::min(left_ns, kReadStepNs));
    mutex_.Lock();
  } else {
    changed_.WaitFor(&mutex_, left_ns);
  }
  return failure_;
}

}  // namespace xpool
