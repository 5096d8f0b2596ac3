// Revocation lists (X.509 CRLs): what has been taken back before its end. An authority signs them, so a file with them
// may come by any way; what matters is that it is the newest. An identity carries those of the day it was issued, and
// a file crl.pem beside it may have newer ones. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "pki/pem.h"
#include "transport/tls_x509.h"

namespace xpool::pki {

inline constexpr size_t kMostRevocationBytes = size_t{4} << 20;
inline constexpr size_t kMostRevoked = 16'384;  // in one list that we make

struct RevocationList {
  transport::RevocationListPtr list;
  std::string issuer;   // its name; several authorities may bear it
  uint64_t number = 0;  // a later list of the same authority has a higher one
  int64_t made_unix_s = 0, ends_unix_s = 0;
  size_t revoked_count = 0;

  bool IsSignedBy(x509_st* authority) const;
};

// DATA_LOSS when |block| is no revocation list.
absl::StatusOr<RevocationList> ReadRevocationList(const PemBlock& block);
// All in |text|, which must hold nothing else.
absl::StatusOr<std::vector<RevocationList>> ParseRevocations(std::string_view text);

// Of |lists|, the newest that each of |authorities| signed; the others are dropped.
std::vector<RevocationList> NewestOf(std::vector<RevocationList> lists,
                                     const std::vector<transport::CertificatePtr>& authorities);

std::string ToPem(const std::vector<RevocationList>& lists);

}  // namespace xpool::pki
