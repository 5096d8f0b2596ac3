// Where a driver's compiled kernels go before and after its worker has a tenant. PoCL reads POCL_CACHE_DIR once, when
// it is first asked for devices, long before anybody knows whose directory it should be. So a waiting worker is given
// the path of a symbolic link that leads to a directory of its own, and the agent turns the link around at attach: the
// driver looks the path up anew for every file.
//
// The agent's, and used by it alone. The slot's directory must be reachable (x) by the tenants' users and writable by
// none of them, and so on a file system without noexec. Not thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xpool::sandbox {

class CacheSlot {
 public:
  // Makes |directory|/cache, a link to |directory|/warm, both new; what an earlier agent left there is taken over.
  static absl::StatusOr<CacheSlot> Create(const std::string& directory);

  // For POCL_CACHE_DIR.
  std::string path() const { return directory_ + "/cache"; }

  // Leads to |tenant_cache| from now on. Files that the driver has open stay where they are.
  absl::Status PointAt(const std::string& tenant_cache) const;

 private:
  explicit CacheSlot(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
};

}  // namespace xpool::sandbox
