#include "worker_protocol/messages.h"

#include <gtest/gtest.h>

namespace xpool::worker {
namespace {

std::vector<Message> OneOfEach() {
  return {Ready{"/usr/lib/libpocl.so.2"},
          Start{.session_id = 7,
                .token = {std::byte{1}},
                .slice = "s7",
                .program = "train.py",
                .client_certificate = "PEM",
                .tenancy = {.confined = true,
                            .own_user = true,
                            .uid = 200001,
                            .gid = 200001,
                            .cache_directory = "/c",
                            .temporary_directory = "/t",
                            .data_bytes = 5}},
          Started{"PEM", 1 << 20, {"no Landlock", "no groups"}},
          Lane{{wire::Purpose::kLane, wire::Security::kTls, 9}},
          Report{1, 2, 3, 4, 5},
          End{"the slice was deleted"},
          Ended{absl::StatusCode::kUnavailable, "gone"},
          Serving{7},
          Dial{3, "gpu2:9747", {wire::Purpose::kPeer, wire::Security::kTls, 9}},
          Dialed{3, absl::StatusCode::kPermissionDenied, "gpu2 is none of this node's peers"}};
}

TEST(WorkerMessages, AreReadAsWritten) {
  for (const Message& message : OneOfEach()) {
    const auto bytes = EncodeMessage(message);
    ASSERT_TRUE(bytes.ok());
    const auto read = DecodeMessage(*bytes);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, message) << message.index();
  }
}

TEST(WorkerMessages, AreRefusedWhenCutOrLonger) {
  for (const Message& message : OneOfEach()) {
    std::vector<std::byte> bytes = *EncodeMessage(message);
    for (size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(DecodeMessage(std::span(bytes).first(size)).ok()) << message.index() << " at " << size;
    bytes.push_back(std::byte{0});
    EXPECT_TRUE(absl::IsInvalidArgument(DecodeMessage(bytes).status()));
  }
}

TEST(WorkerMessages, AreRefusedWithAnotherVersion) {
  std::vector<std::byte> bytes = *EncodeMessage(Serving{1});
  bytes[4] = std::byte{9};
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeMessage(bytes).status()));
}

TEST(WorkerMessages, HaveAnEnd) {
  EXPECT_TRUE(absl::IsResourceExhausted(EncodeMessage(End{std::string(kMaxWorkerMessageBytes, 'x')}).status()));
}

}  // namespace
}  // namespace xpool::worker
