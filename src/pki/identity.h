// An identity: all that a node or a user needs to show itself to others and to know them, in one file of PEM text:
//
//   CERTIFICATE      its own, the first in the file
//   CERTIFICATE ...  up to the key: those between its own and an authority (while authorities are exchanged)
//   PRIVATE KEY      its own; no passphrase
//   CERTIFICATE ...  after the key: the authorities whose word it takes
//   X509 CRL ...     their revocation lists of the day it was issued; or none at all, and nothing is looked up
//
// Place tells certificates apart, labels the rest; other text is for people. The file is its owner's alone (mode 0600).
// A file crl.pem in the same folder, if there is one, brings newer revocation lists. `xpool ca issue` writes
// identities; somebody who has authorities of his own can put them together with cat(1).
//
// Where: a node's agent keeps it in AgentPaths::identity(), a user in UserPaths::identity() (base/paths.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "pki/certificate_facts.h"
#include "transport/tls_context.h"

namespace xpool::pki {

inline constexpr size_t kMostIdentityBytes = size_t{4} << 20;

struct RevocationFacts {
  std::string issuer;
  uint64_t number = 0;
  int64_t made_unix_s = 0, ends_unix_s = 0;
  size_t revoked_count = 0;
};

struct Identity {
  transport::TlsIdentity tls;
  CertificateFacts own;
  std::vector<CertificateFacts> authorities;
  std::vector<RevocationFacts> revocations;
};

// What |text| holds and whether its parts belong together, whatever the time. DATA_LOSS, with the line, when it is no
// identity; FAILED_PRECONDITION when the key is not that of the certificate.
absl::StatusOr<Identity> ParseIdentity(std::string_view text);

// FAILED_PRECONDITION when peers would not take it at |now_unix_s|: expired, not yet valid, revoked, or signed by none
// of its own authorities; or when it is not for |role|.
absl::Status CheckIdentity(const Identity& identity, std::optional<Role> role, int64_t now_unix_s);

// As crl.pem's |text|, or OK and no change where it has nothing newer. Lists of authorities that the identity does not
// know are left out.
absl::Status AddRevocations(std::string_view text, Identity* identity);

// The file of newer revocation lists for the identity at |path|: crl.pem in its folder.
std::string RevocationsBeside(const std::string& path);

// Reads and checks |path| with crl.pem beside it. NOT_FOUND when there is none, PERMISSION_DENIED when others could
// read or change it; otherwise as above. Every error says what to do.
absl::StatusOr<Identity> LoadIdentity(const std::string& path, Role role, int64_t now_unix_s);
// The same but for CheckIdentity: to look at one that may be of no use any more.
absl::StatusOr<Identity> ReadIdentity(const std::string& path);

// The text for |tls|, with a line for people.
std::string IdentityText(const transport::TlsIdentity& tls, const CertificateFacts& own);

}  // namespace xpool::pki
