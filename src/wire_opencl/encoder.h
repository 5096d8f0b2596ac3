// Encodes the parameters of one call, on the client's side. EncodeCall_clX (generated/opencl/wire_codec.h) says which,
// in the order of docs/decisions/0009-wire-codec.md; Decoder (decoder.h) reads them back.
//
// Errors stick and are INVALID_ARGUMENT with call, parameter and why; what was written is then to be dropped
// (Writer::Rewind). One Encoder encodes one call; it lives on the stack of whoever sends it. Thread-compatible.
#pragma once

#include <CL/cl.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/handle.h"
#include "wire/writer.h"
#include "wire_opencl/call_values.h"
#include "wire_opencl/client_context.h"

namespace xpool::wire_cl {

class Encoder {
 public:
  // |minted| are new handles for what the call makes: the returned object first, then those behind out parameters. More
  // than the call needs is fine. All three must outlive the encoder.
  Encoder(wire::Writer& out, ClientContext& client, std::span<const wire::WireHandle> minted = {})
      : out_(out), client_(client), minted_(minted) {}
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  // After EncodeCall_clX: whether the client has to wait for the answer ...
  bool wants_answer() const { return wants_answer_; }
  // ... and where the bytes of that answer go (ReadBuffer, mappings); for the AnswerDecoder.
  const Expected& expected() const { return expected_; }

  // For EncodeCall_clX.
  void Begin(std::string_view call) { call_ = call; }
  // Which pointers and callbacks are not NULL.
  void Presence(std::initializer_list<bool> given);
  // NULL where the API allows none.
  void Require(bool given, const char* param) {
    if (!given) Refuse(param, "is NULL");
  }
  void Refuse(const char* param, std::string_view why);
  void WantAnswer(bool wanted) { wants_answer_ |= wanted; }

  template <wire::WireElement T>
  void Value(T value) {
    out_.Elements(&value, 1);
  }
  void Handle(const char* param, ValueKind kind, const void* object) { out_.Handle(HandleOf(param, kind, object)); }
  // The next of the minted handles, if |wanted|.
  void Mint(const char* param, ValueKind kind, bool wanted);
  // All that are left, |max| at most, if |wanted|.
  void MintArray(const char* param, ValueKind kind, bool wanted, uint64_t max);

  // Nothing if |data| is nullptr: Presence() said so. Their number travelled before, as a value.
  template <wire::WireElement T>
  void Elements(const char* param, const T* data, uint64_t count, uint64_t max = kMaxElements) {
    if (data == nullptr || !InRange(param, count, max)) return;
    out_.Elements(data, count);
  }
  template <typename Object>
  void Handles(const char* param, ValueKind kind, Object* const* objects, uint64_t count) {
    if (objects == nullptr || !InRange(param, count, kMaxElements)) return;
    for (uint64_t i = 0; i < count && ok(); ++i) Handle(param, kind, objects[i]);
  }
  void String(const char* param, const char* text);
  // |lengths| may be nullptr; with |terminated|, a length of 0 means "up to the NUL".
  template <typename Char>
  void Strings(const char* param, const Char* const* strings, const size_t* lengths, uint64_t count, bool terminated) {
    if (strings == nullptr || !InRange(param, count, kMaxElements)) return;
    for (uint64_t i = 0; i < count && ok(); ++i)
      StringOf(param, strings[i], lengths == nullptr ? 0 : lengths[i], terminated);
  }
  template <typename Property>
  void PropertyList(const char* param, const Property* list, Values values) {
    static_assert(sizeof(Property) == sizeof(uint64_t));
    if (list != nullptr) Properties(param, reinterpret_cast<const std::byte*>(list), values);
  }
  void PartitionList(const char* param, const cl_device_partition_property* list);
  void SubBufferInfo(const char* param, cl_buffer_create_type type, const void* info);
  void FillColor(const char* param, cl_mem image, const void* color);
  void ImageFormat(const char* param, const cl_image_format* format);
  // |packed|: host data travels without gaps, so the pitches travel as 0.
  void ImageDesc(const char* param, const cl_image_desc* desc, bool packed);
  void Argument(const char* param, cl_kernel kernel, cl_uint index, size_t size, const void* value);
  template <typename Function>
  void Callback(const char* param, CallId call, Function function, void* user_data) {
    if (function != nullptr)
      Token(param, client_.CallbackToken(call, reinterpret_cast<void (*)()>(function), user_data));
  }
  // CL_MEM_USE_HOST_PTR on anything but shared memory, and data that no flag asks for, cannot cross.
  void HostPointer(const char* param, cl_mem_flags flags, const void* host_ptr);

  void Data(const char* param, const void* data, const absl::StatusOr<HostLayout>& layout);
  // Where the answer's bytes go: in the answer, which comes when they are there, or by the bulk lane.
  void Expect(const char* param, void* data, const absl::StatusOr<HostLayout>& layout);
  // The program's pointer is expected().target.data.
  void MapBuffer(cl_mem buffer, size_t size, cl_map_flags flags, bool blocking);
  // Fills in the pitches too: what stands in for the mapped region is packed.
  void MapImage(cl_mem image, const size_t* region, size_t* row_pitch, size_t* slice_pitch, cl_map_flags flags,
                bool blocking);
  void Unmap(const char* param, cl_mem mem, void* pointer);

  absl::StatusOr<HostLayout> ImageRegion(cl_mem image, const size_t* region, size_t row_pitch, size_t slice_pitch);

  bool ok() const { return status_.ok(); }
  absl::Status status() const { return status_.ok() ? out_.status() : status_; }

 private:
  wire::WireHandle HandleOf(const char* param, ValueKind kind, const void* object);
  bool InRange(const char* param, uint64_t count, uint64_t max);
  void StringOf(const char* param, const void* text, size_t length, bool terminated);
  void Properties(const char* param, const std::byte* list, Values values);
  void Token(const char* param, uint64_t token);
  void Map(cl_mem mem, const absl::StatusOr<HostLayout>& layout, cl_map_flags flags, bool blocking);

  wire::Writer& out_;
  ClientContext& client_;
  std::span<const wire::WireHandle> minted_;
  std::string_view call_;
  bool wants_answer_ = false;
  bool in_place_ = false;      // the call's data is shared memory
  uint64_t inline_bytes_ = 0;  // of payloads; what they leave of the frame is for the rest
  Expected expected_;
  absl::Status status_;
};

}  // namespace xpool::wire_cl
