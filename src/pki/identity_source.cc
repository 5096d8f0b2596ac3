#include "pki/identity_source.h"

#include <sys/stat.h>

#include <utility>

#include "base/clock.h"
#include "base/status.h"

namespace xpool::pki {

IdentitySource::Stamp IdentitySource::StampOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return {};
  // The status change: a file's mode counts too.
  return {info.st_ino, info.st_size, int64_t{info.st_ctim.tv_sec} * kNsPerSec + info.st_ctim.tv_nsec};
}

absl::StatusOr<std::shared_ptr<const LoadedIdentity>> IdentitySource::Read(int64_t now_unix_s) const {
  auto loaded = std::make_shared<LoadedIdentity>();
  ASSIGN_OR_RETURN(loaded->identity, LoadIdentity(path_, role_, now_unix_s));
  ASSIGN_OR_RETURN(loaded->context, transport::TlsContext::Create(loaded->identity.tls));
  return loaded;
}

absl::Status IdentitySource::Refresh(int64_t now_unix_s) {
  MutexLock lock(&mutex_);
  // Before they are read: what changes meanwhile is read again.
  std::vector<Stamp> stamps = {StampOf(path_), StampOf(RevocationsBeside(path_))};
  if (stamps == stamps_) return status_;
  stamps_ = std::move(stamps);
  absl::StatusOr<std::shared_ptr<const LoadedIdentity>> read = Read(now_unix_s);
  status_ = read.status();
  if (read.ok()) current_ = *std::move(read);
  return status_;
}

std::shared_ptr<const LoadedIdentity> IdentitySource::current() const {
  MutexLock lock(&mutex_);
  return current_;
}

}  // namespace xpool::pki
