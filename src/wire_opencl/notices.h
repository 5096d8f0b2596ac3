// What client and worker of an OpenCL session say to each other that is no OpenCL call: what is complete, callbacks
// that are due, failures of calls that nobody waits for, and questions whose answers save many calls. Each is a frame
// of kind kCall (a question's answer: kAnswer) whose call ID is a Notice; numbered, resent and paid for like any other.
// Pure.
//
//   client -> worker   kWant, kStage, kProfile?, kDescribe?, kMemory?, kInvite?, kPush?,
//                      kWithdraw?      (?: has an answer)
//   worker -> client   kDone, kFired, kFailed, kSlice, kOutput, kTimes
#pragma once

#include <CL/cl.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/frame.h"
#include "wire/handle.h"
#include "wire/peer.h"
#include "wire/writer.h"
#include "wire_opencl/call_values.h"

namespace xpool::wire_cl {

enum class Notice : uint16_t {
  kWant = wire::kFirstNotice,
  kStage,
  kProfile,
  kDescribe,
  kMemory,
  kDone,
  kFired,
  kFailed,
  kSlice,
  kOutput,
  kInvite,
  kPush,
  kWithdraw,
  kTimes,
};

// Say kDone as soon as |event| is complete: somebody waits. Commands are named by their queue and by the sequence of
// the call that enqueued them.
struct Want {
  wire::WireHandle queue, event;
  uint64_t sequence = 0;
  bool times = false;  // kTimes before it, if there are any
};

// |transfer| comes next on the bulk lane, for a call that names it later: so the call lane never waits for it.
struct Staged {
  uint64_t transfer = 0;
  uint64_t bytes = 0;
};

// Commands of |queue| are complete: all up to and with the call |through| (0: none are said so), and those listed,
// whose status is what it says: CL_COMPLETE or negative.
struct Done {
  struct Entry {
    uint64_t sequence = 0;
    int32_t status = CL_COMPLETE;
  };
  wire::WireHandle queue;
  uint64_t through = 0;
  std::vector<Entry> entries;
};
inline constexpr uint32_t kMaxDoneEntries = 4096;

// The callback that |call| registered under |token| is to be called.
struct Fired {
  CallId call{};
  uint64_t token = 0;
  int32_t status = CL_COMPLETE;
  std::string message;  // of a context's callback
};
inline constexpr uint32_t kMaxMessageBytes = 4096;

// The call |sequence|, whose answer nobody waits for, failed. |subject| is the first handle of the call; |minted|,
// which may be NULL, of the first thing that it should have made.
struct Failed {
  uint16_t call = 0;
  uint64_t sequence = 0;
  int32_t status = 0;
  wire::WireHandle subject, minted;
};

// The slice was resized.
struct SliceState {
  uint64_t memory_limit_bytes = 0;
};

// Text that kernels have printed. Of a command that is complete, it comes before the news of that.
struct Output {
  std::span<const std::byte> bytes;  // of who writes; read, of the payload
};
inline constexpr uint32_t kMaxOutputBytes = 16384;

// Of kProfile, about an event: all that clGetEventProfilingInfo can say, or why it cannot.
struct EventTimes {
  int32_t status = CL_SUCCESS;
  uint64_t queued = 0, submit = 0, start = 0, end = 0, complete = 0;
};

// When the command |sequence| of |queue| was queued, run and so on: a program that has its queue measure times asks for
// them as soon as it has waited.
struct Times {
  wire::WireHandle queue;
  uint64_t sequence = 0;
  EventTimes times;
};

// Of kMemory: what the slice's memory account says, as of when the question arrived on the lane.
struct MemoryState {
  uint64_t used_bytes = 0;  // by this session
  uint64_t limit_bytes = 0;
};

// Of kDescribe, about a program that is built: its kernels, so that creating one and setting its arguments need not
// wait.
struct ArgSheet {
  enum class Takes : uint8_t { kBytes, kMem, kSampler, kQueue, kMaybe, kMaybeNotPointer };

  Takes takes = Takes::kMaybe;
  bool has_info = false;  // the rest is known
  uint32_t address = 0, access = 0;
  uint64_t type_qualifier = 0;
  std::string type_name, name;
};
struct KernelSheet {
  std::string name;
  std::vector<ArgSheet> args;
};
struct ProgramSheet {
  bool complete = false;  // all kernels are listed
  std::vector<KernelSheet> kernels;
};

// A direct copy (wire/peer.h) is asked of both workers: first of the one that is to get the bytes, whose answer is the
// token. The queue is one of the client's own on which nothing else is under way.
struct Invite {
  wire::WireHandle queue, mem;
  uint64_t offset = 0, bytes = 0;
  std::string certificate;  // the sender's, PEM; empty: sessions are not under TLS
};
struct Invited {
  absl::StatusCode code = absl::StatusCode::kOk;
  wire::PeerToken token{};
};

// Then of the one that has them; answered when all have arrived there, or will not.
struct Push {
  wire::WireHandle queue, mem;
  uint64_t offset = 0, bytes = 0;
  std::string address;      // of the receiver's agent, as the client reaches it: "host:port"
  uint64_t session_id = 0;  // the receiver's
  wire::PeerToken token{};
  std::string certificate;  // the receiver's, as above
};
struct Pushed {
  absl::StatusCode code = absl::StatusCode::kOk;
};
// Of the receiver, when the sender has not succeeded: answered, with nothing, once the copy is not expected any more
// and nothing of it is written any more.
struct Withdraw {
  wire::PeerToken token{};
};
inline constexpr uint32_t kMaxPeerAddressBytes = 300;

inline wire::FrameHeader NoticeHeader(Notice notice) { return {.call = static_cast<uint16_t>(notice)}; }

void Write(wire::Writer& writer, const Want& notice);
void Write(wire::Writer& writer, const Staged& notice);
void Write(wire::Writer& writer, const Done& notice);
void Write(wire::Writer& writer, const Fired& notice);
void Write(wire::Writer& writer, const Failed& notice);
void Write(wire::Writer& writer, const SliceState& notice);
void Write(wire::Writer& writer, const Output& notice);
void Write(wire::Writer& writer, const EventTimes& answer);
void Write(wire::Writer& writer, const Times& notice);
void Write(wire::Writer& writer, const MemoryState& answer);
void Write(wire::Writer& writer, const Invite& notice);
void Write(wire::Writer& writer, const Invited& answer);
void Write(wire::Writer& writer, const Push& notice);
void Write(wire::Writer& writer, const Pushed& answer);
void Write(wire::Writer& writer, const Withdraw& notice);
// Leaves out the kernels for which |most_bytes| are not enough.
void Write(wire::Writer& writer, const ProgramSheet& answer, uint64_t most_bytes);

// INVALID_ARGUMENT for anything that Write() does not write.
template <typename Message>
absl::StatusOr<Message> Read(std::span<const std::byte> payload);
template <>
absl::StatusOr<Want> Read<Want>(std::span<const std::byte> payload);
template <>
absl::StatusOr<Staged> Read<Staged>(std::span<const std::byte> payload);
template <>
absl::StatusOr<Done> Read<Done>(std::span<const std::byte> payload);
template <>
absl::StatusOr<Fired> Read<Fired>(std::span<const std::byte> payload);
template <>
absl::StatusOr<Failed> Read<Failed>(std::span<const std::byte> payload);
template <>
absl::StatusOr<SliceState> Read<SliceState>(std::span<const std::byte> payload);
template <>
absl::StatusOr<Output> Read<Output>(std::span<const std::byte> payload);
template <>
absl::StatusOr<EventTimes> Read<EventTimes>(std::span<const std::byte> payload);
template <>
absl::StatusOr<Times> Read<Times>(std::span<const std::byte> payload);
template <>
absl::StatusOr<MemoryState> Read<MemoryState>(std::span<const std::byte> payload);
template <>
absl::StatusOr<Invite> Read<Invite>(std::span<const std::byte> payload);
template <>
absl::StatusOr<Invited> Read<Invited>(std::span<const std::byte> payload);
template <>
absl::StatusOr<Push> Read<Push>(std::span<const std::byte> payload);
template <>
absl::StatusOr<Pushed> Read<Pushed>(std::span<const std::byte> payload);
template <>
absl::StatusOr<Withdraw> Read<Withdraw>(std::span<const std::byte> payload);
template <>
absl::StatusOr<ProgramSheet> Read<ProgramSheet>(std::span<const std::byte> payload);

}  // namespace xpool::wire_cl
