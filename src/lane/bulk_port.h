// A session's bulk lane with its transfers (wire/frame.h): byte ranges that calls and answers name by number. Data is
// received straight to where it belongs, and sent from where it lies. The client and the worker have one each.
//
// Threading. Expect(), Send() and Pump() are for any thread, Receive() and the lane's
// connections for the lane's reader. Callbacks run on the reader's thread, or inside Expect() and Fail(); no lock is
// held then, and they must not wait.
//
// A transfer that comes before anybody expects it is held, within the lane's credit: its sender then waits, and so do
// the transfers behind it. So nobody may expect a transfer only after one that was sent later.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "lane/lane.h"

namespace xpool::lane {

class BulkPort {
 public:
  // Named and not received yet, or received and not named yet: far more than there is credit for, and than a program
  // has calls under way.
  static constexpr size_t kMostTransfers = 256 * 1024;

  // Called once: OK, or why it will never come.
  using Arrived = absl::AnyInvocable<void(const absl::Status&)>;
  // Called once, when the memory is the caller's again: the peer has it all, or the session is over.
  using Released = absl::AnyInvocable<void()>;

  BulkPort(const wire::Limits& limits, const Clock* clock);

  Lane& lane() { return lane_; }
  const Lane& lane() const { return lane_; }

  // |transfer| goes to |target|, which must stay until |arrived| is called. INVALID_ARGUMENT for a number that is
  // expected already, RESOURCE_EXHAUSTED when kMostTransfers are: whoever has named it breaks the rules, and Receive()
  // says so, too.
  void Expect(uint64_t transfer, std::span<std::byte> target, Arrived arrived);

  // |transfer| is of no use to anybody: its bytes are dropped as they come. Errors as of Expect(), told by Receive().
  void Discard(uint64_t transfer);
  // |transfer|, which was expected, will not be sent: drops its callback. False if that has been called, or will be
  // since the transfer has begun.
  bool Cancel(uint64_t transfer);

  // Puts |bytes|, which are not empty, on the lane as |transfer|. Somebody must Pump().
  void Send(uint64_t transfer, std::span<const std::byte> bytes, Released released);

  // A transfer whose bytes are not all there yet: says that |bytes| will come, then sends them part by part, and waits
  // for each until the peer has it. Nothing else may be sent before the last part. Fail()'s status.
  void Announce(uint64_t transfer, uint64_t bytes);
  absl::Status SendPart(std::span<const std::byte> bytes);

  // Hands what has been put on the lane to the connection, waiting for it and for credit; OK when nothing is left.
  // DEADLINE_EXCEEDED; UNAVAILABLE without a connection (what is left goes out on the next); Fail()'s status.
  absl::Status Pump(const transport::Deadline& deadline);

  // As Lane::Receive(). INVALID_ARGUMENT also when a transfer is not what it should be.
  absl::StatusOr<size_t> Receive();

  // The reader: the session is over. Closes the connection; everything expected ends with |why|, everything sent is
  // released, as is all that comes later.
  void Fail(const absl::Status& why);

 private:
  struct Incoming {
    bool expected = false;
    bool discarded = false;  // and expected
    std::span<std::byte> target;
    Arrived arrived;
    bool begun = false;
    uint64_t size = 0;  // once begun
    uint64_t got = 0;
    std::vector<std::vector<std::byte>> held;  // what came before it was expected
    uint64_t held_credit = 0;
  };
  struct Outgoing {
    uint64_t last_sequence;
    Released released;
  };

  void PostFirst(Lane::Sending& sending, uint64_t transfer, uint64_t bytes);
  // The sequence of the last frame, which has |last_flags|.
  uint64_t PostBytes(Lane::Sending& sending, std::span<const std::byte> bytes, uint8_t last_flags);
  std::span<std::byte> Place(const wire::FrameHeader& header);
  // The entry of |transfer|, which is now expected.
  absl::StatusOr<Incoming*> Name(uint64_t transfer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Handle(const wire::Frame& frame);
  absl::Status Begin(const wire::Frame& frame);
  absl::Status Continue(const wire::Frame& frame);
  // Takes the transfer's callback out if it is complete.
  Arrived TakeIfComplete(uint64_t transfer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static absl::Status CheckSize(const Incoming& incoming);
  void ReleaseAcknowledged();
  absl::Status AwaitRoomToSend(const transport::Deadline& deadline);

  Lane lane_;
  Mutex pump_mutex_;  // held while sending: one at a time waits for the connection
  Mutex mutex_;
  CondVar changed_;  // acknowledgements, credit and connections came or went
  absl::flat_hash_map<uint64_t, Incoming> incoming_ ABSL_GUARDED_BY(mutex_);
  std::deque<Outgoing> outgoing_ ABSL_GUARDED_BY(mutex_);
  absl::Status failed_ ABSL_GUARDED_BY(mutex_);
  absl::Status misnamed_ ABSL_GUARDED_BY(mutex_);  // a transfer was named against the rules
  uint64_t current_ ABSL_GUARDED_BY(mutex_) = 0;   // the transfer that is being received; 0: none
};

}  // namespace xpool::lane
