// One lane of a remote session: an ordered stream of numbered frames each way (wire/frame.h) that outlives its
// connection. While there is none, frames are kept; on the next one both sides go on where they stood. The client and
// the worker use the same class for calls and for bulk data; neither has a thread of its own for it here.
//
// Threading. Sending is for any thread (under the lane's lock, never held while waiting). Receive(), Connect(),
// received() and Disconnect() are for one thread at a time: the lane's reader. Whoever waits for the channel does so on
// channel(), a copy of the pointer.
//
// Errors. What the peer sends against the rules is an error of Receive(): the session is over. A connection that is
// lost is one too (transport::IsStreamOver): Disconnect(), then Connect() another, or give the session up.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "transport/channel.h"
#include "wire/control.h"
#include "wire/credits.h"
#include "wire/frame.h"
#include "wire/hello.h"
#include "wire/outbox.h"
#include "wire/receive_window.h"

namespace xpool::lane {

// What has gone over the lane, frames that were sent again among it. For `xpool ps`.
struct Traffic {
  uint64_t sent_bytes = 0, received_bytes = 0;
  uint64_t sent_frames = 0, received_frames = 0;  // new ones
  uint64_t connections = 0;
  // The shortest that the last pings measured, as a peer that is busy with something else answers late; 0: none has
  // come back yet.
  int64_t round_trip_ns = 0;
};

// Whether |status|, of Receive() or a wait, means no more than that the connection is gone: the session may go on over
// another one.
bool IsConnectionLost(const absl::Status& status);

class Lane {
 public:
  // A frame that is not urgent goes at once if nothing has gone for so long, or so many bytes wait; else it waits for
  // company: for the next frame that goes, or for its owner to flush.
  static constexpr int64_t kCoalesceNs = 50 * kNsPerUs;
  static constexpr uint64_t kMostCoalescedBytes = 32 * 1024;

  // Handles one frame; its payload is good during the call.
  using Handler = absl::FunctionRef<absl::Status(const wire::Frame&)>;
  using Placement = wire::FrameParser::Placement;

  // |placement| as FrameParser's: of a lane for bulk data.
  Lane(wire::LaneKind kind, const wire::Limits& limits, const Clock* clock, Placement placement = nullptr);

  // --- Connections (the reader) -------------------------------------------------------------------------------------

  // Goes on over |channel|, whose peer has received |peer_received| frames on this lane. Errors as of Outbox::Resume().
  absl::Status Connect(std::shared_ptr<transport::Channel> channel, uint64_t peer_received);
  // Closes and drops the connection. What was being received of a frame is forgotten: it comes again.
  void Disconnect();
  // The last frame received: for Hello and Welcome.
  uint64_t received() const { return receive_window_.received(); }

  // nullptr while there is none.
  std::shared_ptr<transport::Channel> channel() const;
  bool connected() const { return connected_.load(std::memory_order_acquire); }

  // --- Sending (any thread) -----------------------------------------------------------------------------------------

  enum class Urgency {
    kNow,   // somebody waits for what it brings
    kSoon,  // may wait for company
  };

  // Holds the lane's lock: what is posted through one of these follows each other. Clang's analysis sees that whoever
  // has one holds the lock, but not that its methods therefore do.
  class ABSL_SCOPED_LOCKABLE Sending {
   public:
    explicit Sending(Lane* lane) ABSL_EXCLUSIVE_LOCK_FUNCTION(lane->mutex_) : lane_(lane), lock_(&lane->mutex_) {}
    ~Sending() ABSL_UNLOCK_FUNCTION() {}

    // The sequence of the next frame posted.
    uint64_t next_sequence() const ABSL_NO_THREAD_SAFETY_ANALYSIS { return lane_->NextSequence(); }

    // Puts a frame on the lane; |encode|(wire::Writer&) writes its payload and returns its Status. On an error nothing
    // was put there.
    template <typename Encode>
    absl::StatusOr<uint64_t> Post(wire::FrameKind kind, uint16_t call, uint8_t flags,
                                  const Encode& encode) ABSL_NO_THREAD_SAFETY_ANALYSIS {
      wire::Writer& writer = lane_->BeginPost(kind, call, flags);
      const absl::Status encoded = encode(writer);
      return lane_->EndPost(encoded, {});
    }

    // The same for a frame of nothing but |payload|, which stays where it is until the peer has acknowledged it.
    uint64_t PostBorrowed(wire::FrameKind kind, uint8_t flags,
                          std::span<const std::byte> payload) ABSL_NO_THREAD_SAFETY_ANALYSIS {
      lane_->BeginPost(kind, 0, flags);
      return *lane_->EndPost(absl::OkStatus(), payload);
    }

    // Sends what the peer takes now; never waits. False when something has been left for later that was not before:
    // somebody has to flush some time, as the next frame may be long in coming.
    bool Settle(Urgency urgency) ABSL_NO_THREAD_SAFETY_ANALYSIS { return lane_->Settle(urgency); }

    // Whether more may be posted without exceeding what the lane is to keep.
    bool HasRoom() const ABSL_NO_THREAD_SAFETY_ANALYSIS { return lane_->outbox_.HasRoom(); }

   private:
    Lane* const lane_;
    MutexLock lock_;
  };

  // One frame, sent at once.
  template <typename Encode>
  absl::StatusOr<uint64_t> PostNow(wire::FrameKind kind, uint16_t call, uint8_t flags, const Encode& encode) {
    Sending sending(this);
    const absl::StatusOr<uint64_t> sequence = sending.Post(kind, call, flags, encode);
    sending.Settle(Urgency::kNow);
    return sequence;
  }

  // Sends what the peer takes now, whatever its urgency.
  void Flush();
  // The same if something waits, and has for kCoalesceNs.
  void FlushDue();
  // The channel took less than there was: flush again when it takes more.
  bool blocked() const { return blocked_.load(std::memory_order_relaxed); }

  // The last frame that the peer has acknowledged.
  uint64_t acknowledged() const { return acknowledged_.load(std::memory_order_acquire); }
  bool HasRoom() const;
  uint64_t unsent_bytes() const;
  uint64_t unacknowledged_bytes() const;

  // Control messages.
  void SendPing();
  // Tells the peer that the session is over and why, if it takes that now. Nothing is sent on this connection
  // afterwards.
  void SayGoodbye(const absl::Status& why);

  // --- Receiving (the reader) ---------------------------------------------------------------------------------------

  // Takes what has come, gives each new frame to |handle| in order, and sends the acknowledgements and credit that are
  // due. Never waits. OK: how many bytes came; 0: nothing has come. FAILED_PRECONDITION without a connection; ABORTED
  // after the peer's goodbye, with its words; |handle|'s error; otherwise as at the top.
  absl::StatusOr<size_t> Receive(Handler handle);

  // For |handle|: the frame that it has is still in use when it returns; the peer gets its credit back by Consumed().
  void KeepCredit() { keep_credit_ = true; }
  // Any thread: |bytes| of frames (headers included) that KeepCredit() was said for are used.
  void Consumed(uint64_t bytes);
  // For |handle|: acknowledge this frame at once, somebody waits for it.
  void HurryAck() { hurry_ack_ = true; }

  // Any thread: when the peer was last heard of, by the lane's clock.
  int64_t last_heard_ns() const { return last_heard_ns_.load(std::memory_order_relaxed); }

  Traffic traffic() const;
  const wire::Limits& limits() const { return limits_; }

 private:
  static constexpr size_t kReceiveBytes = 64 * 1024;

  uint64_t NextSequence() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return outbox_.next_sequence(); }
  wire::Writer& BeginPost(wire::FrameKind kind, uint16_t call, uint8_t flags) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<uint64_t> EndPost(const absl::Status& encoded, std::span<const std::byte> borrowed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Settle(Urgency urgency) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void FlushLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SendSome() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::StatusOr<size_t> ReceiveInto(transport::Channel& channel, Handler handle);
  absl::Status Take(std::span<const std::byte> input, Handler handle);
  absl::Status HandleFrame(const wire::Frame& frame, Handler handle);
  absl::Status HandleControl(const wire::Frame& frame);
  absl::Status CheckKind(const wire::Frame& frame) const;
  void SendDue(uint64_t received);

  // Control messages that wait for those in |controls_|: of each kind the last one, which makes up for the ones before
  // it. So a peer that sends and reads nothing takes up no more and more of this side's memory.
  struct DueControls {
    std::optional<wire::Ack> ack;
    std::optional<wire::Credit> credit;
    std::optional<wire::Ping> ping;
    std::optional<wire::Pong> pong;
  };

  const wire::LaneKind kind_;
  const wire::Limits limits_;
  const Clock* const clock_;

  mutable Mutex mutex_;
  std::shared_ptr<transport::Channel> channel_ ABSL_GUARDED_BY(mutex_);
  wire::Outbox outbox_ ABSL_GUARDED_BY(mutex_);
  wire::Writer post_ ABSL_GUARDED_BY(mutex_);  // the frame that is being written
  wire::Writer controls_
      ABSL_GUARDED_BY(mutex_);  // control frames that are to be sent; those before |controls_sent_| are
  size_t controls_sent_ ABSL_GUARDED_BY(mutex_) = 0;
  DueControls due_ ABSL_GUARDED_BY(mutex_);  // Invariant after SendSome(): empty if |controls_| is
  int64_t last_flush_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  bool left_for_later_ ABSL_GUARDED_BY(mutex_) = false;  // since then
  bool said_goodbye_ ABSL_GUARDED_BY(mutex_) = false;
  wire::CreditGrants grants_ ABSL_GUARDED_BY(mutex_);
  Traffic traffic_ ABSL_GUARDED_BY(mutex_);
  std::array<int64_t, 8> round_trips_ns_ ABSL_GUARDED_BY(mutex_){};  // the last ones, in turn
  size_t round_trips_ ABSL_GUARDED_BY(mutex_) = 0;
  std::atomic<bool> connected_{false};
  std::atomic<bool> blocked_{false};
  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<int64_t> last_heard_ns_{0};

  // The reader's.
  std::shared_ptr<transport::Channel> reading_;  // the same as channel_
  wire::FrameParser parser_;
  wire::ReceiveWindow receive_window_;
  const std::unique_ptr<std::byte[]> buffer_;
  bool keep_credit_ = false;
  bool hurry_ack_ = false;
};

}  // namespace xpool::lane
