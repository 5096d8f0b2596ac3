// Serves the OpenCL calls of one remote session: decodes each, calls the driver (in a worker: the shim, which is a
// session on a local slice), answers, and tells the client what it must hear of without asking (wire_opencl/notices.h).
//
// Threading. Serve() is the lane's thread's, under the lane's lock, which calls that compile leave while they do
// (slow_calls.h). Completions and callbacks come on the driver's threads and answer from there, so that a client that
// waits is one wake-up away from its command. Nothing here waits for a command; what does wait, for bulk data that a
// call needs, ends when |still_sending| says that it will not come.
//
// Lifecycle: destroyed never; the worker's process ends with its session, and the driver may call back until then.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "lane/bulk_port.h"
#include "lane/bulk_sender.h"
#include "lane/lane.h"
#include "wire/frame.h"
#include "wire_opencl/decoder.h"
#include "wire_opencl/notices.h"
#include "wire_opencl/server_context.h"
#include "worker/event_log.h"
#include "worker/held_buffer.h"
#include "worker/kernel_output.h"
#include "worker/peer_copies.h"
#include "worker/queue_tails.h"
#include "worker/slow_calls.h"

namespace xpool::worker {

class OpenClServer : public wire_cl::ServerContext {
 public:
  // What the slice's account says, asked on the lane's thread; and where its kernels' text comes from, if anybody wants
  // that, which outlives this.
  struct Slice {
    std::function<uint64_t()> memory_used_bytes;
    std::function<uint64_t()> memory_limit_bytes;
    KernelOutput* output = nullptr;
  };

  // Whether bulk data may still come; an error: the session is over.
  using StillSending = std::function<absl::Status()>;

  // |api| is SlowCalls::LeaveLaneIn() of the driver's. All must outlive this; |peers| is used only while it serves.
  OpenClServer(const cl::DispatchTable& api, const wire_cl::ServerLimits& limits, Slice slice,
               StillSending still_sending, lane::Lane* calls, lane::BulkPort* bulk, lane::BulkSender* sender,
               PeerCopies* peers);

  // One frame of the call lane. An error: the client broke the protocol, and the session is over.
  absl::Status Serve(const wire::Frame& frame);
  // After a batch of frames: sends what was answered, tells of a resize, gives back what callbacks could not.
  void EndBatch();

  // The buffer that a direct copy was expected for. Any thread. NOT_FOUND and FAILED_PRECONDITION when the client has
  // released it since.
  absl::StatusOr<HeldBuffer> Hold(const wire_cl::Invite& invite);

  // Whether the client leaves more unread than it may.
  bool Overfull() const;

  // For the codec.
  absl::StatusOr<wire_cl::Storage> TakeBulk(uint64_t transfer, uint64_t bytes) override;
  cl_event ReceiveBulk(uint64_t transfer, std::span<std::byte> target, cl_command_queue queue,
                       absl::AnyInvocable<void()> arrived) override;
  void DropBulk(uint64_t transfer) override { bulk_->Discard(transfer); }
  absl::StatusOr<uint64_t> SendBulk(std::span<const std::byte> bytes) override;
  void WhenDone(wire_cl::Completion completion) override;
  bool WantsEvent() override;
  void TakeEvent(cl_event event) override;
  void Fired(const wire_cl::CallbackFired& fired) override;
  bool TakesBytes(cl_kernel kernel, cl_uint index) override;

 private:
  // The call that is being served.
  struct Current {
    uint16_t call = 0;
    uint64_t sequence = 0;
    bool wants_answer = false;
    wire_cl::CallTrace trace;
    bool tail_taken = false;
  };
  struct Pending;      // a command that is under way
  struct Finishing;    // a queue that the client waits for
  struct Wanted;       // an event that the client waits for
  struct SteppedRead;  // opencl_transfers.cc

  absl::Status ServeFrame(const wire::Frame& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  absl::Status ServeCall(const wire::Frame& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  // Unanalysed: clang does not see that the lock of |slow_calls_| is this one.
  void ServeSlowly(const wire::Frame& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_) ABSL_NO_THREAD_SAFETY_ANALYSIS;
  absl::Status ServeNotice(const wire::Frame& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  absl::StatusOr<wire_cl::Served> Dispatch(const wire::Frame& frame, wire::Reader& reader, wire::Writer& out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  absl::Status AfterCall(const absl::StatusOr<wire_cl::Served>& served, const wire::Writer& out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  void NoteTail() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  void LogEvent() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  void FlushQueue(wire::WireHandle queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);

  absl::StatusOr<wire_cl::Served> ServeFinish(wire_cl::Decoder& in, wire_cl::Answer& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  absl::Status ServeWant(const wire_cl::Want& want) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  absl::Status ServeStage(const wire_cl::Staged& staged);
  absl::Status ServeProfile(const wire::Frame& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  absl::Status ServeDescribe(const wire::Frame& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);

  // Direct copies: opencl_peers.cc.
  template <typename Message>
  absl::StatusOr<HeldBuffer> HoldRange(const Message& range) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  absl::Status ServeInvite(const wire_cl::Invite& invite) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  absl::Status ServePush(const wire_cl::Push& push) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  absl::Status ServeWithdraw(const wire_cl::Withdraw& withdraw) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);

  // Transfers that go through a mapping, so that they need no memory of their own.
  absl::StatusOr<wire_cl::Served> ServeLargeRead(wire_cl::Decoder& in, wire_cl::Answer& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  absl::StatusOr<wire_cl::Served> ServeLargeWrite(wire_cl::Decoder& in, wire_cl::Answer& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_mutex_);
  cl_event NewGate(cl_command_queue queue) const;
  void OpenGate(cl_event gate, cl_int status) const;

  void QueueDone(const Finishing& finished, cl_int ended);
  void CommandDone(std::unique_ptr<Pending> pending, cl_int status);
  void SendReply(std::unique_ptr<Pending> pending, cl_int status);
  absl::StatusOr<HeldBuffer> HoldAside(cl_command_queue queue, cl_mem buffer) const;
  void SendStepped(const SteppedRead& read, cl_int status);
  cl_int SendSteps(const SteppedRead& read);

  // Sends a frame of our own; any thread.
  template <typename Encode>
  void Post(wire::FrameKind kind, uint16_t call, lane::Lane::Urgency urgency, const Encode& encode);
  template <typename Message>
  void PostNotice(wire_cl::Notice notice, const Message& message, lane::Lane::Urgency urgency);
  void PostAnswer(uint16_t call, uint64_t sequence, std::span<const std::byte> payload, lane::Lane::Urgency urgency);
  void PostDone(const wire_cl::Done& done, lane::Lane::Urgency urgency);  // unless there is nothing in it
  void PostTimes(const wire_cl::Want& want, cl_event event);
  wire_cl::EventTimes TimesOf(cl_event event) const;
  void PostFailed(const Current& call, cl_int status);
  // Before it is said that a command is complete.
  void SendPrinted() const;

  // Whether |callback| of the command behind |event| will be called; |event| is the caller's.
  bool CallWhenDone(cl_event event, void(CL_CALLBACK* callback)(cl_event, cl_int, void*), void* data) const;
  // For events in driver callbacks, where nothing may be freed: the second EndBatch() from now does it. By then the
  // callback has returned, and does not find itself with the last reference.
  void ReleaseLater(cl_event event);

  const Slice slice_;
  const StillSending still_sending_;
  lane::Lane* const calls_;
  lane::BulkPort* const bulk_;
  lane::BulkSender* const sender_;
  PeerCopies* const peers_;
  EventLog events_;
  Mutex lane_mutex_;
  SlowCalls slow_calls_;
  Current current_ ABSL_GUARDED_BY(lane_mutex_);
  QueueTails tails_ ABSL_GUARDED_BY(lane_mutex_);
  wire::Writer out_ ABSL_GUARDED_BY(lane_mutex_);
  absl::Status broken_ ABSL_GUARDED_BY(lane_mutex_);  // by a slow call
  uint64_t told_limit_bytes_ ABSL_GUARDED_BY(lane_mutex_);
  std::atomic<uint64_t> next_transfer_{1};
  std::atomic<int64_t> bulk_answer_bytes_{0};  // of SendBulk(), not yet with the client

  // Transfers that came ahead of the calls that name them.
  struct Staging {
    wire_cl::Storage storage;
    std::optional<absl::Status> arrived;
  };
  Mutex staged_mutex_;
  CondVar staged_changed_;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Staging>> staged_ ABSL_GUARDED_BY(staged_mutex_);

  Mutex release_mutex_;
  std::vector<cl_event> release_ ABSL_GUARDED_BY(release_mutex_);
  std::vector<cl_event> releasing_;  // the lane's thread's: at the next EndBatch()
};

}  // namespace xpool::worker
