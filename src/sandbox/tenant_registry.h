// Which number and user each tenant has, in a file that survives the agent. A number is given once and to one tenant
// for ever, so neither a directory named by it nor its user can come to mean somebody else. Tenants' names are hostile
// text and appear in the file escaped, and in no path.
//
// Not thread-safe; one process at a time, which TenantStore sees to.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xpool::sandbox {

inline constexpr size_t kMaxTenantNameBytes = 256;
inline constexpr size_t kMaxRegistryBytes = size_t{64} << 20;

// Who a tenant is. The kind is part of the identity: a certificate that says "1000" is not the user 1000.
struct TenantIdentity {
  enum class Kind { kCertificate, kLocalUser, kAddress };
  Kind kind = Kind::kCertificate;
  std::string name;  // a certificate's common name, byte by byte; a user's number in decimal; a host's address

  friend auto operator<=>(const TenantIdentity&, const TenantIdentity&) = default;
};

// Users that belong to nobody else on this machine, one a tenant.
struct UserRange {
  uid_t first = 0;
  uint32_t count = 0;
};

struct TenantRecord {
  uint32_t number = 0;  // from 1; names the directory
  uid_t user = 0;       // 0: the agent's own, where it is not root. The group has the same number
};

class TenantRegistry {
 public:
  // Without |users| all tenants have the agent's user.
  explicit TenantRegistry(std::optional<UserRange> users) : users_(users) {}

  // Adds what Serialize() gave. DATA_LOSS names the line that is not understood, or a number or user given twice.
  absl::Status Parse(std::string_view text);
  std::string Serialize() const;

  const TenantRecord* Find(const TenantIdentity& identity) const;
  // The tenant's record, a new one if need be. INVALID_ARGUMENT for a name that is empty or too long,
  // RESOURCE_EXHAUSTED when the range of users is used up.
  absl::StatusOr<TenantRecord> FindOrAdd(const TenantIdentity& identity);
  // The number and the user stay taken. False when there is no such tenant.
  bool Retire(const TenantIdentity& identity);

  const std::map<TenantIdentity, TenantRecord>& tenants() const { return tenants_; }

 private:
  absl::Status ParseLine(std::string_view line);
  absl::Status Take(const TenantRecord& record);

  const std::optional<UserRange> users_;
  std::map<TenantIdentity, TenantRecord> tenants_;
  std::map<uint32_t, uid_t> taken_;  // every number ever given, with its user
  std::map<uid_t, uint32_t> taken_users_;
  uint32_t next_number_ = 1;
};

}  // namespace xpool::sandbox
