#include "sandbox/tenant_registry.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/status.h"

namespace xpool::sandbox {
namespace {

// The file: this line, then one "number user kind name" a tenant, the name in hexadecimal; "-" "-" for one retired.
constexpr char kHeader[] = "xpool-tenants 1";
constexpr char kRetired[] = "-";

constexpr std::array<std::pair<TenantIdentity::Kind, const char*>, 3> kKinds = {{
    {TenantIdentity::Kind::kCertificate, "certificate"},
    {TenantIdentity::Kind::kLocalUser, "user"},
    {TenantIdentity::Kind::kAddress, "address"},
}};

const char* KindName(TenantIdentity::Kind kind) {
  const auto found = std::find_if(kKinds.begin(), kKinds.end(), [kind](const auto& one) { return one.first == kind; });
  return found->second;
}

std::optional<TenantIdentity::Kind> ParseKind(absl::string_view text) {
  for (const auto& [kind, name] : kKinds) {
    if (text == name) return kind;
  }
  return std::nullopt;
}

bool IsName(absl::string_view name) { return !name.empty() && name.size() <= kMaxTenantNameBytes; }

std::optional<TenantIdentity> ParseIdentity(absl::string_view kind_text, absl::string_view hex) {
  const auto kind = ParseKind(kind_text);
  const bool is_hex = hex.size() % 2 == 0 && std::all_of(hex.begin(), hex.end(), absl::ascii_isxdigit);
  if (!kind || !is_hex) return std::nullopt;
  TenantIdentity identity{*kind, absl::HexStringToBytes(hex)};
  if (!IsName(identity.name)) return std::nullopt;
  return identity;
}

absl::Status NotUnderstood(absl::string_view line) {
  return absl::DataLossError(absl::StrCat("the list of tenants has a line that is not understood: \"",
                                          absl::CHexEscape(line.substr(0, 100)), "\""));
}

}  // namespace

absl::Status TenantRegistry::Take(const TenantRecord& record) {
  if (record.number == 0 || record.number == UINT32_MAX || !taken_.emplace(record.number, record.user).second) {
    return absl::DataLossError(absl::StrCat("the list of tenants gives the number ", record.number, " twice"));
  }
  if (record.user != 0 && !taken_users_.emplace(record.user, record.number).second) {
    return absl::DataLossError(absl::StrCat("the list of tenants gives the user ", record.user, " twice"));
  }
  next_number_ = std::max(next_number_, record.number + 1);
  return absl::OkStatus();
}

absl::Status TenantRegistry::ParseLine(std::string_view text) {
  const absl::string_view line(text.data(), text.size());
  const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(' ', 4));
  TenantRecord record;
  if (fields.size() != 4 || !absl::SimpleAtoi(fields[0], &record.number) ||
      !absl::SimpleAtoi(fields[1], &record.user)) {
    return NotUnderstood(line);
  }
  if (fields[2] == kRetired && fields[3] == kRetired) return Take(record);
  const std::optional<TenantIdentity> identity = ParseIdentity(fields[2], fields[3]);
  if (!identity || tenants_.count(*identity) != 0) return NotUnderstood(line);
  RETURN_IF_ERROR(Take(record));
  tenants_.emplace(*identity, record);
  return absl::OkStatus();
}

absl::Status TenantRegistry::Parse(std::string_view text) {
  if (text.empty()) return absl::DataLossError("the list of tenants is empty, without even its first line");
  if (text.size() > kMaxRegistryBytes) return absl::DataLossError("the list of tenants is too long to be one");
  bool first = true;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return absl::DataLossError("the list of tenants ends within a line");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (first && line != kHeader) return NotUnderstood(absl::string_view(line.data(), line.size()));
    if (!first) RETURN_IF_ERROR(ParseLine(line));
    first = false;
  }
  return absl::OkStatus();
}

std::string TenantRegistry::Serialize() const {
  std::map<uint32_t, const TenantIdentity*> live;
  for (const auto& [identity, record] : tenants_) live.emplace(record.number, &identity);
  std::string text = absl::StrCat(kHeader, "\n");
  for (const auto& [number, user] : taken_) {
    const auto tenant = live.find(number);
    if (tenant == live.end()) {
      absl::StrAppend(&text, number, " ", user, " ", kRetired, " ", kRetired, "\n");
      continue;
    }
    const TenantIdentity& identity = *tenant->second;
    absl::StrAppend(&text, number, " ", user, " ", KindName(identity.kind), " ", absl::BytesToHexString(identity.name),
                    "\n");
  }
  return text;
}

const TenantRecord* TenantRegistry::Find(const TenantIdentity& identity) const {
  const auto found = tenants_.find(identity);
  return found == tenants_.end() ? nullptr : &found->second;
}

absl::StatusOr<TenantRecord> TenantRegistry::FindOrAdd(const TenantIdentity& identity) {
  if (const TenantRecord* known = Find(identity)) return *known;
  if (!IsName(identity.name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a tenant's name has 1 to ", kMaxTenantNameBytes, " bytes, this one ", identity.name.size()));
  }
  TenantRecord record{next_number_, 0};
  if (users_) {
    uint32_t offset = 0;
    while (offset < users_->count && taken_users_.count(users_->first + offset) != 0) ++offset;
    if (offset == users_->count) {
      return absl::ResourceExhaustedError(
          absl::StrCat("all ", users_->count, " users from ", users_->first,
                       " on belong to tenants, past ones included; configure a longer range"));
    }
    record.user = users_->first + offset;
  }
  RETURN_IF_ERROR(Take(record));
  tenants_.emplace(identity, record);
  return record;
}

bool TenantRegistry::Retire(const TenantIdentity& identity) { return tenants_.erase(identity) != 0; }

}  // namespace xpool::sandbox
