#include "transport/testing/test_certificates.h"

#include "base/clock.h"

namespace xpool::transport {
namespace {

int64_t NowUnixSeconds() { return UnixNowNs() / kNsPerSec; }

}  // namespace

TestAuthority::TestAuthority(const std::string& name) : key_(NewKey().value()) {
  const int64_t now_s = NowUnixSeconds();
  const CertificateSpec spec{
      .name = name, .authority = true, .not_before_unix_s = now_s - 3600, .not_after_unix_s = now_s + 24 * 3600};
  certificate_ = MakeCertificate(spec, key_.get(), {nullptr, key_.get()}).value();
  pem_ = ToPem(certificate_.get());
}

TlsIdentity TestAuthority::Issue(const TestCertificate& wanted) const {
  const KeyPtr key = NewKey().value();
  const int64_t now_s = NowUnixSeconds();
  const CertificateSpec spec{.name = wanted.name,
                             .serves = true,
                             .dns_names = {wanted.name},
                             .ip_addresses = {wanted.ip},
                             .not_before_unix_s = now_s + wanted.starts_s,
                             .not_after_unix_s = now_s + wanted.ends_s};
  const CertificatePtr certificate = MakeCertificate(spec, key.get(), signer()).value();
  return {.ca = pem_, .certificate = ToPem(certificate.get()), .key = ToPem(key.get())};
}

std::string TestAuthority::RevocationList(const std::vector<TlsIdentity>& revoked, int64_t ends_s) const {
  const int64_t now_s = NowUnixSeconds();
  RevocationListSpec spec{.number = 1, .made_unix_s = now_s - 7200, .ends_unix_s = now_s + ends_s};
  for (const TlsIdentity& identity : revoked) {
    const CertificatePtr certificate = NextCertificate(PemReader(identity.certificate).get());
    spec.revoked.push_back({SerialText(X509_get0_serialNumber(certificate.get())), now_s - 60});
  }
  return ToPem(MakeRevocationList(spec, signer()).value().get());
}

}  // namespace xpool::transport
