// One remote client's session in its worker: the two lanes, the threads that read them, and the OpenCL server behind.
// The first connection of the call lane makes it; it ends when the client says goodbye or breaks the protocol, when its
// connection was lost and does not come back within the resume window, or when the slice is gone.
//
// Threading: Offer() for any thread; Run() is the call lane's reader. A thread of its own reads the bulk lane, once
// there is one.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "generated/opencl/dispatch_table.h"
#include "lane/bulk_port.h"
#include "lane/bulk_sender.h"
#include "lane/lane.h"
#include "wire/hello.h"
#include "worker/lane_host.h"
#include "worker/opencl_server.h"
#include "worker/peer_copies.h"

namespace xpool::worker {

struct SessionOptions {
  uint64_t session_id = 0;
  wire::ResumeToken token{};
  wire::Limits limits;
  int64_t resume_window_ns = 30 * kNsPerSec;
  int64_t silence_ns = 15 * kNsPerSec;  // a client that is not heard of for so long has lost its connection
  const Clock* clock = Clock::Monotonic();
  OpenClServer::Slice slice;
  std::function<absl::Status()> slice_status;  // not OK: the slice is gone, and why
  PeerOptions peers;
};

class ClientSession {
 public:
  // |api| as OpenClServer's; outlives this, which is never destroyed.
  ClientSession(const cl::DispatchTable& api, const SessionOptions& options);

  // A connection that came for this session; its Hello has been read. PERMISSION_DENIED for another token,
  // INVALID_ARGUMENT for other limits than the session has: to be answered with a Refusal, by the caller.
  absl::Status Offer(LaneConnection connection);

  // Serves until the session is over, and says why: OK when the client said goodbye. |first_ns|: how long to wait for
  // the first connection.
  absl::Status Run(int64_t first_ns);

  // A connection from the worker of another session of the same client.
  void OfferPeer(UniqueFd socket, wire::Security security) { peers_.Receive(std::move(socket), security); }

  // Any thread: ends it; the client is told |why|.
  void Stop(const absl::Status& why);

  // Traffic of both lanes and of direct copies.
  lane::Traffic traffic() const;

 private:
  enum class Reading { kCalls, kBulk };

  absl::Status RunLane(Reading which, int64_t first_ns);
  absl::StatusOr<size_t> ReceiveCalls();
  absl::Status AwaitMore(lane::Lane& lane);
  absl::Status CheckLiving() const;
  absl::Status CheckSending() const;
  void StartBulk();
  void StartPulse();
  void End(const absl::Status& why);

  const SessionOptions options_;
  lane::Lane calls_;
  lane::BulkPort bulk_;
  lane::BulkSender sender_;
  PeerCopies peers_;
  OpenClServer server_;
  LaneHost call_host_, bulk_host_;
  std::atomic<bool> ended_{false};
  Mutex mutex_;
  CondVar ended_changed_;
  std::thread bulk_thread_ ABSL_GUARDED_BY(mutex_);
  absl::Status bulk_status_ ABSL_GUARDED_BY(mutex_);  // why the bulk lane's reader ended
  absl::Status stopped_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::worker
