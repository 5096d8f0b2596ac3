// Any bytes, and a good identity with any bytes put into it, as an identity's file, as revocation lists and as a peer's
// certificate. What is taken means the same when it is written and read again, and can be checked and used.
#include <openssl/x509.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "check.h"
#include "input.h"
#include "pki/certificate_facts.h"
#include "pki/identity.h"
#include "pki/names.h"
#include "pki/revocations.h"
#include "transport/tls_context.h"
#include "transport/tls_x509.h"

namespace {

using namespace xpool;
using namespace xpool::fuzz;

constexpr int64_t kNow = 1'800'000'000;

struct Good {
  std::string identity, der;
};

Good MakeGood() {
  const transport::CertificateSpec authority_spec{
      .name = "lab", .authority = true, .not_before_unix_s = kNow - 100, .not_after_unix_s = kNow + 1000};
  const transport::CertificateSpec own_spec{.name = "gpu1",
                                            .serves = true,
                                            .dns_names = {"gpu1.lab"},
                                            .ip_addresses = {"10.0.0.2", "fe80::1"},
                                            .not_before_unix_s = kNow - 100,
                                            .not_after_unix_s = kNow + 100};
  const auto authority_key = transport::NewKey().value(), key = transport::NewKey().value();
  const auto authority =
      transport::MakeCertificate(authority_spec, authority_key.get(), {nullptr, authority_key.get()}).value();
  const transport::Signer signer{authority.get(), authority_key.get()};
  const auto own = transport::MakeCertificate(own_spec, key.get(), signer).value();
  const auto list = transport::MakeRevocationList(
      {.number = 7, .made_unix_s = kNow - 10, .ends_unix_s = kNow + 10, .revoked = {{"0a0b", kNow - 20}}}, signer);
  const std::string text = transport::ToPem(own.get()) + transport::ToPem(key.get()) +
                           transport::ToPem(authority.get()) + transport::ToPem(list->get());
  unsigned char* der = nullptr;
  const int size = i2d_X509(own.get(), &der);
  Check(size > 0);
  const Good good{text, std::string(reinterpret_cast<char*>(der), static_cast<size_t>(size))};
  OPENSSL_free(der);
  return good;
}

void CheckFacts(const pki::CertificateFacts& facts) {
  Check(pki::CheckUserName("name", facts.name).ok() && facts.fingerprint.size() == 64 && !facts.serial.empty());
  Check(facts.addresses.empty() || pki::ParseAddresses(facts.addresses).ok());
}

void Read(std::string_view text) {
  const auto identity = pki::ParseIdentity(text);
  if (!identity.ok()) return;
  CheckFacts(identity->own);
  (void)pki::CheckIdentity(*identity, std::nullopt, kNow);
  (void)transport::TlsContext::Create(identity->tls);
  const auto again = pki::ParseIdentity(pki::IdentityText(identity->tls, identity->own));
  Check(again.ok() && again->own == identity->own && again->authorities == identity->authorities);
  Check(again->tls.certificate == identity->tls.certificate && again->tls.crl == identity->tls.crl);
}

void ReadLists(std::string_view text) {
  const auto lists = pki::ParseRevocations(text);
  if (!lists.ok()) return;
  const auto again = pki::ParseRevocations(pki::ToPem(*lists));
  Check(again.ok() && again->size() == lists->size());
}

// |good| with the bytes behind |data|'s first three in place of some of its own.
std::string Spliced(const std::string& good, const uint8_t* data, size_t size) {
  if (size < 3) return good;
  const size_t at = (size_t{data[0]} << 8 | data[1]) % (good.size() + 1);
  std::string text = good;
  return text.replace(at, data[2], reinterpret_cast<const char*>(data + 3), size - 3);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Good* const good = [] {
    auto* made = new Good(MakeGood());
    Check(pki::ParseIdentity(made->identity).ok() && pki::DescribeCertificate(std::string_view(made->der)).ok());
    return made;
  }();
  const std::string_view bytes = TextOf(data, size);
  Read(bytes);
  Read(Spliced(good->identity, data, size));
  ReadLists(bytes);
  ReadLists(Spliced(good->identity.substr(good->identity.find("-----BEGIN X509 CRL")), data, size));
  for (const std::string& der : {std::string(bytes), Spliced(good->der, data, size)}) {
    const auto facts = pki::DescribeCertificate(std::string_view(der));
    if (facts.ok()) CheckFacts(*facts);
  }
  return 0;
}
