// Written by hand, for the codec's tests: a fake driver that records what it is called with and makes up its answers, and
// both ends of a session around it, without frames. Nothing here is OpenCL. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "generated/opencl/wire_call_text.h"
#include "generated/opencl/wire_codec.h"
#include "generated/opencl/wire_fake_svm.h"

namespace xpool::wire_cl {

// Reads all that a driver would read of a call's arguments, and writes all that one would write.
class FakeDriver {
 public:
  explicit FakeDriver(uint64_t seed);
  ~FakeDriver();
  FakeDriver(const FakeDriver&) = delete;

  const cl::DispatchTable& table() const { return table_; }

  // The call that is tested: others come from the codec itself and are answered, but not recorded.
  void Expect(CallId call);
  void FailWith(cl_int status) { status_ = status; }
  // How much less than there is room for an answer is.
  void AnswerLess(uint64_t by) { less_ = by; }

  const std::optional<std::string>& seen() const { return seen_; }
  const std::string& wrote() const { return wrote_; }
  // What the tested call made, in the order of its out parameters, the returned object first.
  const std::vector<void*>& made() const { return made_; }
  // The callback that the tested call was given.
  cl::EventCallback event_callback() const { return event_callback_; }
  void* user_data() const { return user_data_; }
  int retained_events() const { return retained_events_; }
  const FakeSvm& svm() const { return svm_; }

  // For the functions in the table.
  uint64_t Call(CallId id, Args args);

 private:
  uint64_t Support(CallId id, Args args);
  uint64_t ProgramInfo(Args args);
  void* Fresh(ValueKind kind) { return made_.emplace_back(DriverObject(kind, 100 + static_cast<uint32_t>(made_.size()))); }
  void Write(const cl::CallInfo& info, Args args);
  void WriteOut(const cl::CallInfo& info, Args args, size_t index);
  void WriteFilled(const cl::CallInfo& info, Args args, size_t index);
  uint64_t Result(const cl::CallInfo& info, Args args);
  void Randomize(void* data, uint64_t bytes);

  std::mt19937_64 random_;
  FakeSvm svm_;
  cl::DispatchTable table_;
  CallId tested_{};
  cl_int status_ = CL_SUCCESS;
  uint64_t less_ = 0;
  std::optional<std::string> seen_;
  std::string wrote_;
  std::vector<void*> made_;
  cl::EventCallback event_callback_ = nullptr;
  void* user_data_ = nullptr;
  int retained_events_ = 0;
  std::unique_ptr<std::byte[]> mapped_;
};

// The bulk lane, both ways.
struct FakeBulk {
  std::map<uint64_t, std::vector<std::byte>> frames;
  uint64_t next = 1;

  uint64_t Send(std::vector<std::byte> bytes) {
    frames[next] = std::move(bytes);
    return next++;
  }
};

class FakeClient : public ClientContext {
 public:
  FakeClient(FakeBulk& to_server, FakeBulk& to_client) : to_server_(to_server), to_client_(to_client) {}

  wire::WireHandle HandleOf(ValueKind kind, const void* object) override;
  void* ObjectOf(ValueKind kind, wire::WireHandle handle) override;
  uint64_t CallbackToken(CallId, void (*)(), void*) override { return ++tokens; }
  ValueKind ArgumentKind(cl_kernel, cl_uint index) override { return ArgumentKindOf(index); }
  absl::StatusOr<ImageShape> ShapeOf(cl_mem image) override { return ShapeOfImage(NameOf(image).index); }
  uint64_t BinaryBytes(cl_program, size_t) override { return binary_bytes; }
  uint64_t max_inline_bytes() const override { return inline_bytes; }
  absl::StatusOr<uint64_t> SendBulk(const HostSource& source) override;
  absl::StatusOr<uint64_t> ExpectBulk(const HostTarget& target) override;
  absl::Status AwaitBulk(uint64_t sequence, uint64_t bytes) override;
  absl::StatusOr<std::vector<std::byte>> TakeBulk(uint64_t sequence, uint64_t bytes) override;
  absl::StatusOr<ClientMapping> BeginMapping(cl_mem mem, const HostLayout& layout, cl_map_flags flags) override;
  absl::StatusOr<EndedMapping> EndMapping(cl_mem mem, void* pointer) override;

  uint64_t inline_bytes = 16384;
  uint64_t binary_bytes = 64;
  uint64_t tokens = 0;

 private:
  struct Mapped {
    uint64_t token;
    cl_mem mem;
    HostLayout layout;
    cl_map_flags flags;
    std::vector<std::byte> bytes;
  };

  FakeBulk& to_server_;
  FakeBulk& to_client_;
  std::map<uint64_t, HostTarget> expected_;
  std::vector<std::unique_ptr<Mapped>> mappings_;
};

class FakeServer : public ServerContext {
 public:
  FakeServer(const cl::DispatchTable& api, FakeBulk& to_server, FakeBulk& to_client, const ServerLimits& limits = {})
      : ServerContext(api, limits), to_server_(to_server), to_client_(to_client) {
    AddObjects();
  }

  absl::StatusOr<Storage> TakeBulk(uint64_t sequence, uint64_t bytes) override;
  // What comes by the bulk lane is always there already; bytes that never came are 0.
  cl_event ReceiveBulk(uint64_t transfer, std::span<std::byte> target, cl_command_queue queue,
                       absl::AnyInvocable<void()> arrived) override;
  void DropBulk(uint64_t transfer) override { to_server_.frames.erase(transfer); }
  absl::StatusOr<uint64_t> SendBulk(std::span<const std::byte> bytes) override;
  void WhenDone(Completion completion) override { waiting.push_back(std::move(completion)); }
  void Fired(const CallbackFired& fired) override { callbacks.push_back({fired.call, fired.token, fired.status, {}}); }

  // The commands of all completions are done: their bulk frames arrive; the answer of one that waits is written.
  void Finish(cl_int status, wire::Writer& answer);

  std::vector<Completion> waiting;
  std::vector<CallbackFired> callbacks;

 private:
  void AddObjects();  // eight of each kind, as MakeArgs() names them

  FakeBulk& to_server_;
  FakeBulk& to_client_;
};

// Codec functions and fake of one call, behind arguments without types.
struct CodecRow {
  CallId id;
  absl::Status (*encode)(Args args, Encoder& call);
  absl::StatusOr<cl_int> (*decode)(Args args, AnswerDecoder& answer);
};
std::span<const CodecRow> AllRows();

// Handles for all that |info| makes when it is called with |args|: indices from 100 on, as the fake driver numbers them.
std::vector<wire::WireHandle> MintFor(const cl::CallInfo& info, Args args);

}  // namespace xpool::wire_cl
