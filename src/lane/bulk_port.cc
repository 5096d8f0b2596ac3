#include "lane/bulk_port.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "wire/reader.h"

namespace xpool::lane {
namespace {

// How long a sender that has no credit, or no connection, sleeps before it looks again: what it waits for is also
// signalled, but not by everybody who can bring it.
constexpr int64_t kLookAgainNs = kNsPerMs;

}  // namespace

BulkPort::BulkPort(const wire::Limits& limits, const Clock* clock)
    : lane_(wire::LaneKind::kBulk, limits, clock, [this](const wire::FrameHeader& header) { return Place(header); }) {}

absl::Status BulkPort::CheckSize(const Incoming& incoming) {
  if (!incoming.expected || incoming.discarded || !incoming.begun || incoming.target.size() == incoming.size)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a transfer of ", incoming.size, " bytes came where one of ", incoming.target.size(), " was named"));
}

BulkPort::Arrived BulkPort::TakeIfComplete(uint64_t transfer) {
  const auto found = incoming_.find(transfer);
  const Incoming& incoming = found->second;
  if (!incoming.expected || !incoming.begun || incoming.got < incoming.size) return {};
  Arrived arrived = std::move(found->second.arrived);
  incoming_.erase(found);
  return arrived;
}

// What a second name would replace may be in use: the lane's parser receives straight to a transfer's target.
absl::StatusOr<BulkPort::Incoming*> BulkPort::Name(uint64_t transfer) {
  RETURN_IF_ERROR(failed_);
  Incoming& incoming = incoming_[transfer];
  absl::Status bad;
  if (incoming.expected) bad = absl::InvalidArgumentError(absl::StrCat("transfer ", transfer, " is named twice"));
  if (incoming_.size() > kMostTransfers)
    bad = absl::ResourceExhaustedError(absl::StrCat("more than ", kMostTransfers, " transfers are under way"));
  misnamed_.Update(bad);
  RETURN_IF_ERROR(bad);
  incoming.expected = true;
  return &incoming;
}

void BulkPort::Expect(uint64_t transfer, std::span<std::byte> target, Arrived arrived) {
  uint64_t credit = 0;
  absl::Status status;
  {
    MutexLock lock(&mutex_);
    const absl::StatusOr<Incoming*> named = Name(transfer);
    status = named.status();
    if (status.ok()) {
      Incoming& incoming = **named;
      incoming.target = target;
      incoming.arrived = std::move(arrived);
      status = CheckSize(incoming);
      if (!status.ok()) {
        arrived = std::move(incoming.arrived);
        incoming_.erase(transfer);
      } else {
        std::byte* to = target.data();
        for (const std::vector<std::byte>& held : incoming.held) {
          std::memcpy(to, held.data(), held.size());
          to += held.size();
        }
        incoming.held.clear();
        credit = std::exchange(incoming.held_credit, 0);
        arrived = TakeIfComplete(transfer);
      }
    }
  }
  if (credit > 0) lane_.Consumed(credit);
  if (arrived) arrived(status);
}

void BulkPort::Discard(uint64_t transfer) {
  uint64_t credit = 0;
  {
    MutexLock lock(&mutex_);
    const absl::StatusOr<Incoming*> named = Name(transfer);
    if (!named.ok()) return;
    Incoming& incoming = **named;
    incoming.discarded = true;
    incoming.arrived = [](const absl::Status&) {};
    incoming.held.clear();
    credit = std::exchange(incoming.held_credit, 0);
    TakeIfComplete(transfer);
  }
  if (credit > 0) lane_.Consumed(credit);
}

bool BulkPort::Cancel(uint64_t transfer) {
  Arrived dropped;  // without the lock: it may own anything
  MutexLock lock(&mutex_);
  const auto found = incoming_.find(transfer);
  if (found == incoming_.end() || found->second.begun) return false;
  dropped = std::move(found->second.arrived);
  incoming_.erase(found);
  return true;
}

void BulkPort::Send(uint64_t transfer, std::span<const std::byte> bytes, Released released) {
  {
    MutexLock lock(&mutex_);
    if (failed_.ok()) {
      Lane::Sending sending(&lane_);
      PostFirst(sending, transfer, bytes.size());
      outgoing_.push_back({PostBytes(sending, bytes, 0), std::move(released)});
      return;
    }
  }
  released();
}

void BulkPort::PostFirst(Lane::Sending& sending, uint64_t transfer, uint64_t bytes) {
  sending
      .Post(wire::FrameKind::kBulk, 0, wire::kFlagFirst,
            [&](wire::Writer& writer) {
              writer.U64(transfer);
              writer.U64(bytes);
              return absl::OkStatus();
            })
      .IgnoreError();  // 16 bytes fit in every frame
}

uint64_t BulkPort::PostBytes(Lane::Sending& sending, std::span<const std::byte> bytes, uint8_t last_flags) {
  uint64_t last = 0;
  for (size_t at = 0; at < bytes.size(); at += lane_.limits().max_chunk_bytes) {
    const size_t size = std::min<size_t>(bytes.size() - at, lane_.limits().max_chunk_bytes);
    last = sending.PostBorrowed(wire::FrameKind::kBulk, at + size == bytes.size() ? last_flags : 0,
                                bytes.subspan(at, size));
  }
  return last;
}

void BulkPort::Announce(uint64_t transfer, uint64_t bytes) {
  MutexLock lock(&mutex_);
  if (!failed_.ok()) return;
  Lane::Sending sending(&lane_);
  PostFirst(sending, transfer, bytes);
}

absl::Status BulkPort::SendPart(std::span<const std::byte> bytes) {
  bool released = false;  // guarded by mutex_
  {
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(failed_);
    Lane::Sending sending(&lane_);
    outgoing_.push_back({PostBytes(sending, bytes, wire::kFlagAckNow), [this, &released] {
                           MutexLock locked(&mutex_);
                           released = true;
                           changed_.SignalAll();
                         }});
  }
  while (true) {
    const bool sent = Pump(transport::Deadline::Never()).ok();
    MutexLock lock(&mutex_);
    if (released) return failed_;
    changed_.WaitFor(&mutex_,
                     sent ? kNsPerSec : kLookAgainNs);  // what is left when a connection is lost goes on the next
    if (released) return failed_;
  }
}

absl::Status BulkPort::AwaitRoomToSend(const transport::Deadline& deadline) {
  if (deadline.HasPassed()) return absl::DeadlineExceededError("a bulk transfer was not sent in time");
  const std::shared_ptr<transport::Channel> channel = lane_.channel();
  if (channel == nullptr) return absl::UnavailableError("the bulk lane has no connection");
  if (lane_.blocked()) {
    const absl::Status waited = channel->Wait(transport::kToSend, deadline);
    return absl::IsDeadlineExceeded(waited) ? waited : absl::OkStatus();
  }
  MutexLock lock(&mutex_);
  changed_.WaitFor(&mutex_, kLookAgainNs);
  return absl::OkStatus();
}

absl::Status BulkPort::Pump(const transport::Deadline& deadline) {
  MutexLock pump(&pump_mutex_);
  while (true) {
    {
      MutexLock lock(&mutex_);
      RETURN_IF_ERROR(failed_);
    }
    lane_.Flush();
    if (lane_.unsent_bytes() == 0 && !lane_.blocked()) return absl::OkStatus();
    RETURN_IF_ERROR(AwaitRoomToSend(deadline));
  }
}

absl::StatusOr<size_t> BulkPort::Receive() {
  {
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(misnamed_);
  }
  const absl::StatusOr<size_t> received = lane_.Receive([this](const wire::Frame& frame) { return Handle(frame); });
  if (received.ok() && *received > 0) ReleaseAcknowledged();
  return received;
}

// Straight to its target, if that is known and it fits.
std::span<std::byte> BulkPort::Place(const wire::FrameHeader& header) {
  if (header.kind != wire::FrameKind::kBulk || (header.flags & wire::kFlagFirst) != 0) return {};
  // A frame that was received before is sent again after a lost connection: what it would be written over is in use.
  if (header.sequence <= lane_.received()) return {};
  MutexLock lock(&mutex_);
  const auto found = incoming_.find(current_);
  if (current_ == 0 || found == incoming_.end() || !found->second.expected || found->second.discarded) return {};
  const Incoming& incoming = found->second;
  return header.length <= incoming.size - incoming.got ? incoming.target.subspan(incoming.got, header.length)
                                                       : std::span<std::byte>();
}

absl::Status BulkPort::Handle(const wire::Frame& frame) {
  return (frame.header.flags & wire::kFlagFirst) != 0 ? Begin(frame) : Continue(frame);
}

absl::Status BulkPort::Begin(const wire::Frame& frame) {
  wire::Reader reader(frame.payload, "transfer");
  const uint64_t transfer = reader.U64("transfer");
  const uint64_t size = reader.U64("size");
  if (transfer == 0 || size == 0) reader.Fail("transfer", "is no transfer");
  RETURN_IF_ERROR(reader.Finish());
  MutexLock lock(&mutex_);
  Incoming& incoming = incoming_[transfer];
  if (current_ != 0 || incoming.begun)
    return absl::InvalidArgumentError("a transfer begins in the middle of another, or for the second time");
  incoming.begun = true;
  incoming.size = size;
  current_ = transfer;
  return CheckSize(incoming);
}

absl::Status BulkPort::Continue(const wire::Frame& frame) {
  Arrived arrived;
  {
    MutexLock lock(&mutex_);
    if (current_ == 0) return absl::InvalidArgumentError("bulk data came outside of any transfer");
    Incoming& incoming = incoming_[current_];
    const std::span<const std::byte> payload = frame.payload;
    if (payload.empty() || payload.size() > incoming.size - incoming.got)
      return absl::InvalidArgumentError("bulk data is more than its transfer has, or nothing");
    if (incoming.discarded) {
      // nothing
    } else if (!incoming.expected) {
      incoming.held.emplace_back(payload.begin(), payload.end());
      incoming.held_credit += wire::kFrameHeaderBytes + payload.size();
      lane_.KeepCredit();
    } else if (std::byte* const to = incoming.target.data() + incoming.got; to != payload.data()) {
      std::memcpy(to, payload.data(), payload.size());
    }
    incoming.got += payload.size();
    if ((frame.header.flags & wire::kFlagAckNow) != 0) lane_.HurryAck();
    if (incoming.got < incoming.size) return absl::OkStatus();
    lane_.HurryAck();
    arrived = TakeIfComplete(std::exchange(current_, 0));
  }
  if (arrived) arrived(absl::OkStatus());
  return absl::OkStatus();
}

void BulkPort::ReleaseAcknowledged() {
  std::vector<Released> released;
  {
    MutexLock lock(&mutex_);
    while (!outgoing_.empty() && outgoing_.front().last_sequence <= lane_.acknowledged()) {
      released.push_back(std::move(outgoing_.front().released));
      outgoing_.pop_front();
    }
    changed_.SignalAll();
  }
  for (Released& one : released) one();
}

void BulkPort::Fail(const absl::Status& why) {
  lane_.Disconnect();  // nothing is sent any more from memory that is released below
  absl::flat_hash_map<uint64_t, Incoming> incoming;
  std::deque<Outgoing> outgoing;
  {
    MutexLock lock(&mutex_);
    if (!failed_.ok()) return;
    failed_ = why;
    incoming.swap(incoming_);
    outgoing.swap(outgoing_);
    current_ = 0;
    changed_.SignalAll();
  }
  for (auto& [transfer, one] : incoming) {
    if (one.expected) one.arrived(why);
  }
  for (Outgoing& one : outgoing) one.released();
}

}  // namespace xpool::lane
