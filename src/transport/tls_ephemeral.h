// Identities for one session: the two ends of a lane of a remote session know each other's certificate beforehand, the
// client from Attached, the worker from the agent. So the worker's needs no authority, and lives as long as the worker.
// Part of xpool_transport_tls. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "transport/tls_context.h"

namespace xpool::transport {

// The name in each such certificate: a client passes it as TlsChannel::Handshake()'s server name.
inline constexpr char kEphemeralName[] = "xpool-worker";

struct EphemeralIdentity {
  std::string certificate;  // PEM
  std::shared_ptr<const TlsContext>
      context;  // believes only itself; Believing() a peer's certificate is what it is for
};

// A new key and certificate.
absl::StatusOr<EphemeralIdentity> MakeEphemeralIdentity(int64_t now_unix_s);

}  // namespace xpool::transport
