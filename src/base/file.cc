#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_format.h"
#include "base/status.h"

namespace xpool {
namespace {

constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;
constexpr mode_t kOthersAll = S_IRWXG | S_IRWXO;

// Failures of one file never say that an agent was away, which UNAVAILABLE and DEADLINE_EXCEEDED mean to callers.
absl::Status FileError(const char* doing, const std::string& path) {
  const absl::Status status = ErrnoStatus(absl::StrCat("cannot ", doing, " ", path));
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kResourceExhausted:
      return status;
    default:
      return absl::InternalError(status.message());
  }
}

absl::Status CheckTrust(const std::string& path, const struct stat& info, FileTrust trust) {
  if (trust == FileTrust::kAny) return absl::OkStatus();
  if (info.st_uid != geteuid() && info.st_uid != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, " belongs to user ", info.st_uid, ", who can change it; it must be yours or root's"));
  }
  const bool is_private = trust == FileTrust::kPrivate;
  if ((info.st_mode & (is_private ? kOthersAll : kOthersWrite)) == 0) return absl::OkStatus();
  const char* what = (info.st_mode & kOthersWrite) != 0 ? "written" : "read";
  return absl::PermissionDeniedError(absl::StrCat(path, " can be ", what, " by others (mode ",
                                                  absl::StrFormat("%04o", info.st_mode & 07777), "): chmod ",
                                                  is_private ? "600 " : "go-w ", path));
}

absl::StatusOr<std::string> ReadAll(int fd, const std::string& path, size_t most_bytes) {
  constexpr size_t kFirstBytes = 16 * 1024;
  std::string contents;
  size_t size = 0;
  while (size <= most_bytes) {
    if (size == contents.size()) contents.resize(std::min(most_bytes + 1, std::max(kFirstBytes, 2 * size)));
    const ssize_t got = read(fd, contents.data() + size, contents.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", path);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > most_bytes)
    return absl::DataLossError(absl::StrCat(path, " is longer than the ", most_bytes, " bytes that such a file has"));
  contents.resize(size);
  return contents;
}

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

absl::Status SyncFolder(const std::string& folder) {
  const UniqueFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return FileError("open", folder);
  // Some file systems have nothing to do here and say EINVAL.
  if (fsync(fd.get()) != 0 && errno != EINVAL) return FileError("write", folder);
  return absl::OkStatus();
}

// Where the contents are written before they get their name; removed if they never do.
class NewFile {
 public:
  explicit NewFile(const std::string& path) : path_(path) {
    static std::atomic<unsigned> count{0};
    for (int tries = 0; !fd_.valid() && tries < 100; ++tries) {
      temporary_ = absl::StrCat(path, ".", getpid(), ".", count++, ".new");
      fd_.Reset(open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
      if (!fd_.valid() && errno != EEXIST) break;
    }
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    if (fd_.valid() && !named_) unlink(temporary_.c_str());
  }

  absl::Status Fill(std::string_view contents, mode_t mode) {
    if (!fd_.valid()) return FileError("write", path_);
    while (!contents.empty()) {
      const ssize_t wrote = write(fd_.get(), contents.data(), contents.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return FileError("write", path_);
      contents.remove_prefix(static_cast<size_t>(wrote));
    }
    if (fchmod(fd_.get(), mode) != 0 || fsync(fd_.get()) != 0) return FileError("write", path_);
    return absl::OkStatus();
  }

  absl::Status TakeName(IfExists if_exists) {
    const bool replace = if_exists == IfExists::kReplace;
    int result = renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), replace ? 0 : RENAME_NOREPLACE);
    named_ = result == 0;
    // A network file system may not know RENAME_NOREPLACE; a second name does not replace either.
    if (result != 0 && !replace && (errno == EINVAL || errno == ENOSYS))
      result = link(temporary_.c_str(), path_.c_str());
    if (result == 0) return absl::OkStatus();
    if (errno == EEXIST) return absl::AlreadyExistsError(absl::StrCat(path_, " exists already and is not overwritten"));
    return FileError("write", path_);
  }

 private:
  const std::string path_;
  std::string temporary_;
  UniqueFd fd_;
  bool named_ = false;
};

// Who owns a folder, or can write into one without the sticky bit, can exchange what is in it. (In a user namespace the
// folders of the machine's root are shown as this owner's.)
constexpr uid_t kUnmappedUser = 65534;

bool IsOnlyOurs(const struct stat& info) {
  const bool open = (info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0;
  return !open && (info.st_uid == geteuid() || info.st_uid == 0 || info.st_uid == kUnmappedUser);
}

absl::Status CheckFoldersAbove(const std::filesystem::path& directory) {
  for (std::filesystem::path folder = directory.parent_path();; folder = folder.parent_path()) {
    struct stat info;
    if (stat(folder.c_str(), &info) != 0) return FileError("look at", folder.string());
    if (!IsOnlyOurs(info)) {
      return absl::PermissionDeniedError(absl::StrCat(directory.string(),
                                                      " cannot hold keys: other users can change what is in ",
                                                      folder.string(), "; choose a folder below your home directory"));
    }
    if (folder == folder.parent_path()) return absl::OkStatus();
  }
}

absl::Status CreateFolders(const std::filesystem::path& directory) {
  if (mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  if (errno != ENOENT || directory == directory.parent_path()) return FileError("create", directory.string());
  RETURN_IF_ERROR(CreateFolders(directory.parent_path()));
  return mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST ? absl::OkStatus()
                                                                : FileError("create", directory.string());
}

// Without "." and ".." and a slash at its end.
absl::StatusOr<std::filesystem::path> Absolute(const std::string& directory) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(directory, error).lexically_normal();
  if (error) return absl::InternalError(absl::StrCat("cannot find ", directory, ": ", error.message()));
  return path.has_relative_path() && path.filename().empty() ? path.parent_path() : path;
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most_bytes, FileTrust trust) {
  // Not blocking: a pipe without a writer would hold us.
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return FileError("read", path);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return FileError("read", path);
  if (!S_ISREG(info.st_mode)) return absl::DataLossError(absl::StrCat(path, " is no regular file"));
  RETURN_IF_ERROR(CheckTrust(path, info, trust));
  return ReadAll(fd.get(), path, most_bytes);
}

absl::Status WriteFileDurably(const std::string& path, std::string_view contents, mode_t mode, IfExists if_exists) {
  NewFile file(path);
  RETURN_IF_ERROR(file.Fill(contents, mode));
  RETURN_IF_ERROR(file.TakeName(if_exists));
  return SyncFolder(FolderOf(path));
}

absl::Status CreateDirectories(const std::string& directory) {
  ASSIGN_OR_RETURN(const std::filesystem::path path, Absolute(directory));
  return CreateFolders(path);
}

absl::Status MakeDirectory(const std::string& directory, mode_t mode) {
  if (mkdir(directory.c_str(), mode) != 0 && errno != EEXIST) return FileError("create", directory);
  if (chmod(directory.c_str(), mode) != 0) return FileError("set the mode of", directory);
  return absl::OkStatus();
}

absl::Status EnsurePrivateDirectory(const std::string& directory) {
  ASSIGN_OR_RETURN(const std::filesystem::path path, Absolute(directory));
  RETURN_IF_ERROR(CreateFolders(path));
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return FileError("look at", path.string());
  if (!S_ISDIR(info.st_mode)) return absl::FailedPreconditionError(absl::StrCat(path.string(), " is no folder"));
  if (info.st_uid != geteuid()) {
    return absl::PermissionDeniedError(
        absl::StrCat(path.string(), " belongs to user ", info.st_uid, " and cannot hold your keys; choose another"));
  }
  if ((info.st_mode & kOthersAll) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(path.string(), " is open to others (mode ",
                                                    absl::StrFormat("%04o", info.st_mode & 07777),
                                                    ") and cannot hold keys: chmod 700 ", path.string()));
  }
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  if (error) return absl::InternalError(absl::StrCat("cannot find ", path.string(), ": ", error.message()));
  return CheckFoldersAbove(real);
}

absl::StatusOr<FileLock> FileLock::Take(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return FileError("open", path);
  while (flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return FileError("lock", path);
  }
  return FileLock(std::move(fd));
}

}  // namespace xpool
