// Any bytes as the messages of attaching and of a lane's control: what is accepted keeps the promises of wire/attach.h,
// wire/hello.h and wire/control.h, and says the same when it is written and read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "check.h"
#include "wire/attach.h"
#include "wire/control.h"
#include "wire/frame.h"
#include "wire/hello.h"
#include "wire/request.h"

namespace {

using namespace xpool::wire;
using namespace xpool::fuzz;

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

// |message| says the same when it is written and read again.
template <typename Message, typename WriteMessage, typename ReadMessage>
void CheckAgain(const Message& message, const WriteMessage& write, const ReadMessage& read) {
  Writer writer;
  Check(write(&writer, message).ok());
  std::vector<std::byte> bytes;
  const auto again = read(Again(writer, &bytes));
  Check(again.ok() && *again == message);
}

void CheckAttach(const Frame& frame) {
  const auto attach = ReadAttach(frame);
  if (!attach.ok()) return;
  Check(CommonVersion({}, attach->versions).ok() && attach->token.size() <= kMaxSliceTokenBytes);
  Check(IsPrintable(attach->program) && IsPrintable(attach->slice));
  CheckAgain(*attach, WriteAttach, ReadAttach);
}

void CheckRequest(const Frame& frame) {
  const auto request = ReadRequest(frame);
  if (!request.ok()) return;
  CheckAgain(*request, WriteRequest, ReadRequest);
}

void CheckReply(const Frame& frame) {
  const auto reply = ReadReply(frame);
  Check(!reply.ok() || reply->size() <= kMaxRequestBodyBytes);
}

void CheckAttachAnswer(const Frame& frame) {
  const auto attached = ReadAttachAnswer(frame, Attach{});
  if (!attached.ok()) return;
  Check(attached->session_id != 0 && IsPrintable(attached->node));
  CheckAgain(*attached, WriteAttached, [](const Frame& again) { return ReadAttachAnswer(again, Attach{}); });
}

void CheckPreamble(const Frame& frame) {
  if (frame.payload.size() < kPreambleBytes) return;
  const auto bytes = frame.payload.first<kPreambleBytes>();
  const auto preamble = DecodePreamble(bytes);
  if (!preamble.ok()) return;
  const auto again = EncodePreamble(*preamble);
  Check(std::equal(again.begin(), again.end(), bytes.begin()));
}

void CheckHello(const Frame& frame) {
  const auto hello = ReadHello(frame);
  if (!hello.ok()) return;
  Check(CheckLimits(hello->limits).ok() && CommonVersion({}, hello->versions).ok() && hello->session_id != 0);
  CheckAgain(*hello, WriteHello, ReadHello);
}

void CheckAnswer(const Frame& frame, const Hello& hello) {
  const auto welcome = ReadHelloAnswer(frame, hello);
  if (!welcome.ok()) return;
  Check(Minimum(welcome->limits, hello.limits) == welcome->limits && CheckLimits(welcome->limits).ok());
  CheckAgain(*welcome, WriteWelcome, [&](const Frame& again) { return ReadHelloAnswer(again, hello); });
}

void CheckRefusal(const Frame& frame) {
  const auto refusal = ReadRefusal(frame);
  if (!refusal.ok()) return;
  Check(IsPrintable(refusal->message) && !RefusalStatus(*refusal).ok());
  CheckAgain(*refusal, WriteRefusal, ReadRefusal);
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // The first byte picks the message, so that the fuzzer need not find a header for each.
  const auto control = static_cast<uint16_t>(kFirstControl + data[0] % 12);
  const Frame frame = {ControlHeader(static_cast<Control>(control)), std::as_bytes(std::span(data + 1, size - 1))};
  CheckAttach(frame);
  CheckAttachAnswer(frame);
  CheckRequest(frame);
  CheckReply(frame);
  CheckPreamble(frame);
  CheckHello(frame);
  CheckAnswer(frame, Hello{});
  CheckRefusal(frame);
  CheckControlMessage<Ack>(frame);
  CheckControlMessage<Credit>(frame);
  CheckControlMessage<Ping>(frame);
  CheckControlMessage<Pong>(frame);
  CheckControlMessage<Goodbye>(frame);
  return 0;
}
