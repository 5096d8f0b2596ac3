#include "shim/opencl/remote_slice.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backend/remote/slice_file.h"
#include "base/bytes.h"
#include "base/mutex.h"
#include "base/status.h"
#include "slice/lease_gate.h"
#include "slice/memory_account.h"

namespace xpool::cl {
namespace {

// What this process has allocated, by its own books. What it has released may still be in use by commands that run: it
// is free when the worker says so, who is asked when it matters.
class RemoteMemory final : public MemoryAccount {
 public:
  explicit RemoteMemory(remote::Slice* slice) : slice_(slice) {}

  absl::Status Reserve(uint64_t bytes) override {
    MutexLock lock(&mutex_);
    if (!Fits(bytes) && leaving_bytes_ > 0) AskWhatIsLeaving();
    if (!Fits(bytes)) return TooMuch(bytes);
    used_bytes_ += bytes;
    return absl::OkStatus();
  }

  void Release(uint64_t bytes) override {
    MutexLock lock(&mutex_);
    used_bytes_ -= bytes;
    leaving_bytes_ += bytes;
  }

  uint64_t used_bytes() const override {
    MutexLock lock(&mutex_);
    return used_bytes_ + leaving_bytes_;
  }

 private:
  bool Fits(uint64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const uint64_t limit = slice_->memory_limit_bytes(), taken = used_bytes_ + leaving_bytes_;
    return taken <= limit && bytes <= limit - taken;
  }

  // What others reserved is on its way to the worker or not; then it is the worker who refuses.
  void AskWhatIsLeaving() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    uint64_t at_worker = 0;
    if (!slice_->AskMemoryUsed(&at_worker)) return;
    leaving_bytes_ = at_worker > used_bytes_ ? at_worker - used_bytes_ : 0;
  }

  absl::Status TooMuch(uint64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return absl::ResourceExhaustedError(absl::StrCat("asked for ", FormatBytes(bytes), " with ",
                                                     FormatBytes(used_bytes_ + leaving_bytes_), " of the slice's ",
                                                     FormatBytes(slice_->memory_limit_bytes()), " in use"));
  }

  remote::Slice* const slice_;
  mutable Mutex mutex_;
  uint64_t used_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t leaving_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // released, and maybe not free yet
};

class RemoteSlice final : public SliceSession {
 public:
  RemoteSlice(remote::Driver* driver, remote::Slice* slice)
      : driver_(driver), slice_(slice), gate_(Clock::Monotonic(), [] {}), memory_(slice) {
    gate_.StayOpen();
  }

  LeaseGate& gate() override { return gate_; }
  MemoryAccount& memory() override { return memory_; }
  uint64_t memory_limit_bytes() const override { return slice_->memory_limit_bytes(); }
  bool lost() const override { return slice_->lost(); }

  void SetPump(std::function<bool()> pump) override {
    MutexLock lock(&mutex_);
    pump_ = std::move(pump);
  }
  void StopPump() override {
    MutexLock lock(&mutex_);  // held while one runs
    pump_ = nullptr;
  }
  void KickWatcher() override {
    if (!kicked_.exchange(true)) driver_->CallSoon(&Pump, this);
  }

 private:
  static void Pump(void* self) {
    auto* const slice = static_cast<RemoteSlice*>(self);
    slice->kicked_.store(false);
    MutexLock lock(&slice->mutex_);
    if (slice->pump_ != nullptr) slice->pump_();
  }

  remote::Driver* const driver_;
  remote::Slice* const slice_;
  LeaseGate gate_;
  RemoteMemory memory_;
  std::atomic<bool> kicked_{false};
  Mutex mutex_;
  std::function<bool()> pump_ ABSL_GUARDED_BY(mutex_);
};

// Beside the library that this code is in.
std::string LibraryPath() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&LibraryPath), &info) == 0 || info.dli_fname == nullptr)
    return remote::kLibraryName;
  const std::string own = info.dli_fname;
  const size_t slash = own.rfind('/');
  return slash == std::string::npos ? remote::kLibraryName : own.substr(0, slash + 1) + remote::kLibraryName;
}

absl::StatusOr<remote::AttachFunction> LoadDriver() {
  const std::string path = LibraryPath();
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // a driver is never unloaded
  if (library == nullptr)
    return absl::NotFoundError(absl::StrCat("cannot load the remote driver: ", dlerror(), "; reinstall xpool"));
  auto* const attach = reinterpret_cast<remote::AttachFunction>(dlsym(library, remote::kAttachName));
  if (attach == nullptr) return absl::NotFoundError(absl::StrCat(path, " is none of xpool's; reinstall xpool"));
  return attach;
}

std::atomic<remote::Driver*> last_attached{nullptr};

void LeaveAtExit() {
  if (remote::Driver* const driver = last_attached.load()) driver->Leave();
}

}  // namespace

bool RemoteSlicesAreConfigured() {
  const char* const path = std::getenv(remote::kSliceFileVariable);
  return path != nullptr && *path != '\0';
}

absl::StatusOr<RemoteSlices> AttachRemoteSlices() {
  ASSIGN_OR_RETURN(const remote::AttachFunction attach, LoadDriver());
  char error[1024] = "";
  RemoteSlices remote;
  remote.driver = attach(std::getenv(remote::kSliceFileVariable), error, sizeof(error));
  if (remote.driver == nullptr) return absl::UnavailableError(error);
  for (size_t i = 0; i < remote.driver->slice_count(); ++i) {
    remote.slices.push_back(new RemoteSlice(remote.driver, remote.driver->slice(i)));  // for good, as the driver is
  }
  if (last_attached.exchange(remote.driver) == nullptr) std::atexit(&LeaveAtExit);
  return remote;
}

}  // namespace xpool::cl
