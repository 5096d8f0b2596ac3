#include "pki/revocations.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/status.h"

namespace xpool::pki {
namespace {

using IntegerPtr = std::unique_ptr<ASN1_INTEGER, transport::FreeWith<ASN1_INTEGER_free>>;

// 0 for a list that has none, or one beyond what we would write.
uint64_t NumberOf(const X509_CRL* list) {
  const IntegerPtr number(static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(list, NID_crl_number, nullptr, nullptr)));
  uint64_t value = 0;
  return number != nullptr && ASN1_INTEGER_get_uint64(&value, number.get()) == 1 ? value : 0;
}

std::string IssuerOf(const X509_CRL* list) {
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_CRL_get_issuer(list), NID_commonName, name, sizeof(name));
  return name;
}

}  // namespace

bool RevocationList::IsSignedBy(X509* authority) const {
  const bool is_signed = X509_CRL_verify(list.get(), X509_get0_pubkey(authority)) == 1;
  ERR_clear_error();
  return is_signed;
}

absl::StatusOr<RevocationList> ReadRevocationList(const PemBlock& block) {
  RevocationList read;
  read.list = transport::NextRevocationList(transport::PemReader(block.text).get());
  if (read.list == nullptr) return BadBlock(block, "the revocation list cannot be read");
  X509_CRL* list = read.list.get();
  read.issuer = IssuerOf(list);
  read.number = NumberOf(list);
  read.made_unix_s = transport::UnixSeconds(X509_CRL_get0_lastUpdate(list));
  read.ends_unix_s =
      X509_CRL_get0_nextUpdate(list) == nullptr ? 0 : transport::UnixSeconds(X509_CRL_get0_nextUpdate(list));
  read.revoked_count = static_cast<size_t>(std::max(0, sk_X509_REVOKED_num(X509_CRL_get_REVOKED(list))));
  ERR_clear_error();
  return read;
}

absl::StatusOr<std::vector<RevocationList>> ParseRevocations(std::string_view text) {
  if (text.size() > kMostRevocationBytes)
    return absl::DataLossError(absl::StrCat("revocation lists of more than ", kMostRevocationBytes, " bytes"));
  ASSIGN_OR_RETURN(const std::vector<PemBlock> blocks, SplitPem(text));
  std::vector<RevocationList> lists;
  for (const PemBlock& block : blocks) {
    if (block.label != "X509 CRL") return BadBlock(block, "this is no revocation list (X509 CRL)");
    ASSIGN_OR_RETURN(RevocationList list, ReadRevocationList(block));
    lists.push_back(std::move(list));
  }
  if (lists.empty()) return absl::DataLossError("there is no revocation list (X509 CRL) in it");
  return lists;
}

std::vector<RevocationList> NewestOf(std::vector<RevocationList> lists,
                                     const std::vector<transport::CertificatePtr>& authorities) {
  std::vector<RevocationList> newest;
  for (const transport::CertificatePtr& authority : authorities) {
    RevocationList* best = nullptr;
    for (RevocationList& list : lists) {
      if (list.list == nullptr || !list.IsSignedBy(authority.get())) continue;
      if (best == nullptr || list.number > best->number) best = &list;
    }
    if (best != nullptr) newest.push_back(std::move(*best));
  }
  return newest;
}

std::string ToPem(const std::vector<RevocationList>& lists) {
  std::string text;
  for (const RevocationList& list : lists) text += transport::ToPem(list.list.get());
  return text;
}

}  // namespace xpool::pki
