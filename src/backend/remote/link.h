// The client's end of one remote session: its two lanes, waiting for answers, and coming back after the connection was
// lost. Knows frames and no API; what they mean is LinkEvents'.
//
// Threading. Everything is for any thread. Frames are read by whoever waits for one, so that an answer costs one
// wake-up; when nobody waits, by the link's keeper, a thread that also flushes what was left to travel together, looks
// after the connection and dials again. The keeper listens only where somebody wants to hear without waiting
// (ExpectNews()), since handing the listening over costs system calls; all else it finds when it looks, each second. A
// second thread reads the bulk lane, once it is needed. No lock is held while waiting or while LinkEvents or an answer
// is called.
//
// Failure. While the connection is away, calls are kept and waits go on; when it does not come back within the resume
// window, or the worker says that the session is over, the link is lost for good: all answers that are awaited come
// with the reason, and nothing is sent any more.
//
// Lifecycle: made once for a slice, destroyed never (the process's end is the session's).
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/remote/dialer.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/status.h"
#include "lane/bulk_port.h"
#include "lane/bulk_sender.h"
#include "lane/lane.h"
#include "wire/attach.h"

namespace xpool::remote {

// What comes without having been asked for. Called on the reading thread, in order.
class LinkEvents {
 public:
  virtual ~LinkEvents() = default;
  // An error: the server broke the protocol, and the link is lost.
  virtual absl::Status OnNotice(uint16_t call, std::span<const std::byte> payload) = 0;
  // Before anybody can notice that the link is lost, and when all whose answers were awaited know.
  virtual void OnLosing(const absl::Status& why) = 0;
  virtual void OnLost(const absl::Status& why) = 0;
};

struct LinkOptions {
  std::unique_ptr<Dialer> dialer;
  wire::Attach attach;
  wire::Limits limits;
  int64_t attach_timeout_ns = 20 * kNsPerSec;
  int64_t resume_window_ns = 30 * kNsPerSec;
  int64_t silence_ns = 15 * kNsPerSec;  // a server that is not heard of for so long has lost its connection
  const Clock* clock = Clock::Monotonic();
};

class Link {
 public:
  using Urgency = lane::Lane::Urgency;

  // What a call's answer is for. Called once, on the reading thread, or, when the link is lost, on the keeper's.
  class Answer {
   public:
    virtual ~Answer() = default;
    virtual void Arrived(const absl::StatusOr<std::span<const std::byte>>& payload) = 0;
  };

  // Attaches and connects the call lane; |events| must outlive the link. PERMISSION_DENIED, NOT_FOUND, UNIMPLEMENTED
  // (another protocol version), UNAVAILABLE say what the user can do.
  static absl::StatusOr<std::unique_ptr<Link>> Open(LinkOptions options, LinkEvents* events);

  // Puts a call on the lane: |encode|(wire::Writer&, sequence) writes its payload, under the lane's lock. |answer| may
  // be nullptr. The call's sequence; |encode|'s error (nothing was sent), or the link's when it is lost. Waits while
  // the lane has no room.
  template <typename Encode>
  absl::StatusOr<uint64_t> Post(uint16_t call, Urgency urgency, Answer* answer, const Encode& encode) {
    RETURN_IF_ERROR(WaitForRoom());
    absl::StatusOr<uint64_t> sequence;
    bool settled = true;
    {
      lane::Lane::Sending sending(&calls_);
      const uint64_t next = sending.next_sequence();
      if (answer != nullptr) RETURN_IF_ERROR(Expect(next, answer));
      sequence = sending.Post(wire::FrameKind::kCall, call, answer == nullptr ? 0 : wire::kFlagNeedsAnswer,
                              [&](wire::Writer& writer) { return encode(writer, next); });
      if (!sequence.ok() && answer != nullptr) Forget(next);
      settled = !sequence.ok() || sending.Settle(urgency);
    }
    if (!settled) FlushLater();
    if (ManyToRead()) ListenIfNobodyReads();
    return sequence;
  }

  // Sends what waits for company.
  void Flush() { calls_.Flush(); }

  // Posts a call and waits for its answer's payload; meanwhile does |then|().
  template <typename Encode, typename Then>
  absl::StatusOr<std::vector<std::byte>> Ask(uint16_t call, const Encode& encode, const Then& then) {
    CopiedAnswer answer(this);
    RETURN_IF_ERROR(Post(call, Urgency::kNow, &answer, encode).status());
    then();
    return answer.Take();
  }
  template <typename Encode>
  absl::StatusOr<std::vector<std::byte>> Ask(uint16_t call, const Encode& encode) {
    return Ask(call, encode, [] {});
  }

  // Waits until |done|, which is quick and reads atomics. What makes it true must be brought by a frame of the call
  // lane, else use AwaitOther(). The link's error when it is lost.
  absl::Status Await(absl::FunctionRef<bool()> done);
  // The same for what other threads bring; they say so with Progress().
  absl::Status AwaitOther(absl::FunctionRef<bool()> done);
  void Progress();

  // Until NewsCame() as often, frames are read soon after they have come, also while nobody waits.
  void ExpectNews();
  void NewsCame() { news_.fetch_sub(1, std::memory_order_relaxed); }

  // The bulk lane, connected on first use.
  lane::BulkPort& bulk();
  // Sends and waits until the memory is free again.
  absl::Status SendBulk(uint64_t transfer, std::span<const std::byte> bytes);
  // Sends some time soon; |released| is called when the memory is free again.
  void SendBulkLater(uint64_t transfer, std::span<const std::byte> bytes, lane::BulkPort::Released released);

  bool leaving() const { return leaving_.load(std::memory_order_relaxed); }
  bool lost() const { return lost_.load(std::memory_order_acquire); }
  // Why; OK while it is not lost.
  absl::Status status() const;

  const wire::Attached& attached() const { return attached_; }
  const wire::Limits& limits() const { return calls_.limits(); }
  lane::Traffic traffic() const;
  std::string Describe() const { return options_.dialer->Describe(); }
  std::string peer_address() const { return options_.dialer->peer_address(); }

  // The process ends: says goodbye, so that the worker need not wait for it to come back.
  void Leave();

 private:
  // An answer that its asker decodes.
  class CopiedAnswer : public Answer {
   public:
    explicit CopiedAnswer(Link* link) : link_(link) {}
    void Arrived(const absl::StatusOr<std::span<const std::byte>>& payload) override;
    absl::StatusOr<std::vector<std::byte>> Take();

   private:
    Link* const link_;
    absl::StatusOr<std::vector<std::byte>> payload_;
    std::atomic<bool> arrived_{false};
  };

  static constexpr size_t kFewAnswers = 4;

  Link(LinkOptions options, wire::Attached attached, LinkEvents* events);

  absl::Status Start();
  absl::StatusOr<std::unique_ptr<transport::Channel>> DialLane(wire::LaneKind kind, lane::Lane* lane,
                                                               uint64_t* peer_received,
                                                               const transport::Deadline& deadline);
  absl::Status ConnectLane(wire::LaneKind kind, lane::Lane* lane, const transport::Deadline& deadline);

  absl::Status Expect(uint64_t sequence, Answer* answer);
  void Forget(uint64_t sequence);
  absl::Status WaitForRoom();
  void FlushLater();
  // Whether so much is to come that it must not wait for the keeper's next look.
  bool ManyToRead() const { return awaited_answers_.load(std::memory_order_relaxed) > kFewAnswers || calls_.blocked(); }
  void ListenIfNobodyReads();

  // Reading the call lane: for who holds the reading role.
  absl::Status HandleFrame(const wire::Frame& frame);
  absl::Status HandleFrameHere(const wire::Frame& frame);
  absl::Status HandleAnswer(std::span<const std::byte> payload);
  // False when the connection or the link is over.
  bool ReadSome();
  void ReadUntil(absl::FunctionRef<bool()> done);
  void Broken(const absl::Status& status);
  void LeaveReading() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ArmIfNeeded() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Arm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Disarm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SleepUntilProgress(absl::FunctionRef<bool()> done) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeKeeper();

  // The keeper.
  void Keep();
  enum class Woken { kToFlush, kToRead, kToLook };
  Woken Wait();
  void ReadIfNobodyDoes();
  void LookAfterConnection();
  void Reconnect();
  void Lose(const absl::Status& why);

  // The bulk lane's reader.
  void ReadBulk();
  absl::Status ReadBulkOnce();

  const LinkOptions options_;
  const wire::Attached attached_;
  LinkEvents* const events_;
  lane::Lane calls_;
  lane::BulkPort bulk_;
  lane::BulkSender bulk_sender_;
  UniqueFd epoll_, wake_, timer_;
  std::atomic<bool> lost_{false};
  std::atomic<bool> leaving_{false};
  std::atomic<bool> bulk_started_{false};
  std::atomic<bool> flush_armed_{false};  // the timer runs
  std::atomic<uint32_t> waiting_{0};      // threads that wait for progress
  std::atomic<int> news_{0};              // ExpectNews(), less NewsCame()
  std::atomic<size_t> awaited_answers_{0};

  // Taken before the lane's lock, so never by what runs while a call is encoded; |answers_mutex_| after it.
  Mutex mutex_;
  CondVar changed_;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;  // somebody holds the reading role
  bool armed_ ABSL_GUARDED_BY(mutex_) = false;    // the keeper will see what comes
  int polled_ ABSL_GUARDED_BY(mutex_) = -1;       // the descriptor that epoll_ has
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;   // the connection is over, and the keeper has to dial again
  std::optional<absl::Status> fatal_ ABSL_GUARDED_BY(mutex_);  // ... or to give the link up

  mutable Mutex answers_mutex_;
  absl::Status loss_ ABSL_GUARDED_BY(answers_mutex_);
  absl::flat_hash_map<uint64_t, Answer*> answers_ ABSL_GUARDED_BY(answers_mutex_);
};

}  // namespace xpool::remote
