#include "transport/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/status.h"
#include "transport/tls_x509.h"

namespace xpool::transport {
namespace {

// AES-128 first: as safe here, and a third faster than AES-256 where bulk data is limited by the cipher.
constexpr char kCiphers[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr size_t kReadAheadBytes = 128 * 1024;

absl::Status BadPart(const char* part) {
  return absl::InvalidArgumentError(absl::StrCat("TLS: ", part, " cannot be used: ", TakeTlsReason("no PEM text in it"),
                                                 "; give PEM text that openssl(1) can read"));
}

// Believes the certificates in |pem|; |part| says whose they are.
absl::Status LoadTrusted(X509_STORE* store, const std::string& pem, const char* part) {
  const BioPtr bio = PemReader(pem);
  int count = 0;
  while (const CertificatePtr certificate = NextCertificate(bio.get())) {
    if (X509_STORE_add_cert(store, certificate.get()) != 1) return BadPart(part);
    ++count;
  }
  return PemEndedWell() && count > 0 ? absl::OkStatus() : BadPart(part);
}

absl::Status LoadPinned(X509_STORE* store, const std::string& pem) {
  // A pinned one need not have signed itself to be believed.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return LoadTrusted(store, pem, "the pinned certificate");
}

absl::Status LoadCertificate(SSL_CTX* context, const std::string& pem) {
  const BioPtr bio = PemReader(pem);
  const CertificatePtr own = NextCertificate(bio.get());
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) return BadPart("the own certificate");
  while (const CertificatePtr between = NextCertificate(bio.get())) {
    if (SSL_CTX_add1_chain_cert(context, between.get()) != 1) return BadPart("the own certificate's chain");
  }
  return PemEndedWell() ? absl::OkStatus() : BadPart("the own certificate's chain");
}

absl::Status LoadKey(SSL_CTX* context, const std::string& pem) {
  const BioPtr bio = PemReader(pem);
  const KeyPtr key = NextKey(bio.get());
  if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return BadPart("the private key (it must belong to the certificate and have no passphrase)");
  return absl::OkStatus();
}

// Whether one of |lists| is |authority|'s: by its key, as authorities may share a name.
bool HasListOf(X509* authority, const std::vector<RevocationListPtr>& lists) {
  return std::any_of(lists.begin(), lists.end(), [authority](const RevocationListPtr& list) {
    return X509_CRL_verify(list.get(), X509_get0_pubkey(authority)) == 1;
  });
}

// Without a list of its authority a certificate cannot be checked, and OpenSSL refuses it: better said now.
absl::Status CheckEveryAuthorityHasAList(X509_STORE* store, const std::vector<RevocationListPtr>& lists) {
  STACK_OF(X509_OBJECT)* objects = X509_STORE_get0_objects(store);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
    X509* authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
    if (authority == nullptr || HasListOf(authority, lists)) continue;
    ERR_clear_error();
    return absl::InvalidArgumentError(
        "TLS: there are revocation lists, but none that was signed by each authority: the certificates of the others"
        " would all be refused; give a list of every authority, or none at all");
  }
  ERR_clear_error();
  return absl::OkStatus();
}

absl::Status LoadRevocations(X509_STORE* store, const std::string& pem) {
  if (pem.empty()) return absl::OkStatus();
  const BioPtr bio = PemReader(pem);
  std::vector<RevocationListPtr> lists;
  while (RevocationListPtr list = NextRevocationList(bio.get())) lists.push_back(std::move(list));
  if (!PemEndedWell() || lists.empty()) return BadPart("the revocation list");
  RETURN_IF_ERROR(CheckEveryAuthorityHasAList(store, lists));
  for (const RevocationListPtr& list : lists) {
    if (X509_STORE_add_crl(store, list.get()) != 1) return BadPart("the revocation list");
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
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
  // What stands between our certificate and its authority is in the identity: OpenSSL need not look for it each time.
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
  // One read of the stream brings several records.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, kReadAheadBytes);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Create(const TlsIdentity& identity) {
  ERR_clear_error();
  if (identity.pinned.empty() == identity.ca.empty())
    return absl::InvalidArgumentError(
        "TLS: peers are believed by an authority's word or by pinned certificates, one of them");
  // In a guest nothing of ours may run when its process ends: other threads may still send then.
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
  SSL_CTX* raw = SSL_CTX_new(TLS_method());
  X509_STORE* const peers = X509_STORE_new();
  std::unique_ptr<TlsContext> context(new TlsContext(raw, peers));
  if (raw == nullptr || peers == nullptr)
    return absl::InternalError(absl::StrCat("OpenSSL: ", TakeTlsReason("no TLS context")));
  RETURN_IF_ERROR(Configure(raw));
  RETURN_IF_ERROR(identity.pinned.empty() ? LoadTrusted(peers, identity.ca, "the authority's certificate")
                                          : LoadPinned(peers, identity.pinned));
  RETURN_IF_ERROR(LoadCertificate(raw, identity.certificate));
  RETURN_IF_ERROR(LoadKey(raw, identity.key));
  RETURN_IF_ERROR(LoadRevocations(peers, identity.crl));
  return context;
}

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Believing(const std::string& pinned) const {
  ERR_clear_error();
  X509_STORE* const peers = X509_STORE_new();
  if (peers == nullptr) return absl::ResourceExhaustedError("OpenSSL: out of memory");
  SSL_CTX_up_ref(context_);
  std::unique_ptr<TlsContext> context(new TlsContext(context_, peers));
  RETURN_IF_ERROR(LoadPinned(peers, pinned));
  return context;
}

TlsContext::~TlsContext() {
  X509_STORE_free(peers_);
  SSL_CTX_free(context_);
}

}  // namespace xpool::transport
