#include "worker/lane_door.h"

#include <utility>

#include "base/status.h"
#include "base/thread.h"
#include "lane/handshake.h"
#include "transport/ring_channel.h"
#include "transport/tls_channel.h"
#include "transport/unix_channel.h"

namespace xpool::worker {
namespace {

constexpr int64_t kOpeningNs = 5 * kNsPerSec;

}  // namespace

void LaneDoor::Open(UniqueFd socket, const wire::Preamble& preamble) {
  {
    MutexLock lock(&mutex_);
    if (opening_ >= kMostOpening) return;
    ++opening_;
  }
  const auto ended = [this] {
    MutexLock lock(&mutex_);
    --opening_;
  };
  const bool started = StartDetached("xpool-lane-door", [this, preamble, ended, fd = std::move(socket)]() mutable {
    Admit(std::move(fd), preamble);
    ended();
  });
  if (!started) ended();  // closed: the client comes again
}

absl::StatusOr<std::unique_ptr<transport::Channel>> LaneDoor::Secure(UniqueFd socket, const wire::Preamble& preamble,
                                                                     const transport::Deadline& deadline) const {
  if ((preamble.security == wire::Security::kTls) != (tls_ != nullptr))
    return absl::PermissionDeniedError("a lane with another security than its session was begun with");
  if (preamble.security == wire::Security::kRing)
    return transport::RingChannel::Accept(std::move(socket), {}, deadline);
  ASSIGN_OR_RETURN(std::unique_ptr<transport::Channel> plain,
                   transport::AdoptStreamSocket(std::move(socket), "client"));
  if (tls_ == nullptr) return plain;
  return transport::TlsChannel::Handshake(std::move(plain), *tls_, transport::TlsRole::kServer, "", deadline);
}

void LaneDoor::Admit(UniqueFd socket, const wire::Preamble& preamble) {
  const auto deadline = transport::Deadline::After(Clock::Monotonic(), kOpeningNs);
  absl::StatusOr<std::unique_ptr<transport::Channel>> secured = Secure(std::move(socket), preamble, deadline);
  if (!secured.ok()) return;  // there is nobody to tell
  const std::shared_ptr<transport::Channel> channel = *std::move(secured);
  const absl::StatusOr<lane::ReceivedFrame> frame = lane::ReceiveFrame(*channel, deadline);
  if (!frame.ok()) return;
  const absl::StatusOr<wire::Hello> hello = wire::ReadHello(frame->frame());
  const absl::Status taken = hello.ok() ? session_->Offer({channel, *hello}) : hello.status();
  if (taken.ok()) return;
  lane::SendRefusal(*channel, taken, deadline);
  channel->Close();
}

}  // namespace xpool::worker
