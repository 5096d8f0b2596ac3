#include "wire_opencl/answer.h"

#include <cstring>
#include <vector>

namespace xpool::wire_cl {
namespace {

uint64_t ReadWord(const std::byte* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

void WriteWord(std::byte* at, uint64_t word) { std::memcpy(at, &word, sizeof(word)); }

}  // namespace

void Answer::Payload(std::span<const std::byte> bytes) {
  if (bytes.size() <= server_.limits().max_inline_bytes - inline_bytes_) {
    inline_bytes_ += bytes.size();
    out_.U8(static_cast<uint8_t>(Where::kInline));
    return out_.Bytes64(bytes);
  }
  const absl::StatusOr<uint64_t> sequence = server_.SendBulk(bytes);
  if (!sequence.ok()) {
    bulk_status_ = sequence.status();
    return;
  }
  out_.U8(static_cast<uint8_t>(Where::kBulk));
  out_.U64(bytes.size());
  out_.U64(*sequence);
}

wire::WireHandle Answer::NameOrAdd(ValueKind kind, void* object, wire::WireHandle minted) {
  if (object == nullptr) return {};
  const bool made = kind == ValueKind::kKernel;  // by the call itself; others were there before
  const wire::WireHandle name = made ? wire::WireHandle{} : server_.objects().NameOf(object);
  if (!name.is_null()) return name;
  return server_.objects().Add(kind, minted, object).ok() ? minted : wire::WireHandle{};
}

void Answer::NameWords(std::byte* value, uint64_t bytes) {
  for (uint64_t at = 0; at + sizeof(uint64_t) <= bytes; at += sizeof(uint64_t))
    WriteWord(value + at, server_.objects().NameOf(reinterpret_cast<const void*>(ReadWord(value + at))).bits);
}

void Answer::NameProperties(std::byte* value, uint64_t bytes) {
  const Values values = ValuesOf(CallId::clCreateContext, 0);
  constexpr uint64_t kPair = 2 * sizeof(uint64_t);
  for (uint64_t at = 0; at + kPair <= bytes && ReadWord(value + at) != 0; at += kPair) {
    if (IsHandle(KindOf(values, ReadWord(value + at)))) NameWords(value + at + sizeof(uint64_t), sizeof(uint64_t));
  }
}

void Answer::Info(Values values, uint64_t selector, void* value, uint64_t capacity, uint64_t filled) {
  if (value == nullptr) return;
  auto* const bytes = static_cast<std::byte*>(value);
  const uint64_t size = std::min(capacity, filled);
  const ValueKind kind = KindOf(values, selector);
  if (IsHandle(kind)) NameWords(bytes, size);
  if (kind == ValueKind::kPropertyList) NameProperties(bytes, size);
  if (kind == ValueKind::kAddress) std::memset(bytes, 0, size);
  Payload({bytes, size});
}

void Answer::Binaries(cl_program program, bool given, uint64_t count) {
  const cl::DispatchTable& api = server_.api();
  size_t bytes = 0;
  cl_int status = api.clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, 0, nullptr, &bytes);
  if (status != CL_SUCCESS) return Status(status);
  bytes = std::min<size_t>(bytes, kMaxElements * sizeof(size_t));
  std::vector<size_t> sizes(bytes / sizeof(size_t));
  status = api.clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, bytes, sizes.data(), nullptr);
  if (status == CL_SUCCESS && given && count < sizes.size()) status = CL_INVALID_VALUE;
  if (status != CL_SUCCESS) return Status(status);
  std::vector<Storage> room;
  std::vector<std::byte*> places;
  if (given) {
    uint64_t left = server_.limits().max_info_bytes;
    for (const size_t size : sizes) {
      absl::StatusOr<Storage> storage = MakeStorage(size, left);
      if (!storage.ok()) return Status(CL_OUT_OF_HOST_MEMORY);
      left -= size;
      places.push_back(storage->bytes.get());
      room.push_back(*std::move(storage));
    }
    status =
        api.clGetProgramInfo(program, CL_PROGRAM_BINARIES, places.size() * sizeof(places[0]), places.data(), nullptr);
    if (status != CL_SUCCESS) return Status(status);
  }
  Status(CL_SUCCESS);
  Filled(sizes.size() * sizeof(void*));
  if (!given) return;
  out_.U32(static_cast<uint32_t>(room.size()));
  for (const Storage& storage : room) Payload({storage.bytes.get(), storage.size});
}

}  // namespace xpool::wire_cl
