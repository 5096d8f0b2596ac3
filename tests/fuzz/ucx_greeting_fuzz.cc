// What a UCX peer says beside UCX, as any bytes: hellos, farewells and keys of memory regions. What is taken is within
// the bounds that are promised, and a key that is taken is the one its bytes encode.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "check.h"
#include "transport/bulk_lane.h"
#include "transport/ucx_greeting.h"
#include "transport/ucx_options.h"

namespace {

using namespace xpool::transport;
using namespace xpool::fuzz;

void TryHello(std::span<const std::byte> bytes) {
  UcxHello hello, ours;
  memcpy(&hello, bytes.data(), std::min(bytes.size(), sizeof(hello)));
  ours.ucx_major = hello.ucx_major;
  ours.ucx_minor = hello.ucx_minor;
  if (!CheckHello(hello, ours).ok()) return;
  Check(hello.address_bytes > 0 && hello.address_bytes <= kMostUcxAddressBytes);
  Check(hello.window_bytes >= UcxOptions::kLeastWindowBytes && hello.window_bytes <= UcxOptions::kMostWindowBytes);
}

void TryKey(std::span<const std::byte> bytes) {
  const absl::StatusOr<UcxRegionKey> key = ParseRegionKey(bytes);
  if (!key.ok()) return;
  Check(bytes.size() <= kMostBulkKeyBytes);
  Check(key->size_bytes <= std::numeric_limits<uint64_t>::max() - key->address);
  const std::vector<std::byte> encoded = EncodeRegionKey(*key);
  Check(std::equal(encoded.begin(), encoded.end(), bytes.begin(), bytes.end()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  TryHello(bytes);
  TryKey(bytes);
  (void)ParseFarewell(bytes);
  return 0;
}
