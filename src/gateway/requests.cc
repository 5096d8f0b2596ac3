#include "gateway/requests.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/control_convert.h"
#include "base/status.h"

namespace xpool::gateway {
namespace {

constexpr size_t kMostXpusBytes = wire::kMaxRequestBodyBytes - 1024;

template <typename Message>
absl::StatusOr<Message> Parse(const std::string& body) {
  Message message;
  if (message.ParseFromString(body)) return message;
  return absl::InvalidArgumentError(absl::StrCat("the request is no ", Message::descriptor()->name()));
}

template <typename Message>
absl::StatusOr<std::string> Serialize(const absl::StatusOr<Message>& message) {
  if (!message.ok()) return message.status();
  return message->SerializeAsString();
}

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

}  // namespace

absl::StatusOr<std::string> Requests::Answer(const wire::Request& request, const std::string& who,
                                             const pki::TokenHolder& holder) {
  switch (request.method) {
    case v1::METHOD_DESCRIBE:
      return Describe().SerializeAsString();
    case v1::METHOD_BORROW: {
      ASSIGN_OR_RETURN(const auto borrow, Parse<v1::BorrowRequest>(request.body));
      return Serialize(loans_->Borrow(borrow, who, holder));
    }
    case v1::METHOD_RENEW: {
      ASSIGN_OR_RETURN(const auto renew, Parse<v1::RenewRequest>(request.body));
      return Serialize(loans_->Renew(renew, holder));
    }
    case v1::METHOD_RETURN: {
      ASSIGN_OR_RETURN(const auto back, Parse<v1::ReturnRequest>(request.body));
      RETURN_IF_ERROR(loans_->Return(back));
      return v1::ReturnReply().SerializeAsString();
    }
    default:
      return absl::UnimplementedError(
          absl::StrCat("this agent (", XPOOL_VERSION, ") does not know request ", request.method, "; install it anew"));
  }
}

v1::Node Requests::Describe() {
  v1::Node node;
  node.set_name(HostName());
  node.set_version(XPOOL_VERSION);
  size_t bytes = 0;
  for (const agent::XpuView& view : agent_->ListXpus()) {
    node.set_xpu_count(node.xpu_count() + 1);
    v1::Xpu xpu = agent::ToProto(view);
    bytes += xpu.ByteSizeLong() + 8;
    if (bytes <= kMostXpusBytes) *node.add_xpus() = std::move(xpu);
  }
  node.set_slice_count(static_cast<uint32_t>(agent_->ListSlices().size()));
  node.set_session_count(static_cast<uint32_t>(agent_->ListSessions().size()));
  return node;
}

}  // namespace xpool::gateway
