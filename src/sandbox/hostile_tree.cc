#include "sandbox/hostile_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace xpool::sandbox {
namespace {

constexpr uint64_t kMaxRemovals = 5'000'000;
constexpr int kMaxIdlePasses = 8;  // in which something was there, but nothing could be removed
constexpr uint64_t kStatBlockBytes = 512;

struct DirCloser {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Listing = std::unique_ptr<DIR, DirCloser>;

// Lists an open directory from its beginning, through a descriptor of its own.
Listing List(int directory) {
  const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const listing = fd < 0 ? nullptr : fdopendir(fd);
  if (listing == nullptr && fd >= 0) close(fd);
  return Listing(listing);
}

const char* NextName(const Listing& listing) {
  while (const dirent* entry = readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") return entry->d_name;
  }
  return nullptr;
}

// Without its permissions even its owner cannot empty a directory. (Root can.)
void MakeAccessible(int directory, const std::string& name) {
  const UniqueFd path(openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC));
  if (path.valid()) (void)chmod(absl::StrCat("/proc/self/fd/", path.get()).c_str(), S_IRWXU);
}

// Opens a directory even if its owner has taken the permissions away.
absl::StatusOr<UniqueFd> OpenBelow(int directory, const std::string& name) {
  absl::StatusOr<UniqueFd> below = OpenDirectory(directory, name);
  if (!absl::IsPermissionDenied(below.status())) return below;
  MakeAccessible(directory, name);
  return OpenDirectory(directory, name);
}

// One call of RemoveContents: a walk, depth first, that moves what lies too deep to the top and walks again.
class Removal {
 public:
  explicit Removal(int top) : top_(top) {}

  absl::Status Run() {
    for (int idle_passes = 0; idle_passes < kMaxIdlePasses;) {
      const uint64_t done_before = done_;
      found_ = false;
      RETURN_IF_ERROR(Empty(top_, 1));
      if (!found_) return absl::OkStatus();
      idle_passes = done_ == done_before ? idle_passes + 1 : 0;
      if (done_ > kMaxRemovals) break;
    }
    return absl::UnavailableError(
        "a tenant's directory cannot be emptied: its processes fill it meanwhile, or it holds "
        "what cannot be removed; end them first");
  }

 private:
  absl::Status Empty(int directory, int depth) {
    const Listing listing = List(directory);
    if (listing == nullptr) return ErrnoStatus("listing a tenant's directory");
    while (const char* name = NextName(listing)) {
      found_ = true;
      RETURN_IF_ERROR(Remove(directory, name, depth));
    }
    return absl::OkStatus();
  }

  // What its owner changes at the same moment is left to the next pass.
  absl::Status Remove(int directory, const std::string& name, int depth) {
    if (Unlink(directory, name, 0) || Unlink(directory, name, AT_REMOVEDIR)) return absl::OkStatus();
    MakeAccessible(directory, name);
    if (depth >= kMaxTreeDepth) {
      MoveUp(directory, name);
      return absl::OkStatus();
    }
    const absl::StatusOr<UniqueFd> below = OpenDirectory(directory, name);
    if (absl::IsNotFound(below.status()) || absl::IsFailedPrecondition(below.status())) return absl::OkStatus();
    RETURN_IF_ERROR(below.status());
    RETURN_IF_ERROR(Empty(below->get(), depth + 1));
    Unlink(directory, name, AT_REMOVEDIR);
    return absl::OkStatus();
  }

  bool Unlink(int directory, const std::string& name, int flags) {
    if (unlinkat(directory, name.c_str(), flags) != 0) return false;
    ++done_;
    return true;
  }

  void MoveUp(int directory, const std::string& name) {
    const std::string target = absl::StrCat("xpool-deep-", next_name_++);
    if (renameat2(directory, name.c_str(), top_, target.c_str(), RENAME_NOREPLACE) == 0) ++done_;
  }

  const int top_;
  bool found_ = false;
  uint64_t done_ = 0;
  uint64_t next_name_ = 0;
};

int64_t ModifiedNs(const struct stat& info) { return int64_t{info.st_mtim.tv_sec} * kNsPerSec + info.st_mtim.tv_nsec; }

void Count(const struct stat& info, TreeUnit& unit) {
  unit.bytes += static_cast<uint64_t>(info.st_blocks) * kStatBlockBytes;
  unit.newest_ns = std::max(unit.newest_ns, ModifiedNs(info));
}

// Adds all below |directory| to |unit|, up to the bounds.
void Measure(int directory, int depth, uint64_t& entries, TreeUnit& unit) {
  const Listing listing = List(directory);
  while (listing != nullptr && !unit.rubbish) {
    const char* const name = NextName(listing);
    if (name == nullptr) return;
    struct stat info;
    if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    Count(info, unit);
    if (++entries > kMaxUnitEntries || depth >= kMaxTreeDepth) unit.rubbish = true;
    if (!S_ISDIR(info.st_mode)) continue;
    const absl::StatusOr<UniqueFd> below = OpenBelow(directory, name);
    if (below.ok()) Measure(below->get(), depth + 1, entries, unit);
  }
}

absl::Status ListInto(int directory, int depth, const std::vector<std::string>& path, std::vector<TreeUnit>& units) {
  const Listing listing = List(directory);
  if (listing == nullptr) return ErrnoStatus("listing a tenant's directory");
  while (const char* name = NextName(listing)) {
    struct stat info;
    if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    TreeUnit unit;
    unit.path = path;
    unit.path.emplace_back(name);
    const absl::StatusOr<UniqueFd> below =
        S_ISDIR(info.st_mode) ? OpenBelow(directory, name) : absl::StatusOr<UniqueFd>(absl::NotFoundError(""));
    if (below.ok() && depth > 1) {
      RETURN_IF_ERROR(ListInto(below->get(), depth - 1, unit.path, units));
      continue;
    }
    Count(info, unit);
    uint64_t entries = 0;
    if (below.ok()) Measure(below->get(), 1, entries, unit);
    units.push_back(std::move(unit));
    if (units.size() > kMaxUnits) return absl::ResourceExhaustedError("a tenant's directory holds too many entries");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UniqueFd> OpenDirectory(int directory, const std::string& name) {
  UniqueFd fd(openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.valid()) return fd;
  if (errno == ENOTDIR || errno == ELOOP) {
    return absl::FailedPreconditionError(absl::StrCat("\"", name, "\" is no directory"));
  }
  return ErrnoStatus(absl::StrCat("opening the directory \"", name, "\""));
}

absl::Status RemoveContents(int directory) { return Removal(directory).Run(); }

absl::Status RemoveEntry(int directory, const std::string& name) {
  if (unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return absl::OkStatus();
  MakeAccessible(directory, name);
  ASSIGN_OR_RETURN(const UniqueFd below, OpenDirectory(directory, name));
  RETURN_IF_ERROR(RemoveContents(below.get()));
  if (unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(absl::StrCat("removing the directory \"", name, "\""));
}

absl::StatusOr<std::vector<TreeUnit>> ListUnits(int directory, int depth) {
  std::vector<TreeUnit> units;
  RETURN_IF_ERROR(ListInto(directory, depth, {}, units));
  return units;
}

}  // namespace xpool::sandbox
