// Identities for one session: the two ends of a lane of a remote session know each other's certificate beforehand, the
// client from Attached, the worker from the agent. So the worker's needs no authority, and lives as long as the worker.
// Part of xpool_transport_tls. Thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "transport/tls_context.h"

namespace xpool::transport {

// The name in each such certificate: a client passes it as TlsChannel::Handshake()'s server name.
inline constexpr char kEphemeralName[] = "xpool-worker";

// A new key and certificate; the one peer that is believed is the holder of |peer_certificate| (PEM).
absl::StatusOr<TlsIdentity> MakeEphemeralIdentity(const std::string& peer_certificate, int64_t now_unix_s);

}  // namespace xpool::transport
