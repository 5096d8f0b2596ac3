// Any bytes as the messages of attaching and of a lane's control: what is accepted keeps the promises of wire/hello.h
// and wire/control.h, and says the same when it is written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "wire/control.h"
#include "wire/frame.h"
#include "wire/hello.h"

namespace {

using namespace xpool::wire;

void Check(bool promise) {
  if (!promise) std::abort();
}

bool IsPrintable(const std::string& text) {
  for (const char c : text) {
    if (c < ' ' || c > '~') return false;
  }
  return true;
}

// What |writer| holds, as the one frame that it must be; it points into |bytes|.
Frame Again(const Writer& writer, std::vector<std::byte>* bytes) {
  *bytes = writer.Flatten();
  FrameParser parser(kMaxHelloBytes);
  std::span<const std::byte> input = *bytes;
  const auto frame = parser.Next(&input);
  Check(frame.ok() && frame->has_value() && input.empty());
  return **frame;
}

void CheckHello(const Frame& frame) {
  const auto hello = ReadHello(frame);
  if (!hello.ok()) return;
  Check(CheckLimits(hello->limits).ok() && CommonVersion({}, hello->versions).ok());
  Check(hello->slice_token.size() <= kMaxSliceTokenBytes && hello->program.size() <= kMaxProgramBytes);
  Check(IsPrintable(hello->program));
  Writer writer;
  Check(WriteHello(&writer, *hello).ok());
  std::vector<std::byte> bytes;
  const auto again = ReadHello(Again(writer, &bytes));
  Check(again.ok() && *again == *hello);
}

void CheckAnswer(const Frame& frame, const Hello& hello) {
  const auto welcome = ReadHelloAnswer(frame, hello);
  if (!welcome.ok()) return;
  Check(Minimum(welcome->limits, hello.limits) == welcome->limits && CheckLimits(welcome->limits).ok());
  Check(welcome->session_id != 0 && (welcome->features & ~hello.features) == 0);
  Writer writer;
  Check(WriteWelcome(&writer, *welcome).ok());
  std::vector<std::byte> bytes;
  const auto again = ReadHelloAnswer(Again(writer, &bytes), hello);
  Check(again.ok() && *again == *welcome);
}

void CheckRefusal(const Frame& frame) {
  const auto refusal = ReadRefusal(frame);
  if (!refusal.ok()) return;
  Check(IsPrintable(refusal->message) && !RefusalStatus(*refusal).ok());
  Writer writer;
  Check(WriteRefusal(&writer, *refusal).ok());
  std::vector<std::byte> bytes;
  const auto again = ReadRefusal(Again(writer, &bytes));
  Check(again.ok() && *again == *refusal);
}

template <typename Message>
void CheckControlMessage(const Frame& frame) {
  const auto message = ReadControl<Message>(frame);
  if (!message.ok()) return;
  Writer writer;
  WriteControl(&writer, *message);
  std::vector<std::byte> bytes;
  Check(ReadControl<Message>(Again(writer, &bytes)).ok());
}

Hello ResumedHello() {
  Hello hello;
  hello.features = kFeatureResume;
  hello.session_id = 7;
  return hello;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // The first byte picks the message, so that the fuzzer need not find a header for each.
  const auto control = static_cast<uint16_t>(kFirstControl + data[0] % 8);
  const Frame frame = {ControlHeader(static_cast<Control>(control)), std::as_bytes(std::span(data + 1, size - 1))};
  CheckHello(frame);
  CheckAnswer(frame, Hello{});
  CheckAnswer(frame, ResumedHello());
  CheckRefusal(frame);
  CheckControlMessage<Ack>(frame);
  CheckControlMessage<Credit>(frame);
  CheckControlMessage<Ping>(frame);
  CheckControlMessage<Pong>(frame);
  CheckControlMessage<Goodbye>(frame);
  return 0;
}
