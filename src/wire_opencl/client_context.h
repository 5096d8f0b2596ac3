// What the codec asks of the client of a session while it encodes a call and decodes its answer: the handles of the
// program's objects, tokens of callbacks, the bulk lane. Implemented by the remote client, which also serialises the
// calls: the codec calls it on the thread, and under the locks, of whoever encodes.
#pragma once

#include <CL/cl.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/handle.h"
#include "wire_opencl/call_values.h"
#include "wire_opencl/host_layout.h"

namespace xpool::wire_cl {

// Memory of the program that a call reads, or that its answer writes.
struct HostSource {
  const void* data = nullptr;
  HostLayout layout;
};
struct HostTarget {
  void* data = nullptr;
  HostLayout layout;
};

// Where the bytes of an answer go.
struct Expected {
  HostTarget target;      // no data: none are expected
  uint64_t sequence = 0;  // of the bulk frames; 0: they are inside the answer
};

// A region that the program has mapped: memory of the client that stands in for the driver's.
struct ClientMapping {
  uint64_t token = 0;    // names the mapping on the wire; minted by the client, never 0, never used twice
  void* data = nullptr;  // what the program sees
  HostLayout layout;     // of the region there; its offset is 0
};

class ClientContext {
 public:
  virtual ~ClientContext() = default;

  // The handle of |object|, which is not nullptr; the NULL handle if the session has no such object.
  virtual wire::WireHandle HandleOf(ValueKind kind, const void* object) = 0;
  // The object with |handle|, which is not NULL; nullptr if there is none.
  virtual void* ObjectOf(ValueKind kind, wire::WireHandle handle) = 0;

  // A number, not 0, under which the worker says later that |function| is to be called with |user_data|. |function| is
  // of the call's callback type.
  virtual uint64_t CallbackToken(CallId call, void (*function)(), void* user_data) = 0;

  // What kernel argument |index| takes: kMem, kSampler, kQueue, or kNone for bytes.
  virtual ValueKind ArgumentKind(cl_kernel kernel, cl_uint index) = 0;
  virtual absl::StatusOr<ImageShape> ShapeOf(cl_mem image) = 0;
  // How large the program was last told that binary |index| of |program| is: it has room for no more.
  virtual uint64_t BinaryBytes(cl_program program, size_t index) = 0;

  // Whether the memory that the call would use in place (CL_MEM_USE_HOST_PTR) is shared virtual memory.
  virtual bool HostMemoryIsShared() { return false; }

  // The payloads of one call, or its answer, that are more than this many bytes in all go by the bulk lane.
  virtual uint64_t max_inline_bytes() const = 0;
  // The sequence, not 0, of the bulk frames that carry |source|. They follow the call; the program may reuse the memory
  // as soon as its call returns, so by then they are sent or copied.
  virtual absl::StatusOr<uint64_t> SendBulk(const HostSource& source) = 0;
  // The sequence, not 0, of bulk frames that the worker is to answer with. They are unpacked into |target|.
  virtual absl::StatusOr<uint64_t> ExpectBulk(const HostTarget& target) = 0;
  // The bytes of bulk frames with a |sequence| of the worker's, which come along with an answer. Waits for them.
  virtual absl::StatusOr<std::vector<std::byte>> TakeBulk(uint64_t sequence, uint64_t bytes) = 0;
  // Waits until the bulk frames with |sequence| have arrived. INVALID_ARGUMENT if they are not |bytes| bytes.
  virtual absl::Status AwaitBulk(uint64_t sequence, uint64_t bytes) = 0;

  // Memory for a mapping of |layout.bytes()| bytes of |mem|, packed as |layout| says or with pitches of its own.
  // |flags| are the program's.
  virtual absl::StatusOr<ClientMapping> BeginMapping(cl_mem mem, const HostLayout& layout, cl_map_flags flags) = 0;
  // The mapping of |mem| at |pointer|; NOT_FOUND if there is none. |source| is what is to be written back: no data if
  // it was mapped for reading only.
  struct EndedMapping {
    uint64_t token = 0;
    HostSource source;
  };
  virtual absl::StatusOr<EndedMapping> EndMapping(cl_mem mem, void* pointer) = 0;
};

}  // namespace xpool::wire_cl
