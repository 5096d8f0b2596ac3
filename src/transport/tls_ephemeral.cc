#include "transport/tls_ephemeral.h"

#include <utility>

#include "base/status.h"
#include "transport/tls_x509.h"

namespace xpool::transport {
namespace {

constexpr int64_t kDaySeconds = 86'400;
constexpr int64_t kBackdateSeconds = kDaySeconds;  // for clients whose clocks are behind
constexpr int64_t kLifeSeconds = 3650 * kDaySeconds;

}  // namespace

absl::StatusOr<EphemeralIdentity> MakeEphemeralIdentity(int64_t now_unix_s) {
  ASSIGN_OR_RETURN(const KeyPtr key, NewKey());
  const CertificateSpec spec{.name = kEphemeralName,
                             .serves = true,
                             .dns_names = {kEphemeralName},
                             .not_before_unix_s = now_unix_s - kBackdateSeconds,
                             .not_after_unix_s = now_unix_s + kLifeSeconds};
  ASSIGN_OR_RETURN(const CertificatePtr certificate, MakeCertificate(spec, key.get(), {nullptr, key.get()}));
  const std::string own = ToPem(certificate.get()), own_key = ToPem(key.get());
  if (own.empty() || own_key.empty())
    return absl::ResourceExhaustedError("OpenSSL has no memory left for a certificate");
  ASSIGN_OR_RETURN(std::shared_ptr<const TlsContext> context,
                   TlsContext::Create({.certificate = own, .key = own_key, .pinned = own}));
  return EphemeralIdentity{own, std::move(context)};
}

}  // namespace xpool::transport
