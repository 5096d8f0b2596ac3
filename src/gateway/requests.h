// What `xpool` of other machines asks (proto/lending.proto), answered. The door has found out who asks. Thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "agent/agent.h"
#include "gateway/loans.h"
#include "pki/slice_token.h"
#include "wire/request.h"

namespace xpool::gateway {

class Requests {
 public:
  // All must outlive this.
  Requests(agent::Agent* agent, Loans* loans) : agent_(agent), loans_(loans) {}

  // The reply's body. UNIMPLEMENTED for a method of another version.
  absl::StatusOr<std::string> Answer(const wire::Request& request, const std::string& who,
                                     const pki::TokenHolder& holder);

 private:
  v1::Node Describe();

  agent::Agent* const agent_;
  Loans* const loans_;
};

}  // namespace xpool::gateway
