// What an authority has done: its own generations (one more with each rotation), what it issued, what it took back. It
// is the authority's memory and is kept as JSON, an object a line, oldest first, so that people can read and search it:
//
//   {"event":"authority","generation":1,"name":"lab","fingerprint":"9f..","not_before":..,"not_after":..,"at":..}
//   {"event":"issued","serial":"4c..","name":"gpu1","role":"node","addresses":["10.0.0.2"],"fingerprint":"..",
//    "not_before":..,"not_after":..,"generation":1,"trusts":[1],"at":..}
//   {"event":"revoked","serial":"4c..","at":..}
//   {"event":"retired","generation":1,"at":..}
//
// Times are seconds since 1970. Pure: the authority keeps the text in a file. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "pki/certificate_facts.h"

namespace xpool::pki {

inline constexpr size_t kMostIndexBytes = size_t{64} << 20;  // some 150,000 certificates

struct Generation {
  int number = 0;  // from 1
  CertificateFacts certificate;
  int64_t retired_unix_s = 0;  // 0: it is not
};

struct IssuedIdentity {
  CertificateFacts certificate;
  int generation = 0;       // of the authority that signed it
  std::vector<int> trusts;  // the generations it believes
  int64_t issued_unix_s = 0;
  int64_t revoked_unix_s = 0;  // 0: it is not
};

enum class Standing {
  kValid,
  kReplaced,  // valid, but the same name was issued a later one
  kRevoked,
  kRetired,  // its authority was retired before it expired
  kExpired,
};
const char* StandingName(Standing standing);  // "valid", ...

class IssueIndex {
 public:
  // DATA_LOSS with the line that is not one of the above, or does not fit those before it.
  static absl::StatusOr<IssueIndex> Parse(std::string_view text);

  // Each appends one line to text().
  void AddGeneration(const CertificateFacts& certificate, int64_t now_unix_s);
  // REQUIRES: its serial number is new.
  void AddIssued(const CertificateFacts& certificate, std::vector<int> trusts, int64_t now_unix_s);
  // REQUIRES: |serial| was issued.
  void AddRevoked(const std::string& serial, int64_t now_unix_s);
  void AddRetired(int generation, int64_t now_unix_s);

  // nullptr when there is none.
  const IssuedIdentity* Find(const std::string& serial) const;

  const std::string& text() const { return text_; }
  const std::vector<Generation>& generations() const { return generations_; }
  const std::vector<IssuedIdentity>& issued() const { return issued_; }  // oldest first

  // REQUIRES: there is one.
  const Generation& current() const { return generations_.back(); }
  // The one before the current, as long as it is trusted; nullptr when there is none.
  const Generation* previous() const;

  Standing StandingOf(const IssuedIdentity& identity, int64_t now_unix_s) const;
  // Those that others take at |now_unix_s|: kValid, and kReplaced as well.
  std::vector<IssuedIdentity> Accepted(int64_t now_unix_s) const;

 private:
  class Fields;  // of a line

  absl::Status Apply(std::string_view line);
  absl::Status ApplyGeneration(Fields& fields);
  absl::Status ApplyIssued(Fields& fields);
  absl::Status ApplyRevoked(Fields& fields);
  absl::Status ApplyRetired(Fields& fields);
  static CertificateFacts CertificateIn(Fields& fields);
  bool IsReplaced(const IssuedIdentity& identity, int64_t now_unix_s) const;

  std::string text_;
  std::vector<Generation> generations_;
  std::vector<IssuedIdentity> issued_;
  absl::flat_hash_map<std::string, size_t> by_serial_;             // places in issued_
  absl::flat_hash_map<std::string, std::vector<size_t>> by_name_;  // the same, rising
};

}  // namespace xpool::pki
