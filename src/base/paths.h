// Where the agent and its clients meet. One directory holds the agent's sockets and state:
//   $XPOOL_DIR if set, else /run/xpool for root, else $XDG_RUNTIME_DIR/xpool, else /tmp/xpool-<uid>.
// A client that is not root looks for a machine-wide agent in /run/xpool first.
//
// What a user keeps for remote slices is in $XDG_CONFIG_HOME/xpool, else ~/.config/xpool.
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
  std::string worker_socket() const {
    return directory + "/worker.sock";
  }  // SOCK_SEQPACKET, worker_protocol/messages.h
  std::string attach_socket() const { return directory + "/attach.sock"; }  // SOCK_STREAM, wire/attach.h
  std::string database() const { return directory + "/agent.db"; }
  std::string pid_file() const { return directory + "/agent.pid"; }
  std::string log_file() const { return directory + "/agent.log"; }

  // How this node shows itself to other machines (pki/identity.h). The folder below |directory|; the machine's agent
  // has it in /etc, as /run is empty after the machine was started.
  std::string pki_directory() const;
  std::string identity() const { return pki_directory() + "/node.pem"; }
  std::string token_keys() const { return directory + "/token.keys"; }  // pki/token_keys.h

  // What workers compile, by tenant. Below |directory|, unless that is small, empty after the machine was started, or
  // forbids execution: the machine's agent has it in /var/cache, and a user's in $XDG_CACHE_HOME or ~/.cache.
  std::string cache_directory() const;
};

struct UserPaths {
  std::string directory;

  std::string identity() const;                                // $XPOOL_IDENTITY if set; pki/identity.h
  std::string nodes() const;                                   // $XPOOL_NODES if set; pki/nodes_file.h
  std::string authority() const { return directory + "/ca"; }  // pki/authority.h
};

UserPaths OwnUserPaths();

// Where this user may keep small files that need not outlive the machine's run: $XDG_RUNTIME_DIR/xpool, else
// /tmp/xpool-<uid>. EnsureOwnDirectory() before use.
std::string UserRuntimeDirectory();

// $HOME, else what the machine's list of users says.
std::string HomeDirectory();

// Where an agent started by this user keeps its sockets.
AgentPaths OwnAgentPaths();

// Where a client of this user finds the agent: OwnAgentPaths(), or the machine's when that has a live session socket.
AgentPaths ClientAgentPaths();

// Creates |directory| (mode 0755) if needed. PERMISSION_DENIED when it exists but belongs to somebody else or is
// writable by others.
absl::Status EnsureOwnDirectory(const std::string& directory);

}  // namespace xpool
