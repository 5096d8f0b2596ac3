// A private directory for each tenant on this node: the compiled kernels that its workers leave for one another, and
// their temporary files. The agent's; its workers reach nothing but their own tenant's (spec.h, PathRule).
//
//   ROOT/              the agent's, 0711: tenants' processes pass through and list nothing
//   ROOT/tenants       who has which number and user (tenant_registry.h)
//   ROOT/17/           the tenant's user's, 0700
//   ROOT/17/cache, ROOT/17/tmp
//
// What is in ROOT/17 is the tenant's to fill with anything. Nothing in it is ever opened as a file or followed as a
// link.
//
// Thread-safe. One process at a time has a root open.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "sandbox/spec.h"
#include "sandbox/tenant_registry.h"

namespace xpool::sandbox {

struct TenantDirectory {
  uint32_t number = 0;
  std::optional<Identity> identity;  // none where the agent is not root
  std::string path;

  std::string cache() const { return path + "/cache"; }
  std::string temporary() const { return path + "/tmp"; }
};

struct TrimResult {
  uint64_t before_bytes = 0;
  uint64_t after_bytes = 0;
  uint64_t removed = 0;  // compiled programs and other entries
};

class TenantStore {
 public:
  // |root| is made if need be. Root needs |users|, for one user each; another agent cannot have any.
  // FAILED_PRECONDITION when |root| is not the agent's alone, cannot be reached by those users, or lies on a file
  // system without execution (PoCL maps what it compiled); UNAVAILABLE when another process has it; DATA_LOSS when its
  // list is damaged.
  static absl::StatusOr<std::unique_ptr<TenantStore>> Open(const std::string& root, std::optional<UserRange> users);

  // The tenant's directory, made or put right. INVALID_ARGUMENT and RESOURCE_EXHAUSTED as TenantRegistry::FindOrAdd.
  absl::StatusOr<TenantDirectory> Admit(const TenantIdentity& identity);

  // Removes what has not been used for longest until no more than |max_bytes| are left. A program and its kernels are
  // one entry, used when its newest file was written (PoCL touches one at each use). Entries that no driver would make
  // go first. Safe beside running workers, which may then compile anew. NOT_FOUND when there is no such tenant.
  absl::StatusOr<TrimResult> Trim(const TenantIdentity& identity, uint64_t max_bytes);

  // Removes all of it. REQUIRES: none of its workers runs. Its number and user are not given again.
  absl::Status Forget(const TenantIdentity& identity);

  std::vector<TenantIdentity> List() const;

 private:
  TenantStore(std::string root, UniqueFd directory, std::optional<UserRange> users)
      : root_(std::move(root)), directory_(std::move(directory)), registry_(users) {}

  std::string ListPath() const { return root_ + "/tenants"; }
  absl::Status Load();
  absl::Status Save() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<UniqueFd> OpenTenant(const TenantIdentity& identity) const;

  const std::string root_;
  const UniqueFd directory_;
  mutable Mutex mutex_;
  TenantRegistry registry_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::sandbox
