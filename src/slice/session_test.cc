#include "slice/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <future>
#include <thread>

#include "slice/fake_session_agent.h"

namespace xpool {
namespace {

using testing::HasSubstr;
using Verdict = LeaseGate::Verdict;
using Client = FakeAgent::Client;

std::string Text(const absl::Status& status) { return std::string(status.message()); }

// Attaching is one call in the client and several steps in the agent, so it runs beside the test thread.
std::future<absl::StatusOr<Session*>> StartAttach(const FakeAgent& agent, const std::string& slice = "trainer") {
  return std::async(std::launch::async, [paths = agent.paths, slice] { return Session::Attach(paths, slice); });
}

// Waits for what another thread is about to do.
void Until(const std::function<bool()>& done) {
  for (int i = 0; i < 20'000 && !done(); ++i) usleep(1000);
  ASSERT_TRUE(done());
}

class SessionTest : public testing::Test {
 protected:
  Session* Attach() {
    auto attaching = StartAttach(agent);
    client = agent.AcceptHello();
    agent.SendWelcome(client);
    absl::StatusOr<Session*> attached = attaching.get();
    EXPECT_TRUE(attached.ok()) << attached.status();
    return attached.ok() ? *attached : nullptr;
  }

  FakeAgent agent;
  Client client;
};

TEST_F(SessionTest, AttachTellsWhoAndGetsTheSlice) {
  Session* session = Attach();
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(GetString(client.hello.slice), "trainer");
  EXPECT_EQ(client.hello.session_id, 0u);
  EXPECT_EQ(client.hello.api, 1u);
  EXPECT_TRUE(client.pidfd.valid());
  EXPECT_EQ(session->info().slice_id, "slice-1");
  EXPECT_EQ(session->info().driver_library, "libdriver.so");
  EXPECT_EQ(session->info().device_name, "Test Device");
  EXPECT_EQ(session->memory_limit_bytes(), agent.memory_limit_bytes);
  EXPECT_FALSE(session->lost());
}

TEST_F(SessionTest, WithoutAnAgentTheErrorSaysHowToStartOne) {
  agent.Stop();
  const absl::Status status = Session::Attach(agent.paths, "trainer").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(Text(status), HasSubstr("start it with: xpool run"));
  AgentPaths nowhere{agent.paths.directory + "/nowhere"};
  EXPECT_THAT(Text(Session::Attach(nowhere, "trainer").status()), HasSubstr("start it with: xpool run"));
}

TEST_F(SessionTest, RefusalIsTheAgentsOwnError) {
  auto attaching = StartAttach(agent);
  client = agent.AcceptHello();
  agent.Refuse(client, absl::StatusCode::kNotFound, false, "no slice \"trainer\"");
  const absl::Status status = attaching.get().status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(Text(status), HasSubstr("no slice \"trainer\""));
}

TEST_F(SessionTest, RecoveringAgentIsAskedAgain) {
  auto attaching = StartAttach(agent);
  client = agent.AcceptHello();
  agent.Refuse(client, absl::StatusCode::kUnavailable, true, "recovering");
  client = agent.AcceptHello();
  agent.SendWelcome(client);
  EXPECT_TRUE(attaching.get().ok());
}

TEST_F(SessionTest, OtherVersionIsNamedAndFinal) {
  auto attaching = StartAttach(agent);
  client = agent.AcceptHello();
  agent.SendWelcome(client, [](Welcome& welcome) { welcome.header.version = 2; });
  const absl::Status status = attaching.get().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(Text(status), HasSubstr("version 2"));
}

TEST_F(SessionTest, TruncatedPageAndMissingDescriptorsAreTriedAgain) {
  auto attaching = StartAttach(agent);
  client = agent.AcceptHello();
  const UniqueFd tiny(memfd_create("tiny", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(fcntl(tiny.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
  agent.Send(client, NewMessage<Welcome>(), {tiny.get(), tiny.get(), tiny.get()});
  client = agent.AcceptHello();
  agent.Send(client, NewMessage<Welcome>());
  client = agent.AcceptHello();
  agent.Send(client, NewMessage<MemoryReply>());
  client = agent.AcceptHello();
  agent.SendWelcome(client);
  EXPECT_TRUE(attaching.get().ok());
}

TEST_F(SessionTest, SliceNameThatFitsNoMessageIsRefusedAtOnce) {
  EXPECT_TRUE(absl::IsInvalidArgument(Session::Attach(agent.paths, std::string(64, 'x')).status()));
}

TEST_F(SessionTest, GrantPumpsAndRunningDryGoesIdle) {
  Session* session = Attach();
  std::atomic<int> forwarded{0};
  session->SetPump([&] {
    if (forwarded == 0 && session->gate().Admit(1000) != Verdict::kWait) ++forwarded;
    return forwarded == 0;
  });
  agent.AwaitRing(client);
  EXPECT_EQ(client.page->wants, 1u);
  agent.Grant(client, /*tracked=*/true, INT64_MAX);
  Until([&] { return forwarded == 1; });
  session->gate().Complete(1, 1000, false);
  agent.AwaitRing(client);
  EXPECT_EQ(LeaseWord{client.page->lease}.state(), LeaseState::kIdle);
  session->StopPump();
}

TEST_F(SessionTest, KickPumps) {
  Session* session = Attach();
  std::atomic<int> pumps{0};
  session->SetPump([&] { return ++pumps, false; });
  Until([&] { return pumps >= 1; });
  const int before = pumps;
  session->KickWatcher();
  Until([&] { return pumps > before; });
  session->StopPump();
  const int stopped = pumps;
  session->KickWatcher();
  session->KickWatcher();
  EXPECT_EQ(pumps, stopped);
}

TEST_F(SessionTest, MemoryIsAskedForAndGivenBackOnTrim) {
  Session* session = Attach();
  auto reserving = std::async(std::launch::async, [&] { return session->memory().Reserve(8u << 20); });
  const auto request = ParseMessage<MemoryRequest>(agent.Receive(client).bytes);
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->bytes, 7u << 20) << "one MiB came with the welcome";
  MemoryReply reply = NewMessage<MemoryReply>();
  reply.granted_bytes = 7u << 20;
  agent.Send(client, reply);
  EXPECT_TRUE(reserving.get().ok());
  EXPECT_EQ(client.page->memory_used_bytes, 8u << 20);

  session->memory().Release(2u << 20);
  client.page->memory_trim.fetch_add(1);
  eventfd_write(client.client_doorbell.get(), 1);
  const auto back = ParseMessage<MemoryReturn>(agent.Receive(client).bytes);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->bytes, 2u << 20);
}

TEST_F(SessionTest, PumpMayReserveMemory) {
  Session* session = Attach();
  std::promise<absl::Status> reserved;
  std::atomic<bool> once{false};
  session->SetPump([&] {
    if (!once.exchange(true)) reserved.set_value(session->memory().Reserve(4u << 20));
    return false;
  });
  ASSERT_TRUE(ParseMessage<MemoryRequest>(agent.Receive(client).bytes).ok());
  MemoryReply reply = NewMessage<MemoryReply>();
  reply.granted_bytes = 4u << 20;
  agent.Send(client, reply);
  EXPECT_TRUE(reserved.get_future().get().ok());
  session->StopPump();
}

TEST_F(SessionTest, HolderKeepsRunningWithoutAnAgentAndReattachesWithWhatItHolds) {
  Session* session = Attach();
  agent.Grant(client, /*tracked=*/false, 0);
  ASSERT_TRUE(session->memory().Reserve(1000).ok());
  const uint64_t word = client.page->lease;
  agent.Stop();
  client.socket.Reset();
  Until([&] { return !session->attached(); });
  EXPECT_EQ(session->gate().Admit(1000), Verdict::kForward);
  session->gate().Complete(1, 1000, false);

  agent.Start();
  Client next = agent.AcceptHello();
  EXPECT_EQ(next.hello.session_id, 7u);
  EXPECT_EQ(next.hello.lease_bits, word);
  EXPECT_EQ(next.hello.memory_held_bytes, agent.memory_granted_bytes);
  agent.SendWelcome(next);
  Until([&] { return session->attached(); });
  EXPECT_EQ(session->gate().Admit(1000), Verdict::kForward);
  EXPECT_EQ(next.page->memory_used_bytes, 1000u);
}

TEST_F(SessionTest, WaitingWorkIsAskedForAgainAfterReattaching) {
  Session* session = Attach();
  ASSERT_EQ(session->gate().Admit(1000), Verdict::kWait);
  client.socket.Reset();
  Client next = agent.AcceptHello();
  agent.SendWelcome(next);
  agent.AwaitRing(next);
  EXPECT_EQ(next.page->wants, 1u);
}

TEST_F(SessionTest, RecoveringAgentIsAskedAgainAfterARestart) {
  Session* session = Attach();
  client.socket.Reset();
  for (int i = 0; i < 3; ++i) {
    Client next = agent.AcceptHello();
    agent.Refuse(next, absl::StatusCode::kUnavailable, true, "recovering");
  }
  Client next = agent.AcceptHello();
  agent.SendWelcome(next);
  Until([&] { return session->attached(); });
  EXPECT_FALSE(session->lost());
}

TEST_F(SessionTest, SliceGoneAfterARestartFailsEverythingAndHangsNothing) {
  Session* session = Attach();
  agent.Grant(client, /*tracked=*/false, 0);
  std::atomic<bool> pump_saw_loss{false};
  session->SetPump([&] {
    if (session->lost()) pump_saw_loss = true;
    return false;
  });
  auto reserving = std::async(std::launch::async, [&] { return session->memory().Reserve(8u << 20); });
  agent.Receive(client);
  client.socket.Reset();
  Client next = agent.AcceptHello();
  agent.Refuse(next, absl::StatusCode::kNotFound, false, "no such slice");
  EXPECT_TRUE(absl::IsNotFound(reserving.get()));
  Until([&] { return pump_saw_loss.load(); });
  EXPECT_TRUE(absl::IsNotFound(session->status()));
  EXPECT_THAT(Text(session->status()), HasSubstr("no such slice"));
  EXPECT_EQ(session->gate().Admit(1000), Verdict::kWait);
  EXPECT_TRUE(absl::IsNotFound(session->memory().Reserve(1)));
  session->StopPump();
}

TEST_F(SessionTest, SliceThatMovedToAnotherDeviceIsLost) {
  Session* session = Attach();
  client.socket.Reset();
  Client next = agent.AcceptHello();
  agent.SendWelcome(next, [](Welcome& welcome) { SetString(welcome.device_name, "Other Device"); });
  Until([&] { return session->lost(); });
}

TEST_F(SessionTest, GarbageFromTheAgentEndsTheLinkNotTheSession) {
  Session* session = Attach();
  const char garbage[] = "garbage";
  ASSERT_TRUE(SendMessage(client.socket.get(), std::as_bytes(std::span(garbage))).ok());
  Client next = agent.AcceptHello();
  agent.SendWelcome(next);
  agent.Send(next, NewMessage<MemoryReply>());  // nobody asked
  Client third = agent.AcceptHello();
  agent.SendWelcome(third);
  Until([&] { return session->attached(); });
  EXPECT_FALSE(session->lost());
}

// What a forked child sees, as an exit code: 0, or the line of the first surprise.
int ChildFindings(Session* parents) {
  if (!parents->lost() || parents->status().ok()) return __LINE__;
  if (parents->gate().Admit(1000) != Verdict::kWait) return __LINE__;
  parents->gate().Complete(1, 1000, true);
  parents->KickWatcher();
  if (parents->memory().Reserve(1).ok()) return __LINE__;
  parents->memory().Release(1);
  const absl::StatusOr<Session*> own = Session::Current();
  if (!own.ok() || *own == parents || (*own)->lost()) return __LINE__;
  return (*own)->memory().Reserve(1000).ok() ? 0 : __LINE__;
}

TEST_F(SessionTest, ForkedChildAttachesAnewAndLeavesTheParentsSessionAlone) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the thread sanitizer allows no threads in a child of a process with threads";
#endif
  setenv("XPOOL_DIR", agent.paths.directory.c_str(), 1);
  setenv("XPOOL_SLICE", "trainer", 1);
  auto attaching = std::async(std::launch::async, [] { return Session::Current(); });
  client = agent.AcceptHello();
  agent.SendWelcome(client);
  absl::StatusOr<Session*> session = attaching.get();
  ASSERT_TRUE(session.ok()) << session.status();
  agent.Grant(client, /*tracked=*/false, 0);

  const pid_t child = fork();
  if (child == 0) _exit(ChildFindings(*session) & 0xff);
  Client childs = agent.AcceptHello();
  EXPECT_EQ(childs.hello.session_id, 0u);
  agent.SendWelcome(childs);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "line (modulo 256) of ChildFindings";
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(client.page->commands, 0u);
  EXPECT_EQ((*session)->gate().Admit(1000), Verdict::kForward);
  EXPECT_EQ(Session::Current().value(), *session);
}

TEST(SessionCurrentTest, WithoutASliceTheErrorSaysSoOnOneLine) {
  // In a child, because Current() belongs to the process.
  int lines[2];
  ASSERT_EQ(pipe(lines), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(lines[1], STDERR_FILENO);
    unsetenv("XPOOL_SLICE");
    const bool first = absl::IsFailedPrecondition(Session::Current().status());
    const bool second = absl::IsFailedPrecondition(Session::Current().status());
    _exit(first && second ? 0 : 1);
  }
  close(lines[1]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  char text[512] = {};
  const ssize_t size = read(lines[0], text, sizeof(text) - 1);
  ASSERT_GT(size, 0);
  EXPECT_THAT(text, testing::StartsWith("xpool: XPOOL_SLICE is not set"));
  EXPECT_EQ(std::count(text, text + size, '\n'), 1);
  close(lines[0]);
}

}  // namespace
}  // namespace xpool
