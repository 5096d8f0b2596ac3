// What the two sides of a UCX channel tell each other beside UCX: over the control channel a Hello and an address, a
// byte when UCX's messages get through, and a farewell; over the stream the keys of memory regions. Little-endian
// structs as they are. Pure; whatever comes in is checked here as far as it can be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace xpool::transport {

inline constexpr uint32_t kUcxMagic = 0x78635578;  // "xUcx"
inline constexpr uint16_t kUcxVersion = 1;
inline constexpr size_t kMostUcxAddressBytes = 16384;  // a machine of many adapters needs some 100 for each

// The first on the control channel, from both sides. The address follows.
struct UcxHello {
  uint32_t magic = kUcxMagic;
  uint16_t version = kUcxVersion;
  uint16_t bulk = 0;  // 1: may be asked to register memory
  uint16_t ucx_major = 0;
  uint16_t ucx_minor = 0;
  uint32_t address_bytes = 0;
  uint64_t key = 0;           // what messages to this side must carry
  uint64_t window_bytes = 0;  // what this side receives into
};
static_assert(sizeof(UcxHello) == 32);

// INVALID_ARGUMENT when it is none; FAILED_PRECONDITION when the peer speaks another version or has another UCX than
// |ours|: UCX's messages are not promised to stay the same.
absl::Status CheckHello(const UcxHello& hello, const UcxHello& ours);

inline constexpr std::byte kUcxGetsThrough{0x2a};

// The last on the control channel, when the side closes the stream.
struct UcxFarewell {
  uint64_t magic = kUcxMagic;
  uint64_t sent_bytes = 0;  // on the stream since its start
};
static_assert(sizeof(UcxFarewell) == 16);

// DATA_LOSS when it is none.
absl::StatusOr<UcxFarewell> ParseFarewell(std::span<const std::byte> bytes);

struct UcxRegionKey {
  uint64_t address = 0;
  uint64_t size_bytes = 0;
  std::vector<std::byte> packed;  // UCX's
};

std::vector<std::byte> EncodeRegionKey(const UcxRegionKey& key);
// INVALID_ARGUMENT.
absl::StatusOr<UcxRegionKey> ParseRegionKey(std::span<const std::byte> bytes);

}  // namespace xpool::transport
