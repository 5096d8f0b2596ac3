#include "backend/remote/direct_copy.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/remote/cl_link.h"
#include "base/status.h"
#include "wire_opencl/notices.h"

namespace xpool::remote {
namespace {

using wire_cl::Notice;

RefusedRoutes& Routes() {
  static auto* const routes = new RefusedRoutes(Clock::Monotonic());
  return *routes;
}

absl::Status RefusedWith(absl::StatusCode code) { return absl::Status(code, "a worker has refused a direct copy"); }

absl::StatusOr<wire::PeerToken> AskReceiver(Queue* to, const Mem& whole, uint64_t offset, uint64_t bytes,
                                            const std::string& sender) {
  const wire_cl::Invite invite{to->HandleOn(to->link), whole.HandleOn(to->link), offset, bytes, sender};
  ASSIGN_OR_RETURN(const std::vector<std::byte> payload, to->link->AskNotice(Notice::kInvite, invite));
  ASSIGN_OR_RETURN(const wire_cl::Invited answer, wire_cl::Read<wire_cl::Invited>(payload));
  RETURN_IF_ERROR(RefusedWith(answer.code));
  return answer.token;
}

absl::Status AskSender(Queue* from, const Mem& whole, uint64_t offset, uint64_t bytes, const Link& receiver,
                       const wire::PeerToken& token) {
  const wire_cl::Push push{
      from->HandleOn(from->link), whole.HandleOn(from->link),     offset, bytes,
      receiver.peer_address(),    receiver.attached().session_id, token,  receiver.attached().certificate};
  ASSIGN_OR_RETURN(const std::vector<std::byte> payload, from->link->AskNotice(Notice::kPush, push));
  ASSIGN_OR_RETURN(const wire_cl::Pushed answer, wire_cl::Read<wire_cl::Pushed>(payload));
  return RefusedWith(answer.code);
}

absl::Status TryCopy(Queue* from, Queue* to, const Mem& whole, uint64_t offset, uint64_t bytes) {
  const Link& sender = from->link->link();
  const Link& receiver = to->link->link();
  if (receiver.peer_address().empty() ||
      sender.attached().certificate.empty() != receiver.attached().certificate.empty())
    return absl::FailedPreconditionError("the two nodes do not reach each other as this process reaches them");
  ASSIGN_OR_RETURN(const wire::PeerToken token, AskReceiver(to, whole, offset, bytes, sender.attached().certificate));
  const absl::Status sent = AskSender(from, whole, offset, bytes, receiver, token);
  // What is left of a copy that has failed must not be written after what comes next. A receiver that does not answer
  // is lost, and with it all that it has.
  if (!sent.ok()) to->link->AskNotice(Notice::kWithdraw, wire_cl::Withdraw{token}).IgnoreError();
  return sent;
}

}  // namespace

bool RefusedRoutes::MayTry(const ClLink* from, const ClLink* to) {
  MutexLock lock(&mutex_);
  const auto refused = until_ns_.find({from, to});
  return refused == until_ns_.end() || refused->second <= clock_->NowNs();
}

void RefusedRoutes::Refused(const ClLink* from, const ClLink* to) {
  MutexLock lock(&mutex_);
  until_ns_[{from, to}] = clock_->NowNs() + kPauseNs;
}

bool CopyDirectly(Queue* from, Queue* to, const Mem& whole, uint64_t offset, uint64_t bytes) {
  if (bytes < kLeastDirectBytes || !Routes().MayTry(from->link, to->link)) return false;
  const absl::Status copied = TryCopy(from, to, whole, offset, bytes);
  // A worker that is busy may have time for the next one.
  if (!copied.ok() && !absl::IsResourceExhausted(copied)) Routes().Refused(from->link, to->link);
  return copied.ok();
}

}  // namespace xpool::remote
