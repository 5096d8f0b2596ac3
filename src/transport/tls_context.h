// Who this process is in TLS, and whose word it takes: a certificate with its key, and the one authority that signs its
// peers. Part of xpool_transport_tls, which links OpenSSL (libssl, libcrypto): as shared libraries into our own
// programs, and as archives whose symbols nobody sees into what is loaded into a user's process, since the program may
// bring an OpenSSL of its own.
//
// TLS 1.3 alone, both sides show a certificate, no session tickets and so no resumption past a certificate's end, none
// of the system's authorities, no configuration file of OpenSSL's is asked for anything. With revocation lists a peer's
// certificate must not be on its authority's, nor that list past its end. Immutable once made; thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct ssl_ctx_st;
struct x509_store_st;

namespace xpool::transport {

// All PEM text.
struct TlsIdentity {
  std::string ca;           // the authority's certificate, or several; none where |pinned| are enough
  std::string certificate;  // ours, then those between it and the authority
  std::string key;          // its private key, without passphrase
  std::string crl;          // a revocation list (X.509 CRL) of each of |ca|; or empty: nothing is ever revoked
  std::string pinned;       // certificates that are believed as they are; no revocation list is asked about them
};

class TlsContext {
 public:
  // INVALID_ARGUMENT says which part cannot be used and why.
  static absl::StatusOr<std::unique_ptr<TlsContext>> Create(const TlsIdentity& identity);
  // Shows the same certificate, and believes the |pinned| ones alone; costs a tenth of a context made anew. Both may be
  // destroyed in any order.
  absl::StatusOr<std::unique_ptr<TlsContext>> Believing(const std::string& pinned) const;
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  ssl_ctx_st* get() const { return context_; }
  // Of the peers that are believed.
  x509_store_st* peers() const { return peers_; }

 private:
  // Each takes over one reference.
  TlsContext(ssl_ctx_st* context, x509_store_st* peers) : context_(context), peers_(peers) {}
  ssl_ctx_st* const context_;
  x509_store_st* const peers_;
};

}  // namespace xpool::transport
