// Encodes what goes into frames: appends values, little-endian and without padding, to a buffer that grows. Each method
// here has its counterpart of the same name in wire/reader.h.
//
// Large byte ranges can be added by reference: only their address is kept, and Iovecs() lists them between the pieces
// of the buffer, so that a transfer is sent from where it lies. Referenced bytes must stay as they are until what was
// written has been sent (and, where it may be resent, acknowledged) or Clear() is called.
//
// Errors stick: past |max_bytes| nothing more is added and status() says so; the caller checks once, at the end.
// Meant to be kept and reused: Clear() keeps the memory. Thread-compatible.
//
//   Writer writer;
//   const Writer::Mark frame = BeginFrame(&writer, header);  // wire/frame.h
//   writer.Handle(queue);
//   writer.NullableArray(wait_list, wait_count);
//   RETURN_IF_ERROR(EndFrame(&writer, frame, limits.max_frame_bytes));  // on an error the frame is undone
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "wire/element.h"
#include "wire/handle.h"

namespace xpool::wire {

class Writer {
 public:
  static constexpr uint64_t kDefaultMaxBytes = uint64_t{1} << 30;

  // At most |max_bytes| in all, referenced bytes among them.
  explicit Writer(uint64_t max_bytes = kDefaultMaxBytes) : max_bytes_(max_bytes) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void U8(uint8_t value) { Put(value); }
  void U16(uint16_t value) { Put(value); }
  void U32(uint32_t value) { Put(value); }
  void U64(uint64_t value) { Put(value); }
  void I32(int32_t value) { Put(value); }
  void I64(int64_t value) { Put(value); }
  void F32(float value) { Put(std::bit_cast<uint32_t>(value)); }
  void F64(double value) { Put(std::bit_cast<uint64_t>(value)); }
  void Bool(bool value) { U8(value ? 1 : 0); }
  void Handle(WireHandle value) { Put(value.bits); }

  // Exactly these bytes, without their length: the reader knows it from elsewhere. |bytes| may be empty.
  void Raw(std::span<const std::byte> bytes) { Append(bytes.data(), bytes.size()); }
  // A u32 length, then the bytes. More than 2^32-1 bytes are an error.
  void Bytes(std::span<const std::byte> bytes);
  // A u64 length, then the bytes.
  void Bytes64(std::span<const std::byte> bytes);

  // As Raw() and Bytes64() on the wire, but only the address is kept. Short ranges are copied all the same, as a piece
  // of their own would cost more.
  void RawByReference(std::span<const std::byte> bytes);
  void Bytes64ByReference(std::span<const std::byte> bytes);

  // A C string: a flag byte (0: |text| is nullptr, and nothing follows), then a u32 length that counts the NUL, then
  // the characters with the NUL.
  void CString(const char* text);

  // |count| elements without their count: the reader knows it from elsewhere. |data| may be nullptr if |count| is 0.
  template <WireElement T>
  void Elements(const T* data, size_t count) {
    if (count > max_bytes_ / sizeof(T)) return TooLong(count);  // else the product could overflow
    Append(data, count * sizeof(T));
  }
  // A u32 count, then the elements. |data| may be nullptr if |count| is 0.
  template <WireElement T>
  void Array(const T* data, size_t count) {
    if (count > UINT32_MAX) return TooLong(count);
    U32(static_cast<uint32_t>(count));
    Elements(data, count);
  }
  // A flag byte (0: |data| is nullptr, and nothing follows, whatever |count| is), then as Array().
  template <WireElement T>
  void NullableArray(const T* data, size_t count) {
    Bool(data != nullptr);
    if (data != nullptr) Array(data, count);
  }

  // Everything written so far, referenced bytes included.
  size_t size() const { return size_ + referenced_bytes_; }
  bool ok() const { return status_.ok(); }
  // OK, or RESOURCE_EXHAUSTED with what was too long and where.
  const absl::Status& status() const { return status_; }

  // Overwrites the u32 at |buffer_offset|, a value that buffer_size() had just before that U32() was called.
  void PatchU32(size_t buffer_offset, uint32_t value);
  // The bytes in the buffer alone, without the referenced ones.
  size_t buffer_size() const { return size_; }

  // A place to go back to when what was written since must not be sent. Undoes an error that came since, too.
  struct Mark {
    size_t buffer_bytes = 0;
    size_t references = 0;
    uint64_t referenced_bytes = 0;
    bool ok = true;
  };
  Mark mark() const { return {size_, references_.size(), referenced_bytes_, status_.ok()}; }
  // REQUIRES: |mark| is of this writer and not from before a Clear() or an earlier Rewind() to a place before it.
  void Rewind(const Mark& mark);

  // What is in the buffer. REQUIRES: nothing was added by reference. Good until the next call that writes or clears.
  std::span<const std::byte> buffer() const { return {buffer_.get(), size_}; }

  // The same as a message of a fixed size. REQUIRES: |kBytes| were written, none by reference.
  template <size_t kBytes>
  std::array<std::byte, kBytes> Exactly() const {
    std::array<std::byte, kBytes> bytes{};
    std::copy_n(buffer_.get(), std::min(kBytes, size_), bytes.begin());
    return bytes;
  }

  // All pieces in order, appended to |out|. Good until the next call that writes or clears.
  void Iovecs(std::vector<iovec>* out) const;
  // A copy of everything in one piece.
  std::vector<std::byte> Flatten() const;

  // Empties the writer and forgets its error; keeps the memory.
  void Clear();

 private:
  struct Reference {
    size_t before;  // the offset in the buffer at which the bytes belong
    std::span<const std::byte> bytes;
  };

  template <typename T>
  void Put(T value) {
    Append(&value, sizeof(value));
  }
  void Append(const void* data, size_t bytes) {
    if (bytes == 0 || !Fits(bytes)) return;
    if (bytes > capacity_ - size_) Grow(bytes);
    std::memcpy(buffer_.get() + size_, data, bytes);
    size_ += bytes;
  }
  // False, with the error noted, if |bytes| more would be too many; also after an earlier error.
  bool Fits(uint64_t bytes) {
    if (!status_.ok()) return false;
    if (bytes <= max_bytes_ - size()) return true;
    TooLong(bytes);
    return false;
  }
  void TooLong(uint64_t asked);
  void Grow(size_t bytes);

  const uint64_t max_bytes_;
  std::unique_ptr<std::byte[]> buffer_;
  size_t size_ = 0;
  size_t capacity_ = 0;
  std::vector<Reference> references_;  // by |before|, ascending
  uint64_t referenced_bytes_ = 0;      // Invariant: size_ + referenced_bytes_ <= max_bytes_
  absl::Status status_;
};

}  // namespace xpool::wire
