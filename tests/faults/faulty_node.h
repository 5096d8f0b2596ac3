// A node with one remote session on the null driver, and the way to it: connections are sometimes refused, and go
// through relays that break them (fault_relay.h). In the process of its client. For tests.
#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <random>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "backend/remote/dialer.h"
#include "backend/remote/link.h"
#include "base/mutex.h"
#include "fault_relay.h"
#include "worker/client_session.h"
#include "worker/lane_door.h"

namespace xpool::faults {

// The numbers that calls of clEnqueueFillBuffer brought to the driver as their patterns, in order, for each stream: a
// pattern's upper half.
class CallRecord {
 public:
  void Add(uint64_t pattern);
  std::vector<uint32_t> Take(uint32_t stream);

 private:
  Mutex mutex_;
  std::vector<uint64_t> patterns_ ABSL_GUARDED_BY(mutex_);
};

class FaultyNode {
 public:
  // Lives as long as the process. |patience_ns|: how long the session waits for a client that is silent.
  explicit FaultyNode(uint64_t seed, int64_t patience_ns = 30 * kNsPerSec);
  FaultyNode(const FaultyNode&) = delete;
  FaultyNode& operator=(const FaultyNode&) = delete;
  // Ends the session and all connections. Not destroyed: sessions are not, and the client may dial once more.
  void End();

  // For a client of this node, which must outlive it.
  remote::LinkOptions Options();
  absl::StatusOr<std::unique_ptr<transport::Channel>> Dial(wire::Purpose purpose);

  // No lane can be connected any more.
  void RefuseLanes() { refuses_ = true; }
  // The same, and those that there are end.
  void CutOff();
  // How the session ended, once it has.
  absl::Status Outcome();

  std::vector<uint32_t> TakeCalls(uint32_t stream) { return calls_->Take(stream); }
  const FaultCounts& counts() const { return counts_; }
  uint64_t connections() const { return connections_; }
  uint64_t refused() const { return refused_; }

 private:
  absl::StatusOr<std::unique_ptr<transport::Channel>> DialAgent();
  absl::StatusOr<std::unique_ptr<transport::Channel>> DialLane();

  CallRecord* const calls_;
  worker::ClientSession* const session_;
  worker::LaneDoor* const door_;
  std::future<absl::Status> outcome_;
  FaultCounts counts_;
  std::atomic<bool> refuses_{false};
  std::atomic<uint64_t> connections_{0}, refused_{0};
  Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<transport::Channel>> agents_ ABSL_GUARDED_BY(mutex_);  // ends that answered an Attach
  std::vector<std::unique_ptr<FaultRelay>> relays_ ABSL_GUARDED_BY(mutex_);
};

// The null driver's first platform; aborts without it.
const cl::DispatchTable& NullDriver();

}  // namespace xpool::faults
