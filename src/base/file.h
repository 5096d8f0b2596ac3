// Small files that must not be lost, torn, or seen by others: identities, keys, lists. Everything here reads or writes
// a whole file at once, of a bounded size. Thread-safe; processes that change the same file take a FileLock.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/fd.h"

namespace xpool {

// Who else may see or change a file that is read.
enum class FileTrust {
  kAny,      // whatever it is, it is checked otherwise
  kOurs,     // nobody but its owner may write it, and that is this user or root
  kPrivate,  // as kOurs, and nobody else may read it either
};

// All of |path|, through links, as long as it is a regular file of at most |most_bytes|. NOT_FOUND when there is none,
// PERMISSION_DENIED when it may not be read or is less ours than |trust| asks, DATA_LOSS when it is too big or no file.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most_bytes, FileTrust trust = FileTrust::kAny);

enum class IfExists { kRefuse, kReplace };

// After OK the file has |contents| and |mode|, also when the machine loses power now; after an error, or when the
// machine stops in between, it is as it was. ALREADY_EXISTS with kRefuse; what appears meanwhile is not replaced
// either.
absl::Status WriteFileDurably(const std::string& path, std::string_view contents, mode_t mode, IfExists if_exists);

// Creates |directory| with mode 0700, and what is missing above it. One that is there is left as it is.
absl::Status CreateDirectories(const std::string& directory);

// Creates |directory| below one that is there, and gives it |mode| whatever the umask and whether or not it was there.
absl::Status MakeDirectory(const std::string& directory, mode_t mode);

// CreateDirectories() for one that is to hold secrets. PERMISSION_DENIED when it is there and belongs to
// somebody else, can be entered or changed by others, or stands in a folder where others may exchange it.
absl::Status EnsurePrivateDirectory(const std::string& directory);

// Holds |path|, which is created if need be, until destroyed; waits for another process that does.
class FileLock {
 public:
  static absl::StatusOr<FileLock> Take(const std::string& path);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace xpool
