#include "pki/identity.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "pki/pem.h"
#include "pki/revocations.h"

namespace xpool::pki {
namespace {

using transport::CertificatePtr;
using transport::FreeWith;
using transport::KeyPtr;
using StorePtr = std::unique_ptr<X509_STORE, FreeWith<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, FreeWith<X509_STORE_CTX_free>>;
using BorrowedPtr = std::unique_ptr<STACK_OF(X509), decltype([](STACK_OF(X509) * stack) { sk_X509_free(stack); })>;
using Certificates = std::vector<CertificatePtr>;

constexpr size_t kMostBetween = 4, kMostAuthorities = 8;

// The file's parts as OpenSSL has them.
struct Parts {
  CertificatePtr own;
  Certificates between, authorities;
  KeyPtr key;
  std::vector<RevocationList> lists;
};

absl::Status AddCertificate(const PemBlock& block, Parts* parts) {
  CertificatePtr certificate = transport::NextCertificate(transport::PemReader(block.text).get());
  if (certificate == nullptr) return BadBlock(block, "the certificate cannot be read");
  if (parts->own == nullptr && parts->key == nullptr) {
    parts->own = std::move(certificate);
    return absl::OkStatus();
  }
  const bool is_authority = parts->key != nullptr;
  Certificates& list = is_authority ? parts->authorities : parts->between;
  list.push_back(std::move(certificate));
  if (list.size() <= (is_authority ? kMostAuthorities : kMostBetween)) return absl::OkStatus();
  return BadBlock(block, "too many certificates; the authorities' stand after the private key");
}

absl::Status AddKey(const PemBlock& block, Parts* parts) {
  if (parts->key != nullptr) return BadBlock(block, "a second private key");
  if (block.label == "ENCRYPTED PRIVATE KEY" || block.text.find("ENCRYPTED") != std::string_view::npos)
    return BadBlock(block,
                    "the private key has a passphrase, and nobody would be there to type it: remove it with"
                    " 'openssl pkey -in FILE'");
  parts->key = transport::NextKey(transport::PemReader(block.text).get());
  if (parts->key == nullptr) return BadBlock(block, "the private key cannot be read");
  return absl::OkStatus();
}

absl::Status AddBlock(const PemBlock& block, Parts* parts) {
  if (block.label == "CERTIFICATE") return AddCertificate(block, parts);
  if (block.label.ends_with("PRIVATE KEY")) return AddKey(block, parts);
  if (block.label != "X509 CRL") return BadBlock(block, "this has no place in an identity (see 'xpool help ca show')");
  ASSIGN_OR_RETURN(RevocationList list, ReadRevocationList(block));
  parts->lists.push_back(std::move(list));
  return absl::OkStatus();
}

absl::Status CheckComplete(const Parts& parts) {
  if (parts.own == nullptr) return absl::DataLossError("there is no certificate before the private key in it");
  if (parts.key == nullptr)
    return absl::DataLossError("there is no private key in it; an identity is what 'xpool ca issue' writes");
  if (parts.authorities.empty())
    return absl::DataLossError("there is no authority's certificate after the private key: nobody would be believed");
  if (X509_check_private_key(parts.own.get(), parts.key.get()) == 1) return absl::OkStatus();
  ERR_clear_error();
  return absl::FailedPreconditionError(
      "its private key does not belong to its first certificate: two identities were"
      " mixed up; issue it anew");
}

absl::StatusOr<Parts> ReadParts(std::string_view text) {
  if (text.size() > kMostIdentityBytes)
    return absl::DataLossError(absl::StrCat("an identity has at most ", kMostIdentityBytes, " bytes"));
  ASSIGN_OR_RETURN(const std::vector<PemBlock> blocks, SplitPem(text));
  Parts parts;
  for (const PemBlock& block : blocks) RETURN_IF_ERROR(AddBlock(block, &parts));
  RETURN_IF_ERROR(CheckComplete(parts));
  return parts;
}

std::string TextOf(const Certificates& certificates) {
  std::string text;
  for (const CertificatePtr& certificate : certificates) text += transport::ToPem(certificate.get());
  return text;
}

absl::StatusOr<Certificates> CertificatesIn(const std::string& pem) {
  Certificates certificates;
  const transport::BioPtr bio = transport::PemReader(pem);
  while (CertificatePtr next = transport::NextCertificate(bio.get())) certificates.push_back(std::move(next));
  if (!transport::PemEndedWell()) return absl::DataLossError(transport::TakeTlsReason("a certificate cannot be read"));
  return certificates;
}

void SetRevocations(const std::vector<RevocationList>& lists, Identity* identity) {
  identity->tls.crl = ToPem(lists);
  identity->revocations.clear();
  for (const RevocationList& list : lists) {
    identity->revocations.push_back({list.issuer, list.number, list.made_unix_s, list.ends_unix_s, list.revoked_count});
  }
}

absl::Status CheckTimes(const CertificateFacts& own, int64_t now_unix_s) {
  if (now_unix_s > own.not_after_unix_s) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it has expired: ", RoleName(own.role), " ", own.name, " was valid until ", FormatUtc(own.not_after_unix_s),
        "; have it issued anew (xpool ca issue ", RoleName(own.role), " ", own.name, ")"));
  }
  if (now_unix_s >= own.not_before_unix_s) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("it is not valid before ", FormatUtc(own.not_before_unix_s),
                                                    ", and this machine's clock says ", FormatUtc(now_unix_s),
                                                    ": is it right?"));
}

absl::Status CheckRole(const CertificateFacts& own, std::optional<Role> role) {
  if (!role.has_value() || own.role == *role) return absl::OkStatus();
  // Who may lend may borrow.
  if (*role == Role::kUser && own.role == Role::kNode) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "it is that of ", RoleName(own.role), " ", own.name, ", and here a ", RoleName(*role),
      "'s is needed (xpool ca issue ", RoleName(*role), *role == Role::kNode ? " NAME --address ADDRESS)" : " NAME)"));
}

absl::Status ChainError(const X509_STORE_CTX* context, const CertificateFacts& own) {
  const int error = X509_STORE_CTX_get_error(context);
  const std::string who = absl::StrCat(RoleName(own.role), " ", own.name);
  switch (error) {
    case X509_V_ERR_CERT_REVOKED:
      return absl::FailedPreconditionError(absl::StrCat(who, " was revoked (serial number ", own.serial,
                                                        "): nobody takes this identity any more; have it issued anew"));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      return absl::FailedPreconditionError(absl::StrCat("the certificate of ", who, " is signed by ", own.issuer,
                                                        ", which is none of the authorities in it"));
    case X509_V_ERR_UNABLE_TO_GET_CRL:
      return absl::FailedPreconditionError(
          absl::StrCat("it has revocation lists, but none of the authority that signed ", who, "'s certificate"));
    default:
      return absl::FailedPreconditionError(
          absl::StrCat("peers would not take the certificate of ", who, ": ", X509_verify_cert_error_string(error)));
  }
}

absl::Status AddToStore(const Identity& identity, X509_STORE* store) {
  ASSIGN_OR_RETURN(const Certificates authorities, CertificatesIn(identity.tls.ca));
  for (const CertificatePtr& authority : authorities) X509_STORE_add_cert(store, authority.get());
  if (identity.tls.crl.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<RevocationList> lists, ParseRevocations(identity.tls.crl));
  for (const RevocationList& list : lists) X509_STORE_add_crl(store, list.list.get());
  return absl::OkStatus();
}

// As a peer with the same authorities would, at |now_unix_s|.
absl::Status CheckChain(const Identity& identity, int64_t now_unix_s) {
  ASSIGN_OR_RETURN(const Certificates own, CertificatesIn(identity.tls.certificate));
  const StorePtr store(X509_STORE_new());
  const StoreContextPtr context(X509_STORE_CTX_new());
  const BorrowedPtr between(sk_X509_new_null());
  for (const CertificatePtr& certificate : own) sk_X509_push(between.get(), certificate.get());
  if (store == nullptr || context == nullptr || between == nullptr || own.empty() ||
      X509_STORE_CTX_init(context.get(), store.get(), own.front().get(), between.get()) != 1)
    return absl::InternalError(absl::StrCat("OpenSSL: ", transport::TakeTlsReason("out of memory")));
  RETURN_IF_ERROR(AddToStore(identity, store.get()));
  X509_STORE_CTX_set_default(context.get(), "ssl_client");
  X509_STORE_CTX_set_time(context.get(), 0, now_unix_s);
  X509_STORE_CTX_set_flags(context.get(), identity.tls.crl.empty() ? 0 : X509_V_FLAG_CRL_CHECK);
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return good ? absl::OkStatus() : ChainError(context.get(), identity.own);
}

absl::Status InFile(const std::string& path, const absl::Status& status) {
  return status.ok() ? status : absl::Status(status.code(), absl::StrCat(path, ": ", std::string(status.message())));
}

absl::Status NoIdentity(const std::string& path, Role role) {
  const char* how = role == Role::kNode ? "'xpool ca issue node NAME --address ADDRESS' makes one; put it there"
                                        : "ask whoever runs your machines for one ('xpool ca issue user NAME' makes it)"
                                          " and put it there, or name another file in XPOOL_IDENTITY";
  return absl::NotFoundError(absl::StrCat("there is no identity in ", path, ": ", how));
}

absl::Status AddRevocationsBeside(const std::string& path, Identity* identity) {
  const std::string beside = RevocationsBeside(path);
  const absl::StatusOr<std::string> text = ReadFile(beside, kMostRevocationBytes, FileTrust::kOurs);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  RETURN_IF_ERROR(text.status());
  return InFile(beside, AddRevocations(*text, identity));
}

}  // namespace

absl::StatusOr<Identity> ParseIdentity(std::string_view text) {
  ASSIGN_OR_RETURN(Parts parts, ReadParts(text));
  Identity identity;
  ASSIGN_OR_RETURN(identity.own, DescribeCertificate(parts.own.get()));
  if (identity.own.role == Role::kAuthority)
    return absl::DataLossError("the first certificate in it is an authority's, which is nobody's identity");
  for (const CertificatePtr& authority : parts.authorities) {
    ASSIGN_OR_RETURN(CertificateFacts facts, DescribeCertificate(authority.get()));
    if (facts.role != Role::kAuthority)
      return absl::DataLossError(absl::StrCat("the certificate of ", facts.name,
                                              " stands after the private key, but it"
                                              " is no authority's"));
    identity.authorities.push_back(std::move(facts));
  }
  identity.tls = {.ca = TextOf(parts.authorities),
                  .certificate = transport::ToPem(parts.own.get()) + TextOf(parts.between),
                  .key = transport::ToPem(parts.key.get())};
  SetRevocations(NewestOf(std::move(parts.lists), parts.authorities), &identity);
  return identity;
}

absl::Status CheckIdentity(const Identity& identity, std::optional<Role> role, int64_t now_unix_s) {
  RETURN_IF_ERROR(CheckRole(identity.own, role));
  RETURN_IF_ERROR(CheckTimes(identity.own, now_unix_s));
  return CheckChain(identity, now_unix_s);
}

absl::Status AddRevocations(std::string_view text, Identity* identity) {
  ASSIGN_OR_RETURN(std::vector<RevocationList> lists, ParseRevocations(text));
  if (!identity->tls.crl.empty()) {
    ASSIGN_OR_RETURN(std::vector<RevocationList> before, ParseRevocations(identity->tls.crl));
    for (RevocationList& list : before) lists.push_back(std::move(list));
  }
  ASSIGN_OR_RETURN(const Certificates authorities, CertificatesIn(identity->tls.ca));
  const std::vector<RevocationList> newest = NewestOf(std::move(lists), authorities);
  // Going on without any would look as if they were watched.
  if (newest.empty()) {
    return absl::FailedPreconditionError(
        "none of the revocation lists in it is one of this identity's authorities: is it another laboratory's?");
  }
  SetRevocations(newest, identity);
  return absl::OkStatus();
}

std::string RevocationsBeside(const std::string& path) {
  return (std::filesystem::path(path).parent_path() / "crl.pem").string();
}

absl::StatusOr<Identity> ReadIdentity(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMostIdentityBytes, FileTrust::kPrivate));
  absl::StatusOr<Identity> identity = ParseIdentity(text);
  if (!identity.ok()) return InFile(path, identity.status());
  RETURN_IF_ERROR(AddRevocationsBeside(path, &*identity));
  return identity;
}

absl::StatusOr<Identity> LoadIdentity(const std::string& path, Role role, int64_t now_unix_s) {
  absl::StatusOr<Identity> identity = ReadIdentity(path);
  if (absl::IsNotFound(identity.status())) return NoIdentity(path, role);
  RETURN_IF_ERROR(identity.status());
  RETURN_IF_ERROR(InFile(path, CheckIdentity(*identity, role, now_unix_s)));
  return identity;
}

std::string IdentityText(const transport::TlsIdentity& tls, const CertificateFacts& own) {
  return absl::StrCat(
      "# xpool identity of ", RoleName(own.role), " ", own.name, ", valid until ", FormatUtc(own.not_after_unix_s),
      ".\n# It holds a private key: keep it to yourself (mode 0600).\n", tls.certificate, tls.key, tls.ca, tls.crl);
}

}  // namespace xpool::pki
