#include "wire/control.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "wire/limits.h"

namespace xpool::wire {
namespace {

// The only frame in |writer|; its payload points into |bytes|, which receives the stream.
Frame OnlyFrame(const Writer& writer, std::vector<std::byte>* bytes) {
  *bytes = writer.Flatten();
  FrameParser parser(kMaxHelloBytes);
  std::span<const std::byte> input = *bytes;
  auto frame = parser.Next(&input);
  EXPECT_TRUE(frame.ok() && frame->has_value()) << frame.status();
  EXPECT_TRUE(input.empty());
  return frame.ok() && frame->has_value() ? **frame : Frame{};
}

template <typename Message>
absl::StatusOr<Message> ThereAndBack(const Message& message) {
  Writer writer;
  WriteControl(&writer, message);
  std::vector<std::byte> bytes;
  return ReadControl<Message>(OnlyFrame(writer, &bytes));
}

TEST(ControlTest, MessagesComeBack) {
  EXPECT_EQ(ThereAndBack(Ack{7}).value().received, 7u);
  EXPECT_EQ(ThereAndBack(Credit{UINT64_MAX}).value().granted_bytes, UINT64_MAX);
  EXPECT_EQ(ThereAndBack(Ping{8}).value().cookie, 8u);
  EXPECT_EQ(ThereAndBack(Pong{9}).value().cookie, 9u);
  const Goodbye goodbye = ThereAndBack(Goodbye{14, "the worker died"}).value();
  EXPECT_EQ(goodbye.code, 14u);
  EXPECT_EQ(goodbye.message, "the worker died");
}

TEST(ControlTest, SentenceIsCutAndMadePrintable) {
  EXPECT_EQ(ThereAndBack(Goodbye{0, "a\x1b[31m\nb\xff"}).value().message, "a?[31m?b?");
  EXPECT_EQ(ThereAndBack(Goodbye{0, std::string(5000, 'x')}).value().message.size(), kMaxSentenceBytes);
}

TEST(ControlTest, AnotherMessageIsRefused) {
  Writer writer;
  WriteControl(&writer, Ping{1});
  std::vector<std::byte> bytes;
  const Frame frame = OnlyFrame(writer, &bytes);
  EXPECT_TRUE(absl::IsInvalidArgument(ReadControl<Pong>(frame).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadControl<Goodbye>(frame).status()));
  Frame call = frame;
  call.header.kind = FrameKind::kCall;
  EXPECT_TRUE(absl::IsInvalidArgument(ReadControl<Ping>(call).status()));
}

TEST(ControlTest, OneByteMoreOrLessIsRefused) {
  const std::vector<std::byte> payload(9);
  Frame frame{ControlHeader(Control::kAck), payload};
  EXPECT_TRUE(absl::IsInvalidArgument(ReadControl<Ack>(frame).status()));
  frame.payload = frame.payload.first(7);
  EXPECT_TRUE(absl::IsInvalidArgument(ReadControl<Ack>(frame).status()));
  frame.payload = std::span(payload).first(8);
  EXPECT_TRUE(ReadControl<Ack>(frame).ok());
}

}  // namespace
}  // namespace xpool::wire
