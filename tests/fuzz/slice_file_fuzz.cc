// Any bytes as the file of slices that a program is started with: what is read has at most so many slices, each with
// an address, and is written so that it reads the same.
#include <cstddef>
#include <cstdint>

#include "backend/remote/slice_file.h"
#include "check.h"
#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace xpool::remote;
  using namespace xpool::fuzz;
  const auto slices = ParseSliceFile(std::string(TextOf(data, size)));
  if (!slices.ok()) return 0;
  Check(!slices->empty() && slices->size() <= kMostSlices);
  for (const SliceEntry& slice : *slices) Check(!slice.address.empty());
  const auto again = ParseSliceFile(SliceFileText(*slices));
  Check(again.ok() && *again == *slices);
  return 0;
}
