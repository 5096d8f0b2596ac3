#include "wire/writer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace xpool::wire {
namespace {

constexpr size_t kFirstCapacity = 512;
constexpr size_t kMinReferenceBytes = 1024;  // shorter ranges are cheaper to copy than to send as a piece of their own

iovec Piece(const std::byte* data, size_t bytes) { return {const_cast<std::byte*>(data), bytes}; }

}  // namespace

void Writer::Bytes(std::span<const std::byte> bytes) {
  if (bytes.size() > UINT32_MAX) return TooLong(bytes.size());
  U32(static_cast<uint32_t>(bytes.size()));
  Raw(bytes);
}

void Writer::Bytes64(std::span<const std::byte> bytes) {
  U64(bytes.size());
  Raw(bytes);
}

void Writer::RawByReference(std::span<const std::byte> bytes) {
  if (bytes.size() < kMinReferenceBytes) return Raw(bytes);
  if (!Fits(bytes.size())) return;
  references_.push_back({size_, bytes});
  referenced_bytes_ += bytes.size();
}

void Writer::Bytes64ByReference(std::span<const std::byte> bytes) {
  U64(bytes.size());
  RawByReference(bytes);
}

void Writer::CString(const char* text) {
  Bool(text != nullptr);
  if (text != nullptr) Bytes(std::as_bytes(std::span(text, std::strlen(text) + 1)));
}

void Writer::PatchU32(size_t buffer_offset, uint32_t value) {
  if (buffer_offset > size_ || size_ - buffer_offset < sizeof(value))
    return;  // nothing was written there: an error came before
  std::memcpy(buffer_.get() + buffer_offset, &value, sizeof(value));
}

void Writer::Rewind(const Mark& mark) {
  size_ = mark.buffer_bytes;
  references_.resize(mark.references);
  referenced_bytes_ = mark.referenced_bytes;
  if (mark.ok) status_ = absl::OkStatus();
}

void Writer::Iovecs(std::vector<iovec>* out) const {
  size_t sent = 0;
  for (const Reference& reference : references_) {
    if (reference.before > sent) out->push_back(Piece(buffer_.get() + sent, reference.before - sent));
    out->push_back(Piece(reference.bytes.data(), reference.bytes.size()));
    sent = reference.before;
  }
  if (size_ > sent) out->push_back(Piece(buffer_.get() + sent, size_ - sent));
}

std::vector<std::byte> Writer::Flatten() const {
  std::vector<iovec> pieces;
  Iovecs(&pieces);
  std::vector<std::byte> flat;
  flat.reserve(size());
  for (const iovec& piece : pieces) {
    const auto* data = static_cast<const std::byte*>(piece.iov_base);
    flat.insert(flat.end(), data, data + piece.iov_len);
  }
  return flat;
}

void Writer::Clear() {
  size_ = 0;
  references_.clear();
  referenced_bytes_ = 0;
  status_ = absl::OkStatus();
}

void Writer::TooLong(uint64_t asked) {
  if (!status_.ok()) return;
  status_ = absl::ResourceExhaustedError(absl::StrCat("cannot send ", asked, " more bytes or elements after ", size(),
                                                      " bytes: at most ", max_bytes_, " are allowed here"));
}

void Writer::Grow(size_t bytes) {
  const size_t capacity = std::max({kFirstCapacity, 2 * capacity_, size_ + bytes});
  auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
  if (size_ > 0) std::memcpy(larger.get(), buffer_.get(), size_);
  buffer_ = std::move(larger);
  capacity_ = capacity;
}

}  // namespace xpool::wire
