#include "lane/lane.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace xpool::lane {
namespace {

constexpr size_t kPiecesPerSend = 64;

uint64_t LargestFrame(wire::LaneKind kind, const wire::Limits& limits) {
  return wire::kFrameHeaderBytes + (kind == wire::LaneKind::kBulk ? limits.max_chunk_bytes : limits.max_frame_bytes);
}

uint64_t FrameBytes(const wire::Frame& frame) { return wire::kFrameHeaderBytes + frame.payload.size(); }

iovec Piece(std::span<const std::byte> bytes) { return {const_cast<std::byte*>(bytes.data()), bytes.size()}; }

}  // namespace

bool IsConnectionLost(const absl::Status& status) {
  // DATA_LOSS: frames are missing, or TLS found bytes that its peer never sent. CANCELLED: closed here, after a send
  // that failed.
  return transport::IsStreamOver(status) || absl::IsDataLoss(status) || absl::IsCancelled(status);
}

Lane::Lane(wire::LaneKind kind, const wire::Limits& limits, const Clock* clock, Placement placement)
    : kind_(kind),
      limits_(limits),
      clock_(clock),
      outbox_(limits),
      grants_(limits.credit_bytes, LargestFrame(kind, limits)),
      parser_(static_cast<uint32_t>(LargestFrame(kind, limits) - wire::kFrameHeaderBytes), std::move(placement)),
      receive_window_(wire::AckPolicyFor(limits)),
      buffer_(new std::byte[kReceiveBytes]) {}

// --- Connections ----------------------------------------------------------------------------------------------------

absl::Status Lane::Connect(std::shared_ptr<transport::Channel> channel, uint64_t peer_received) {
  parser_.Reset();
  reading_ = channel;
  last_heard_ns_.store(clock_->NowNs(), std::memory_order_relaxed);
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(outbox_.Resume(peer_received));
  acknowledged_.store(peer_received, std::memory_order_release);
  channel_ = std::move(channel);
  controls_.Clear();
  controls_sent_ = 0;
  due_ = {};
  // The peer may never have heard of the last of these.
  if (traffic_.connections > 0) due_.credit = wire::Credit{grants_.granted_bytes()};
  ++traffic_.connections;
  connected_.store(true, std::memory_order_release);
  FlushLocked();
  return absl::OkStatus();
}

void Lane::Disconnect() {
  if (reading_ != nullptr) reading_->Close();
  reading_.reset();
  parser_.Reset();
  MutexLock lock(&mutex_);
  channel_.reset();
  connected_.store(false, std::memory_order_release);
  blocked_.store(false, std::memory_order_relaxed);
  left_for_later_ = false;
}

std::shared_ptr<transport::Channel> Lane::channel() const {
  MutexLock lock(&mutex_);
  return channel_;
}

// --- Sending --------------------------------------------------------------------------------------------------------

wire::Writer& Lane::BeginPost(wire::FrameKind kind, uint16_t call, uint8_t flags) {
  post_.Clear();
  wire::BeginFrame(&post_, {.call = call, .kind = kind, .flags = flags, .sequence = outbox_.next_sequence()});
  return post_;
}

absl::StatusOr<uint64_t> Lane::EndPost(const absl::Status& encoded, std::span<const std::byte> borrowed) {
  const uint32_t most = static_cast<uint32_t>(LargestFrame(kind_, limits_) - wire::kFrameHeaderBytes);
  RETURN_IF_ERROR(encoded);
  RETURN_IF_ERROR(wire::EndFrame(&post_, {}, most));
  if (!borrowed.empty()) post_.PatchU32(0, static_cast<uint32_t>(borrowed.size()));
  const uint64_t sequence = outbox_.next_sequence();
  outbox_.Append(post_.buffer(), borrowed);
  ++traffic_.sent_frames;
  return sequence;
}

bool Lane::Settle(Urgency urgency) {
  const int64_t now_ns = clock_->NowNs();
  const bool waits = urgency == Urgency::kSoon && now_ns - last_flush_ns_ < kCoalesceNs &&
                     outbox_.unsent_bytes() < kMostCoalescedBytes;
  if (!waits) {
    FlushLocked();
    return true;
  }
  return std::exchange(left_for_later_, true);  // then somebody knows already
}

void Lane::Flush() {
  MutexLock lock(&mutex_);
  FlushLocked();
}

void Lane::FlushDue() {
  MutexLock lock(&mutex_);
  if (left_for_later_ && clock_->NowNs() - last_flush_ns_ >= kCoalesceNs) FlushLocked();
}

void Lane::FlushLocked() {
  left_for_later_ = false;
  if (channel_ == nullptr || said_goodbye_) return;
  last_flush_ns_ = clock_->NowNs();
  const absl::Status sent = SendSome();
  if (sent.ok()) return;
  channel_->Close();  // the reader finds out
  blocked_.store(false, std::memory_order_relaxed);
}

void Lane::PutDue() {
  const DueControls due = std::exchange(due_, {});
  if (due.ack.has_value()) WriteControl(&controls_, *due.ack);
  if (due.credit.has_value()) WriteControl(&controls_, *due.credit);
  if (due.ping.has_value()) WriteControl(&controls_, *due.ping);
  if (due.pong.has_value()) WriteControl(&controls_, *due.pong);
}

// Control frames go between other frames: first what is left of one that is under way, then they, then all the rest.
absl::Status Lane::SendSome() {
  while (true) {
    if (controls_.size() == 0) PutDue();
    std::array<iovec, kPiecesPerSend> pieces;
    size_t count = 0;
    const uint64_t started = outbox_.started_bytes();
    const bool controls = started == 0 && controls_.size() > controls_sent_;
    if (controls) pieces[count++] = Piece(controls_.buffer().subspan(controls_sent_));
    const size_t control_bytes = controls ? pieces[0].iov_len : 0;
    count += outbox_.Sendable(std::span(pieces).subspan(count));
    if (count == 0) break;
    uint64_t offered = 0;
    for (size_t i = 0; i < count; ++i) offered += pieces[i].iov_len;
    const bool split = started > 0 && started < offered && controls_.size() > controls_sent_;
    if (split) {  // up to the frame's end only
      count = 0;
      for (uint64_t left = started; left > 0; left -= pieces[count++].iov_len)
        pieces[count].iov_len = std::min<uint64_t>(pieces[count].iov_len, left);
      offered = started;
    }
    ASSIGN_OR_RETURN(const size_t sent, channel_->Send(std::span(pieces).first(count)));
    traffic_.sent_bytes += sent;
    const size_t of_controls = std::min(sent, control_bytes);
    controls_sent_ += of_controls;
    outbox_.Sent(sent - of_controls);
    if (controls_sent_ == controls_.size()) {
      controls_.Clear();
      controls_sent_ = 0;
      PutDue();
    }
    if (sent < offered) break;
  }
  ASSIGN_OR_RETURN(const bool flushed, channel_->Flush());
  std::array<iovec, 1> next;
  blocked_.store(!flushed || controls_.size() > 0 || outbox_.Sendable(next) > 0, std::memory_order_relaxed);
  return absl::OkStatus();
}

bool Lane::HasRoom() const {
  MutexLock lock(&mutex_);
  return outbox_.HasRoom();
}

uint64_t Lane::unsent_bytes() const {
  MutexLock lock(&mutex_);
  return outbox_.unsent_bytes();
}

uint64_t Lane::unacknowledged_bytes() const {
  MutexLock lock(&mutex_);
  return outbox_.kept_bytes();
}

void Lane::SendPing() {
  MutexLock lock(&mutex_);
  if (channel_ == nullptr) return;
  due_.ping = wire::Ping{static_cast<uint64_t>(clock_->NowNs())};
  FlushLocked();
}

void Lane::SayGoodbye(const absl::Status& why) {
  MutexLock lock(&mutex_);
  if (channel_ == nullptr || said_goodbye_) return;
  PutDue();
  WriteControl(&controls_, wire::Goodbye{static_cast<uint32_t>(why.code()), std::string(why.message())});
  FlushLocked();
  said_goodbye_ = true;
}

// --- Receiving ------------------------------------------------------------------------------------------------------

absl::StatusOr<size_t> Lane::Receive(Handler handle) {
  if (reading_ == nullptr) return absl::FailedPreconditionError("there is no connection");
  const std::shared_ptr<transport::Channel> channel = reading_;
  ASSIGN_OR_RETURN(const size_t received, ReceiveInto(*channel, handle));
  if (received > 0) {
    last_heard_ns_.store(clock_->NowNs(), std::memory_order_relaxed);
    SendDue(received);
  }
  return received;
}

absl::StatusOr<size_t> Lane::ReceiveInto(transport::Channel& channel, Handler handle) {
  // Bulk data is received to its place: first a header, then straight to where its payload belongs.
  if (kind_ == wire::LaneKind::kBulk) {
    if (const std::span<std::byte> missing = parser_.Missing(); !missing.empty()) {
      ASSIGN_OR_RETURN(const size_t received, channel.Receive(missing));
      parser_.Filled(received);
      if (received > 0) RETURN_IF_ERROR(Take({}, handle));
      return received;
    }
  }
  const size_t wanted = kind_ == wire::LaneKind::kBulk ? std::min(parser_.wanted(), kReceiveBytes) : kReceiveBytes;
  ASSIGN_OR_RETURN(const size_t received, channel.Receive({buffer_.get(), wanted}));
  if (received > 0) RETURN_IF_ERROR(Take({buffer_.get(), received}, handle));
  return received;
}

absl::Status Lane::Take(std::span<const std::byte> input, Handler handle) {
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<wire::Frame> frame, parser_.Next(&input));
    if (!frame.has_value()) return absl::OkStatus();
    RETURN_IF_ERROR(HandleFrame(*frame, handle));
  }
}

absl::Status Lane::CheckKind(const wire::Frame& frame) const {
  const bool bulk = frame.header.kind == wire::FrameKind::kBulk;
  if (bulk == (kind_ == wire::LaneKind::kBulk)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a frame of kind ", static_cast<int>(frame.header.kind), " on the lane of the other"));
}

absl::Status Lane::HandleFrame(const wire::Frame& frame, Handler handle) {
  if (frame.header.kind == wire::FrameKind::kControl) return HandleControl(frame);
  RETURN_IF_ERROR(CheckKind(frame));
  const uint64_t bytes = FrameBytes(frame);
  ASSIGN_OR_RETURN(const wire::ReceiveWindow::Arrival arrival, receive_window_.Accept(frame.header.sequence, bytes));
  if (arrival == wire::ReceiveWindow::Arrival::kDuplicate) return absl::OkStatus();
  {
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(grants_.OnArrival(bytes));
    ++traffic_.received_frames;
  }
  keep_credit_ = false;
  RETURN_IF_ERROR(handle(frame));
  if (hurry_ack_) receive_window_.HurryAck();
  hurry_ack_ = false;
  if (keep_credit_) return absl::OkStatus();
  MutexLock lock(&mutex_);
  grants_.OnConsumed(bytes);
  return absl::OkStatus();
}

absl::Status Lane::HandleControl(const wire::Frame& frame) {
  switch (static_cast<wire::Control>(frame.header.call)) {
    case wire::Control::kAck: {
      ASSIGN_OR_RETURN(const wire::Ack ack, wire::ReadControl<wire::Ack>(frame));
      MutexLock lock(&mutex_);
      RETURN_IF_ERROR(outbox_.Acknowledge(ack.received));
      acknowledged_.store(std::max(acknowledged_.load(std::memory_order_relaxed), ack.received),
                          std::memory_order_release);
      return absl::OkStatus();
    }
    case wire::Control::kCredit: {
      ASSIGN_OR_RETURN(const wire::Credit credit, wire::ReadControl<wire::Credit>(frame));
      MutexLock lock(&mutex_);
      RETURN_IF_ERROR(outbox_.Grant(credit.granted_bytes));
      FlushLocked();
      return absl::OkStatus();
    }
    case wire::Control::kPing: {
      ASSIGN_OR_RETURN(const wire::Ping ping, wire::ReadControl<wire::Ping>(frame));
      MutexLock lock(&mutex_);
      due_.pong = wire::Pong{ping.cookie};
      FlushLocked();
      return absl::OkStatus();
    }
    case wire::Control::kPong: {
      ASSIGN_OR_RETURN(const wire::Pong pong, wire::ReadControl<wire::Pong>(frame));
      // Without sign: the cookie may be none that was sent.
      const auto round_trip_ns = static_cast<int64_t>(static_cast<uint64_t>(clock_->NowNs()) - pong.cookie);
      MutexLock lock(&mutex_);
      round_trips_ns_[round_trips_++ % round_trips_ns_.size()] = std::max<int64_t>(round_trip_ns, 1);
      const size_t known = std::min(round_trips_, round_trips_ns_.size());
      traffic_.round_trip_ns = *std::min_element(round_trips_ns_.begin(), round_trips_ns_.begin() + known);
      return absl::OkStatus();
    }
    case wire::Control::kGoodbye: {
      ASSIGN_OR_RETURN(const wire::Goodbye goodbye, wire::ReadControl<wire::Goodbye>(frame));
      return absl::AbortedError(goodbye.message.empty() ? "the peer has ended the session" : goodbye.message);
    }
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("control message ", frame.header.call, " has no place on a connected lane"));
  }
}

// After |received| bytes were taken.
void Lane::SendDue(uint64_t received) {
  const std::optional<uint64_t> ack = receive_window_.TakeAck();
  MutexLock lock(&mutex_);
  traffic_.received_bytes += received;
  const std::optional<uint64_t> grant = grants_.TakeGrant();
  if (ack.has_value()) due_.ack = wire::Ack{*ack};
  if (grant.has_value()) due_.credit = wire::Credit{*grant};
  if (ack.has_value() || grant.has_value()) FlushLocked();
}

void Lane::Consumed(uint64_t bytes) {
  MutexLock lock(&mutex_);
  grants_.OnConsumed(bytes);
  const std::optional<uint64_t> grant = grants_.TakeGrant();
  if (!grant.has_value()) return;
  due_.credit = wire::Credit{*grant};
  FlushLocked();
}

Traffic Lane::traffic() const {
  MutexLock lock(&mutex_);
  return traffic_;
}

}  // namespace xpool::lane
