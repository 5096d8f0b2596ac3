// Where the agent and its clients meet. One directory holds the agent's sockets and state:
//   $XPOOL_DIR if set, else /run/xpool for root, else $XDG_RUNTIME_DIR/xpool, else /tmp/xpool-<uid>.
// A client that is not root looks for a machine-wide agent in /run/xpool first.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace xpool {

struct AgentPaths {
  std::string directory;

  std::string session_socket() const {
    return directory + "/session.sock";
  }  // SOCK_SEQPACKET, slice/session_protocol.h
  std::string control_socket() const { return directory + "/control.sock"; }  // gRPC, proto/xpool.proto
  std::string database() const { return directory + "/agent.db"; }
  std::string pid_file() const { return directory + "/agent.pid"; }
  std::string log_file() const { return directory + "/agent.log"; }
};

// Where an agent started by this user keeps its sockets.
AgentPaths OwnAgentPaths();

// Where a client of this user finds the agent: OwnAgentPaths(), or the machine's when that has a live session socket.
AgentPaths ClientAgentPaths();

// Creates |directory| (mode 0755) if needed. PERMISSION_DENIED when it exists but belongs to somebody else or is
// writable by others.
absl::Status EnsureOwnDirectory(const std::string& directory);

}  // namespace xpool
