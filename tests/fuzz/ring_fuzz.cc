// A ring whose other side writes anything anywhere in the shared memory, at any moment between this side's calls:
// neither end may touch a byte outside of the ring, hand out more than it was asked for, or claim more than the ring
// holds.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "check.h"
#include "input.h"
#include "transport/ring.h"

namespace {

using namespace xpool::transport;
using namespace xpool::fuzz;

constexpr size_t kRingBytes = 256;

// On the heap, so that the address sanitizer sees the first byte out of bounds.
struct Ring {
  std::unique_ptr<RingControl> control = std::make_unique<RingControl>();
  std::vector<std::byte> bytes = std::vector<std::byte>(kRingBytes);
};

void Write(RingProducer* producer, size_t size, size_t parts, const auto& meanwhile) {
  std::vector<std::byte> data(size);
  std::vector<iovec> pieces;
  for (size_t start = 0, i = 0; i <= parts; ++i) {
    const size_t end = i == parts ? size : start + (size - start) / 2;
    pieces.push_back({data.data() + start, end - start});
    start = end;
  }
  const absl::StatusOr<size_t> taken = producer->Write(pieces, meanwhile);
  if (taken.ok()) Check(*taken <= size && *taken <= kRingBytes);
}

void Read(RingConsumer* consumer, size_t size, const auto& meanwhile) {
  std::vector<std::byte> out(size);
  const absl::StatusOr<size_t> taken = consumer->Read(out, meanwhile);
  if (taken.ok()) Check(*taken <= size && *taken <= kRingBytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Numbers input({data, size});
  Ring out, in;
  RingProducer producer(out.control.get(), out.bytes);
  RingConsumer consumer(in.control.get(), in.bytes);
  const auto scribble = [&] {
    Ring& ring = input.Next(1) % 2 == 0 ? out : in;
    const uint64_t kind = input.Next(1) % 6;
    if (kind == 0) ring.control->written = input.Next(8);
    if (kind == 1) ring.control->read = input.Next(8);
    if (kind == 2) ring.control->written = ring.control->written + input.Next(2);
    if (kind == 3) ring.control->read = ring.control->read + input.Next(2);
    if (kind == 4) ring.control->data_bell = static_cast<uint32_t>(input.Next(4));
    if (kind == 5) ring.bytes[input.Next(1)] = static_cast<std::byte>(input.Next(1));
  };
  while (!input.done()) {
    const uint64_t kind = input.Next(1) % 3;
    if (kind == 0) scribble();
    if (kind == 1) Write(&producer, input.Next(2) % 1024, input.Next(1) % 5, scribble);
    if (kind == 2) Read(&consumer, input.Next(2) % 1024, scribble);
  }
  return 0;
}
