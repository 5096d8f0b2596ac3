// Two ends of TLS over TCP in one process, for tests and benchmarks.
#pragma once

#include <memory>
#include <string>

#include "transport/testing/channel_pairs.h"
#include "transport/tls_channel.h"

namespace xpool::transport {

// Connected, with certificates made on the spot. What cannot be made aborts.
ChannelPair MakeTlsPair();

// What became of a handshake.
struct TlsEnds {
  absl::StatusOr<std::unique_ptr<TlsChannel>> client = absl::UnknownError("not run");
  absl::StatusOr<std::unique_ptr<TlsChannel>> server = absl::UnknownError("not run");

  // What the client learns when it first receives: in TLS 1.3 the server's refusal comes that late.
  absl::Status ClientLearns();
};

TlsEnds ShakeHands(const TlsIdentity& client, const TlsIdentity& server, const std::string& server_name = "server");

// One end of it.
absl::StatusOr<std::unique_ptr<TlsChannel>> ShakeHandsOver(std::unique_ptr<Channel> below, const TlsIdentity& identity,
                                                           TlsRole role, const std::string& server_name);

}  // namespace xpool::transport
