// The identity of a process that lives long: its files are exchanged under it, when it is issued anew or somebody is
// revoked, and connections from then on go by the new ones. Those that exist go on. Thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "pki/identity.h"

namespace xpool::pki {

struct LoadedIdentity {
  Identity identity;
  std::unique_ptr<transport::TlsContext> context;
};

class IdentitySource {
 public:
  // |path|, with crl.pem beside it, must be for |role|. Nothing is read yet.
  IdentitySource(std::string path, Role role) : path_(std::move(path)), role_(role) {}

  // Looks whether the files are others than those read last, and reads them if so. An error (of LoadIdentity) says what
  // is wrong with what is there now, each time until that changes; current() stays as it was.
  absl::Status Refresh(int64_t now_unix_s);

  // The last that could be used; nullptr when none could.
  std::shared_ptr<const LoadedIdentity> current() const;

 private:
  // What changes with a file's contents, as it is written anew and not changed in place.
  struct Stamp {
    ino_t inode = 0;
    off_t size = -1;  // -1: there is none
    int64_t changed_ns = 0;

    friend bool operator==(const Stamp&, const Stamp&) = default;
  };

  static Stamp StampOf(const std::string& path);
  absl::StatusOr<std::shared_ptr<const LoadedIdentity>> Read(int64_t now_unix_s) const;

  const std::string path_;
  const Role role_;
  mutable Mutex mutex_;
  std::vector<Stamp> stamps_ ABSL_GUARDED_BY(mutex_);  // of the files read last; none at first
  absl::Status status_ ABSL_GUARDED_BY(mutex_);        // of reading them
  std::shared_ptr<const LoadedIdentity> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::pki
