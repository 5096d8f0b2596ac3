#include "wire_opencl/answer_decoder.h"

#include <vector>

#include "absl/strings/str_cat.h"

namespace xpool::wire_cl {

void* AnswerDecoder::ObjectOf(const char* param, ValueKind kind, wire::WireHandle handle) {
  if (handle.is_null()) return nullptr;
  void* const object = client_.ObjectOf(kind, handle);
  if (object == nullptr) in_.Fail(param, absl::StrCat("names an object that was never made (", ToString(handle), ")"));
  return object;
}

void AnswerDecoder::Payload(const char* param, void* out, uint64_t least, uint64_t most) {
  const uint8_t where = in_.U8(param);
  const uint64_t size = in_.U64(param);
  if (in_.ok() && (size < least || size > most))
    in_.Fail(param, absl::StrCat("has ", size, " bytes where ", least, " to ", most, " can be"));
  if (where == static_cast<uint8_t>(Where::kInline)) {
    const std::span<const std::byte> data = in_.Raw(param, size);
    if (out != nullptr && !data.empty()) std::memcpy(out, data.data(), data.size());
    return;
  }
  if (where != static_cast<uint8_t>(Where::kBulk)) in_.Fail(param, "is neither in the frame nor in bulk frames");
  const uint64_t sequence = in_.U64(param);
  if (!in_.ok()) return;
  const absl::StatusOr<std::vector<std::byte>> data = client_.TakeBulk(sequence, size);
  if (data.ok() && data->size() != size) in_.Fail(param, "came from the bulk lane in another size");
  if (!data.ok()) bulk_status_ = data.status();
  if (out != nullptr && data.ok() && in_.ok() && size > 0) std::memcpy(out, data->data(), size);
}

void AnswerDecoder::FindWords(const char* param, ValueKind kind, std::byte* value, uint64_t bytes) {
  for (uint64_t at = 0; at + sizeof(wire::WireHandle) <= bytes && in_.ok(); at += sizeof(wire::WireHandle)) {
    wire::WireHandle handle;
    std::memcpy(&handle, value + at, sizeof(handle));
    const void* const object = ObjectOf(param, kind, handle);
    std::memcpy(value + at, &object, sizeof(object));
  }
}

void AnswerDecoder::FindProperties(const char* param, std::byte* value, uint64_t bytes) {
  const Values values = ValuesOf(CallId::clCreateContext, 0);
  constexpr uint64_t kPair = 2 * sizeof(uint64_t);
  for (uint64_t at = 0; at + kPair <= bytes && in_.ok(); at += kPair) {
    uint64_t key = 0;
    std::memcpy(&key, value + at, sizeof(key));
    if (key == 0) return;
    const ValueKind kind = KindOf(values, key);
    if (IsHandle(kind)) FindWords(param, kind, value + at + sizeof(key), sizeof(uint64_t));
  }
}

void AnswerDecoder::Info(const char* param, Values values, uint64_t selector, void* out, uint64_t capacity,
                         uint64_t filled) {
  if (out == nullptr) return;
  const uint64_t bytes = std::min(capacity, filled);
  Payload(param, out, bytes, bytes);
  const ValueKind kind = KindOf(values, selector);
  if (IsHandle(kind)) FindWords(param, kind, static_cast<std::byte*>(out), bytes);
  if (kind == ValueKind::kPropertyList) FindProperties(param, static_cast<std::byte*>(out), bytes);
}

void AnswerDecoder::Binaries(const char* param, cl_program program, void* out, uint64_t capacity) {
  if (out == nullptr) return;
  const uint32_t count = in_.Count(param, capacity / sizeof(void*), sizeof(uint64_t));
  for (uint32_t i = 0; i < count && in_.ok(); ++i) {
    Payload(param, static_cast<void**>(out)[i], 0, client_.BinaryBytes(program, i));
  }
}

void AnswerDecoder::Data() {
  const uint64_t bytes = in_.U64("size");
  if (bytes == 0 || !in_.ok()) return;
  const HostTarget& target = expected_.target;
  if (target.data == nullptr || bytes != target.layout.bytes()) {
    return in_.Fail(
        "size", absl::StrCat("is ", bytes, " bytes instead of ", target.data == nullptr ? 0 : target.layout.bytes()));
  }
  if (expected_.sequence != 0) {
    bulk_status_ = client_.AwaitBulk(expected_.sequence, bytes);
    return;
  }
  const std::span<const std::byte> data = in_.Raw("data", bytes);
  if (!data.empty()) Unpack(target.layout, data.data(), target.data);
}

absl::StatusOr<cl_int> AnswerDecoder::Finish() {
  if (absl::Status status = in_.Finish(); !status.ok()) return status;
  if (!bulk_status_.ok()) return bulk_status_;
  return status_;
}

}  // namespace xpool::wire_cl
