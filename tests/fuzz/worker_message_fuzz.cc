// Any bytes as a message between an agent and a worker, which is as hostile as its tenant: what is read is written
// within the bound, and reads the same. The first four bytes and the version are put right, the kind is the fuzzer's.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "check.h"
#include "worker_protocol/messages.h"

namespace {

using namespace xpool::worker;
using namespace xpool::fuzz;

void CheckBytes(std::span<const std::byte> bytes) {
  const auto message = DecodeMessage(bytes);
  if (!message.ok()) return;
  const auto encoded = EncodeMessage(*message);
  if (bytes.size() <= kMaxWorkerMessageBytes) Check(encoded.ok() && std::ranges::equal(*encoded, bytes));
  if (!encoded.ok()) return;
  const auto again = DecodeMessage(*encoded);
  Check(again.ok() && *again == *message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  CheckBytes(bytes);
  constexpr size_t kHeadBytes = 6;  // magic and version
  std::vector<std::byte> headed = EncodeMessage(Serving{}).value();
  headed.resize(kHeadBytes);
  headed.insert(headed.end(), bytes.begin(), bytes.end());
  CheckBytes(headed);
  return 0;
}
