// Other machines' agents, as `xpool` talks to them: one request and its reply on a connection (wire/request.h,
// proto/lending.proto). Every call has a deadline. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "cli/context.h"
#include "lending.pb.h"

namespace xpool::cli {

// How a node is reached: by TLS unless plain TCP was asked for.
struct NodeAddress {
  std::string name;      // what the user calls it
  std::string address;   // "tls:10.0.0.2:9747", "tcp:...", as backend/remote's dialers have it
  std::string identity;  // path; of no matter to plain TCP
  bool plain = false;
};

// |text| is a name from the file of nodes, or HOST[:PORT]. INVALID_ARGUMENT and the file's errors.
absl::StatusOr<NodeAddress> FindNode(const Context& context, const std::string& text, bool plain);
// All in the file of nodes.
absl::StatusOr<std::vector<NodeAddress>> ListNodes(const Context& context);

class Lender {
 public:
  static constexpr int64_t kDeadlineNs = 5 * kNsPerSec;

  explicit Lender(const NodeAddress& node) : node_(node) {}

  // The dialer's errors, or the node's own answer; both name the node.
  absl::StatusOr<v1::Node> Describe();
  absl::StatusOr<v1::Loan> Borrow(const v1::BorrowRequest& request);
  absl::StatusOr<v1::Loan> Renew(const v1::RenewRequest& request);
  absl::Status Return(const v1::ReturnRequest& request);

 private:
  template <typename Reply, typename Request>
  absl::StatusOr<Reply> Ask(v1::Method method, const Request& request);
  absl::StatusOr<std::string> Exchange(uint16_t method, const std::string& body);

  const NodeAddress node_;
};

}  // namespace xpool::cli
