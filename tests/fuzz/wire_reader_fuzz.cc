// Any bytes read in any order of reads: what the reader returns lies within its input (or is a copy of its size),
// arrays are aligned and limits kept, errors stick, and Finish() is OK exactly if no read failed and all was used.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "check.h"
#include "wire/reader.h"

namespace {

using namespace xpool::wire;
using namespace xpool::fuzz;

// Reads each byte, so that the sanitizer sees those that are not there.
unsigned Touch(std::span<const std::byte> bytes) {
  unsigned sum = 0;
  for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
  return sum;
}

template <typename T>
void CheckArray(const Reader& reader, std::span<const T> array) {
  Check(reinterpret_cast<uintptr_t>(array.data()) % alignof(T) == 0);
  Check(reader.ok() || array.empty());
  Touch(std::as_bytes(array));
}

// |choice| is the fuzzer's: the upper half picks a limit.
void ReadOne(Reader* reader, uint8_t choice) {
  const uint64_t limit = choice < 64 ? Reader::kNoLimit : choice / 16;
  const size_t before = reader->left();
  switch (choice % 16) {
    case 0:
      return Check(reader->U8("u8") == 0 || before >= 1);
    case 1:
      return Check(reader->U16("u16") == 0 || before >= 2);
    case 2:
      return Check(reader->U32("u32") == 0 || before >= 4);
    case 3:
      return Check(reader->I64("i64") == 0 || before >= 8);
    case 4:
      return Check(!reader->Bool("bool") || before >= 1);
    case 5:
      return Check(reader->Handle("handle").is_well_formed());
    case 6:
      return Check(uint64_t{reader->Count("count", limit, 3)} * 3 <= before);
    case 7:
      return Check(reader->Raw("raw", choice).size() <= before);
    case 8: {
      const std::span<const std::byte> bytes = reader->Bytes("bytes", limit);
      Touch(bytes);
      return Check(bytes.size() <= limit && bytes.size() <= before);
    }
    case 9: {
      const std::span<const std::byte> bytes = reader->Bytes64("bytes64", limit);
      Touch(bytes);
      return Check(bytes.size() <= limit && bytes.size() <= before);
    }
    case 10: {
      const char* text = reader->CString("text", limit);
      return Check(text == nullptr || std::strlen(text) <= std::min<uint64_t>(limit, before));
    }
    case 11:
      return CheckArray(*reader, reader->Array<uint64_t>("array", limit));
    case 12:
      return CheckArray(*reader, reader->NullableArray<WireHandle>("nullable", limit));
    case 13:
      return CheckArray(*reader,
                        reader->Elements<uint32_t>("elements", choice < 128 ? choice / 16 : UINT64_MAX / choice));
    case 14:
      return CheckArray(*reader, reader->Array<double>("doubles", limit));
    default:
      Touch(reader->Rest());
      return Check(reader->left() == 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t choices = std::min<size_t>(data[0] % 64 + 1, size);
  // A copy of its own, so that reads past its end are seen.
  const auto bytes = std::as_bytes(std::span(data + choices, size - choices));
  const std::vector<std::byte> input(bytes.begin(), bytes.end());
  Reader reader(input, "fuzz");
  for (size_t i = 0; i < choices; ++i) {
    const bool failed = !reader.ok();
    const size_t offset = reader.offset();
    ReadOne(&reader, data[i]);
    Check(reader.offset() >= offset && reader.offset() <= input.size());
    Check(!failed || (!reader.ok() && reader.offset() == offset));
  }
  const bool complete = reader.ok() && reader.left() == 0;
  Check(reader.Finish().ok() == complete);
  return 0;
}
