// Prometheus metrics and health over HTTP, on a loopback address: GET /metrics, /healthz (the process answers), /readyz
// (XPUs were found and recovery is over). Read-only. A thread accepts and two serve; nothing runs while nobody asks.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "agent/agent.h"

namespace httplib {
class Server;
}

namespace xpool::agent {

// The metrics' text as of now.
std::string MetricsText(Agent& agent);

class MetricsServer {
 public:
  // |address|: "127.0.0.1:9745"; port 0 takes a free one. INVALID_ARGUMENT for what is no address or not of this
  // machine's loopback, UNAVAILABLE when it is taken. REQUIRES: |agent| outlives the server.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(Agent* agent, const std::string& address);
  ~MetricsServer();

  const std::string& address() const { return address_; }

 private:
  MetricsServer();

  std::unique_ptr<httplib::Server> server_;
  std::string address_;
  std::thread thread_;
};

}  // namespace xpool::agent
