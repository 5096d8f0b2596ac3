// The laboratory's own certification authority: a folder (mode 0700) on one machine, whose keys sign the identities of
// nodes and users (identity.h). `xpool ca` is its one user. In the folder:
//
//   index.jsonl                 what was done (issue_index.h); the rest follows from it and the keys
//   authority-N.key, .pem       key and certificate of generation N
//   authority-N-by-M.pem        generation N signed by the one before, for those who do not know N yet
//   authority-M-last.crl        the last revocation list of a retired generation, whose key is gone
//   trust.pem, crl.pem          for others: whom to believe, and what not any more
//   lock                        held by the process that works here
//
// Rotation: all generations bear one name, so that by the rules of X.509 they are one authority that exchanges its key.
// From Rotate() on new identities are signed by the new key, believe both, and show the new authority's certificate
// signed by the old one: so those that were issued before still know them, and nobody has to act at once. Retire() ends
// that: the old key's last revocation list takes back all that it signed, and the key is deleted.
//
// Files are replaced at once and the index first, so after a crash the folder is as before or after the change; what
// follows from the index is made up for by the next one. Not thread-safe; processes wait for each other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "pki/issue_index.h"
#include "transport/tls_x509.h"

namespace xpool::pki {

inline constexpr int kAuthorityDays = 3650, kNodeDays = 90, kUserDays = 30;
inline constexpr int kMostDays = 36'500;
inline constexpr int64_t kSecondsPerDay = 86'400;
// What is made is valid from so long ago, for machines whose clocks are behind.
inline constexpr int64_t kBackdateSeconds = 10 * 60;

struct IssueRequest {
  Role role = Role::kUser;  // or kNode
  std::string name;
  std::vector<std::string> addresses;  // of a node; see names.h
  int days = 0;                        // 0: kNodeDays or kUserDays
};

struct Issued {
  std::string text;  // the identity file's contents
  CertificateFacts certificate;
  bool shortened = false;  // it ends with the authority, before the days asked for
};

class Authority {
 public:
  // Makes one in |directory|. ALREADY_EXISTS when there is one, PERMISSION_DENIED when others could come at its keys.
  static absl::Status Create(const std::string& directory, const std::string& name, int days, int64_t now_unix_s);

  // Waits for a process that works there. NOT_FOUND when there is none, DATA_LOSS when its files do not fit together.
  static absl::StatusOr<Authority> Open(const std::string& directory);

  // A new identity. It is noted before it is handed out. ALREADY_EXISTS when the name is that of another role.
  absl::StatusOr<Issued> Issue(const IssueRequest& request, int64_t now_unix_s);

  // Takes back all identities of a name, or the one with a serial number, and writes crl.pem; what it took back.
  // NOT_FOUND when nobody would take them anyway. Those taken back before are not, but crl.pem is written again.
  absl::StatusOr<std::vector<IssuedIdentity>> Revoke(const std::string& name_or_serial, int64_t now_unix_s);

  // FAILED_PRECONDITION while the authority before this one is not retired.
  absl::Status Rotate(int days, int64_t now_unix_s);

  // FAILED_PRECONDITION without a previous generation, or when ToIssueAnew() is not empty and not |force|.
  absl::Status Retire(bool force, int64_t now_unix_s);

  // The latest identities of those names for which the current generation has signed none yet.
  std::vector<IssuedIdentity> ToIssueAnew(int64_t now_unix_s) const;
  // Accepted identities that still believe a retired generation, whose key somebody might have kept.
  std::vector<IssuedIdentity> TrustingRetired(int64_t now_unix_s) const;

  const IssueIndex& index() const { return index_; }
  const std::string& directory() const { return directory_; }
  std::string trust_path() const { return directory_ + "/trust.pem"; }
  std::string revocations_path() const { return directory_ + "/crl.pem"; }

 private:
  struct Key {
    int generation = 0;
    transport::CertificatePtr certificate;
    transport::KeyPtr key;

    transport::Signer signer() const { return {certificate.get(), key.get()}; }
  };

  Authority(std::string directory, FileLock lock) : directory_(std::move(directory)), lock_(std::move(lock)) {}

  absl::Status Load();
  absl::StatusOr<Key> LoadKey(int generation) const;
  absl::Status AddGeneration(const std::string& name, int days, int64_t now_unix_s);
  absl::Status CrossSign(const Key& made, int64_t now_unix_s);

  absl::Status CheckRequest(const IssueRequest& request, int64_t now_unix_s) const;
  absl::StatusOr<transport::CertificatePtr> Sign(const IssueRequest& request, EVP_PKEY* key, int64_t now_unix_s) const;
  absl::StatusOr<std::string> Between(int64_t now_unix_s) const;
  absl::Status CheckWasRevoked(const std::string& name_or_serial, int64_t now_unix_s) const;

  absl::StatusOr<std::string> OwnRevocations(int64_t now_unix_s) const;
  absl::StatusOr<std::string> LastRevocations(int64_t now_unix_s) const;
  absl::StatusOr<std::string> RevocationsBy(const Key& key, uint64_t number, bool last, int64_t now_unix_s) const;
  uint64_t NextListNumber(int64_t now_unix_s) const;

  absl::Status WriteIndex(IssueIndex index);
  absl::Status WritePublic(int64_t now_unix_s);
  std::string TrustText() const;
  std::string Path(int generation, const char* end) const;
  std::string CrossPath(int generation) const;

  std::string directory_;
  FileLock lock_;
  IssueIndex index_;
  Key current_, previous_;  // previous_.key is nullptr when there is none
  std::string lists_;       // their revocation lists, as last written
};

}  // namespace xpool::pki
