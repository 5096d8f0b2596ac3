#include "transport/ucx_control.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <array>

#include "base/status.h"
#include "transport/ucx_greeting.h"

namespace xpool::transport {

absl::Status UcxControl::MakeTimer() {
  timer_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  return timer_.valid() ? absl::OkStatus() : ErrnoStatus("timerfd_create for a UCX channel");
}

void UcxControl::Look() {
  if (wake_set_ && !in_grace_) SetTimer(0);
  wake_set_ = false;
  while (over_.ok()) {
    std::array<std::byte, sizeof(UcxFarewell) + 1> buffer;  // one more than may come
    const absl::StatusOr<size_t> size = channel_->Receive(buffer);
    if (!size.ok()) over_ = size.status();
    if (!size.ok() || *size == 0) return;
    Take(std::span(buffer).first(*size));
  }
}

void UcxControl::Take(std::span<const std::byte> bytes) {
  said_.insert(said_.end(), bytes.begin(), bytes.end());
  if (said_.size() < sizeof(UcxFarewell)) return;
  const absl::StatusOr<UcxFarewell> farewell = ParseFarewell(said_);
  if (!farewell.ok()) {
    over_ = farewell.status();
    return;
  }
  farewell_ = farewell->sent_bytes;
}

PollTarget UcxControl::Target() { return over_.ok() ? channel_->PollFor(kToReceive) : PollTarget{}; }

bool UcxControl::GraceIsOver() {
  if (!in_grace_) {
    in_grace_ = true;
    SetTimer(kGraceNs);
    return false;
  }
  uint64_t times = 0;
  grace_over_ = grace_over_ || read(timer_.get(), &times, sizeof(times)) == sizeof(times);
  return grace_over_;
}

void UcxControl::WakeAfter(int64_t ns) {
  if (in_grace_) return;
  SetTimer(ns);
  wake_set_ = true;
}

void UcxControl::SetTimer(int64_t ns) {
  const itimerspec once{{}, {ns / kNsPerSec, ns % kNsPerSec}};
  timerfd_settime(timer_.get(), 0, &once, nullptr);
}

void UcxControl::SayFarewell(uint64_t sent_bytes) {
  const UcxFarewell farewell{kUcxMagic, sent_bytes};
  const iovec piece{const_cast<UcxFarewell*>(&farewell), sizeof(farewell)};
  (void)channel_->Send({&piece, 1});  // a control channel that takes no 16 bytes ends without: the peer calls it lost
}

}  // namespace xpool::transport
