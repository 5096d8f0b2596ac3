// Connections to other nodes for this node's workers, which cannot make any themselves: for direct copies
// (wire/peer.h), to those nodes alone that the agent was told of (xpoold --peer), and never with less security than
// this node's own doors have.
//
// A name is looked up if the agent was told of that very name; whatever else a worker asks for must be an address in
// numbers, so a tenant cannot have this node look up names of its choice. Thread-safe; waits for nobody.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/fd.h"
#include "transport/tcp_address.h"
#include "worker_protocol/messages.h"

namespace xpool::gateway {

struct PeerPolicy {
  std::vector<std::string> peers;  // "host[:port]"; none: nobody is connected to
  bool tls = false;                // connections under TLS may be made,
  bool plain = false;              // and unencrypted ones
};

class PeerDialer {
 public:
  static constexpr int kMostAtOnce = 16;
  static constexpr int kMostOfOneSession = 4;
  static constexpr int64_t kConnectNs = 5 * kNsPerSec;

  // Called once for each Dial(): from inside of it, or on a thread of its own. |socket| is valid if it was connected.
  using Answer = std::function<void(uint64_t session, const worker::Dial&, const worker::Dialed&, UniqueFd socket)>;

  // INVALID_ARGUMENT names the peer that is no address.
  static absl::StatusOr<std::unique_ptr<PeerDialer>> Create(const PeerPolicy& policy, Answer answer);
  // Answers nothing any more.
  ~PeerDialer();

  void Dial(uint64_t session, const worker::Dial& dial);

 private:
  struct State;

  explicit PeerDialer(std::shared_ptr<State> state) : state_(std::move(state)) {}

  const std::shared_ptr<State> state_;  // shared with the threads, which may still look up a name
};

}  // namespace xpool::gateway
