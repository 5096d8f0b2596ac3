// Reads the answer to one call, on the client's side: the counterpart of Answer (answer.h). DecodeAnswer_clX
// (generated/opencl/wire_codec.h) gives it the program's out parameters; nothing is written past what the program said
// that they hold, whatever the worker says. When decoding fails, out parameters may have been written in part.
#pragma once

#include <CL/cl.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/reader.h"
#include "wire_opencl/call_values.h"
#include "wire_opencl/client_context.h"

namespace xpool::wire_cl {

class AnswerDecoder {
 public:
  // |expected| is the call's Encoder::expected().
  AnswerDecoder(wire::Reader& in, ClientContext& client, const Expected& expected = {})
      : in_(in), client_(client), expected_(expected) {}

  // Reads the status: true if nothing follows it.
  bool Failed() {
    status_ = in_.I32("status");
    return status_ != CL_SUCCESS || !in_.ok();
  }

  template <wire::WireElement T>
  void Elements(const char* param, T* out, uint64_t count) {
    if (out == nullptr) return;
    const std::span<const T> elements = in_.Elements<T>(param, count);
    if (!elements.empty()) std::memcpy(out, elements.data(), elements.size_bytes());
  }
  template <typename T>
  uint64_t Filled(const char* param, T* out) {
    const uint64_t filled = in_.U64(param);
    if (filled > std::numeric_limits<T>::max()) in_.Fail(param, "is more than the parameter can hold");
    if (out != nullptr && in_.ok()) *out = static_cast<T>(filled);
    return filled;
  }
  template <typename T>
  void FilledElements(const char* param, T* out, uint64_t capacity, uint64_t filled) {
    if (out == nullptr) return;
    const uint64_t bytes = std::min(capacity, filled) * sizeof(T);
    Payload(param, out, bytes, bytes);
  }
  template <typename Object>
  void FilledHandles(const char* param, ValueKind kind, Object* out, uint64_t capacity, uint64_t filled) {
    if (out == nullptr) return;
    const uint32_t count = in_.Count(param, std::min(capacity, filled), sizeof(wire::WireHandle));
    for (uint32_t i = 0; i < count && in_.ok(); ++i)
      out[i] = static_cast<Object>(ObjectOf(param, kind, in_.Handle(param)));
  }
  void Info(const char* param, Values values, uint64_t selector, void* out, uint64_t capacity, uint64_t filled);
  // CL_PROGRAM_BINARIES: to where the pointers at |out| point.
  void Binaries(const char* param, cl_program program, void* out, uint64_t capacity);
  // Of a call that blocked: the bytes that were expected.
  void Data();

  // OpenCL's status, or what is wrong with the answer.
  absl::StatusOr<cl_int> Finish();

 private:
  // Between |least| and |most| bytes, which |out| (if it is there) has room for.
  void Payload(const char* param, void* out, uint64_t least, uint64_t most);
  void* ObjectOf(const char* param, ValueKind kind, wire::WireHandle handle);
  void FindWords(const char* param, ValueKind kind, std::byte* value, uint64_t bytes);
  void FindProperties(const char* param, std::byte* value, uint64_t bytes);

  wire::Reader& in_;
  ClientContext& client_;
  const Expected expected_;
  cl_int status_ = CL_SUCCESS;
  absl::Status bulk_status_;
};

}  // namespace xpool::wire_cl
