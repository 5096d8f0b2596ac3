// Decodes what wire/writer.h encoded, from bytes that may be anything: every read checks what is left, and a length is
// compared with what is left and with the caller's limit before it is used for anything.
//
// Errors stick: the first bad read is kept, with the field's name and offset; from then on every read gives zero, an
// empty span or nullptr and consumes nothing, so a decoder reads all its fields and asks once, with Finish(). It must
// not act on what it read before Finish() is OK. Loops over a count that was read are bounded by Count().
//
// Spans and strings point into the input and live as long as it does, except arrays that lie there unaligned: those are
// copied and live as long as the reader. So whatever is read lives as long as both. Field names are string literals.
// Thread-compatible; about 600 bytes, meant for the stack.
//
//   Reader reader(frame.payload, "clEnqueueNDRangeKernel");
//   const WireHandle queue = reader.Handle("command_queue");
//   const std::span<const WireHandle> wait_list = reader.NullableArray<WireHandle>("event_wait_list",
//   limits.max_events); RETURN_IF_ERROR(reader.Finish());
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "wire/element.h"
#include "wire/handle.h"

namespace xpool::wire {

class Reader {
 public:
  static constexpr uint64_t kNoLimit = UINT64_MAX;

  // |what| names the message in errors; it and |input| must outlive the reader.
  Reader(std::span<const std::byte> input, std::string_view what) : input_(input), what_(what) {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  uint8_t U8(const char* field) { return Get<uint8_t>(field); }
  uint16_t U16(const char* field) { return Get<uint16_t>(field); }
  uint32_t U32(const char* field) { return Get<uint32_t>(field); }
  uint64_t U64(const char* field) { return Get<uint64_t>(field); }
  int32_t I32(const char* field) { return Get<int32_t>(field); }
  int64_t I64(const char* field) { return Get<int64_t>(field); }
  float F32(const char* field) { return std::bit_cast<float>(Get<uint32_t>(field)); }
  double F64(const char* field) { return std::bit_cast<double>(Get<uint64_t>(field)); }
  // Any other byte than 0 and 1 is an error.
  bool Bool(const char* field);
  // A handle of any type, or NULL. Bits that no minter makes are an error; what the handle means, HandleTable checks.
  WireHandle Handle(const char* field);
  // A u32 count of things of at least |min_bytes_each| encoded bytes, which are read one by one after it. More than
  // |max|, or more than can still follow, is an error. REQUIRES: |min_bytes_each| > 0.
  uint32_t Count(const char* field, uint64_t max, size_t min_bytes_each);

  // Exactly |bytes| bytes, a number that was read or computed before. Any value is safe to pass.
  std::span<const std::byte> Raw(const char* field, uint64_t bytes) { return Take(field, bytes); }
  // A u32 length, then the bytes. A length above |max_bytes| is an error.
  std::span<const std::byte> Bytes(const char* field, uint64_t max_bytes = kNoLimit);
  // A u64 length, then the bytes.
  std::span<const std::byte> Bytes64(const char* field, uint64_t max_bytes = kNoLimit);
  // Everything that is left, which may be nothing.
  std::span<const std::byte> Rest() { return Take("rest", left()); }

  // nullptr for nullptr, else a NUL-terminated string of at most |max_length| characters (the NUL not counted). A NUL
  // among the characters, or none at the end, is an error.
  const char* CString(const char* field, uint64_t max_length = kNoLimit);

  // Exactly |count| elements. Any value of |count| is safe to pass. Elements of any array are not looked at: handles
  // and enums among them may have any bits.
  template <WireElement T>
  std::span<const T> Elements(const char* field, uint64_t count) {
    if (count > left() / sizeof(T)) {
      TooManyElements(field, count);
      return {};
    }
    const std::byte* data = Aligned(Take(field, count * sizeof(T)), alignof(T));
    return {reinterpret_cast<const T*>(data), ok() ? static_cast<size_t>(count) : 0};
  }
  // A u32 count, then the elements. A count above |max_count| is an error. data() is not nullptr unless the read
  // failed.
  template <WireElement T>
  std::span<const T> Array(const char* field, uint64_t max_count = kNoLimit) {
    const uint32_t count = Count(field, max_count, sizeof(T));
    return ok() ? Elements<T>(field, count) : std::span<const T>();
  }
  // A flag byte, then an array. data() is nullptr exactly if the writer's was (or the read failed).
  template <WireElement T>
  std::span<const T> NullableArray(const char* field, uint64_t max_count = kNoLimit) {
    return Bool(field) ? Array<T>(field, max_count) : std::span<const T>();
  }

  // For the decoder's own checks: makes the read of |field| fail with "... |why|", unless something failed before.
  void Fail(const char* field, std::string_view why);

  bool ok() const { return status_.ok(); }
  // OK, or INVALID_ARGUMENT with message, field, offset and what is wrong.
  const absl::Status& status() const { return status_; }
  // status(), and INVALID_ARGUMENT if bytes are left that no read has used.
  absl::Status Finish();

  size_t offset() const { return offset_; }
  // Bytes not read yet; 0 after a failure.
  size_t left() const { return ok() ? input_.size() - offset_ : 0; }

 private:
  static constexpr size_t kScratchBytes = 512;
  static constexpr size_t kMaxAlignment = 16;

  template <typename T>
  T Get(const char* field) {
    T value = 0;
    const std::span<const std::byte> bytes = Take(field, sizeof(T));
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  // The next |bytes| bytes; empty if they are not there, with the error noted.
  std::span<const std::byte> Take(const char* field, uint64_t bytes) {
    if (bytes > left()) [[unlikely]] {
      TooShort(field, bytes);
      return {};
    }
    const std::span<const std::byte> taken = input_.subspan(offset_, bytes);
    offset_ += bytes;
    return taken;
  }
  std::span<const std::byte> TakeLength(const char* field, uint64_t length, uint64_t max_bytes);
  void TooShort(const char* field, uint64_t asked);
  void TooMany(const char* field, uint64_t asked, uint64_t max);
  void TooManyElements(const char* field, uint64_t count);
  // |bytes| where they are, or a copy of them if they lie unaligned.
  const std::byte* Aligned(std::span<const std::byte> bytes, size_t alignment);
  std::byte* Allocate(size_t bytes);

  const std::span<const std::byte> input_;
  const std::string_view what_;
  size_t offset_ = 0;
  absl::Status status_;
  size_t scratch_used_ = 0;
  // Copies never exceed the input in total: each byte of it is read at most once.
  alignas(kMaxAlignment) std::byte scratch_[kScratchBytes];
  std::vector<std::unique_ptr<std::byte[]>> overflow_;  // copies that did not fit in the scratch bytes
};

}  // namespace xpool::wire
