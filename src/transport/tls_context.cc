#include "transport/tls_context.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/status.h"

namespace xpool::transport {
namespace {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* thing) const {
    kFree(thing);
  }
};
using BioPtr = std::unique_ptr<BIO, Free<BIO_free>>;
using CertificatePtr = std::unique_ptr<X509, Free<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

// AES-128 first: as safe here, and a third faster than AES-256 where bulk data is limited by the cipher.
constexpr char kCiphers[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr size_t kReadAheadBytes = 128 * 1024;

absl::Status BadPart(const char* part) {
  return absl::InvalidArgumentError(absl::StrCat("TLS: ", part, " cannot be used: ", TakeTlsReason("no PEM text in it"),
                                                 "; give PEM text that openssl(1) can read"));
}

// Without it OpenSSL asks for the passphrase on the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

BioPtr Reader(const std::string& pem) { return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

CertificatePtr NextCertificate(BIO* bio) {
  return CertificatePtr(PEM_read_bio_X509(bio, nullptr, NoPassphrase, nullptr));
}

// The end of the text is the only way in which the last read may fail.
bool EndedWell() {
  const unsigned long error = ERR_peek_last_error();
  const bool ended = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (ended) ERR_clear_error();
  return ended;
}

absl::Status LoadAuthority(SSL_CTX* context, const std::string& pem) {
  const BioPtr bio = Reader(pem);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int count = 0;
  while (const CertificatePtr certificate = NextCertificate(bio.get())) {
    if (X509_STORE_add_cert(store, certificate.get()) != 1) return BadPart("the authority's certificate");
    ++count;
  }
  return EndedWell() && count > 0 ? absl::OkStatus() : BadPart("the authority's certificate");
}

absl::Status LoadCertificate(SSL_CTX* context, const std::string& pem) {
  const BioPtr bio = Reader(pem);
  const CertificatePtr own = NextCertificate(bio.get());
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) return BadPart("the own certificate");
  while (const CertificatePtr between = NextCertificate(bio.get())) {
    if (SSL_CTX_add1_chain_cert(context, between.get()) != 1) return BadPart("the own certificate's chain");
  }
  return EndedWell() ? absl::OkStatus() : BadPart("the own certificate's chain");
}

absl::Status LoadKey(SSL_CTX* context, const std::string& pem) {
  const BioPtr bio = Reader(pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return BadPart("the private key (it must belong to the certificate and have no passphrase)");
  return absl::OkStatus();
}

absl::Status Configure(SSL_CTX* context) {
  const bool set = SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
                   SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
                   SSL_CTX_set_ciphersuites(context, kCiphers) == 1 && SSL_CTX_set_num_tickets(context, 0) == 1;
  if (!set) return absl::InternalError(absl::StrCat("TLS 1.3 is not to be had: ", TakeTlsReason("no reason given")));
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // One read of the stream brings several records.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, kReadAheadBytes);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Create(const TlsIdentity& identity) {
  ERR_clear_error();
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  SSL_CTX* raw = SSL_CTX_new(TLS_method());
  if (raw == nullptr) return absl::InternalError(absl::StrCat("OpenSSL: ", TakeTlsReason("no TLS context")));
  std::unique_ptr<TlsContext> context(new TlsContext(raw));
  RETURN_IF_ERROR(Configure(raw));
  RETURN_IF_ERROR(LoadAuthority(raw, identity.ca));
  RETURN_IF_ERROR(LoadCertificate(raw, identity.certificate));
  RETURN_IF_ERROR(LoadKey(raw, identity.key));
  return context;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

std::string TakeTlsReason(const char* otherwise) {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return reason == nullptr ? otherwise : reason;
}

}  // namespace xpool::transport
