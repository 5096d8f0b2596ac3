// Decodes the parameters of one call, on the worker's side: the counterpart of Encoder (encoder.h), method by method.
// Everything comes from a client that may be broken or hostile: handles are looked up by kind, counts and sizes are
// compared with limits and with what is there, sizes that the driver will believe are computed here and not taken from
// the client. Serve_clX (generated/opencl/wire_serve.cc) reads all parameters, asks Ready() once and then calls the
// driver.
//
// Two kinds of bad news. An error status (of the reader, sticky): the client broke the protocol. An OpenCL error
// (sticky too): a handle whose creation failed earlier; the call is answered with that error and the driver not called.
// What is read lives as long as the decoder and the frame. Thread-compatible.
#pragma once

#include <CL/cl.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/reader.h"
#include "wire_opencl/answer.h"
#include "wire_opencl/call_values.h"
#include "wire_opencl/server_context.h"

namespace xpool::wire_cl {

// Whether a served call's answer is there, or comes when its command is done.
enum class Served : uint8_t { kNow, kLater };

class Decoder {
 public:
  // |trace| is filled while the call is served.
  Decoder(wire::Reader& in, ServerContext& server, CallTrace* trace) : in_(in), server_(server), trace_(trace) {}
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // |count| bits; |required| are those of pointers that must not be NULL.
  uint32_t Presence(int count, uint32_t required);

  template <wire::WireElement T>
  T Value(const char* param) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    if constexpr (sizeof(T) == 4) return std::bit_cast<T>(in_.U32(param));
    if constexpr (sizeof(T) == 8) return std::bit_cast<T>(in_.U64(param));
  }

  // |invalid| is OpenCL's error if the handle is stillborn.
  template <typename Object>
  Object Handle(const char* param, ValueKind kind, bool optional, cl_int invalid) {
    return static_cast<Object>(Find(param, kind, optional, invalid));
  }
  // The object is taken out of the session's: this call releases it.
  template <typename Object>
  Object Released(const char* param, ValueKind kind) {
    return static_cast<Object>(Remove(param, kind));
  }

  // A handle for what the call makes; NULL unless |wanted|.
  wire::WireHandle Minted(const char* param, ValueKind kind, bool wanted);
  std::span<const wire::WireHandle> MintedArray(const char* param, ValueKind kind, bool wanted, uint64_t max);

  // nullptr unless |given|.
  template <wire::WireElement T>
  const T* Elements(const char* param, bool given, uint64_t count, uint64_t max = kMaxElements) {
    if (!given || !InRange(param, count, max)) return nullptr;
    return in_.Elements<T>(param, count).data();
  }
  template <typename Object>
  Object const* Handles(const char* param, ValueKind kind, bool given, uint64_t count, cl_int invalid) {
    if (!given || !InRange(param, count, kMaxElements)) return nullptr;
    return reinterpret_cast<Object const*>(FindAll(param, kind, count, invalid));
  }
  // Of an array that the driver fills: whether the program can have room for that many.
  void CheckCount(const char* param, bool given, uint64_t count) {
    if (given) static_cast<void>(InRange(param, count, kMaxElements));
  }
  const char* String(const char* param, bool given);
  struct StringArray {
    const void** data = nullptr;
    const size_t* lengths = nullptr;
  };
  StringArray Strings(const char* param, bool given, uint64_t count);
  template <typename Property>
  const Property* PropertyList(const char* param, bool given, Values values) {
    static_assert(sizeof(Property) == sizeof(uint64_t));
    return given ? reinterpret_cast<const Property*>(Properties(param, values)) : nullptr;
  }
  const cl_device_partition_property* PartitionList(const char* param, bool given);
  const void* SubBufferInfo(const char* param, bool given, cl_buffer_create_type type);
  const void* FillColor(const char* param, bool given);
  const cl_image_format* ImageFormat(const char* param, bool given);
  const cl_image_desc* ImageDesc(const char* param, bool given);
  const void* Argument(const char* param, bool given, cl_kernel kernel, cl_uint index, size_t size);
  CallbackRecord* Callback(const char* param, bool given, CallId call);
  void HostPointer(const char* param, cl_mem_flags flags, bool given);

  // |bytes| bytes, which is what the driver will read; nullptr unless |given|.
  const void* Data(const char* param, bool given, uint64_t bytes);
  // The data of a command, in storage that can outlive the call (Completion::keep). What comes by the bulk lane may
  // still be on its way.
  struct Promised {
    Storage storage;
    uint64_t transfer = 0;  // 0: all is there
  };
  Promised PromisedData(const char* param, bool given, uint64_t bytes);
  // After Ready(): the wait list with which a command on |queue| waits for |promised| too. Good as long as the decoder.
  struct Waits {
    cl_uint count = 0;
    const cl_event* events = nullptr;
  };
  Waits WaitsFor(const Promised& promised, cl_command_queue queue, cl_uint count, const cl_event* events);
  // The same, of bytes that go to |target|: those that are here are copied to it at once.
  Waits WaitsForBytesAt(const std::shared_ptr<std::byte[]>& target, const Promised& promised, cl_command_queue queue,
                        cl_uint count, const cl_event* events);
  // Room for |bytes| bytes that the driver writes. After Ready().
  absl::StatusOr<Storage> Room(uint64_t bytes) { return MakeStorage(bytes, server_.limits().max_data_bytes); }
  // Of the transfer in which the client expects |bytes| bytes. 0 is "in the answer".
  uint64_t Sequence(const char* param, uint64_t bytes);
  // The transfer that brings exactly |bytes| bytes, for who receives them without the decoder's help.
  uint64_t NamedTransfer(const char* param, uint64_t bytes);
  uint64_t MappingToken(const char* param);
  // The mapping that the token read here names, nullptr if its mapping failed.
  const Mapping* Unmapped(const char* param, cl_mem mem);
  // After Ready(): as WaitsFor(), for what the client wrote to the mapping.
  Waits WaitsForWrittenBack(cl_command_queue queue, cl_uint count, const cl_event* events);
  // It is unmapped.
  void EndMapping() { server_.mappings().erase(unmapped_); }

  // Bytes of host memory, packed. 0, with the error noted, where the parameters have none.
  uint64_t RectBytes(const char* param, const size_t* region);
  uint64_t ImageRegionBytes(const char* param, cl_mem image, const size_t* region);
  uint64_t ImageDataBytes(const char* param, const cl_image_format* format, const cl_image_desc* desc);
  uint64_t ImageRowsBytes(const char* param, const cl_image_format* format, size_t width, size_t height);
  uint64_t ImageSlicesBytes(const char* param, const cl_image_format* format, size_t width, size_t height,
                            size_t depth);

  // Room for |count| elements of an answer, as many as the limit allows at most; |given| false: nullptr.
  template <typename T>
  T* Out(bool given, uint64_t count) {
    return given ? static_cast<T*>(Allocate(OutCount<T>(count) * sizeof(T))) : nullptr;
  }
  // Room for exactly |count| elements, which were checked.
  template <typename T>
  T* OutExactly(bool given, uint64_t count) {
    return given ? static_cast<T*>(Allocate(count * sizeof(T))) : nullptr;
  }
  template <typename T>
  uint64_t OutCount(uint64_t count) const {
    return std::min(count, server_.limits().max_info_bytes / sizeof(T));
  }

  // Whether everything was read, nothing is left and all objects are there: the driver may be called.
  bool Ready();
  // Else: the protocol's error, or the answer with OpenCL's.
  absl::StatusOr<Served> Refuse(Answer& answer);
  absl::StatusOr<Served> Refuse(Answer& answer, cl_int error);

  // After the call. |object| is what was made for |handle|, nullptr if it failed.
  void Made(ValueKind kind, wire::WireHandle handle, void* object);
  // Where a command's event goes: |event| if somebody wants it, else nullptr.
  cl_event* EventOut(wire::WireHandle minted, cl_event* event) const {
    return minted.is_null() && !server_.WantsEvent() ? nullptr : event;
  }
  // Ends a call that mapped a region at |mapping.data|; |token| and |sequence| were read.
  absl::StatusOr<Served> Mapped(Answer& answer, cl_int status, wire::WireHandle minted, cl_event event, bool blocking,
                                uint64_t token, const absl::StatusOr<Mapping>& mapping, uint64_t sequence);
  absl::StatusOr<Mapping> MapOf(cl_mem image, void* data, const size_t* region, size_t row_pitch, size_t slice_pitch,
                                cl_map_flags flags) const;

  // Ends a call that started a command: its event, the answer, and what is to be kept. |event| belongs to |minted| if
  // that is not NULL.
  absl::StatusOr<Served> Started(Answer& answer, cl_int status, wire::WireHandle minted, cl_event event, bool blocking,
                                 Storage keep, Reply reply);

 private:
  struct Expecting {
    ValueKind kind;
    wire::WireHandle handle;
  };

  void* Find(const char* param, ValueKind kind, bool optional, cl_int invalid);
  void* Remove(const char* param, ValueKind kind);
  void* const* FindAll(const char* param, ValueKind kind, uint64_t count, cl_int invalid);
  bool InRange(const char* param, uint64_t count, uint64_t max);
  const uint64_t* Properties(const char* param, Values values);
  uint64_t Size(const char* param, const absl::StatusOr<HostLayout>& layout);
  void Fail(const char* param, const absl::Status& status);
  const void* SharedData(const char* param, uint64_t bytes);
  void* Allocate(uint64_t bytes);  // zeroed, good as long as the decoder

  Storage TakeData(const char* param, uint64_t size, bool promised, uint64_t* transfer);
  void KeepShared(cl_mem mem);
  Waits WithGate(cl_event gate, cl_uint count, const cl_event* events);

  wire::Reader& in_;
  ServerContext& server_;
  CallTrace* const trace_;
  cl_int error_ = CL_SUCCESS;
  uint64_t unmapped_ = 0;                        // the token of the mapping that the call ends
  Promised written_back_;                        // to it
  absl::InlinedVector<Promised, 1> drained_;     // promised, and nobody waits (yet): dropped when the call is refused
  cl_event gate_ = nullptr;                      // owned
  uint64_t data_bytes_ = 0;                      // of payloads so far; Invariant: <= max_data_bytes
  bool in_place_ = false;                        // the call's data is to be shared memory
  std::shared_ptr<std::byte[]> shared_;          // ... and this is it
  bool any_size_ = false;                        // of the data: the image that would tell is stillborn
  absl::InlinedVector<Expecting, 2> expecting_;  // minted, and nothing made yet
  absl::InlinedVector<CallbackRecord*, 1> callbacks_;
  bool called_ = false;  // Ready() said yes
  static constexpr size_t kScratchBytes = 512;
  size_t scratch_used_ = 0;
  alignas(16) std::byte scratch_[kScratchBytes];
  std::vector<std::shared_ptr<std::byte[]>> overflow_;
};

}  // namespace xpool::wire_cl
