// Certificates made on the spot for tests and benchmarks. What cannot be made aborts.
#pragma once

#include <cstdint>
#include <string>

#include "transport/tls_context.h"

struct evp_pkey_st;
struct x509_st;

namespace xpool::transport {

struct TestCertificate {
  std::string name = "test";                     // common name, and DNS name
  std::string ip = "127.0.0.1";                  // also an address it is for
  int64_t starts_s = -3600, ends_s = 24 * 3600;  // from now
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;
  ~TestAuthority();

  // A new key with a certificate of this authority, which is also the one its holder believes.
  TlsIdentity Issue(const TestCertificate& certificate) const;
  const std::string& pem() const { return pem_; }

 private:
  evp_pkey_st* const key_;
  x509_st* const certificate_;
  std::string pem_;
};

}  // namespace xpool::transport
