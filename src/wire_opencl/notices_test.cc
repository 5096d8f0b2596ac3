#include "wire_opencl/notices.h"

#include <gtest/gtest.h>

namespace xpool::wire_cl {
namespace {

template <typename Message>
std::vector<std::byte> Bytes(const Message& message) {
  wire::Writer writer;
  Write(writer, message);
  return writer.Flatten();
}

// Whole it is read, with anything missing or added it is not.
template <typename Message>
Message Again(const Message& message) {
  std::vector<std::byte> bytes = Bytes(message);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(Read<Message>(std::span(bytes).first(size)).ok());
  auto read = Read<Message>(bytes);
  EXPECT_TRUE(read.ok()) << read.status();
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(Read<Message>(bytes).ok());
  return *read;
}

const wire::WireHandle kQueue = wire::WireHandle::Make(4, 1, 7);
const wire::WireHandle kEvent = wire::WireHandle::Make(9, 3, 2);

TEST(NoticesTest, NoticesComeBackAsTheyWereSent) {
  EXPECT_EQ(Again(Want{kQueue, kEvent, 99}).event, kEvent);
  EXPECT_TRUE(Again(Want{kQueue, kEvent, 99, true}).times);
  EXPECT_EQ(Again(Staged{5, 70}).bytes, 70u);
  const Done done = Again(Done{kQueue, 5, {{3, -14}, {4, CL_COMPLETE}}});
  EXPECT_EQ(done.through, 5u);
  ASSERT_EQ(done.entries.size(), 2u);
  EXPECT_EQ(done.entries[0].status, -14);
  const Fired fired = Again(Fired{CallId::clSetEventCallback, 4, -5, "why"});
  EXPECT_EQ(fired.call, CallId::clSetEventCallback);
  EXPECT_EQ(fired.message, "why");
  const Failed failed = Again(Failed{3, 17, -4, kQueue, kEvent});
  EXPECT_EQ(failed.subject, kQueue);
  EXPECT_EQ(failed.minted, kEvent);
  EXPECT_EQ(Again(SliceState{77}).memory_limit_bytes, 77u);
  EXPECT_EQ(Again(EventTimes{CL_SUCCESS, 1, 2, 3, 4, 5}).end, 4u);
  const Times times = Again(Times{kQueue, 8, {CL_SUCCESS, 1, 2, 3, 4, 5}});
  EXPECT_EQ(times.sequence, 8u);
  EXPECT_EQ(times.times.start, 3u);
  EXPECT_EQ(Again(MemoryState{6, 9}).used_bytes, 6u);
}

TEST(NoticesTest, DirectCopiesComeBackAsTheyWereSent) {
  const wire::WireHandle mem = wire::WireHandle::Make(5, 2, 3);
  wire::PeerToken token{};
  token[31] = std::byte{9};
  const Invite invite = Again(Invite{kQueue, mem, 7, 8, "PEM"});
  EXPECT_EQ(invite.mem, mem);
  EXPECT_EQ(invite.certificate, "PEM");
  const Invited invited = Again(Invited{absl::StatusCode::kResourceExhausted, token});
  EXPECT_EQ(invited.code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(invited.token, token);
  const Push push = Again(Push{kQueue, mem, 7, 8, "gpu2:9747", 11, token, ""});
  EXPECT_EQ(push.address, "gpu2:9747");
  EXPECT_EQ(push.offset, 7u);
  EXPECT_EQ(push.bytes, 8u);
  EXPECT_EQ(push.session_id, 11u);
  EXPECT_EQ(push.token, token);
  EXPECT_EQ(Again(Withdraw{token}).token, token);
  EXPECT_EQ(Again(Pushed{absl::StatusCode::kUnavailable}).code, absl::StatusCode::kUnavailable);
}

TEST(NoticesTest, StatusCodeThatDoesNotExistIsRefused) {
  EXPECT_FALSE(Read<Pushed>(Bytes(Pushed{static_cast<absl::StatusCode>(17)})).ok());
  EXPECT_FALSE(Read<Invited>(Bytes(Invited{static_cast<absl::StatusCode>(17), {}})).ok());
}

TEST(NoticesTest, RangeThatCannotBeIsRefused) {
  EXPECT_FALSE(Read<Invite>(Bytes(Invite{kQueue, kEvent, 7, 0, ""})).ok());
  EXPECT_FALSE(Read<Invite>(Bytes(Invite{kQueue, kEvent, UINT64_MAX, 1, ""})).ok());
  EXPECT_FALSE(Read<Push>(Bytes(Push{kQueue, kEvent, 0, UINT64_MAX, "gpu2:9747", 0, {}, ""})).ok());
}

TEST(NoticesTest, StatusThatCannotBeIsRefused) {
  EXPECT_FALSE(Read<Done>(Bytes(Done{kQueue, 0, {{3, CL_RUNNING}}})).ok());
  EXPECT_FALSE(Read<Failed>(Bytes(Failed{3, 17, CL_SUCCESS, kQueue, {}})).ok());
  EXPECT_FALSE(Read<Staged>(Bytes(Staged{5, 0})).ok());
}

ProgramSheet ASheet() {
  ProgramSheet sheet;
  sheet.complete = true;
  ArgSheet known{ArgSheet::Takes::kMem, true, 0x119B, 0x11A3, 4, "float*", "data"};
  sheet.kernels = {{"first", {known, ArgSheet{}}}, {"second", {}}};
  return sheet;
}

TEST(NoticesTest, ProgramSheetComesBackAsItWasSent) {
  wire::Writer writer;
  Write(writer, ASheet(), 10'000);
  const std::vector<std::byte> bytes = writer.Flatten();
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(Read<ProgramSheet>(std::span(bytes).first(size)).ok());
  const auto sheet = Read<ProgramSheet>(bytes);
  ASSERT_TRUE(sheet.ok()) << sheet.status();
  EXPECT_TRUE(sheet->complete);
  ASSERT_EQ(sheet->kernels.size(), 2u);
  EXPECT_EQ(sheet->kernels[0].args[0].type_name, "float*");
  EXPECT_EQ(sheet->kernels[0].args[0].takes, ArgSheet::Takes::kMem);
  EXPECT_FALSE(sheet->kernels[0].args[1].has_info);
  EXPECT_EQ(sheet->kernels[1].name, "second");
}

TEST(NoticesTest, OutputIsBounded) {
  const std::vector<std::byte> text(kMaxOutputBytes + 1, std::byte{'x'});
  for (const size_t size : {size_t{1}, size_t{kMaxOutputBytes}, text.size()}) {
    wire::Writer writer;
    Write(writer, Output{std::span(text).first(size)});
    const std::vector<std::byte> payload = writer.Flatten();
    const auto output = Read<Output>(payload);
    EXPECT_EQ(size <= kMaxOutputBytes, output.ok());
    if (!output.ok()) continue;
    EXPECT_EQ(size, output->bytes.size());
  }
}

TEST(NoticesTest, SheetThatIsTooLongSaysThatItLacksKernels) {
  wire::Writer writer;
  Write(writer, ASheet(), 40);
  EXPECT_LE(writer.size(), 40u);
  const auto sheet = Read<ProgramSheet>(writer.Flatten());
  ASSERT_TRUE(sheet.ok()) << sheet.status();
  EXPECT_FALSE(sheet->complete);
  ASSERT_EQ(sheet->kernels.size(), 1u);
  EXPECT_EQ(sheet->kernels[0].name, "second");
}

}  // namespace
}  // namespace xpool::wire_cl
