#include "transport/ring_memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bit>

#include "base/status.h"

namespace xpool::transport {
namespace {

constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW;
constexpr size_t kControlOffset[] = {1024, 2048};

uint64_t TotalBytes(uint64_t ring_bytes) { return kRingPageBytes + 2 * ring_bytes; }

absl::Status CheckRingBytes(uint64_t ring_bytes) {
  if (ring_bytes >= kLeastRingBytes && ring_bytes <= kMostRingBytes && std::has_single_bit(ring_bytes))
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a ring of ", ring_bytes, " bytes: it must be a power of two from ",
                                                 kLeastRingBytes, " to ", kMostRingBytes));
}

absl::Status NoRing(const char* why) {
  return absl::InvalidArgumentError(absl::StrCat("the peer's shared memory ", why, "; the connection is refused"));
}

// Only the kernel's own shmem is taken: pages of a file or a huge-page pool may be missing when they are touched.
absl::Status CheckFile(int fd, uint64_t ring_bytes) {
  struct statfs file_system;
  if (fstatfs(fd, &file_system) != 0) return ErrnoStatus("fstatfs of the ring's memory");
  if (static_cast<uint64_t>(file_system.f_type) != TMPFS_MAGIC) return NoRing("is no memfd of ordinary pages");
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoStatus("fstat of the ring's memory");
  if (static_cast<uint64_t>(info.st_size) != TotalBytes(ring_bytes)) return NoRing("has not the size it should have");
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSizeSeals) != kSizeSeals) return NoRing("is not sealed against shrinking and growing");
  return absl::OkStatus();
}

absl::Status CheckHeader(const std::byte* base, uint64_t ring_bytes) {
  const auto* header = reinterpret_cast<const volatile RingHeader*>(base);
  const uint32_t magic = header->magic, version = header->version;
  if (magic != kRingMagic || header->ring_bytes != ring_bytes)
    return NoRing("does not begin with the header of a ring");
  if (version == kRingVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the peer's ring has version ", version, ", this side speaks ",
                                                    kRingVersion, "; install the same xpool version for both"));
}

}  // namespace

RingMemory::~RingMemory() {
  if (base_ != nullptr) munmap(base_, TotalBytes(ring_bytes_));
}

RingControl* RingMemory::control(int ring) const {
  return reinterpret_cast<RingControl*>(base_ + kControlOffset[ring]);
}

std::span<std::byte> RingMemory::bytes(int ring) const {
  return {base_ + kRingPageBytes + static_cast<size_t>(ring) * ring_bytes_, ring_bytes_};
}

absl::StatusOr<UniqueFd> CreateRingMemory(uint64_t ring_bytes) {
  RETURN_IF_ERROR(CheckRingBytes(ring_bytes));
  UniqueFd fd(memfd_create("xpool-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return ErrnoStatus("memfd_create for a ring");
  if (ftruncate(fd.get(), static_cast<off_t>(TotalBytes(ring_bytes))) != 0) return ErrnoStatus("ftruncate of a ring");
  const RingHeader header{kRingMagic, kRingVersion, ring_bytes};
  if (pwrite(fd.get(), &header, sizeof(header), 0) != sizeof(header)) return ErrnoStatus("write of a ring's header");
  if (fcntl(fd.get(), F_ADD_SEALS, kSizeSeals | F_SEAL_SEAL) != 0) return ErrnoStatus("sealing of a ring");
  return fd;
}

absl::StatusOr<RingMemory> MapRingMemory(int fd, uint64_t ring_bytes) {
  RETURN_IF_ERROR(CheckRingBytes(ring_bytes));
  RETURN_IF_ERROR(CheckFile(fd, ring_bytes));
  void* base = mmap(nullptr, TotalBytes(ring_bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return ErrnoStatus("mmap of a ring");
  RingMemory memory(static_cast<std::byte*>(base), ring_bytes);
  RETURN_IF_ERROR(CheckHeader(static_cast<const std::byte*>(base), ring_bytes));
  return memory;
}

}  // namespace xpool::transport
