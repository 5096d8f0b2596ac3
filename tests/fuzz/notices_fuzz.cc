// Any bytes as what client and worker tell each other that is no OpenCL call: the first byte picks the message. What is
// read keeps its bounds and is written again byte by byte as it came.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "check.h"
#include "wire_opencl/notices.h"

namespace {

using namespace xpool;
using namespace xpool::wire_cl;
using namespace xpool::fuzz;

void Same(const wire::Writer& writer, std::span<const std::byte> payload) {
  Check(writer.ok() && std::ranges::equal(writer.Flatten(), payload));
}

template <typename Message>
void CheckMessage(std::span<const std::byte> payload) {
  const absl::StatusOr<Message> message = Read<Message>(payload);
  if (!message.ok()) return;
  wire::Writer writer;
  Write(writer, *message);
  Same(writer, payload);
}

void CheckDone(std::span<const std::byte> payload) {
  const absl::StatusOr<Done> done = Read<Done>(payload);
  Check(!done.ok() || done->entries.size() <= kMaxDoneEntries);
  CheckMessage<Done>(payload);
}

void CheckFired(std::span<const std::byte> payload) {
  const absl::StatusOr<Fired> fired = Read<Fired>(payload);
  Check(!fired.ok() || fired->message.size() <= kMaxMessageBytes);
  CheckMessage<Fired>(payload);
}

// With less room than it needs, it says no more that it is complete, and fits.
void CheckSheet(std::span<const std::byte> payload) {
  const absl::StatusOr<ProgramSheet> sheet = Read<ProgramSheet>(payload);
  if (!sheet.ok()) return;
  wire::Writer whole, part;
  Write(whole, *sheet, payload.size() + 16);
  Same(whole, payload);
  const uint64_t most_bytes = payload.size() / 2;
  Write(part, *sheet, most_bytes);
  Check(part.size() <= std::max<uint64_t>(most_bytes, 16));
  const absl::StatusOr<ProgramSheet> again = Read<ProgramSheet>(part.Flatten());
  Check(again.ok() && (!again->complete || again->kernels.size() == sheet->kernels.size()));
}

template <typename Message>
void CheckRange(std::span<const std::byte> payload) {
  const absl::StatusOr<Message> message = Read<Message>(payload);
  Check(!message.ok() || message->offset + message->bytes > message->offset);
  CheckMessage<Message>(payload);
}

void CheckPush(std::span<const std::byte> payload) {
  const absl::StatusOr<Push> push = Read<Push>(payload);
  Check(!push.ok() || (push->session_id != 0 && push->address.size() <= kMaxPeerAddressBytes));
  CheckRange<Push>(payload);
}

constexpr void (*kChecks[])(std::span<const std::byte>) = {&CheckMessage<Want>,
                                                           &CheckMessage<Staged>,
                                                           &CheckDone,
                                                           &CheckFired,
                                                           &CheckMessage<Failed>,
                                                           &CheckMessage<SliceState>,
                                                           &CheckMessage<EventTimes>,
                                                           &CheckMessage<MemoryState>,
                                                           &CheckSheet,
                                                           &CheckRange<Invite>,
                                                           &CheckMessage<Invited>,
                                                           &CheckPush,
                                                           &CheckMessage<Pushed>,
                                                           &CheckMessage<Withdraw>,
                                                           &CheckMessage<Times>};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  kChecks[data[0] % std::size(kChecks)](std::as_bytes(std::span(data + 1, size - 1)));
  return 0;
}
