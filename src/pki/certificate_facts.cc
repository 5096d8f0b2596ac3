#include "pki/certificate_facts.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "absl/strings/escaping.h"
#include "base/status.h"
#include "pki/names.h"
#include "transport/tls_x509.h"

namespace xpool::pki {
namespace {

using transport::FreeWith;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;

absl::Status NotOurs(const std::string& why) {
  return absl::DataLossError(absl::StrCat("the certificate is not one of xpool's: ", why));
}

std::string Utf8(const ASN1_STRING* string) {
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, string);
  std::string result(size > 0 ? reinterpret_cast<const char*>(text) : "", size > 0 ? static_cast<size_t>(size) : 0);
  OPENSSL_free(text);
  return result;
}

// The one common name in |name|.
absl::StatusOr<std::string> CommonName(const X509_NAME* name) {
  const int first = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (first < 0) return NotOurs("it has no common name");
  if (X509_NAME_get_index_by_NID(name, NID_commonName, first) >= 0) return NotOurs("it has several common names");
  std::string text = Utf8(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, first)));
  const absl::Status good = CheckUserName("the common name", text);
  if (!good.ok()) return NotOurs(std::string(good.message()));
  return text;
}

absl::StatusOr<Role> RoleOf(X509* certificate) {
  const uint32_t flags = X509_get_extension_flags(certificate);
  if ((flags & EXFLAG_INVALID) != 0) return NotOurs("its extensions cannot be read");
  if ((flags & EXFLAG_CA) != 0) return Role::kAuthority;
  const uint32_t usage = X509_get_extended_key_usage(certificate);
  if ((usage & XKU_SSL_SERVER) != 0) return Role::kNode;
  if ((usage & XKU_SSL_CLIENT) != 0) return Role::kUser;
  return NotOurs("it is for neither servers nor clients of TLS");
}

std::string AddressText(const GENERAL_NAME* name) {
  if (name->type == GEN_DNS) return Utf8(name->d.dNSName);
  if (name->type != GEN_IPADD) return "";
  const int size = ASN1_STRING_length(name->d.iPAddress);
  char text[INET6_ADDRSTRLEN] = "";
  const unsigned char* bytes = ASN1_STRING_get0_data(name->d.iPAddress);
  if (size == 4) inet_ntop(AF_INET, bytes, text, sizeof(text));
  if (size == 16) inet_ntop(AF_INET6, bytes, text, sizeof(text));
  return text;
}

// Those that we would write ourselves; others do no harm and are left out.
std::vector<std::string> AddressesOf(X509* certificate) {
  const NamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  NodeAddresses addresses;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()) && i < static_cast<int>(kMostAddresses); ++i) {
    const auto one = ParseAddresses({AddressText(sk_GENERAL_NAME_value(names.get(), i))});
    if (!one.ok()) continue;
    addresses.dns_names.insert(addresses.dns_names.end(), one->dns_names.begin(), one->dns_names.end());
    addresses.ip_addresses.insert(addresses.ip_addresses.end(), one->ip_addresses.begin(), one->ip_addresses.end());
  }
  return addresses.All();
}

std::string Fingerprint(const X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) return "";
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

}  // namespace

const char* RoleName(Role role) {
  switch (role) {
    case Role::kNode:
      return "node";
    case Role::kUser:
      return "user";
    case Role::kAuthority:
      return "authority";
  }
  return "?";
}

absl::StatusOr<CertificateFacts> DescribeCertificate(X509* certificate) {
  CertificateFacts facts;
  ASSIGN_OR_RETURN(facts.name, CommonName(X509_get_subject_name(certificate)));
  ASSIGN_OR_RETURN(facts.issuer, CommonName(X509_get_issuer_name(certificate)));
  ASSIGN_OR_RETURN(facts.role, RoleOf(certificate));
  facts.addresses = AddressesOf(certificate);
  facts.serial = transport::SerialText(X509_get0_serialNumber(certificate));
  facts.fingerprint = Fingerprint(certificate);
  facts.not_before_unix_s = transport::UnixSeconds(X509_get0_notBefore(certificate));
  facts.not_after_unix_s = transport::UnixSeconds(X509_get0_notAfter(certificate));
  ERR_clear_error();
  if (facts.serial.empty() || facts.fingerprint.empty() || facts.not_after_unix_s == 0)
    return NotOurs("its serial number or its dates cannot be read");
  return facts;
}

absl::StatusOr<CertificateFacts> DescribeCertificate(std::string_view der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const transport::CertificatePtr certificate(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
  if (certificate == nullptr) return NotOurs(transport::TakeTlsReason("it cannot be read"));
  return DescribeCertificate(certificate.get());
}

std::string FormatUtc(int64_t unix_s) {
  const time_t time = unix_s;
  tm parts{};
  char text[40] = "";
  if (gmtime_r(&time, &parts) != nullptr) strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

}  // namespace xpool::pki
