#include "wire/reader.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace xpool::wire {

bool Reader::Bool(const char* field) {
  const uint8_t value = U8(field);
  if (value > 1) Fail(field, "is a flag and neither 0 nor 1");
  return ok() && value == 1;
}

WireHandle Reader::Handle(const char* field) {
  const WireHandle handle{U64(field)};
  if (!handle.is_well_formed()) Fail(field, absl::StrCat("is no handle (", ToString(handle), ")"));
  return ok() ? handle : WireHandle{};
}

uint32_t Reader::Count(const char* field, uint64_t max, size_t min_bytes_each) {
  const uint32_t count = U32(field);
  if (count > max) TooMany(field, count, max);
  if (count > left() / min_bytes_each) TooShort(field, uint64_t{count} * min_bytes_each);
  return ok() ? count : 0;
}

std::span<const std::byte> Reader::Bytes(const char* field, uint64_t max_bytes) {
  return TakeLength(field, U32(field), max_bytes);
}

std::span<const std::byte> Reader::Bytes64(const char* field, uint64_t max_bytes) {
  return TakeLength(field, U64(field), max_bytes);
}

const char* Reader::CString(const char* field, uint64_t max_length) {
  if (!Bool(field)) return nullptr;
  const uint64_t max_bytes = max_length == kNoLimit ? kNoLimit : max_length + 1;
  const std::span<const std::byte> bytes = Bytes(field, max_bytes);
  if (!ok()) return nullptr;
  // Found as the last byte: there is a NUL, and it is the only one.
  if (bytes.empty() || std::memchr(bytes.data(), 0, bytes.size()) != &bytes.back()) {
    Fail(field, "is a string that does not end where its length says");
    return nullptr;
  }
  return reinterpret_cast<const char*>(bytes.data());
}

void Reader::Fail(const char* field, std::string_view why) {
  if (!ok()) return;
  status_ = absl::InvalidArgumentError(absl::StrCat(std::string(what_), ": ", field, " at offset ", offset_, " of ",
                                                    input_.size(), " bytes ", std::string(why)));
}

absl::Status Reader::Finish() {
  if (left() > 0) Fail("the end", absl::StrCat("is followed by ", left(), " bytes that belong to nothing"));
  return status_;
}

std::span<const std::byte> Reader::TakeLength(const char* field, uint64_t length, uint64_t max_bytes) {
  if (length > max_bytes) TooMany(field, length, max_bytes);
  return Take(field, ok() ? length : 0);
}

void Reader::TooShort(const char* field, uint64_t asked) {
  Fail(field, absl::StrCat("needs ", asked, " bytes where ", left(), " are left"));
}

void Reader::TooMany(const char* field, uint64_t asked, uint64_t max) {
  Fail(field, absl::StrCat("says ", asked, " where at most ", max, " are allowed"));
}

void Reader::TooManyElements(const char* field, uint64_t count) {
  Fail(field, absl::StrCat("has ", count, " elements, more than the ", left(), " bytes that are left can hold"));
}

const std::byte* Reader::Aligned(std::span<const std::byte> bytes, size_t alignment) {
  if (!ok()) return nullptr;
  // The scratch bytes also stand for an empty array: its data() must be an address, and an aligned one.
  if (bytes.empty()) return scratch_;
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignment == 0) return bytes.data();
  std::byte* copy = Allocate(bytes.size());
  std::memcpy(copy, bytes.data(), bytes.size());
  return copy;
}

std::byte* Reader::Allocate(size_t bytes) {
  if (bytes <= kScratchBytes - scratch_used_) {
    std::byte* place = scratch_ + scratch_used_;
    scratch_used_ += (bytes + kMaxAlignment - 1) / kMaxAlignment * kMaxAlignment;  // stays within: both are multiples
    return place;
  }
  overflow_.push_back(std::make_unique_for_overwrite<std::byte[]>(bytes));
  return overflow_.back().get();
}

}  // namespace xpool::wire
