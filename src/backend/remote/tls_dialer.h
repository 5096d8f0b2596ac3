// Dialing under TLS (dialer.h). The agent is known by an authority that the user's identity believes, and by the host
// in the address; a session's worker by the certificate that the agent has told. A library of its own, as it links
// OpenSSL.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "backend/remote/dialer.h"

namespace xpool::remote {

// "tls:HOST:PORT". |identity_path|: pki/identity.h; read again whenever the agent is dialed, so that one that was
// issued anew is used.
absl::StatusOr<std::unique_ptr<Dialer>> MakeTlsDialer(const std::string& address, const std::string& identity_path);

// Whichever |address| asks for.
absl::StatusOr<std::unique_ptr<Dialer>> MakeDialer(const std::string& address, const std::string& identity_path,
                                                   bool plain_anywhere);

}  // namespace xpool::remote
