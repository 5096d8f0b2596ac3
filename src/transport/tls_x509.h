// X.509 by OpenSSL: its objects as owned handles, PEM text in and out, and the making of keys, certificates and
// revocation lists. What a certificate of xpool's must say is decided elsewhere (pki/authority.h); this is how it is
// said. Part of xpool_transport_tls; see tls_context.h before linking it into anything. Thread-safe, as no state is
// kept but OpenSSL's queue of errors, one a thread.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace xpool::transport {

template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* thing) const {
    kFree(thing);
  }
};
using BioPtr = std::unique_ptr<BIO, FreeWith<BIO_free>>;
using CertificatePtr = std::unique_ptr<X509, FreeWith<X509_free>>;
using RevocationListPtr = std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;

// Empties this thread's queue of OpenSSL errors; the oldest one's reason, or |otherwise|.
std::string TakeTlsReason(const char* otherwise);

// Reads |pem|, which must outlive it.
BioPtr PemReader(std::string_view pem);

// The next one of its kind, what is between is skipped; nullptr when there is none, or none that can be read, which
// PemEndedWell() tells apart. A key with a passphrase is one that cannot be read: nobody is asked.
CertificatePtr NextCertificate(BIO* pem);
RevocationListPtr NextRevocationList(BIO* pem);
KeyPtr NextKey(BIO* pem);
bool PemEndedWell();

// Empty when OpenSSL has no memory left.
std::string ToPem(X509* certificate);
std::string ToPem(X509_CRL* list);
std::string ToPem(EVP_PKEY* key);  // PKCS #8, no passphrase

// DER, as TlsChannel::peer_certificate(), as PEM. DATA_LOSS when it is no certificate.
absl::StatusOr<std::string> CertificatePem(std::string_view der);

// On the curve P-256.
absl::StatusOr<KeyPtr> NewKey();

struct CertificateSpec {
  std::string name;        // the subject's common name
  bool authority = false;  // signs certificates and revocation lists, but no authorities; otherwise it shows itself in
                           // TLS, as a client, and
  bool serves = false;     // as a server too
  std::vector<std::string> dns_names, ip_addresses;  // whom a client may take it for; checked by the caller
  int64_t not_before_unix_s = 0, not_after_unix_s = 0;
};

struct Signer {
  X509* certificate;  // nullptr: what is made is signed by itself
  EVP_PKEY* key;
};

// A certificate for |key| with a serial number of 128 random bits.
absl::StatusOr<CertificatePtr> MakeCertificate(const CertificateSpec& spec, EVP_PKEY* key, const Signer& signer);

struct RevocationListSpec {
  struct Entry {
    std::string serial;  // as SerialText() has it
    int64_t revoked_unix_s;
  };
  uint64_t number = 0;  // later lists have higher ones
  int64_t made_unix_s = 0, ends_unix_s = 0;
  std::vector<Entry> revoked;
};

absl::StatusOr<RevocationListPtr> MakeRevocationList(const RevocationListSpec& spec, const Signer& signer);

// 32 hexadecimal digits, or more in others' certificates. "" for a negative one, which OpenSSL takes.
std::string SerialText(const ASN1_INTEGER* serial);

// Since 1970; 0 when it cannot be read.
int64_t UnixSeconds(const ASN1_TIME* time);

}  // namespace xpool::transport
