// One worker, as an OpenCL client sees it: the link to it, the handles of what lives there, and what the codec asks of
// a client (wire_opencl/client_context.h).
//
// Threading. Call() is for any thread; everything of ClientContext, and minting, happens under the lane's lock inside
// it. Notices and answers come on the link's reading thread. Callbacks of the program run on the callback thread
// (callback_thread.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/remote/link.h"
#include "backend/remote/objects.h"
#include "base/mutex.h"
#include "generated/opencl/wire_codec.h"
#include "wire/handle.h"
#include "wire_opencl/client_context.h"
#include "wire_opencl/encoder.h"
#include "wire_opencl/notices.h"

namespace xpool::remote {

// What OpenCL calls an error of the link or of the codec.
cl_int ErrorOf(const absl::Status& status);

class ClLink final : public wire_cl::ClientContext, public LinkEvents {
 public:
  // |link| is set by Open().
  static absl::StatusOr<std::unique_ptr<ClLink>> Open(LinkOptions options);

  Link& link() { return *link_; }
  bool lost() const { return link_->lost(); }

  // What a call is sent with.
  struct CallOptions {
    Link::Urgency urgency = Link::Urgency::kSoon;
    Link::Answer* answer = nullptr;
    // What the call makes: handles are minted for them, in the order in which the codec uses them.
    std::span<Object* const> makes;
    // What it releases, if anything: its handle is dead once the call is on the lane.
    wire::WireHandle releases;
    // The command's event, which is then among |makes| only if the worker is to make one.
    Event* event = nullptr;
    // The bytes that the call reads and that are too long for a frame were sent before (Stage()).
    uint64_t staged = 0;
    // With |answer|: what the encoder expects in it.
    wire_cl::Expected* expected = nullptr;
    // Data that was asked for by the bulk lane has arrived.
    std::function<void(const absl::Status&)> bulk_arrived;
    // The memory that the call uses in place is shared virtual memory.
    bool host_memory_is_shared = false;
    // Of a call that registers a callback (NewToken()).
    uint64_t token = 0;
    // Of a call that sets a kernel argument: what the value is.
    ValueKind argument = ValueKind::kNone;
    // Of a call that maps: filled in. |data| is set if the memory is the program's, with |layout|.
    HostMapping* mapping = nullptr;
  };

  // Encodes by |encode|(Encoder&) and posts. When it returns an error nothing was sent, and what was to be made has no
  // part here. Bytes that go by the bulk lane are sent afterwards: SendPending().
  absl::StatusOr<uint64_t> Call(wire_cl::CallId id, const CallOptions& options,
                                absl::FunctionRef<absl::Status(wire_cl::Encoder&)> encode);

  // Posts, waits for the answer, and has |decode|(AnswerDecoder&) read it: OpenCL's status.
  cl_int Ask(wire_cl::CallId id, const CallOptions& options, absl::FunctionRef<absl::Status(wire_cl::Encoder&)> encode,
             absl::FunctionRef<absl::StatusOr<cl_int>(wire_cl::AnswerDecoder&)> decode);

  // A notice to the worker, and a question with its answer.
  template <typename Message>
  void Post(wire_cl::Notice notice, const Message& message, Link::Urgency urgency) {
    link_
        ->Post(static_cast<uint16_t>(notice), urgency, nullptr,
               [&](wire::Writer& writer, uint64_t) {
                 wire_cl::Write(writer, message);
                 return absl::OkStatus();
               })
        .IgnoreError();
  }
  absl::StatusOr<std::vector<std::byte>> AskNotice(wire_cl::Notice notice, wire::WireHandle about);
  template <typename Message>
  absl::StatusOr<std::vector<std::byte>> AskNotice(wire_cl::Notice notice, const Message& message) {
    return link_->Ask(static_cast<uint16_t>(notice), [&](wire::Writer& writer, uint64_t) {
      wire_cl::Write(writer, message);
      return absl::OkStatus();
    });
  }

  // Sends the bytes that calls of this thread have left for the bulk lane; waits until they are the program's again, or
  // does not and calls |released| then.
  cl_int SendPending();
  static uint64_t PendingBytes();
  void SendPendingLater(std::function<void()> released);

  // Sends bytes ahead of the call that names them (CallOptions::staged), so that the lane never waits for them.
  absl::StatusOr<uint64_t> Stage(const wire_cl::HostSource& source);

  // Calls |fired| once, soon after the worker says so, or each time until DropToken(), when that is found out; 0 is no
  // token.
  enum class Fires { kOnce, kAlways };
  uint64_t NewToken(std::function<void(const wire_cl::Fired&)> fired, Fires fires = Fires::kOnce);
  void DropToken(uint64_t token);

  // Memory of the slice, as last heard.
  uint64_t memory_limit_bytes() const { return memory_limit_bytes_.load(); }
  void SetMemoryLimit(uint64_t bytes) { memory_limit_bytes_.store(bytes); }
  // Called when the link is lost, with why, before any call of the program's has failed for it.
  void SetLossListener(std::function<void(const absl::Status&)> listener);

  // The object that |handle| stands for here, with a reference; empty if it is gone.
  Ref<Object> Find(wire::WireHandle handle);
  void Register(wire::WireHandle handle, Object* object);
  void Unregister(wire::WireHandle handle);
  // The worker made nothing for the handle that |object| was given here, and does not know it.
  void Abandon(Object* object);

  // wire_cl::ClientContext
  wire::WireHandle HandleOf(ValueKind kind, const void* object) override;
  void* ObjectOf(ValueKind kind, wire::WireHandle handle) override;
  uint64_t CallbackToken(wire_cl::CallId call, void (*function)(), void* user_data) override;
  ValueKind ArgumentKind(cl_kernel kernel, cl_uint index) override;
  absl::StatusOr<wire_cl::ImageShape> ShapeOf(cl_mem image) override;
  uint64_t BinaryBytes(cl_program program, size_t index) override;
  bool HostMemoryIsShared() override { return encoding_->host_memory_is_shared; }
  uint64_t max_inline_bytes() const override { return link_->limits().max_inline_bytes; }
  absl::StatusOr<uint64_t> SendBulk(const wire_cl::HostSource& source) override;
  absl::StatusOr<uint64_t> ExpectBulk(const wire_cl::HostTarget& target) override;
  absl::StatusOr<std::vector<std::byte>> TakeBulk(uint64_t sequence, uint64_t bytes) override;
  absl::Status AwaitBulk(uint64_t sequence, uint64_t bytes) override;
  absl::StatusOr<wire_cl::ClientMapping> BeginMapping(cl_mem mem, const wire_cl::HostLayout& layout,
                                                      cl_map_flags flags) override;
  absl::StatusOr<EndedMapping> EndMapping(cl_mem mem, void* pointer) override;

  // LinkEvents
  absl::Status OnNotice(uint16_t call, std::span<const std::byte> payload) override;
  void OnLosing(const absl::Status& why) override;
  void OnLost(const absl::Status& why) override;

 private:
  struct Slot {
    wire::WireHandle handle;
    Object* object = nullptr;  // not referenced
  };

  ClLink();

  absl::Status Encode(const CallOptions& options, wire::Writer& writer, uint64_t sequence,
                      absl::FunctionRef<absl::Status(wire_cl::Encoder&)> encode, DroppedEvents* dropped);
  absl::Status OnDone(const wire_cl::Done& done);
  absl::Status OnTimes(const wire_cl::Times& times);
  absl::Status OnFired(const wire_cl::Fired& fired);
  absl::Status OnFailed(const wire_cl::Failed& failed);

  std::unique_ptr<Link> link_;
  std::atomic<uint64_t> next_transfer_{1};
  std::atomic<uint64_t> next_token_{1};
  std::atomic<uint64_t> memory_limit_bytes_{0};

  // Under the lane's lock.
  std::vector<wire::HandleMinter> minters_;  // by kind
  const CallOptions* encoding_ = nullptr;

  Mutex registry_mutex_;
  std::vector<std::vector<Slot>> registry_ ABSL_GUARDED_BY(registry_mutex_);  // by kind and index

  struct Token {
    std::shared_ptr<std::function<void(const wire_cl::Fired&)>> fired;
    Fires fires;
  };

  Mutex token_mutex_;
  absl::flat_hash_map<uint64_t, Token> tokens_ ABSL_GUARDED_BY(token_mutex_);
  std::function<void(const absl::Status&)> loss_listener_ ABSL_GUARDED_BY(token_mutex_);
};

}  // namespace xpool::remote
