// What a UcxChannel is made of: a line with messages (ucx_line.h), a window for each direction, the control channel,
// and sleepers for the threads that wait. Made by ucx_upgrade.cc.
//
// UCX's state and all of ours is under one mutex, never held while waiting. UCX moves on in whoever calls; what that
// finds for the other thread rouses it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "transport/ucx_channel.h"
#include "transport/ucx_control.h"
#include "transport/ucx_greeting.h"
#include "transport/ucx_line.h"
#include "transport/ucx_puts.h"
#include "transport/ucx_sleeper.h"
#include "transport/ucx_window.h"

namespace xpool::transport {

class UcxStream : public UcxChannel, public BulkLane, private UcxLine::Listener {
 public:
  // |line| is not connected yet; |peer| is its hello.
  static absl::StatusOr<std::unique_ptr<UcxStream>> Create(std::unique_ptr<Channel> control,
                                                           std::unique_ptr<UcxLine> line, const UcxOptions& options,
                                                           const UcxHello& peer);
  // Connects the line, and waits until messages get through both ways.
  absl::Status Greet(std::span<const std::byte> address, uint64_t key, const Deadline& deadline);

  absl::StatusOr<size_t> Send(std::span<const iovec> pieces) override;
  absl::StatusOr<size_t> Receive(std::span<std::byte> buffer) override;
  absl::StatusOr<bool> Flush() override;
  PollTarget PollFor(Interest interest) override;
  absl::Status Wait(Interest interest, const Deadline& deadline) override;
  void Close() override;
  std::string Describe() const override { return who_; }
  BulkLane* bulk() override { return has_bulk_ ? this : nullptr; }

  // BulkLane, in ucx_bulk.cc.
  absl::StatusOr<std::unique_ptr<BulkRegion>> Register(std::span<std::byte> memory) override;
  absl::StatusOr<std::unique_ptr<BulkTarget>> Open(std::span<const std::byte> key) override;
  absl::StatusOr<uint64_t> Put(const BulkTarget& target, uint64_t offset, std::span<const std::byte> bytes) override;
  absl::StatusOr<uint64_t> PutsDone() override;
  absl::Status WaitForPut(uint64_t number, const Deadline& deadline) override;
  void Forget(ucp_rkey_h key);  // of a target that goes

 private:
  enum Who { kReceiver, kSender, kBoth };  // of the sleepers

  UcxStream(std::unique_ptr<Channel> control, std::unique_ptr<UcxLine> line, const UcxOptions& options,
            const UcxHello& peer);
  absl::Status MakeSleepers();
  absl::Status StartGreeting(std::span<const std::byte> address, uint64_t key);
  // What to poll before the next try; |told| and |heard|: that messages get through, to and from the peer.
  absl::StatusOr<PollTarget> GreetSome(bool* told, bool* heard);

  // UcxLine::Listener: in calls of the line.
  UcxReceiveWindow::Place OnMessage(const UcxHeader& header, size_t size) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnArrived(size_t slot) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnSent(size_t slot) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnFlushed() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnPut(size_t slot) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnLost() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  UcxReceiveWindow::Place Refuse(const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Sends what may be sent and lets UCX do what it has to; false when there was nothing.
  bool Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Until there is nothing to do; from then on the next event wakes the sleepers. False when there is more to do.
  bool PumpAndArm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Submit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SubmitPuts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellConsumed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsFlushed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Why there is nothing more to receive or to send; OK while there may be.
  absl::Status ReceiveEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SendEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CommonEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Possible(Interest interest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  PollTarget FallAsleep(Who who) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The thread that receives or sends is here.
  void WakeUp(Who who) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Rouse(Who who) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Spin(Interest interest);
  PollTarget PollForPut(uint64_t number);

  const UcxContext& context_;
  const std::string who_;
  const bool has_bulk_;
  const uint64_t rendezvous_bytes_;  // no message is as large as a window
  const int spin_rounds_;
  std::atomic<bool> closed_{false};
  Channel& control_channel_;  // control_'s

  Mutex mutex_;
  UcxControl control_ ABSL_GUARDED_BY(mutex_);
  UcxSendWindow out_ ABSL_GUARDED_BY(mutex_);
  UcxReceiveWindow in_ ABSL_GUARDED_BY(mutex_);
  // Goes before the windows: until then UCX reads and writes them.
  const std::unique_ptr<UcxLine> line_ ABSL_PT_GUARDED_BY(mutex_);
  std::vector<UcxSleeper> sleepers_ ABSL_GUARDED_BY(mutex_);  // by Who

  absl::Status broken_ ABSL_GUARDED_BY(mutex_);        // the peer broke the rules
  bool greeted_ ABSL_GUARDED_BY(mutex_) = false;       // the peer's first message is here
  bool flush_wanted_ ABSL_GUARDED_BY(mutex_) = false;  // the sender waits for what it has sent, not for room
  bool telling_ ABSL_GUARDED_BY(mutex_) = false;       // a message that only says what was consumed is under way
  uint64_t told_consumed_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t told_behind_ ABSL_GUARDED_BY(mutex_) = 0;  // the stream position at which that was sent
  uint64_t handed_over_ ABSL_GUARDED_BY(mutex_) = 0;  // to this position all is the kernel's
  uint32_t turns_ ABSL_GUARDED_BY(mutex_) = 0;        // calls that moved nothing

  UcxPuts puts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::transport
