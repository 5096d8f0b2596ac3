#include "sandbox/cache_slot.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/file.h"
#include "base/status.h"

namespace xpool::sandbox {
namespace {}  // namespace

absl::StatusOr<CacheSlot> CacheSlot::Create(const std::string& directory) {
  CacheSlot slot(directory);
  RETURN_IF_ERROR(MakeDirectory(directory, 0711));
  RETURN_IF_ERROR(MakeDirectory(directory + "/warm", 0700));
  RETURN_IF_ERROR(slot.PointAt(directory + "/warm"));
  return slot;
}

absl::Status CacheSlot::PointAt(const std::string& tenant_cache) const {
  const std::string next = directory_ + "/cache.next";
  if (unlink(next.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(absl::StrCat("removing ", next));
  if (symlink(tenant_cache.c_str(), next.c_str()) != 0) return ErrnoStatus(absl::StrCat("making the link ", next));
  if (rename(next.c_str(), path().c_str()) == 0) return absl::OkStatus();  // at no moment is there no link
  return ErrnoStatus(absl::StrCat("renaming ", next, " to ", path()));
}

}  // namespace xpool::sandbox
