#include "pki/authority.h"

#include <openssl/err.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "pki/identity.h"
#include "pki/names.h"
#include "pki/revocations.h"

namespace xpool::pki {
namespace {

using transport::CertificatePtr;
using transport::CertificateSpec;
using transport::KeyPtr;

constexpr mode_t kSecret = 0600, kPublic = 0644;
constexpr size_t kMostPemBytes = 64 << 10;

std::string IndexPath(const std::string& directory) { return directory + "/index.jsonl"; }

absl::Status CheckDays(int days) {
  if (days >= 1 && days <= kMostDays) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(days, " days: it can be 1 to ", kMostDays));
}

// OpenSSL's own name for a string that was not written.
absl::Status CheckWritten(const std::string& pem) {
  if (!pem.empty()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("OpenSSL: ", transport::TakeTlsReason("out of memory")));
}

absl::Status NoAuthority(const std::string& directory) {
  return absl::NotFoundError(absl::StrCat("there is no authority in ", directory,
                                          ": make one with 'xpool ca init', or say where it is with --ca-dir"));
}

absl::Status Unfit(const std::string& path, const std::string& why) {
  return absl::DataLossError(
      absl::StrCat(path, " cannot be used: ", why, "; it was kept as it is, restore the folder from a backup"));
}

CertificateSpec AuthoritySpec(const std::string& name, int days, int64_t now_unix_s) {
  return {.name = name,
          .authority = true,
          .not_before_unix_s = now_unix_s - kBackdateSeconds,
          .not_after_unix_s = now_unix_s + days * kSecondsPerDay};
}

bool Matches(const IssuedIdentity& identity, const std::string& name_or_serial) {
  const std::string serial = absl::AsciiStrToLower(absl::StrReplaceAll(name_or_serial, {{":", ""}}));
  return identity.certificate.name == name_or_serial || identity.certificate.serial == serial;
}

bool IsUnexpired(const IssuedIdentity& identity, int64_t now_unix_s) {
  return identity.certificate.not_after_unix_s >= now_unix_s;
}

}  // namespace

absl::Status Authority::Create(const std::string& directory, const std::string& name, int days, int64_t now_unix_s) {
  RETURN_IF_ERROR(CheckNodeName("the laboratory's name", name));
  RETURN_IF_ERROR(CheckDays(days));
  RETURN_IF_ERROR(EnsurePrivateDirectory(directory));
  ASSIGN_OR_RETURN(FileLock lock, FileLock::Take(directory + "/lock"));
  if (access(IndexPath(directory).c_str(), F_OK) == 0) {
    return absl::AlreadyExistsError(absl::StrCat("there is an authority in ", directory,
                                                 " already; 'xpool ca rotate' gives it a new key, --ca-dir makes"
                                                 " another one elsewhere"));
  }
  Authority authority(directory, std::move(lock));
  RETURN_IF_ERROR(authority.AddGeneration(name, days, now_unix_s));
  return authority.WritePublic(now_unix_s);
}

absl::StatusOr<Authority> Authority::Open(const std::string& directory) {
  if (access(IndexPath(directory).c_str(), F_OK) != 0 && errno == ENOENT) return NoAuthority(directory);
  RETURN_IF_ERROR(EnsurePrivateDirectory(directory));
  ASSIGN_OR_RETURN(FileLock lock, FileLock::Take(directory + "/lock"));
  Authority authority(directory, std::move(lock));
  RETURN_IF_ERROR(authority.Load());
  return authority;
}

absl::Status Authority::Load() {
  const std::string path = IndexPath(directory_);
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMostIndexBytes, FileTrust::kPrivate));
  absl::StatusOr<IssueIndex> index = IssueIndex::Parse(text);
  if (!index.ok()) return Unfit(path, std::string(index.status().message()));
  if (index->generations().empty()) return Unfit(path, "it is empty");
  index_ = *std::move(index);
  ASSIGN_OR_RETURN(current_, LoadKey(index_.current().number));
  if (const Generation* previous = index_.previous(); previous != nullptr) {
    ASSIGN_OR_RETURN(previous_, LoadKey(previous->number));
  }
  return absl::OkStatus();
}

absl::StatusOr<Authority::Key> Authority::LoadKey(int generation) const {
  const std::string key_path = Path(generation, ".key");
  ASSIGN_OR_RETURN(const std::string certificate, ReadFile(Path(generation, ".pem"), kMostPemBytes, FileTrust::kOurs));
  ASSIGN_OR_RETURN(const std::string key, ReadFile(key_path, kMostPemBytes, FileTrust::kPrivate));
  Key loaded{generation, transport::NextCertificate(transport::PemReader(certificate).get()),
             transport::NextKey(transport::PemReader(key).get())};
  ERR_clear_error();
  if (loaded.certificate == nullptr || loaded.key == nullptr) return Unfit(key_path, "it or its certificate is no PEM");
  ASSIGN_OR_RETURN(const CertificateFacts facts, DescribeCertificate(loaded.certificate.get()));
  const Generation& noted = index_.generations()[static_cast<size_t>(generation) - 1];
  if (X509_check_private_key(loaded.certificate.get(), loaded.key.get()) != 1 ||
      facts.fingerprint != noted.certificate.fingerprint)
    return Unfit(key_path, "key, certificate and index.jsonl do not belong together");
  return loaded;
}

std::string Authority::Path(int generation, const char* end) const {
  return absl::StrCat(directory_, "/authority-", generation, end);
}

absl::Status Authority::AddGeneration(const std::string& name, int days, int64_t now_unix_s) {
  Key made{static_cast<int>(index_.generations().size()) + 1, nullptr, nullptr};
  ASSIGN_OR_RETURN(made.key, transport::NewKey());
  const CertificateSpec spec = AuthoritySpec(name, days, now_unix_s);
  ASSIGN_OR_RETURN(made.certificate, transport::MakeCertificate(spec, made.key.get(), {nullptr, made.key.get()}));
  const std::string key = transport::ToPem(made.key.get());
  RETURN_IF_ERROR(CheckWritten(key));
  absl::Status written = WriteFileDurably(Path(made.generation, ".key"), key, kSecret, IfExists::kRefuse);
  if (absl::IsAlreadyExists(written)) {
    return absl::AlreadyExistsError(
        absl::StrCat(std::string(written.message()),
                     ", but index.jsonl knows nothing of it: if it is left from an attempt that was"
                     " cut off, remove it; if the index was lost, restore that from a backup"));
  }
  RETURN_IF_ERROR(written);
  RETURN_IF_ERROR(WriteFileDurably(Path(made.generation, ".pem"), transport::ToPem(made.certificate.get()), kPublic,
                                   IfExists::kReplace));
  if (current_.key != nullptr) RETURN_IF_ERROR(CrossSign(made, now_unix_s));
  ASSIGN_OR_RETURN(const CertificateFacts facts, DescribeCertificate(made.certificate.get()));
  IssueIndex index = index_;
  index.AddGeneration(facts, now_unix_s);
  RETURN_IF_ERROR(WriteIndex(std::move(index)));
  previous_ = std::move(current_);
  current_ = std::move(made);
  return absl::OkStatus();
}

// The new authority's certificate by the old one, as long as either lasts.
absl::Status Authority::CrossSign(const Key& made, int64_t now_unix_s) {
  const CertificateFacts& before = index_.current().certificate;
  CertificateSpec spec = AuthoritySpec(before.name, 0, now_unix_s);
  spec.not_after_unix_s =
      std::min(before.not_after_unix_s, transport::UnixSeconds(X509_get0_notAfter(made.certificate.get())));
  ASSIGN_OR_RETURN(const CertificatePtr cross, transport::MakeCertificate(spec, made.key.get(), current_.signer()));
  return WriteFileDurably(CrossPath(made.generation), transport::ToPem(cross.get()), kPublic, IfExists::kReplace);
}

std::string Authority::CrossPath(int generation) const {
  return Path(generation, absl::StrCat("-by-", generation - 1, ".pem").c_str());
}

absl::Status Authority::WriteIndex(IssueIndex index) {
  if (index.text().size() > kMostIndexBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(IndexPath(directory_), " would be longer than ", kMostIndexBytes,
                                                     " bytes: remove lines of expired identities"));
  }
  const bool is_first = index_.generations().empty();
  RETURN_IF_ERROR(WriteFileDurably(IndexPath(directory_), index.text(), kSecret,
                                   is_first ? IfExists::kRefuse : IfExists::kReplace));
  index_ = std::move(index);
  return absl::OkStatus();
}

std::string Authority::TrustText() const {
  std::string text = transport::ToPem(current_.certificate.get());
  if (previous_.key != nullptr) text += transport::ToPem(previous_.certificate.get());
  return text;
}

// All that follows from the index and the keys.
absl::Status Authority::WritePublic(int64_t now_unix_s) {
  ASSIGN_OR_RETURN(lists_, OwnRevocations(now_unix_s));
  ASSIGN_OR_RETURN(const std::string last, LastRevocations(now_unix_s));
  RETURN_IF_ERROR(WriteFileDurably(revocations_path(), lists_ + last, kPublic, IfExists::kReplace));
  RETURN_IF_ERROR(WriteFileDurably(trust_path(), TrustText(), kPublic, IfExists::kReplace));
  for (const Generation& generation : index_.generations()) {
    const std::string key = Path(generation.number, ".key");
    if (generation.retired_unix_s != 0 && unlink(key.c_str()) != 0 && errno != ENOENT)
      return ErrnoStatus(absl::StrCat("cannot remove ", key));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Authority::OwnRevocations(int64_t now_unix_s) const {
  const uint64_t number = NextListNumber(now_unix_s);
  std::string text;
  for (const Key* key : {&current_, &previous_}) {
    if (key->key == nullptr) continue;
    ASSIGN_OR_RETURN(const std::string list, RevocationsBy(*key, number, /*last=*/false, now_unix_s));
    text += list;
  }
  return text;
}

// Of retired generations, as long as somebody might believe them.
absl::StatusOr<std::string> Authority::LastRevocations(int64_t now_unix_s) const {
  std::string text;
  for (const Generation& generation : index_.generations()) {
    if (generation.retired_unix_s == 0 || generation.certificate.not_after_unix_s < now_unix_s) continue;
    ASSIGN_OR_RETURN(const std::string list,
                     ReadFile(Path(generation.number, "-last.crl"), kMostRevocationBytes, FileTrust::kOurs));
    text += list;
  }
  return text;
}

// By the rules of X.509 a list is about all that was issued under its signer's name, whatever the key. With |last| it
// takes back all of its own generation too.
absl::StatusOr<std::string> Authority::RevocationsBy(const Key& key, uint64_t number, bool last,
                                                     int64_t now_unix_s) const {
  transport::RevocationListSpec spec{.number = number,
                                     .made_unix_s = now_unix_s - kBackdateSeconds,
                                     .ends_unix_s = transport::UnixSeconds(X509_get0_notAfter(key.certificate.get()))};
  for (const IssuedIdentity& identity : index_.issued()) {
    const bool ends = last && identity.generation == key.generation;
    // A day more: clocks differ.
    if (!IsUnexpired(identity, now_unix_s - kSecondsPerDay) || (identity.revoked_unix_s == 0 && !ends)) continue;
    const int64_t revoked_unix_s = identity.revoked_unix_s != 0 ? identity.revoked_unix_s : now_unix_s;
    spec.revoked.push_back({identity.certificate.serial, revoked_unix_s});
  }
  if (spec.revoked.size() > kMostRevoked) {
    return absl::ResourceExhaustedError(absl::StrCat(spec.revoked.size(), " identities to take back are more than the ",
                                                     kMostRevoked, " of one list: wait until older ones have expired"));
  }
  ASSIGN_OR_RETURN(const transport::RevocationListPtr list, transport::MakeRevocationList(spec, key.signer()));
  const std::string text = transport::ToPem(list.get());
  RETURN_IF_ERROR(CheckWritten(text));
  return text;
}

// Higher than all before, whatever the clock does.
uint64_t Authority::NextListNumber(int64_t now_unix_s) const {
  uint64_t number = static_cast<uint64_t>(std::max<int64_t>(now_unix_s, 1));
  const absl::StatusOr<std::string> text = ReadFile(revocations_path(), kMostRevocationBytes);
  if (!text.ok()) return number;
  const absl::StatusOr<std::vector<RevocationList>> lists = ParseRevocations(*text);
  if (!lists.ok()) return number;
  for (const RevocationList& list : *lists) number = std::max(number, list.number + 1);
  return number;
}

absl::Status Authority::CheckRequest(const IssueRequest& request, int64_t now_unix_s) const {
  RETURN_IF_ERROR(request.role == Role::kNode ? CheckNodeName("the node's name", request.name)
                                              : CheckUserName("the user's name", request.name));
  if (request.days != 0) RETURN_IF_ERROR(CheckDays(request.days));
  const CertificateFacts& own = index_.current().certificate;
  if (now_unix_s >= own.not_after_unix_s) {
    return absl::FailedPreconditionError(absl::StrCat("the authority ", own.name, " has expired at ",
                                                      FormatUtc(own.not_after_unix_s), ": xpool ca rotate"));
  }
  for (const IssuedIdentity& other : index_.Accepted(now_unix_s)) {
    if (other.certificate.name != request.name || other.certificate.role == request.role) continue;
    return absl::AlreadyExistsError(absl::StrCat(request.name, " is the name of a ", RoleName(other.certificate.role),
                                                 "; choose another for the ", RoleName(request.role),
                                                 ", or take it back first: xpool ca revoke ", request.name));
  }
  return absl::OkStatus();
}

absl::StatusOr<CertificatePtr> Authority::Sign(const IssueRequest& request, EVP_PKEY* key, int64_t now_unix_s) const {
  CertificateSpec spec{.name = request.name, .serves = request.role == Role::kNode};
  if (request.role == Role::kNode) {
    ASSIGN_OR_RETURN(NodeAddresses addresses, ParseAddresses(request.addresses));
    spec.dns_names = std::move(addresses.dns_names);
    spec.ip_addresses = std::move(addresses.ip_addresses);
  }
  const int usual_days = request.role == Role::kNode ? kNodeDays : kUserDays;
  const int days = request.days != 0 ? request.days : usual_days;
  spec.not_before_unix_s = now_unix_s - kBackdateSeconds;
  spec.not_after_unix_s = std::min(now_unix_s + days * kSecondsPerDay, index_.current().certificate.not_after_unix_s);
  return transport::MakeCertificate(spec, key, current_.signer());
}

// For those who know the previous generation only.
absl::StatusOr<std::string> Authority::Between(int64_t now_unix_s) const {
  if (previous_.key == nullptr || index_.previous()->certificate.not_after_unix_s < now_unix_s) return std::string();
  return ReadFile(CrossPath(current_.generation), kMostPemBytes, FileTrust::kOurs);
}

absl::StatusOr<Issued> Authority::Issue(const IssueRequest& request, int64_t now_unix_s) {
  RETURN_IF_ERROR(CheckRequest(request, now_unix_s));
  ASSIGN_OR_RETURN(const KeyPtr key, transport::NewKey());
  ASSIGN_OR_RETURN(const CertificatePtr certificate, Sign(request, key.get(), now_unix_s));
  ASSIGN_OR_RETURN(const std::string between, Between(now_unix_s));
  Issued issued;
  ASSIGN_OR_RETURN(issued.certificate, DescribeCertificate(certificate.get()));
  issued.shortened = issued.certificate.not_after_unix_s == index_.current().certificate.not_after_unix_s;
  std::vector<int> trusts = {current_.generation};
  if (previous_.key != nullptr) trusts.push_back(previous_.generation);
  IssueIndex index = index_;
  index.AddIssued(issued.certificate, std::move(trusts), now_unix_s);
  RETURN_IF_ERROR(WriteIndex(std::move(index)));
  RETURN_IF_ERROR(WritePublic(now_unix_s));
  const transport::TlsIdentity tls{.ca = TrustText(),
                                   .certificate = transport::ToPem(certificate.get()) + between,
                                   .key = transport::ToPem(key.get()),
                                   .crl = lists_};
  RETURN_IF_ERROR(CheckWritten(tls.key));
  issued.text = IdentityText(tls, issued.certificate);
  return issued;
}

absl::StatusOr<std::vector<IssuedIdentity>> Authority::Revoke(const std::string& name_or_serial, int64_t now_unix_s) {
  std::vector<IssuedIdentity> revoked;
  IssueIndex index = index_;
  for (const IssuedIdentity& identity : index_.Accepted(now_unix_s)) {
    if (!Matches(identity, name_or_serial)) continue;
    index.AddRevoked(identity.certificate.serial, now_unix_s);
    revoked.push_back(identity);
  }
  if (revoked.empty()) {
    RETURN_IF_ERROR(CheckWasRevoked(name_or_serial, now_unix_s));
  } else {
    RETURN_IF_ERROR(WriteIndex(std::move(index)));
  }
  RETURN_IF_ERROR(WritePublic(now_unix_s));
  return revoked;
}

absl::Status Authority::CheckWasRevoked(const std::string& name_or_serial, int64_t now_unix_s) const {
  bool was_issued = false;
  for (const IssuedIdentity& identity : index_.issued()) {
    if (!Matches(identity, name_or_serial)) continue;
    was_issued = true;
    if (identity.revoked_unix_s != 0 && IsUnexpired(identity, now_unix_s)) return absl::OkStatus();
  }
  const char* why = was_issued ? " has no identity that anybody would still take"
                               : ": no identity with that name or serial number was issued here";
  return absl::NotFoundError(absl::StrCat(Quoted(name_or_serial), why, "; 'xpool ca list --all' shows all"));
}

absl::Status Authority::Rotate(int days, int64_t now_unix_s) {
  RETURN_IF_ERROR(CheckDays(days));
  if (previous_.key != nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the last rotation is not finished: the authority from before it is still trusted; issue anew what 'xpool ca"
        " list' says, then 'xpool ca retire', then rotate"));
  }
  RETURN_IF_ERROR(AddGeneration(index_.current().certificate.name, days, now_unix_s));
  return WritePublic(now_unix_s);
}

absl::Status Authority::Retire(bool force, int64_t now_unix_s) {
  if (previous_.key == nullptr) {
    RETURN_IF_ERROR(WritePublic(now_unix_s));  // what a retirement that was cut off had left
    return absl::FailedPreconditionError(
        "there is no previous authority to retire; 'xpool ca rotate' replaces the current one");
  }
  const size_t left = ToIssueAnew(now_unix_s).size();
  if (left != 0 && !force) {
    return absl::FailedPreconditionError(
        absl::StrCat(left, left == 1 ? " identity was" : " identities were",
                     " not yet issued anew and would be refused: 'xpool ca list --old' shows them; issue them with"
                     " 'xpool ca issue', or retire all the same with --force"));
  }
  ASSIGN_OR_RETURN(const std::string last, RevocationsBy(previous_, NextListNumber(now_unix_s), true, now_unix_s));
  RETURN_IF_ERROR(WriteFileDurably(Path(previous_.generation, "-last.crl"), last, kPublic, IfExists::kReplace));
  IssueIndex index = index_;
  index.AddRetired(previous_.generation, now_unix_s);
  RETURN_IF_ERROR(WriteIndex(std::move(index)));
  previous_ = Key();
  return WritePublic(now_unix_s);
}

std::vector<IssuedIdentity> Authority::ToIssueAnew(int64_t now_unix_s) const {
  std::vector<IssuedIdentity> found;
  for (const IssuedIdentity& identity : index_.issued()) {
    const bool is_latest = index_.StandingOf(identity, now_unix_s) == Standing::kValid;
    if (is_latest && identity.generation != current_.generation) found.push_back(identity);
  }
  return found;
}

std::vector<IssuedIdentity> Authority::TrustingRetired(int64_t now_unix_s) const {
  std::vector<IssuedIdentity> found;
  for (const IssuedIdentity& identity : index_.Accepted(now_unix_s)) {
    const bool trusts_retired = std::any_of(identity.trusts.begin(), identity.trusts.end(), [this](int number) {
      const auto place = static_cast<size_t>(number) - 1;
      return place < index_.generations().size() && index_.generations()[place].retired_unix_s != 0;
    });
    if (trusts_retired) found.push_back(identity);
  }
  return found;
}

}  // namespace xpool::pki
