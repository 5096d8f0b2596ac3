// The control API (proto/xpool.proto) over the agent's Unix socket. A thin translation between protobuf and the Agent's
// own types; it keeps no state. gRPC tells nothing of who calls, so the socket's file mode decides who may: 0600 of the
// agent's user, or 0660 of the group "xpool" where that group exists and the agent runs as root.
//
// Thread-safe; gRPC calls it on threads of its own, of which there are few.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/agent.h"

namespace grpc {
class Server;
}

namespace xpool::agent {

class ControlService {
 public:
  // |metrics_address|: what GetStatus() reports; empty when off. REQUIRES: |agent| outlives the service.
  static absl::StatusOr<std::unique_ptr<ControlService>> Start(Agent* agent, std::string metrics_address);
  // Ends running calls, streams too.
  ~ControlService();

 private:
  class Impl;
  ControlService();

  std::unique_ptr<Impl> impl_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace xpool::agent
