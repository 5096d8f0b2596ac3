#include "transport/ucx_stream.h"

#include <optional>

#include "base/status.h"
#include "transport/spin.h"

namespace xpool::transport {
namespace {

constexpr int kPumpRounds = 64;  // of UCX's progress in one call
constexpr int kArmRounds = 8;
constexpr uint64_t kTellAfterMessages = 4;       // of the kMostUcxMessages that a sender may have under way
constexpr uint32_t kLookEachTurns = 64;          // a caller that never waits must learn of the peer's end too
constexpr size_t kSocketTakesBytes = 32 * kKiB;  // any socket does
constexpr int64_t kRetryNs = kNsPerMs;           // when UCX cannot go on and has no event to wait for

absl::Status MissingError(const std::string& who, uint64_t arrived, uint64_t sent) {
  return absl::UnavailableError(absl::StrCat(who, " closed the connection, but of the ", sent, " bytes it had sent ",
                                             arrived, " have arrived; connect again"));
}

absl::Status NoFarewellError(const std::string& who, const absl::Status& control) {
  if (absl::IsDataLoss(control)) return control;
  return absl::UnavailableError(absl::StrCat(who, " is gone without a farewell: its process died or the connection was",
                                             " cut (", std::string(control.message()), "); connect again"));
}

}  // namespace

UcxStream::UcxStream(std::unique_ptr<Channel> control, std::unique_ptr<UcxLine> line, const UcxOptions& options,
                     const UcxHello& peer)
    : context_(line->context()),
      who_(absl::StrCat("UCX beside ", control->Describe())),
      has_bulk_(options.bulk && peer.bulk == 1),
      rendezvous_bytes_(options.rendezvous_bytes > 0 ? options.rendezvous_bytes : UcxOptions::kMostWindowBytes),
      spin_rounds_(SpinRounds(options.spin_rounds)),
      control_channel_(*control),
      control_(std::move(control)),
      out_(peer.window_bytes),
      in_(options.window_bytes),
      line_(std::move(line)) {}

absl::StatusOr<std::unique_ptr<UcxStream>> UcxStream::Create(std::unique_ptr<Channel> control,
                                                             std::unique_ptr<UcxLine> line, const UcxOptions& options,
                                                             const UcxHello& peer) {
  std::unique_ptr<UcxStream> stream(new UcxStream(std::move(control), std::move(line), options, peer));
  RETURN_IF_ERROR(stream->MakeSleepers());
  return stream;
}

absl::Status UcxStream::MakeSleepers() {
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(control_.MakeTimer());
  for (size_t i = 0; i <= kBoth; ++i) {
    ASSIGN_OR_RETURN(UcxSleeper sleeper, UcxSleeper::Create(line_->fd(), control_.timer_fd()));
    sleepers_.push_back(std::move(sleeper));
  }
  return absl::OkStatus();
}

absl::Status UcxStream::StartGreeting(std::span<const std::byte> address, uint64_t key) {
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(line_->Connect(address, key, this));
  telling_ = true;
  line_->Greet();
  return line_->lost();
}

absl::Status UcxStream::Greet(std::span<const std::byte> address, uint64_t key, const Deadline& deadline) {
  RETURN_IF_ERROR(StartGreeting(address, key));
  bool told = false, heard = false;
  while (true) {
    ASSIGN_OR_RETURN(const PollTarget target, GreetSome(&told, &heard));
    if (told && heard) return absl::OkStatus();
    pollfd polled{target.fd, target.events, 0};
    absl::StatusOr<int> events = 1;
    if (!target.ready) events = PollUntil({&polled, 1}, deadline);
    RETURN_IF_ERROR(events.status());
    if (*events > 0) continue;
    return absl::DeadlineExceededError(absl::StrCat("UCX messages do not get through ", told ? "to " : "from ",
                                                    control_channel_.Describe(),
                                                    ", which is connected; do both sides"
                                                    " have the same UCX transports, and is no firewall between them?"));
  }
}

absl::StatusOr<PollTarget> UcxStream::GreetSome(bool* told, bool* heard) {
  MutexLock lock(&mutex_);
  const bool armed = PumpAndArm();
  RETURN_IF_ERROR(line_->lost());
  if (greeted_ && !telling_ && !*told && line_->Flush()) {
    const iovec piece{const_cast<std::byte*>(&kUcxGetsThrough), 1};
    ASSIGN_OR_RETURN(const size_t sent, control_channel_.Send({&piece, 1}));
    *told = sent == 1;
  }
  std::byte said{};
  if (!*heard) {
    ASSIGN_OR_RETURN(const size_t come, control_channel_.Receive({&said, 1}));
    *heard = come == 1;
    if (*heard && said != kUcxGetsThrough)
      return absl::InvalidArgumentError("the peer of a UCX channel broke off the greeting");
  }
  PollTarget target = FallAsleep(kBoth);
  target.ready |= !armed;
  return target;
}

UcxReceiveWindow::Place UcxStream::Refuse(const absl::Status& why) {
  broken_ = why;
  for (const Who who : {kReceiver, kSender}) Rouse(who);
  return {};
}

UcxReceiveWindow::Place UcxStream::OnMessage(const UcxHeader& header, size_t size) {
  if (!broken_.ok()) return {};
  greeted_ = true;
  const absl::Status consumed = out_.Consumed(header.consumed_messages);
  if (!consumed.ok()) return Refuse(consumed);
  Rouse(kSender);
  if (size == 0) return {};
  const absl::StatusOr<UcxReceiveWindow::Place> place = in_.Expect(header.position, size);
  return place.ok() ? *place : Refuse(place.status());
}

void UcxStream::OnArrived(size_t slot) {
  in_.Arrived(slot);
  Rouse(kReceiver);
}

void UcxStream::OnSent(size_t slot) {
  if (slot == UcxLine::kCreditSlot) {
    telling_ = false;
    handed_over_ = told_behind_;
    Rouse(kSender);
    return;
  }
  out_.Sent(slot);
  Rouse(kSender);
}

void UcxStream::OnFlushed() { Rouse(kSender); }  // when greeting

void UcxStream::OnLost() {
  for (const Who who : {kReceiver, kSender}) Rouse(who);
}

void UcxStream::WakeUp(Who who) {
  for (const Who one : {who, kBoth}) sleepers_[one].WakeUp();
}

void UcxStream::Rouse(Who who) {
  for (const Who one : {who, kBoth}) sleepers_[one].Rouse();
}

void UcxStream::Submit() {
  while (line_->lost().ok()) {
    const std::optional<UcxSendWindow::Message> message = out_.Next();
    if (!message.has_value()) return;
    told_consumed_ = in_.consumed_messages();
    line_->Send(message->slot, message->position, told_consumed_, message->bytes,
                message->bytes.size() >= rendezvous_bytes_);
  }
}

void UcxStream::SubmitPuts() {
  while (line_->lost().ok()) {
    const std::optional<UcxPuts::Chunk> chunk = puts_.Next();
    if (!chunk.has_value()) return;
    line_->Put(*chunk);
  }
}

void UcxStream::TellConsumed() {
  if (in_.consumed_messages() - told_consumed_ >= kTellAfterMessages) Tell();
}

void UcxStream::Tell() {
  if (telling_ || !line_->lost().ok()) return;
  telling_ = true;
  told_consumed_ = in_.consumed_messages();
  told_behind_ = out_.submitted();
  line_->Send(UcxLine::kCreditSlot, 0, told_consumed_, {}, false);
}

bool UcxStream::Pump() {
  Submit();
  SubmitPuts();
  TellConsumed();
  int round = 0;
  while (round < kPumpRounds && line_->Progress()) ++round;
  if (round == 0) return false;
  Submit();
  SubmitPuts();
  return true;
}

bool UcxStream::PumpAndArm() {
  bool moved = true;
  for (int round = 0; round < kArmRounds; ++round) {
    moved = Pump();
    if (line_->Arm()) return true;
  }
  if (!moved) control_.WakeAfter(kRetryNs);
  return !moved;
}

// Over TCP a message may be UCX's and wait there for room in the socket, which it never does when little is under way.
// UCX's own flush would wait for the peer; but once it has taken another message, those before are gone.
bool UcxStream::IsFlushed() {
  if (!out_.AllSent()) return false;
  if (out_.kept() <= kSocketTakesBytes || handed_over_ == out_.taken()) return true;
  Tell();
  return handed_over_ == out_.taken();
}

absl::StatusOr<size_t> UcxStream::Send(std::span<const iovec> pieces) {
  if (closed_) return ClosedHereError(who_);
  MutexLock lock(&mutex_);
  WakeUp(kSender);
  flush_wanted_ = false;
  RETURN_IF_ERROR(SendEnd());
  PieceCursor left(pieces);
  size_t taken = out_.Take(&left);
  Submit();
  if (left.done() && out_.AllSent()) return taken;
  Pump();
  taken += out_.Take(&left);
  Submit();
  if (taken == 0 && ++turns_ % kLookEachTurns == 0) control_.Look();
  return taken;
}

absl::StatusOr<size_t> UcxStream::Receive(std::span<std::byte> buffer) {
  if (closed_) return ClosedHereError(who_);
  if (buffer.empty()) return 0;
  MutexLock lock(&mutex_);
  WakeUp(kReceiver);
  size_t received = in_.Read(buffer);
  if (received == 0) {
    Pump();
    received = in_.Read(buffer);
  }
  TellConsumed();
  if (received > 0) return received;
  if (++turns_ % kLookEachTurns == 0) {
    control_.Look();
    Pump();
  }
  RETURN_IF_ERROR(ReceiveEnd());
  return 0;
}

absl::StatusOr<bool> UcxStream::Flush() {
  if (closed_) return ClosedHereError(who_);
  MutexLock lock(&mutex_);
  WakeUp(kSender);
  flush_wanted_ = false;
  if (IsFlushed()) return true;
  RETURN_IF_ERROR(SendEnd());
  Pump();
  flush_wanted_ = !IsFlushed();
  return !flush_wanted_;
}

absl::Status UcxStream::CommonEnd() {
  if (!broken_.ok()) return broken_;
  if (!control_.over().ok() && !control_.farewell().has_value()) return NoFarewellError(who_, control_.over());
  return !line_->lost().ok() && control_.GraceIsOver() ? line_->lost() : absl::OkStatus();
}

absl::Status UcxStream::ReceiveEnd() {
  if (in_.HasBytes()) return absl::OkStatus();
  const std::optional<uint64_t>& sent = control_.farewell();
  if (!sent.has_value() || !broken_.ok()) return CommonEnd();
  const uint64_t arrived = in_.arrived();
  if (arrived >= *sent) return PeerClosedError(who_);
  return !line_->lost().ok() || control_.GraceIsOver() ? MissingError(who_, arrived, *sent) : absl::OkStatus();
}

absl::Status UcxStream::SendEnd() {
  const absl::Status end = CommonEnd();
  return end.ok() && control_.farewell().has_value() ? PeerClosedError(who_) : end;
}

bool UcxStream::Possible(Interest interest) {
  if (closed_) return true;
  if (interest.receive && (in_.HasBytes() || !ReceiveEnd().ok())) return true;
  if (!interest.send) return false;
  return (flush_wanted_ ? IsFlushed() : out_.HasQuarterFree()) || !SendEnd().ok();
}

PollTarget UcxStream::FallAsleep(Who who) {
  const PollTarget control = control_.Target();
  const absl::Status watched = sleepers_[who].FallAsleep(control);
  return {sleepers_[who].fd(), POLLIN, control.ready || !watched.ok()};
}

PollTarget UcxStream::PollFor(Interest interest) {
  const Who who = interest.receive && interest.send ? kBoth : interest.send ? kSender : kReceiver;
  MutexLock lock(&mutex_);
  WakeUp(who);
  control_.Look();
  const bool armed = PumpAndArm();
  const bool possible = Possible(interest);
  PollTarget target = FallAsleep(who);
  target.ready |= !armed || possible;
  return target;
}

bool UcxStream::Spin(Interest interest) {
  for (int round = 0; round < spin_rounds_; ++round) {
    {
      MutexLock lock(&mutex_);
      Pump();
      if (Possible(interest)) return true;
    }
    Relax();
  }
  return false;
}

absl::Status UcxStream::Wait(Interest interest, const Deadline& deadline) {
  if (!Spin(interest)) RETURN_IF_ERROR(Channel::Wait(interest, deadline));
  return closed_ ? ClosedHereError(who_) : absl::OkStatus();
}

void UcxStream::Close() {
  if (closed_.exchange(true)) return;
  {
    MutexLock lock(&mutex_);
    Pump();
    (void)IsFlushed();
    control_.SayFarewell(out_.taken());
    for (const Who who : {kReceiver, kSender}) Rouse(who);
  }
  control_channel_.Close();
}

}  // namespace xpool::transport
