#include "pki/issue_index.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/status.h"
#include "pki/names.h"

namespace xpool::pki {
namespace {

using Json = nlohmann::ordered_json;

absl::Status Misfit(const std::string& why) { return absl::DataLossError(why); }

Json ToJson(const char* event, const CertificateFacts& certificate) {
  Json line = {{"event", event}};
  if (certificate.role != Role::kAuthority) line["serial"] = certificate.serial;
  line["name"] = certificate.name;
  if (certificate.role != Role::kAuthority) {
    line["role"] = RoleName(certificate.role);
    line["addresses"] = certificate.addresses;
  }
  line["fingerprint"] = certificate.fingerprint;
  line["not_before"] = certificate.not_before_unix_s;
  line["not_after"] = certificate.not_after_unix_s;
  return line;
}

}  // namespace

// Reads fields of one line; what is missing or of another type makes it bad, once and for all.
class IssueIndex::Fields {
 public:
  explicit Fields(const Json& line) : line_(line) {}

  std::string Text(const char* name) { return Get<std::string>(name, &Json::is_string); }
  int64_t Number(const char* name) { return Get<int64_t>(name, &Json::is_number_integer); }
  template <typename T>
  std::vector<T> List(const char* name, bool (Json::*is)() const noexcept) {
    std::vector<T> values;
    const auto found = line_.find(name);
    good_ = good_ && found != line_.end() && found->is_array();
    if (!good_) return values;
    for (const Json& value : *found) {
      good_ = good_ && (value.*is)();
      if (good_) values.push_back(value.get<T>());
    }
    return values;
  }
  bool good() const { return good_; }

 private:
  template <typename T>
  T Get(const char* name, bool (Json::*is)() const noexcept) {
    const auto found = line_.find(name);
    good_ = good_ && found != line_.end() && ((*found).*is)();
    return good_ ? found->get<T>() : T();
  }

  const Json& line_;
  bool good_ = true;
};

const char* StandingName(Standing standing) {
  switch (standing) {
    case Standing::kValid:
      return "valid";
    case Standing::kReplaced:
      return "replaced";
    case Standing::kRevoked:
      return "revoked";
    case Standing::kRetired:
      return "retired";
    case Standing::kExpired:
      return "expired";
  }
  return "?";
}

absl::StatusOr<IssueIndex> IssueIndex::Parse(std::string_view text) {
  IssueIndex index;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const absl::Status status =
        end == std::string_view::npos ? Misfit("it has no end") : index.Apply(text.substr(0, end));
    if (!status.ok())
      return absl::DataLossError(absl::StrCat("line ", number, " cannot be used: ", std::string(status.message())));
    text.remove_prefix(end + 1);
  }
  return index;
}

absl::Status IssueIndex::Apply(std::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Misfit("it is no JSON object");
  Fields fields(json);
  const std::string event = fields.Text("event");
  if (event == "authority") return ApplyGeneration(fields);
  if (event == "issued") return ApplyIssued(fields);
  if (event == "revoked") return ApplyRevoked(fields);
  if (event == "retired") return ApplyRetired(fields);
  return Misfit("its event is none that is known");
}

CertificateFacts IssueIndex::CertificateIn(Fields& fields) {
  CertificateFacts certificate;
  certificate.name = fields.Text("name");
  certificate.fingerprint = fields.Text("fingerprint");
  certificate.not_before_unix_s = fields.Number("not_before");
  certificate.not_after_unix_s = fields.Number("not_after");
  return certificate;
}

absl::Status IssueIndex::ApplyGeneration(Fields& fields) {
  CertificateFacts certificate = CertificateIn(fields);
  certificate.role = Role::kAuthority;
  const int64_t number = fields.Number("generation"), at = fields.Number("at");
  if (!fields.good() || number != static_cast<int64_t>(generations_.size()) + 1)
    return Misfit("it is no authority's, or not the next one's");
  AddGeneration(certificate, at);
  return absl::OkStatus();
}

absl::Status IssueIndex::ApplyIssued(Fields& fields) {
  CertificateFacts certificate = CertificateIn(fields);
  certificate.serial = fields.Text("serial");
  const std::string role = fields.Text("role");
  certificate.role = role == "node" ? Role::kNode : Role::kUser;
  certificate.addresses = fields.List<std::string>("addresses", &Json::is_string);
  std::vector<int> trusts = fields.List<int>("trusts", &Json::is_number_integer);
  const int64_t generation = fields.Number("generation"), at = fields.Number("at");
  const bool known = role == RoleName(certificate.role) && !generations_.empty() && generation == current().number;
  if (!fields.good() || !known || Find(certificate.serial) != nullptr)
    return Misfit("it is no certificate's, or one that was there before");
  AddIssued(certificate, std::move(trusts), at);
  return absl::OkStatus();
}

absl::Status IssueIndex::ApplyRevoked(Fields& fields) {
  const std::string serial = fields.Text("serial");
  const int64_t at = fields.Number("at");
  if (!fields.good() || Find(serial) == nullptr) return Misfit("nothing with that serial number was issued");
  AddRevoked(serial, at);
  return absl::OkStatus();
}

absl::Status IssueIndex::ApplyRetired(Fields& fields) {
  const int64_t number = fields.Number("generation"), at = fields.Number("at");
  if (!fields.good() || previous() == nullptr || number != previous()->number)
    return Misfit("that authority was not the one to be retired");
  AddRetired(static_cast<int>(number), at);
  return absl::OkStatus();
}

void IssueIndex::AddGeneration(const CertificateFacts& certificate, int64_t now_unix_s) {
  generations_.push_back({static_cast<int>(generations_.size()) + 1, certificate, 0});
  Json line = ToJson("authority", certificate);
  line["generation"] = current().number;
  line["at"] = now_unix_s;
  text_ += line.dump() + "\n";
}

void IssueIndex::AddIssued(const CertificateFacts& certificate, std::vector<int> trusts, int64_t now_unix_s) {
  Json line = ToJson("issued", certificate);
  line["generation"] = current().number;
  line["trusts"] = trusts;
  line["at"] = now_unix_s;
  text_ += line.dump() + "\n";
  by_serial_[certificate.serial] = issued_.size();
  by_name_[certificate.name].push_back(issued_.size());
  issued_.push_back({certificate, current().number, std::move(trusts), now_unix_s, 0});
}

void IssueIndex::AddRevoked(const std::string& serial, int64_t now_unix_s) {
  IssuedIdentity& identity = issued_[by_serial_.at(serial)];
  if (identity.revoked_unix_s == 0) identity.revoked_unix_s = now_unix_s;
  text_ += Json({{"event", "revoked"}, {"serial", serial}, {"at", now_unix_s}}).dump() + "\n";
}

void IssueIndex::AddRetired(int generation, int64_t now_unix_s) {
  generations_[static_cast<size_t>(generation) - 1].retired_unix_s = now_unix_s;
  text_ += Json({{"event", "retired"}, {"generation", generation}, {"at", now_unix_s}}).dump() + "\n";
}

const Generation* IssueIndex::previous() const {
  if (generations_.size() < 2) return nullptr;
  const Generation& before = generations_[generations_.size() - 2];
  return before.retired_unix_s == 0 ? &before : nullptr;
}

const IssuedIdentity* IssueIndex::Find(const std::string& serial) const {
  const auto found = by_serial_.find(serial);
  return found == by_serial_.end() ? nullptr : &issued_[found->second];
}

bool IssueIndex::IsReplaced(const IssuedIdentity& identity, int64_t now_unix_s) const {
  const size_t own = by_serial_.at(identity.certificate.serial);
  for (const size_t place : by_name_.at(identity.certificate.name)) {
    const IssuedIdentity& other = issued_[place];
    if (place > own && other.revoked_unix_s == 0 && other.certificate.not_after_unix_s >= now_unix_s) return true;
  }
  return false;
}

Standing IssueIndex::StandingOf(const IssuedIdentity& identity, int64_t now_unix_s) const {
  if (identity.revoked_unix_s != 0) return Standing::kRevoked;
  if (identity.certificate.not_after_unix_s < now_unix_s) return Standing::kExpired;
  if (generations_[static_cast<size_t>(identity.generation) - 1].retired_unix_s != 0) return Standing::kRetired;
  return IsReplaced(identity, now_unix_s) ? Standing::kReplaced : Standing::kValid;
}

std::vector<IssuedIdentity> IssueIndex::Accepted(int64_t now_unix_s) const {
  std::vector<IssuedIdentity> accepted;
  for (const IssuedIdentity& identity : issued_) {
    const Standing standing = StandingOf(identity, now_unix_s);
    if (standing == Standing::kValid || standing == Standing::kReplaced) accepted.push_back(identity);
  }
  return accepted;
}

}  // namespace xpool::pki
