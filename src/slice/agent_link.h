// The greeting between a client and the agent: sends Hello, takes the answer apart. Used by the session for the first
// attach and for every reattach; no threads, no state.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/unix_socket.h"
#include "slice/page_mapping.h"
#include "slice/session_protocol.h"

namespace xpool {

// What a Welcome brings.
struct AgentLink {
  Welcome welcome{};
  PageMapping page;
  UniqueFd agent_doorbell;
  UniqueFd client_doorbell;
};

// Connects to |socket_path| and sends |hello| with a pidfd of this process. The socket is non-blocking.
absl::StatusOr<UniqueFd> SendHello(const std::string& socket_path, const Hello& hello);

// The agent's answer to a Hello.
struct HelloAnswer {
  absl::Status status;   // why there is no link; OK when there is one
  bool is_final = true;  // trying again is pointless (a refusal without retry, another version)
  AgentLink link;
};
HelloAnswer ParseHelloAnswer(SocketMessage message);

// The status a Refusal stands for. Its code is the agent's word: an unknown one becomes UNKNOWN.
absl::Status RefusalStatus(const Refusal& refusal);

}  // namespace xpool
