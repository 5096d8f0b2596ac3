#include "cli/lender.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "backend/remote/tls_dialer.h"
#include "base/status.h"
#include "lane/handshake.h"
#include "pki/nodes_file.h"
#include "transport/tcp_address.h"
#include "wire/request.h"

namespace xpool::cli {
namespace {

NodeAddress AddressOf(const Context& context, const pki::Node& node, bool plain) {
  return {.name = node.name,
          .address = absl::StrCat(plain ? "tcp:" : "tls:", pki::AddressText(node.address)),
          .identity = pki::IdentityPathOf(node, context.user.nodes(), context.user.identity()),
          .plain = plain};
}

absl::Status Named(const NodeAddress& node, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(node.name, ": ", status.message()));
}

}  // namespace

absl::StatusOr<NodeAddress> FindNode(const Context& context, const std::string& text, bool plain) {
  if (text.empty()) return absl::InvalidArgumentError("a node without a name; write --on NAME or --on HOST[:PORT]");
  ASSIGN_OR_RETURN(const pki::Nodes nodes, pki::LoadNodes(context.user.nodes()));
  if (const absl::StatusOr<pki::Node> known = nodes.Find(text); known.ok()) return AddressOf(context, *known, plain);
  absl::StatusOr<transport::HostPort> host = transport::ParseHost(text);
  if (!host.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is neither a node in ", context.user.nodes(),
                     " (see 'xpool node add') nor HOST[:PORT]: ", host.status().message()));
  }
  pki::Node node{.name = text, .address = *std::move(host)};
  return AddressOf(context, node, plain);
}

absl::StatusOr<std::vector<NodeAddress>> ListNodes(const Context& context) {
  ASSIGN_OR_RETURN(const pki::Nodes nodes, pki::LoadNodes(context.user.nodes()));
  std::vector<NodeAddress> addresses;
  for (const pki::Node& node : nodes.all()) addresses.push_back(AddressOf(context, node, /*plain=*/false));
  return addresses;
}

absl::StatusOr<std::string> Lender::Exchange(uint16_t method, const std::string& body) {
  const auto deadline = transport::Deadline::After(Clock::Monotonic(), kDeadlineNs);
  ASSIGN_OR_RETURN(const std::unique_ptr<remote::Dialer> dialer,
                   remote::MakeDialer(node_.address, node_.identity, node_.plain));
  ASSIGN_OR_RETURN(const std::unique_ptr<transport::Channel> channel,
                   dialer->Dial(wire::Purpose::kRequest, 0, "", deadline));
  wire::Writer writer;
  RETURN_IF_ERROR(WriteRequest(&writer, {.method = method, .body = body}));
  RETURN_IF_ERROR(lane::SendWritten(*channel, writer, deadline));
  ASSIGN_OR_RETURN(const lane::ReceivedFrame reply, lane::ReceiveFrame(*channel, deadline));
  channel->Close();
  return wire::ReadReply(reply.frame());
}

template <typename Reply, typename Request>
absl::StatusOr<Reply> Lender::Ask(v1::Method method, const Request& request) {
  const absl::StatusOr<std::string> body = Exchange(static_cast<uint16_t>(method), request.SerializeAsString());
  if (!body.ok()) return Named(node_, body.status());
  Reply reply;
  if (reply.ParseFromString(*body)) return reply;
  return Named(node_, absl::InternalError("its answer is none; install the same version there"));
}

absl::StatusOr<v1::Node> Lender::Describe() { return Ask<v1::Node>(v1::METHOD_DESCRIBE, v1::DescribeNodeRequest()); }
absl::StatusOr<v1::Loan> Lender::Borrow(const v1::BorrowRequest& request) {
  return Ask<v1::Loan>(v1::METHOD_BORROW, request);
}
absl::StatusOr<v1::Loan> Lender::Renew(const v1::RenewRequest& request) {
  return Ask<v1::Loan>(v1::METHOD_RENEW, request);
}
absl::Status Lender::Return(const v1::ReturnRequest& request) {
  return Ask<v1::ReturnReply>(v1::METHOD_RETURN, request).status();
}

}  // namespace xpool::cli
