// Writes the answer to one call, on the worker's side: OpenCL's status first, and the out parameters after it if that
// is CL_SUCCESS. AnswerDecoder (answer_decoder.h) reads it. Lives as long as the call is served.
#pragma once

#include <CL/cl.h>

#include <algorithm>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "wire/writer.h"
#include "wire_opencl/call_values.h"
#include "wire_opencl/server_context.h"

namespace xpool::wire_cl {

class Answer {
 public:
  Answer(wire::Writer& out, ServerContext& server, CallTrace* trace) : out_(out), server_(server), trace_(trace) {}

  // OK, or why payloads could not be sent.
  const absl::Status& status() const { return bulk_status_; }

  void Status(cl_int status) { out_.I32(trace_->status = status); }

  // |count| elements; nothing if |data| is nullptr.
  template <wire::WireElement T>
  void Elements(const T* data, uint64_t count) {
    if (data != nullptr) out_.Elements(data, count);
  }
  // How many (or how many bytes) there are, whether or not there was room for them.
  void Filled(uint64_t count) { out_.U64(count); }
  // Those for which there was room. Nothing if |data| is nullptr. T has no padding.
  template <typename T>
  void FilledElements(const T* data, uint64_t capacity, uint64_t filled) {
    if (data != nullptr) Payload({reinterpret_cast<const std::byte*>(data), std::min(capacity, filled) * sizeof(T)});
  }
  // As FilledElements(), of objects: those that the session does not know yet get the handles in |minted|.
  template <typename Object>
  void FilledHandles(ValueKind kind, Object const* objects, std::span<const wire::WireHandle> minted, uint64_t filled) {
    if (objects == nullptr) return;
    const uint64_t count = std::min<uint64_t>(minted.size(), filled);
    out_.U32(static_cast<uint32_t>(count));
    for (uint64_t i = 0; i < count; ++i) out_.Handle(NameOrAdd(kind, objects[i], minted[i]));
  }
  // The answer to a query that |selector| selected: handles in it are named, addresses become 0. Nothing if |value| is
  // nullptr.
  void Info(Values values, uint64_t selector, void* value, uint64_t capacity, uint64_t filled);
  // CL_PROGRAM_BINARIES: the binaries themselves. The status too. |count| is how many the client has room for.
  void Binaries(cl_program program, bool given, uint64_t count);

 private:
  void Payload(std::span<const std::byte> bytes);
  wire::WireHandle NameOrAdd(ValueKind kind, void* object, wire::WireHandle minted);
  void NameWords(std::byte* value, uint64_t bytes);
  void NameProperties(std::byte* value, uint64_t bytes);

  wire::Writer& out_;
  ServerContext& server_;
  CallTrace* const trace_;
  uint64_t inline_bytes_ = 0;
  absl::Status bulk_status_;
};

}  // namespace xpool::wire_cl
