// Certificates made on the spot for tests and benchmarks. What cannot be made aborts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "transport/tls_context.h"
#include "transport/tls_x509.h"

namespace xpool::transport {

struct TestCertificate {
  std::string name = "test";                     // common name, and DNS name
  std::string ip = "127.0.0.1";                  // also an address it is for
  int64_t starts_s = -3600, ends_s = 24 * 3600;  // from now
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);

  // A new key with a certificate of this authority, which is also the one its holder believes.
  TlsIdentity Issue(const TestCertificate& certificate) const;
  // A revocation list with the certificates of |revoked|, which ends |ends_s| from now.
  std::string RevocationList(const std::vector<TlsIdentity>& revoked, int64_t ends_s = 3600) const;
  const std::string& pem() const { return pem_; }

 private:
  Signer signer() const { return {certificate_.get(), key_.get()}; }

  KeyPtr key_;
  CertificatePtr certificate_;
  std::string pem_;
};

}  // namespace xpool::transport
