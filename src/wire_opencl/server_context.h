// What the codec asks of the worker while it serves the calls of one session: the driver's functions, the session's
// objects and mappings, the bulk lane, and somebody who waits for commands. One per session; used by the thread that
// decodes its calls, which also destroys it, after the last callback (Fired() alone comes on other threads).
#pragma once

#include <CL/cl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "generated/opencl/dispatch_table.h"
#include "wire/handle.h"
#include "wire/writer.h"
#include "wire_opencl/callbacks.h"
#include "wire_opencl/host_layout.h"
#include "wire_opencl/server_objects.h"
#include "wire_opencl/svm_table.h"

namespace xpool::wire_cl {

struct ServerLimits {
  uint64_t max_inline_bytes = 16384;                // of the payloads in an answer; more go by the bulk lane
  uint64_t max_data_bytes = uint64_t{4} << 30;      // of the payloads of one call
  uint64_t max_info_bytes = uint64_t{64} << 20;     // of an answer that is no transfer's: a build log, binaries
  uint32_t max_handles = wire::kDefaultMaxHandles;  // of one kind
  uint32_t max_mappings = 65536;
};

// Bytes that a command of the driver reads or writes. A zero follows them, and they are never nullptr once made.
struct Storage {
  std::shared_ptr<std::byte[]> bytes;
  uint64_t size = 0;
};

// The only way to make one. RESOURCE_EXHAUSTED past |max_bytes| or when there is no memory.
absl::StatusOr<Storage> MakeStorage(uint64_t bytes, uint64_t max_bytes);

// Bytes that go to the client when their command is done.
struct Reply {
  const std::byte* data = nullptr;  // nullptr: none
  HostLayout layout;
  uint64_t sequence = 0;  // the transfer by the bulk lane; 0: inside the answer
};

// What a served call was about, for who tells the client of a failure.
struct CallTrace {
  wire::WireHandle subject;    // the first handle of the call
  wire::WireHandle minted;     // of the first thing that it makes
  cl_int status = CL_SUCCESS;  // as in its answer; CL_SUCCESS when that comes later
};

// What is left to do of a call whose command is under way.
struct Completion {
  cl_event event = nullptr;  // of the command; owned: to be released when this is done. nullptr: it is done already
  bool answer = false;       // the client waits: AnswerDone() then
  Storage keep;              // lives until then
  Reply reply;               // by bulk frames if it has a sequence, else AnswerDone() puts it into the answer
};

// The answer to a call that waited, once its command ended with |execution_status| (CL_COMPLETE or a negative error).
void AnswerDone(const Completion& completion, cl_int execution_status, wire::Writer& answer);

// A region that the driver has mapped for the client.
struct Mapping {
  cl_mem mem = nullptr;
  void* data = nullptr;
  HostLayout layout;
  cl_map_flags flags = 0;
};

class ServerContext : public CallbackTable {
 public:
  // |api| must outlive this.
  explicit ServerContext(const cl::DispatchTable& api, const ServerLimits& limits = {})
      : api_(api), limits_(limits), objects_(limits.max_handles), svm_(api, limits.max_handles) {}

  const cl::DispatchTable& api() const { return api_; }
  const ServerLimits& limits() const { return limits_; }
  ServerObjects& objects() { return objects_; }
  SvmTable& svm() { return svm_; }
  absl::flat_hash_map<uint64_t, Mapping>& mappings() { return mappings_; }  // by token
  // The client has released |mem|: what it has left mapped there can no more be unmapped, and is soon gone.
  void ForgetMappings(cl_mem mem);

  // The |bytes| bytes of |transfer|, which the client has sent before the call. Waits for them.
  virtual absl::StatusOr<Storage> TakeBulk(uint64_t transfer, uint64_t bytes) = 0;
  // |transfer|, which the client sends along with the call, goes to |target|; |arrived| is called then, on any thread.
  // Does not wait: the user event that completes afterwards, for a command on |queue|, the caller's to release. nullptr
  // when all is there already and |arrived| was called.
  virtual cl_event ReceiveBulk(uint64_t transfer, std::span<std::byte> target, cl_command_queue queue,
                               absl::AnyInvocable<void()> arrived) = 0;
  // |transfer|, which the client sends along with the call, is of no use.
  virtual void DropBulk(uint64_t transfer) = 0;
  // Sends |bytes|, which are to be copied or sent at once, by the bulk lane along with an answer: the transfer.
  virtual absl::StatusOr<uint64_t> SendBulk(std::span<const std::byte> bytes) = 0;
  // Finishes |completion| when its command is done. Must not wait for it: what the command depends on may come in a
  // later call of the same session.
  virtual void WhenDone(Completion completion) = 0;
  // Whether the command that is being served shall have an event that the client has not asked for; TakeEvent() gets
  // it.
  virtual bool WantsEvent() { return false; }
  virtual void TakeEvent(cl_event event) { api_.clReleaseEvent(event); }
  // Whether kernel argument |index| takes bytes. A worker that knows the kernel's arguments says no for objects, so
  // that a client cannot pass bits of its own as one of the driver's pointers.
  virtual bool TakesBytes(cl_kernel /*kernel*/, cl_uint /*index*/) { return true; }

 private:
  const cl::DispatchTable& api_;
  const ServerLimits limits_;
  ServerObjects objects_;
  SvmTable svm_;
  absl::flat_hash_map<uint64_t, Mapping> mappings_;
};

}  // namespace xpool::wire_cl
