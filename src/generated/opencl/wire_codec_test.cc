// Written by hand: every call through the codec, from a made-up program to the fake driver (wire_fake.h) and back.
#include "generated/opencl/wire_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "generated/opencl/wire_fake.h"

namespace xpool::wire_cl {
namespace {

using ::testing::HasSubstr;

constexpr int kRounds = 60;  // of each call, with other arguments

// Both ends of a session.
struct Session {
  explicit Session(uint64_t seed, const ServerLimits& limits = {})
      : random(seed), driver(seed + 1), client(up, down), server(driver.table(), up, down, limits) {}

  std::mt19937_64 random;
  Scratch scratch;
  FakeBulk up, down;
  FakeDriver driver;
  FakeClient client;
  FakeServer server;
};

// One call on its way.
struct Sent {
  const cl::CallInfo* info = nullptr;
  std::vector<uint64_t> args;
  std::vector<wire::WireHandle> minted;
  std::vector<std::byte> bytes;
  Expected expected;
  bool wants_answer = false;
  absl::Status status;
};

const CodecRow& RowOf(CallId id) {
  return *std::find_if(AllRows().begin(), AllRows().end(), [&](const CodecRow& row) { return row.id == id; });
}

Sent Send(Session& session, CallId id, std::vector<uint64_t> args) {
  Sent sent;
  sent.info = cl::FindCall(static_cast<uint32_t>(id));
  sent.args = std::move(args);
  sent.minted = MintFor(*sent.info, sent.args);
  wire::Writer writer;
  Encoder call(writer, session.client, sent.minted);
  sent.status = RowOf(id).encode(sent.args, call);
  sent.bytes = writer.Flatten();
  sent.expected = call.expected();
  sent.wants_answer = call.wants_answer();
  return sent;
}

// A mapping that the program may end: an unmap needs one.
void* MapSomething(Session& session) {
  const auto mapping = session.client.BeginMapping(static_cast<cl_mem>(ProgramObject(ValueKind::kMem, 1)), DenseLayout(16),
                                                   session.random() % 2 == 0 ? CL_MAP_READ : CL_MAP_WRITE);
  session.server.mappings()[mapping->token] = {static_cast<cl_mem>(DriverObject(ValueKind::kMem, 1)),
                                               session.scratch.Allocate(16), DenseLayout(16), CL_MAP_WRITE};
  return mapping->data;
}

Sent SendAnything(Session& session, const CodecRow& row) {
  void* const mapped = MapSomething(session);
  const cl::CallInfo& info = *cl::FindCall(static_cast<uint32_t>(row.id));
  std::vector<uint64_t> args = MakeArgs(info, session.random, session.scratch, mapped);
  if (row.id == CallId::clEnqueueUnmapMemObject) args[1] = reinterpret_cast<uint64_t>(ProgramObject(ValueKind::kMem, 1));
  session.driver.Expect(row.id);
  return Send(session, row.id, std::move(args));
}

absl::StatusOr<Served> Serve(Session& session, CallId id, std::span<const std::byte> bytes, wire::Writer& answer) {
  wire::Reader reader(bytes, "call");
  CallTrace trace;
  return ServeCall(id, reader, session.server, answer, &trace);
}

// Serves |sent|, finishes what it started, and decodes the answer into the program's parameters.
absl::StatusOr<cl_int> Finish(Session& session, const Sent& sent, cl_int execution_status = CL_COMPLETE) {
  wire::Writer answer;
  const absl::StatusOr<Served> served = Serve(session, sent.info->id, sent.bytes, answer);
  if (!served.ok()) return served.status();
  EXPECT_EQ(*served == Served::kLater, answer.size() == 0) << sent.info->name;
  session.server.Finish(execution_status, answer);
  const std::vector<std::byte> bytes = answer.Flatten();
  wire::Reader reader(bytes, "answer");
  AnswerDecoder decoder(reader, session.client, sent.expected);
  return RowOf(sent.info->id).decode(sent.args, decoder);
}

class EveryCallTest : public ::testing::TestWithParam<CodecRow> {};

TEST_P(EveryCallTest, DriverSeesWhatTheProgramPassed) {
  for (int round = 0; round < kRounds; ++round) {
    Session session(static_cast<uint64_t>(round));
    session.client.inline_bytes = round % 3 == 0 ? 0 : 16384;  // 0: everything by the bulk lane
    const Sent sent = SendAnything(session, GetParam());
    ASSERT_TRUE(sent.status.ok()) << sent.status;
    wire::Writer answer;
    const auto served = Serve(session, GetParam().id, sent.bytes, answer);
    ASSERT_TRUE(served.ok()) << served.status();
    ASSERT_TRUE(session.driver.seen().has_value());
    EXPECT_EQ(*session.driver.seen(), DescribeIn(*sent.info, sent.args));
  }
}

TEST_P(EveryCallTest, ProgramGetsWhatTheDriverWrote) {
  for (int round = 0; round < kRounds; ++round) {
    Session session(static_cast<uint64_t>(round));
    session.client.inline_bytes = round % 3 == 0 ? 0 : 16384;
    const Sent sent = SendAnything(session, GetParam());
    const absl::StatusOr<cl_int> status = Finish(session, sent);
    ASSERT_TRUE(status.ok()) << status.status();
    EXPECT_EQ(*status, CL_SUCCESS);
    if (sent.expected.sequence != 0 && session.down.frames.contains(sent.expected.sequence)) {
      const auto awaited = session.client.AwaitBulk(sent.expected.sequence, sent.expected.target.layout.bytes());
      EXPECT_TRUE(awaited.ok()) << awaited;
    }
    std::string wrote = session.driver.wrote();
    const bool invalidated = sent.expected.target.data != nullptr && sent.info->returns == "void *" &&
                             (sent.args[3] & CL_MAP_WRITE_INVALIDATE_REGION) != 0;
    if (invalidated) continue;  // nothing is read
    EXPECT_EQ(wrote, DescribeOut(*sent.info, sent.args, reinterpret_cast<uint64_t>(sent.expected.target.data)))
        << sent.info->name << " round " << round;
  }
}

TEST_P(EveryCallTest, WhatIsMadeIsKnownByTheClientsHandles) {
  for (int round = 0; round < kRounds; ++round) {
    Session session(static_cast<uint64_t>(round));
    const Sent sent = SendAnything(session, GetParam());
    ASSERT_TRUE(Finish(session, sent).ok());
    const std::vector<void*>& made = session.driver.made();
    // Devices and platforms were there before; an event that the program did not ask for is the worker's own.
    if (made.empty() || sent.minted.empty() || sent.minted[0].type() != TypeOf(NameOf(made[0]).kind)) continue;
    ASSERT_EQ(sent.minted.size(), made.size());
    for (size_t i = 0; i < sent.minted.size(); ++i) {
      const auto found = session.server.objects().Find(static_cast<ValueKind>(sent.minted[i].type()), sent.minted[i]);
      ASSERT_TRUE(found.ok()) << found.status();
      EXPECT_EQ(*found, made[i]);
    }
  }
}

TEST_P(EveryCallTest, CutAtAnyByteItIsAnErrorAndNothingIsCalled) {
  for (int round = 0; round < 6; ++round) {
    Session session(static_cast<uint64_t>(round));
    const Sent sent = SendAnything(session, GetParam());
    for (size_t length = 0; length < sent.bytes.size(); ++length) {
      // A copy of its own size: reading past its end is seen by the address sanitizer.
      const std::vector<std::byte> cut(sent.bytes.begin(), sent.bytes.begin() + static_cast<ptrdiff_t>(length));
      FakeServer server(session.driver.table(), session.up, session.down);
      wire::Reader reader(cut, "call");
      wire::Writer answer;
      CallTrace trace;
      const auto served = ServeCall(GetParam().id, reader, server, answer, &trace);
      EXPECT_FALSE(served.ok()) << "cut to " << length << " of " << sent.bytes.size() << " bytes";
      EXPECT_FALSE(session.driver.seen().has_value());
    }
  }
}

TEST_P(EveryCallTest, BytesTooManyAreAnErrorAndNothingIsCalled) {
  Session session(1);
  Sent sent = SendAnything(session, GetParam());
  sent.bytes.push_back(std::byte{0});
  wire::Writer answer;
  EXPECT_FALSE(Serve(session, GetParam().id, sent.bytes, answer).ok());
  EXPECT_FALSE(session.driver.seen().has_value());
}

TEST_P(EveryCallTest, DriversErrorComesBackAndWhatWasToBeMadeIsStillborn) {
  for (int round = 0; round < 10; ++round) {
    Session session(static_cast<uint64_t>(round));
    session.driver.FailWith(CL_OUT_OF_RESOURCES);
    const Sent sent = SendAnything(session, GetParam());
    const absl::StatusOr<cl_int> status = Finish(session, sent);
    ASSERT_TRUE(status.ok()) << status.status();
    EXPECT_EQ(*status, CL_OUT_OF_RESOURCES);
    const bool one = sent.info->returns_handle != ValueKind::kNone ||
                     (!sent.minted.empty() && sent.minted.front().type() == TypeOf(ValueKind::kEvent));
    if (!one) continue;
    const auto found = session.server.objects().Find(static_cast<ValueKind>(sent.minted[0].type()), sent.minted[0]);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, nullptr);
  }
}

TEST_P(EveryCallTest, CutAnswersAreErrors) {
  Session session(3);
  const Sent sent = SendAnything(session, GetParam());
  wire::Writer answer;
  ASSERT_TRUE(Serve(session, GetParam().id, sent.bytes, answer).ok());
  session.server.Finish(CL_COMPLETE, answer);
  const std::vector<std::byte> bytes = answer.Flatten();
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
    wire::Reader reader(cut, "answer");
    AnswerDecoder decoder(reader, session.client, sent.expected);
    EXPECT_FALSE(GetParam().decode(sent.args, decoder).ok()) << "cut to " << length << " of " << bytes.size() << " bytes";
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryCallTest, ::testing::ValuesIn(AllRows().begin(), AllRows().end()),
                         [](const auto& test) {
                           return std::string(cl::FindCall(static_cast<uint32_t>(test.param.id))->name);
                         });

uint64_t Bits(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

TEST(WireCodecTest, EveryCallCrossesOrSaysWhyNot) {
  for (const cl::CallInfo& info : cl::AllCalls()) {
    const bool crosses = std::any_of(AllRows().begin(), AllRows().end(), [&](const auto& row) { return row.id == info.id; });
    const WireCall& call = kWireCalls[static_cast<uint32_t>(info.id)];
    EXPECT_EQ(crosses + !call.cannot_cross.empty() + call.by_hand, 1) << info.name;
  }
}

TEST(WireCodecTest, CallsThatCannotCrossAndUnknownOnesAreErrors) {
  Session session(1);
  wire::Writer answer;
  for (const cl::CallInfo& info : cl::AllCalls()) {
    if (kWireCalls[static_cast<uint32_t>(info.id)].cannot_cross.empty()) continue;
    const auto served = Serve(session, info.id, {}, answer);
    EXPECT_EQ(served.status().code(), absl::StatusCode::kUnimplemented);
  }
  const auto native = Serve(session, CallId::clEnqueueNativeKernel, {}, answer);
  EXPECT_THAT(std::string(native.status().message()), HasSubstr("clEnqueueNativeKernel cannot cross: user_func is code"));
  for (const uint32_t id : {0u, cl::kMaxCallId + 1, 0xffffffffu}) {
    EXPECT_EQ(Serve(session, static_cast<CallId>(id), {}, answer).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(answer.size(), 0u);
}

Answers AnswersOf(CallId id) { return kWireCalls[static_cast<uint32_t>(id)].answers; }

TEST(WireCodecTest, OnlyCallsThatNeedAnAnswerHaveOne) {
  for (const CallId id : {CallId::clEnqueueNDRangeKernel, CallId::clCreateBuffer, CallId::clCreateKernel, CallId::clFlush,
                          CallId::clReleaseMemObject, CallId::clSetKernelArg, CallId::clEnqueueMarkerWithWaitList})
    EXPECT_EQ(AnswersOf(id), Answers::kNever);
  for (const CallId id : {CallId::clFinish, CallId::clWaitForEvents, CallId::clBuildProgram, CallId::clGetDeviceInfo})
    EXPECT_EQ(AnswersOf(id), Answers::kAlways);
  EXPECT_EQ(AnswersOf(CallId::clCreateProgramWithBinary), Answers::kIfAsked);
  EXPECT_EQ(AnswersOf(CallId::clEnqueueReadBuffer), Answers::kAlways);
  EXPECT_EQ(AnswersOf(CallId::clEnqueueMapImage), Answers::kIfData);
  EXPECT_EQ(AnswersOf(CallId::clEnqueueWriteBufferRect), Answers::kIfBlocking);
}

TEST(WireCodecTest, EncoderSaysWhetherTheAnswerIsWaitedFor) {
  Session session(1);
  std::byte memory[8];
  const auto send = [&](CallId id, uint64_t blocking) {
    return Send(session, id, {Bits(ProgramObject(ValueKind::kQueue, 0)), Bits(ProgramObject(ValueKind::kMem, 0)), blocking, 0, 8,
                              Bits(memory), 0, 0, 0});
  };
  for (const cl_bool blocking : {CL_FALSE, CL_TRUE}) {
    EXPECT_TRUE(send(CallId::clEnqueueReadBuffer, blocking).wants_answer) << "its bytes come back";
    EXPECT_EQ(send(CallId::clEnqueueWriteBuffer, blocking).wants_answer, blocking == CL_TRUE);
  }
}

TEST(WireCodecTest, FewBytesThatAreReadComeInTheAnswer) {
  Session session(1);
  std::byte memory[8];
  for (const uint64_t most : {8, 7}) {
    session.client.inline_bytes = most;
    const Sent sent = Send(session, CallId::clEnqueueReadBuffer,
                           {Bits(ProgramObject(ValueKind::kQueue, 0)), Bits(ProgramObject(ValueKind::kMem, 0)), CL_FALSE, 0, 8,
                            Bits(memory), 0, 0, 0});
    EXPECT_EQ(sent.expected.sequence == 0, most == 8);
  }
}

TEST(WireCodecTest, FailureIsTracedToWhatTheCallWasAbout) {
  Session session(1);
  session.driver.Expect(CallId::clEnqueueMarkerWithWaitList);
  session.driver.FailWith(CL_OUT_OF_RESOURCES);
  cl_event event = nullptr;
  const Sent sent = Send(session, CallId::clEnqueueMarkerWithWaitList, {Bits(ProgramObject(ValueKind::kQueue, 3)), 0, 0, Bits(&event)});
  wire::Writer answer;
  wire::Reader reader(sent.bytes, "call");
  CallTrace trace;
  ASSERT_TRUE(ServeCall(sent.info->id, reader, session.server, answer, &trace).ok());
  EXPECT_EQ(trace.subject, wire::WireHandle::Make(TypeOf(ValueKind::kQueue), 1, 3));
  EXPECT_EQ(trace.minted, sent.minted[0]);
  EXPECT_EQ(trace.status, CL_OUT_OF_RESOURCES);
}

TEST(WireCodecTest, NullWhereNoneIsAllowedIsRefusedByTheClient) {
  Session session(1);
  const Sent sent = Send(session, CallId::clCreateKernel, {Bits(ProgramObject(ValueKind::kProgram, 0)), 0, 0});
  EXPECT_THAT(std::string(sent.status.message()), HasSubstr("clCreateKernel: kernel_name is NULL"));
}

TEST(WireCodecTest, HostMemoryInPlaceIsRefusedOnBothSides) {
  Session session(1);
  std::byte memory[8] = {};
  const auto create = [&](uint64_t flags) {
    return Send(session, CallId::clCreateBuffer, {Bits(ProgramObject(ValueKind::kContext, 0)), flags, 8, Bits(memory), 0});
  };
  EXPECT_THAT(std::string(create(CL_MEM_USE_HOST_PTR).status.message()), HasSubstr("CL_MEM_USE_HOST_PTR"));
  EXPECT_FALSE(create(CL_MEM_READ_ONLY).status.ok());
  Sent sent = create(CL_MEM_COPY_HOST_PTR);
  ASSERT_TRUE(sent.status.ok()) << sent.status;
  session.driver.Expect(CallId::clCreateBuffer);
  constexpr size_t kFlags = 4 + 8;  // behind presence and context
  sent.bytes[kFlags] = static_cast<std::byte>(CL_MEM_USE_HOST_PTR);
  EXPECT_FALSE(Finish(session, sent).ok());
  EXPECT_FALSE(session.driver.seen().has_value());
}

TEST(WireCodecTest, ForgedHandlesAreErrorsAndNothingIsCalled) {
  const wire::WireHandle forged[] = {
      wire::WireHandle::Make(TypeOf(ValueKind::kMem), 1, 0),      // another kind
      wire::WireHandle::Make(TypeOf(ValueKind::kQueue), 2, 0),    // a generation that never was
      wire::WireHandle::Make(TypeOf(ValueKind::kQueue), 1, 999),  // an index that never was
      {0x00ffffffffffffff},                                       // none that a minter makes
  };
  for (const wire::WireHandle handle : forged) {
    Session session(1);
    session.driver.Expect(CallId::clFinish);
    wire::Writer writer;
    writer.Handle(handle);
    wire::Writer answer;
    EXPECT_FALSE(Serve(session, CallId::clFinish, writer.Flatten(), answer).ok()) << ToString(handle);
    EXPECT_FALSE(session.driver.seen().has_value());
  }
}

TEST(WireCodecTest, CallsOnAStillbornObjectGetItsErrorWithoutTheDriver) {
  Session session(1);
  const uint32_t index = 50;
  ASSERT_TRUE(session.server.objects().Add(ValueKind::kMem, wire::WireHandle::Make(TypeOf(ValueKind::kMem), 1, index), nullptr).ok());
  cl_event event = nullptr;
  std::byte pattern[4] = {};
  session.driver.Expect(CallId::clEnqueueFillBuffer);
  const Sent sent = Send(session, CallId::clEnqueueFillBuffer,
                         {Bits(ProgramObject(ValueKind::kQueue, 0)), Bits(ProgramObject(ValueKind::kMem, index)), Bits(pattern),
                          4, 0, 16, 0, 0, Bits(&event)});
  const auto status = Finish(session, sent);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, CL_INVALID_MEM_OBJECT);
  EXPECT_FALSE(session.driver.seen().has_value());
  EXPECT_EQ(*session.server.objects().Find(ValueKind::kEvent, sent.minted[0]), nullptr) << "the event is stillborn too";
}

TEST(WireCodecTest, ReleasedHandlesAreDead) {
  Session session(1);
  session.driver.Expect(CallId::clReleaseKernel);
  const Sent sent = Send(session, CallId::clReleaseKernel, {Bits(ProgramObject(ValueKind::kKernel, 2))});
  ASSERT_TRUE(Finish(session, sent).ok());
  EXPECT_THAT(*session.driver.seen(), HasSubstr("8#2"));
  EXPECT_EQ(Finish(session, sent).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(WireCodecTest, AnswersWithLessThanThereIsRoomForSayHowMuch) {
  Session session(1);
  session.driver.Expect(CallId::clGetDeviceInfo);
  session.driver.AnswerLess(30);
  char text[40];
  std::memset(text, '?', sizeof(text));
  size_t size = 0;
  const Sent sent = Send(session, CallId::clGetDeviceInfo,
                         {Bits(ProgramObject(ValueKind::kDevice, 0)), CL_DEVICE_NAME, sizeof(text), Bits(text), Bits(&size)});
  ASSERT_TRUE(Finish(session, sent).ok());
  EXPECT_EQ(size, 10u);
  for (size_t i = 10; i < sizeof(text); ++i) EXPECT_EQ(text[i], '?') << i;
}

TEST(WireCodecTest, LongAnswersComeByTheBulkLane) {
  Session session(1, {.max_inline_bytes = 8});
  session.driver.Expect(CallId::clGetDeviceInfo);
  char text[40] = {};
  const Sent sent = Send(session, CallId::clGetDeviceInfo,
                         {Bits(ProgramObject(ValueKind::kDevice, 0)), CL_DEVICE_NAME, sizeof(text), Bits(text), 0});
  ASSERT_TRUE(Finish(session, sent).ok());
  EXPECT_EQ(session.down.frames.size(), 1u);
  EXPECT_EQ(session.driver.wrote(), DescribeOut(*sent.info, sent.args, 0));
}

TEST(WireCodecTest, AddressesInTheWorkerAreNotTold) {
  Session session(1);
  session.driver.Expect(CallId::clGetMemObjectInfo);
  void* address = &session;
  const Sent sent = Send(session, CallId::clGetMemObjectInfo,
                         {Bits(ProgramObject(ValueKind::kMem, 0)), CL_MEM_HOST_PTR, sizeof(address), Bits(&address), 0});
  ASSERT_TRUE(Finish(session, sent).ok());
  EXPECT_EQ(address, nullptr);
}

TEST(WireCodecTest, BinariesArriveWhereTheProgramPointsAndNotBeyond) {
  for (const uint64_t room : {5, 4}) {
    Session session(1);
    session.client.binary_bytes = room;
    session.driver.Expect(CallId::clGetProgramInfo);
    char first[4] = {}, second[6] = {};
    char* places[] = {first, second};
    size_t size = 0;
    const Sent sent = Send(session, CallId::clGetProgramInfo,
                           {Bits(ProgramObject(ValueKind::kProgram, 0)), CL_PROGRAM_BINARIES, sizeof(places), Bits(places), Bits(&size)});
    const auto status = Finish(session, sent);
    EXPECT_EQ(status.ok(), room == 5) << "a binary larger than the program was told is a lie of the worker's";
    if (!status.ok()) continue;
    EXPECT_STREQ(first, "AAA");
    EXPECT_STREQ(second, "BBBBB");
    EXPECT_EQ(size, sizeof(places));
  }
}

TEST(WireCodecTest, UnmapWritesBackAndEndsTheMapping) {
  Session session(1);
  session.driver.Expect(CallId::clEnqueueMapBuffer);
  cl_int error = 1;
  const uint64_t queue = Bits(ProgramObject(ValueKind::kQueue, 0)), buffer = Bits(ProgramObject(ValueKind::kMem, 1));
  const Sent map = Send(session, CallId::clEnqueueMapBuffer,
                        {queue, buffer, CL_TRUE, CL_MAP_WRITE, 0, 8, 0, 0, 0, Bits(&error)});
  ASSERT_TRUE(Finish(session, map).ok());
  ASSERT_EQ(session.server.mappings().size(), 1u);
  const Mapping mapping = session.server.mappings().begin()->second;
  EXPECT_EQ(std::memcmp(map.expected.target.data, mapping.data, 8), 0) << "what was there is seen";
  std::memcpy(map.expected.target.data, "newbytes", 8);
  session.driver.Expect(CallId::clEnqueueUnmapMemObject);
  const Sent unmap = Send(session, CallId::clEnqueueUnmapMemObject, {queue, buffer, Bits(map.expected.target.data), 0, 0, 0});
  ASSERT_TRUE(unmap.status.ok()) << unmap.status;
  ASSERT_TRUE(Finish(session, unmap).ok());
  EXPECT_EQ(std::memcmp(mapping.data, "newbytes", 8), 0);
  EXPECT_TRUE(session.server.mappings().empty());
  const auto again = Finish(session, unmap);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, CL_INVALID_VALUE) << "a mapping ends once";
}

TEST(WireCodecTest, MappingsEndWithTheirMemoryObject) {
  Session session(1);
  const uint64_t queue = Bits(ProgramObject(ValueKind::kQueue, 0));
  std::vector<Sent> maps;
  for (const uint32_t mem : {1u, 1u, 2u}) {
    session.driver.Expect(CallId::clEnqueueMapBuffer);
    maps.push_back(Send(session, CallId::clEnqueueMapBuffer,
                        {queue, Bits(ProgramObject(ValueKind::kMem, mem)), CL_TRUE, CL_MAP_WRITE, 0, 8, 0, 0, 0, 0}));
    ASSERT_TRUE(Finish(session, maps.back()).ok());
  }
  session.driver.Expect(CallId::clReleaseMemObject);
  ASSERT_TRUE(Finish(session, Send(session, CallId::clReleaseMemObject, {Bits(ProgramObject(ValueKind::kMem, 1))})).ok());
  ASSERT_EQ(session.server.mappings().size(), 1u);
  EXPECT_EQ(session.server.mappings().begin()->second.mem, DriverObject(ValueKind::kMem, 2));
}

TEST(WireCodecTest, FailedReadIsTheAnswerOfTheCallThatWaited) {
  Session session(1);
  std::byte memory[8] = {};
  session.driver.Expect(CallId::clEnqueueReadBuffer);
  const Sent sent = Send(session, CallId::clEnqueueReadBuffer,
                         {Bits(ProgramObject(ValueKind::kQueue, 0)), Bits(ProgramObject(ValueKind::kMem, 0)), CL_TRUE, 0, 8,
                          Bits(memory), 0, 0, 0});
  const auto status = Finish(session, sent, CL_OUT_OF_RESOURCES);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, CL_OUT_OF_RESOURCES);
}

TEST(WireCodecTest, CallbackComesBackAsItsToken) {
  Session session(1);
  session.driver.Expect(CallId::clSetEventCallback);
  const Sent sent = Send(session, CallId::clSetEventCallback,
                         {Bits(ProgramObject(ValueKind::kEvent, 1)), CL_COMPLETE, 0x1234, 0x5678});
  ASSERT_TRUE(Finish(session, sent).ok());
  ASSERT_NE(session.driver.event_callback(), nullptr);
  session.driver.event_callback()(nullptr, CL_COMPLETE, session.driver.user_data());
  ASSERT_EQ(session.server.callbacks.size(), 1u);
  EXPECT_EQ(session.server.callbacks[0].call, CallId::clSetEventCallback);
  EXPECT_EQ(session.server.callbacks[0].token, session.client.tokens);
  EXPECT_EQ(session.server.callbacks[0].status, CL_COMPLETE);
}

TEST(WireCodecTest, SizeThatTheOtherParametersContradictIsAnError) {
  Session session(1);
  std::byte memory[32] = {};
  session.driver.Expect(CallId::clEnqueueWriteBuffer);
  Sent sent = Send(session, CallId::clEnqueueWriteBuffer,
                   {Bits(ProgramObject(ValueKind::kQueue, 0)), Bits(ProgramObject(ValueKind::kMem, 0)), CL_FALSE, 0, 16,
                    Bits(memory), 0, 0, 0});
  constexpr size_t kSize = 4 + 8 + 8 + 4 + 8;  // behind presence, queue, buffer, blocking_write, offset
  ASSERT_EQ(sent.bytes[kSize], std::byte{16});
  sent.bytes[kSize] = std::byte{64};  // the driver would read past the payload
  EXPECT_FALSE(Finish(session, sent).ok());
  EXPECT_FALSE(session.driver.seen().has_value());
}

}  // namespace
}  // namespace xpool::wire_cl
