// A session whose client writes frames of its own making: forged handles, transfers that never come, answers that it
// does not read. The session ends with a sentence that says why, and nothing else does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backend/remote/cl_link.h"
#include "backend/remote/platform.h"
#include "faulty_node.h"
#include "generated/opencl/call_info.h"
#include "transport/unix_channel.h"
#include "wire_opencl/notices.h"
#include "worker/client_session.h"
#include "worker/slow_calls.h"

namespace xpool::faults {
namespace {

using wire_cl::CallId;
using wire_cl::Notice;

constexpr uint64_t kSessionId = 5;
constexpr uint64_t kMemoryLimitBytes = uint64_t{1} << 30;

const cl::DispatchTable& Driver() {
  static const auto* const table = new cl::DispatchTable(worker::SlowCalls::LeaveLaneIn(NullDriver()));
  return *table;
}

worker::SessionOptions ShortOfPatience() {
  worker::SessionOptions options{
      .session_id = kSessionId, .resume_window_ns = 100 * kNsPerMs, .silence_ns = 5 * kNsPerSec};
  options.slice = {.memory_used_bytes = [] { return uint64_t{0}; },
                   .memory_limit_bytes = [] { return kMemoryLimitBytes; }};
  options.slice_status = [] { return absl::OkStatus(); };
  return options;
}

class HostileClientTest : public testing::Test {
 protected:
  explicit HostileClientTest(worker::SessionOptions options = ShortOfPatience())
      : session_(new worker::ClientSession(Driver(), options)), lane_(wire::LaneKind::kCalls, {}, Clock::Monotonic()) {
    auto pair = transport::UnixChannelPair().value();
    channel_ = std::move(pair.first);
    EXPECT_TRUE(session_->Offer({std::move(pair.second), {.session_id = kSessionId}}).ok());
    EXPECT_TRUE(lane_.Connect(channel_, 0).ok());
    outcome_ = std::async(std::launch::async, [this] { return session_->Run(kNsPerSec); });
  }

  template <typename Encode>
  uint64_t Call(uint16_t call, uint8_t flags, const Encode& encode) {
    const uint64_t sequence = *lane_.PostNow(wire::FrameKind::kCall, call, flags, [&](wire::Writer& writer) {
      encode(writer);
      return absl::OkStatus();
    });
    for (; lane_.blocked(); lane_.Flush()) std::this_thread::yield();  // a full socket: there is no keeper here
    return sequence;
  }
  template <typename Message>
  void Tell(Notice notice, const Message& message) {
    Call(static_cast<uint16_t>(notice), 0, [&](wire::Writer& writer) { Write(writer, message); });
  }
  void Ask(Notice notice, wire::WireHandle about) {
    Call(static_cast<uint16_t>(notice), wire::kFlagNeedsAnswer, [&](wire::Writer& writer) { writer.Handle(about); });
  }
  absl::Status Outcome() { return outcome_.get(); }

  worker::ClientSession* const session_;  // never destroyed
  lane::Lane lane_;
  std::shared_ptr<transport::Channel> channel_;
  std::future<absl::Status> outcome_;
};

wire::WireHandle Forged(wire_cl::ValueKind kind, uint32_t index) {
  return wire::WireHandle::Make(wire_cl::TypeOf(kind), 1, index);
}

TEST_F(HostileClientTest, HandleThatWasNeverMadeEndsTheSession) {
  Ask(Notice::kProfile, Forged(wire_cl::ValueKind::kEvent, 3));
  const absl::Status outcome = Outcome();
  EXPECT_FALSE(outcome.ok());
  EXPECT_FALSE(outcome.message().empty());
}

TEST_F(HostileClientTest, HandleOfAnotherTypeEndsTheSession) {
  Ask(Notice::kDescribe, Forged(wire_cl::ValueKind::kQueue, 1));
  EXPECT_FALSE(Outcome().ok());
}

TEST_F(HostileClientTest, EventThatWasNeverMadeCannotBeWanted) {
  Tell(Notice::kWant, wire_cl::Want{Forged(wire_cl::ValueKind::kQueue, 1), Forged(wire_cl::ValueKind::kEvent, 1), 1});
  EXPECT_FALSE(Outcome().ok());
}

TEST_F(HostileClientTest, WhatOnlyAServerSaysEndsTheSession) {
  Tell(Notice::kSlice, wire_cl::SliceState{~uint64_t{0}});
  EXPECT_TRUE(absl::IsInvalidArgument(Outcome()));
}

TEST_F(HostileClientTest, TransferStagedTwiceEndsTheSession) {
  Tell(Notice::kStage, wire_cl::Staged{1, 100});
  Tell(Notice::kStage, wire_cl::Staged{1, 100});
  EXPECT_TRUE(absl::IsInvalidArgument(Outcome()));
}

TEST_F(HostileClientTest, StagedTransfersHaveABound) {
  for (uint64_t transfer = 1; transfer <= 2000; ++transfer) Tell(Notice::kStage, wire_cl::Staged{transfer, 1 << 30});
  const absl::Status outcome = Outcome();
  EXPECT_TRUE(absl::IsInvalidArgument(outcome)) << outcome;
}

// Nor does it heed its credit, which it would have to read of.
TEST_F(HostileClientTest, ClientThatReadsNoAnswersIsEnded) {
  constexpr size_t kFramesEach = 4096;
  std::vector<std::byte> frames;
  uint64_t sequence = 0;
  absl::Status sent;
  while (sent.ok()) {
    frames.clear();
    for (size_t i = 0; i < kFramesEach; ++i) {
      const auto header = wire::EncodeHeader({.call = static_cast<uint16_t>(Notice::kMemory),
                                              .kind = wire::FrameKind::kCall,
                                              .flags = wire::kFlagNeedsAnswer,
                                              .sequence = ++sequence});
      frames.insert(frames.end(), header.begin(), header.end());
    }
    const iovec piece{frames.data(), frames.size()};
    sent = SendAll(*channel_, {&piece, 1}, transport::Deadline::Never());
  }
  const absl::Status outcome = Outcome();
  EXPECT_TRUE(absl::IsResourceExhausted(outcome)) << outcome;
}

// The worker waits for the source on the thread that reads the calls, and would read of the client's end.
TEST(VanishedClientTest, CallWhoseDataNeverComesEndsWithItsClient) {
  auto* const node = new FaultyNode(1, /*patience_ns=*/500 * kNsPerMs);
  std::vector<std::unique_ptr<remote::ClLink>> links;
  links.push_back(remote::ClLink::Open(node->Options()).value());
  remote::RemotePlatform* const platform = remote::RemotePlatform::Create(std::move(links)).value();
  const cl::DispatchTable& api = remote::RemotePlatform::Api();
  const cl_device_id device = remote::To<cl_device_id>(platform->devices().front());
  const cl_context context = api.clCreateContext(nullptr, 1, &device, nullptr, nullptr, nullptr);
  node->RefuseLanes();  // for bulk data, that is
  std::thread([&api, context] {
    const std::string source(1 << 20, ' ');
    const char* text = source.c_str();
    api.clCreateProgramWithSource(context, 1, &text, nullptr, nullptr);  // until the link is given up
  }).detach();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // whatever has come of it by now
  node->CutOff();
  const absl::Status outcome = node->Outcome();
  EXPECT_THAT(std::string(outcome.message()), testing::HasSubstr("data that it does not send"));
}

}  // namespace
}  // namespace xpool::faults
