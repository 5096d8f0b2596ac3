// Any bytes as what two workers say to each other about a direct copy. An opening that is read announces bytes and is
// written again as it came; of all statuses one alone means that the bytes have arrived.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "check.h"
#include "wire/peer.h"

namespace {

using namespace xpool::wire;
using namespace xpool::fuzz;

void CheckOpening(std::span<const std::byte> bytes) {
  if (bytes.size() < kPeerOpeningBytes) return;
  const auto opening = DecodePeerOpening(bytes.first<kPeerOpeningBytes>());
  if (!opening.ok()) return;
  Check(opening->bytes > 0 && std::ranges::equal(EncodePeerOpening(*opening), bytes.first<kPeerOpeningBytes>()));
}

void CheckStatus(std::span<const std::byte> bytes) {
  if (bytes.size() < kPeerStatusBytes) return;
  const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
  const auto status = bytes.first<kPeerStatusBytes>();
  Check(DecodePeerStatus(status).ok() == std::ranges::all_of(status, is_zero));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  CheckOpening(bytes);
  CheckStatus(bytes);
  return 0;
}
