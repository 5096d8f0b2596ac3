// What a certificate says, for those who decide by it: names are checked (names.h), so they can be printed and
// compared. That an authority vouches for it is not looked at here: TLS does that before it hands out a peer's, and
// pki/identity.h for one's own. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

struct x509_st;

namespace xpool::pki {

// A node lends and borrows, a user borrows: a user's certificate cannot be a server's.
enum class Role { kNode, kUser, kAuthority };
const char* RoleName(Role role);  // "node", "user", "authority"

struct CertificateFacts {
  std::string name;
  Role role = Role::kUser;
  std::string issuer;                  // the name of who signed it
  std::vector<std::string> addresses;  // of a node: whom clients may take it for
  std::string serial;                  // hexadecimal
  std::string fingerprint;             // SHA-256 of all of it, 64 hexadecimal digits
  int64_t not_before_unix_s = 0, not_after_unix_s = 0;

  friend bool operator==(const CertificateFacts&, const CertificateFacts&) = default;
};

// DATA_LOSS when it is none of ours: without a name that we could print, or a role.
absl::StatusOr<CertificateFacts> DescribeCertificate(x509_st* certificate);
// The same for DER, such as transport::TlsChannel::peer_certificate().
absl::StatusOr<CertificateFacts> DescribeCertificate(std::string_view der);

// "2026-01-31 14:05 UTC".
std::string FormatUtc(int64_t unix_s);

}  // namespace xpool::pki
