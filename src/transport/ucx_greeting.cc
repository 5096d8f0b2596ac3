#include "transport/ucx_greeting.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/status.h"
#include "transport/bulk_lane.h"
#include "transport/ucx_options.h"

namespace xpool::transport {
namespace {

static_assert(std::endian::native == std::endian::little, "what is sent is little-endian and so must be the host");

struct RegionKeyHeader {
  uint32_t magic;
  uint32_t packed_bytes;
  uint64_t address;
  uint64_t size_bytes;
};
static_assert(sizeof(RegionKeyHeader) == 24);

absl::Status OtherVersion(const char* what, const std::string& theirs, const std::string& ours) {
  return absl::FailedPreconditionError(absl::StrCat("the peer has ", what, " ", theirs, ", this side has ", ours,
                                                    "; install the same version on both, or use TCP"));
}

std::string UcxVersion(const UcxHello& hello) { return absl::StrCat(hello.ucx_major, ".", hello.ucx_minor); }

bool IsWindow(uint64_t bytes) {
  return std::has_single_bit(bytes) && bytes >= UcxOptions::kLeastWindowBytes && bytes <= UcxOptions::kMostWindowBytes;
}

}  // namespace

absl::Status CheckHello(const UcxHello& hello, const UcxHello& ours) {
  if (hello.magic != kUcxMagic)
    return absl::InvalidArgumentError("the peer sent something else than the hello of a UCX channel");
  if (hello.version != kUcxVersion)
    return OtherVersion("UCX channels of version", absl::StrCat(hello.version), absl::StrCat(kUcxVersion));
  if (hello.ucx_major != ours.ucx_major || hello.ucx_minor != ours.ucx_minor)
    return OtherVersion("UCX", UcxVersion(hello), UcxVersion(ours));
  if (hello.address_bytes == 0 || hello.address_bytes > kMostUcxAddressBytes || !IsWindow(hello.window_bytes))
    return absl::InvalidArgumentError(absl::StrCat("the peer's UCX hello names an address of ", hello.address_bytes,
                                                   " bytes and a window of ", hello.window_bytes));
  return absl::OkStatus();
}

absl::StatusOr<UcxFarewell> ParseFarewell(std::span<const std::byte> bytes) {
  UcxFarewell farewell;
  if (bytes.size() == sizeof(farewell)) {
    memcpy(&farewell, bytes.data(), sizeof(farewell));
    if (farewell.magic == kUcxMagic) return farewell;
  }
  return absl::DataLossError("the UCX peer says something else than farewell on the control channel");
}

std::vector<std::byte> EncodeRegionKey(const UcxRegionKey& key) {
  const RegionKeyHeader header{kUcxMagic, static_cast<uint32_t>(key.packed.size()), key.address, key.size_bytes};
  std::vector<std::byte> encoded(sizeof(header) + key.packed.size());
  memcpy(encoded.data(), &header, sizeof(header));
  std::copy(key.packed.begin(), key.packed.end(), encoded.begin() + sizeof(header));
  return encoded;
}

absl::StatusOr<UcxRegionKey> ParseRegionKey(std::span<const std::byte> bytes) {
  RegionKeyHeader header;
  const absl::Status none = absl::InvalidArgumentError("these bytes are no key of a UCX memory region");
  if (bytes.size() < sizeof(header) || bytes.size() > kMostBulkKeyBytes) return none;
  memcpy(&header, bytes.data(), sizeof(header));
  const auto packed = bytes.subspan(sizeof(header));
  const bool fits = header.size_bytes <= std::numeric_limits<uint64_t>::max() - header.address;
  if (header.magic != kUcxMagic || header.packed_bytes != packed.size() || packed.empty() || !fits) return none;
  return UcxRegionKey{header.address, header.size_bytes, {packed.begin(), packed.end()}};
}

}  // namespace xpool::transport
