// Direct copies as the client asks for them: questions on the call lane. Expecting one is answered at once; sending one
// is answered by the thread that sends.

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "worker/opencl_server.h"
#include "worker/peer_copies.h"

namespace xpool::worker {

using wire_cl::ValueKind;

// A client whose objects are gone, or never came to be, is told so: it relays.
template <typename Message>
absl::StatusOr<HeldBuffer> OpenClServer::HoldRange(const Message& range) {
  ASSIGN_OR_RETURN(void* const queue, objects().Find(ValueKind::kQueue, range.queue));
  ASSIGN_OR_RETURN(void* const mem, objects().Find(ValueKind::kMem, range.mem));
  if (queue == nullptr || mem == nullptr)
    return absl::FailedPreconditionError("the buffer or the queue of a direct copy could not be made");
  HeldBuffer buffer(api(), static_cast<cl_command_queue>(queue), static_cast<cl_mem>(mem));
  size_t size = 0;
  const cl_int status = api().clGetMemObjectInfo(buffer.mem(), CL_MEM_SIZE, sizeof(size), &size, nullptr);
  if (status != CL_SUCCESS || range.offset > size || range.bytes > size - range.offset) {
    return absl::InvalidArgumentError(
        absl::StrCat("a direct copy of ", range.bytes, " bytes at ", range.offset, " of a buffer of ", size));
  }
  return buffer;
}

absl::StatusOr<HeldBuffer> OpenClServer::Hold(const wire_cl::Invite& invite) {
  MutexLock lock(&lane_mutex_);
  return HoldRange(invite);
}

absl::Status OpenClServer::ServeInvite(const wire_cl::Invite& invite) {
  const absl::Status good = HoldRange(invite).status();
  const absl::StatusOr<wire::PeerToken> token = good.ok() ? peers_->Invite(invite) : good;
  wire::Writer out;
  Write(out, wire_cl::Invited{token.status().code(), token.ok() ? *token : wire::PeerToken{}});
  PostAnswer(current_.call, current_.sequence, out.buffer(), lane::Lane::Urgency::kSoon);
  return absl::OkStatus();
}

absl::Status OpenClServer::ServePush(const wire_cl::Push& push) {
  auto answer = [this, call = current_.call, sequence = current_.sequence](const absl::Status& status) {
    wire::Writer out;
    Write(out, wire_cl::Pushed{status.code()});
    PostAnswer(call, sequence, out.buffer(), lane::Lane::Urgency::kNow);
  };
  absl::StatusOr<HeldBuffer> buffer = HoldRange(push);
  if (buffer.ok()) {
    peers_->Push(*std::move(buffer), push, std::move(answer));
  } else {
    answer(buffer.status());
  }
  return absl::OkStatus();
}

absl::Status OpenClServer::ServeWithdraw(const wire_cl::Withdraw& withdraw) {
  peers_->Withdraw(withdraw.token, [this, call = current_.call, sequence = current_.sequence] {
    PostAnswer(call, sequence, {}, lane::Lane::Urgency::kNow);
  });
  return absl::OkStatus();
}

}  // namespace xpool::worker
