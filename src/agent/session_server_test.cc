// Agent and session server over real sockets, with an XPU that exists on paper only: what clients of any kind may send,
// memory, and restarts.
#include "agent/session_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "base/bytes.h"

namespace xpool::agent {
namespace {

using testing::HasSubstr;

constexpr int kPatienceMs = 10'000;  // only a failing test waits so long

// One client's end.
struct Client {
  UniqueFd socket, page_fd, agent_doorbell, client_doorbell;
  PageMapping page;
  Welcome welcome{};

  void Send(std::span<const std::byte> bytes) { ASSERT_TRUE(SendMessage(socket.get(), bytes).ok()); }
  SocketMessage Receive() {
    pollfd entry{socket.get(), POLLIN, 0};
    if (poll(&entry, 1, kPatienceMs) != 1) return {};
    auto message = ReceiveMessage(socket.get(), kMaxSessionMessageBytes);
    return message.ok() ? *std::move(message) : SocketMessage{};
  }
  bool IsClosed() { return Receive().bytes.empty(); }
  void RingAgent() {
    const uint64_t one = 1;
    ASSERT_EQ(write(agent_doorbell.get(), &one, sizeof(one)), ssize_t{sizeof(one)});
  }
  LeaseState state() const { return LeaseWord{page->lease.load()}.state(); }
  // Waits for doorbells until the lease is in |wanted|.
  bool AwaitLease(LeaseState wanted) {
    const int64_t deadline_ns = MonotonicNowNs() + int64_t{kPatienceMs} * kNsPerMs;
    while (state() != wanted && MonotonicNowNs() < deadline_ns) {
      pollfd entry{client_doorbell.get(), POLLIN, 0};
      poll(&entry, 1, 50);
      uint64_t count;
      [[maybe_unused]] const ssize_t got = read(client_doorbell.get(), &count, sizeof(count));
    }
    return state() == wanted;
  }
  MemoryReply Ask(uint64_t bytes) {
    auto request = NewMessage<MemoryRequest>();
    request.bytes = bytes;
    Send(MessageBytes(request));
    auto reply = ParseMessage<MemoryReply>(Receive().bytes);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : MemoryReply{};
  }
  void Return(uint64_t bytes) {
    auto message = NewMessage<MemoryReturn>();
    message.bytes = bytes;
    Send(MessageBytes(message));
  }
};

class SessionServerTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.paths.directory = testing::TempDir() + "/xpool_server_" + std::to_string(getpid());
    std::filesystem::create_directories(options_.paths.directory);
    StartAgent();
  }
  void TearDown() override {
    StopAgent();
    std::filesystem::remove_all(options_.paths.directory);
  }

  void StartAgent() {
    Discovery discovery;
    XpuInfo xpu;
    xpu.name = "card";
    xpu.type = xpu_type_;
    xpu.driver_library = "libcard.so";
    xpu.memory_bytes = xpu_memory_bytes_;
    discovery.xpus = {xpu};
    auto agent = Agent::Create(options_, std::move(discovery), Clock::Monotonic());
    ASSERT_TRUE(agent.ok()) << agent.status();
    agent_ = *std::move(agent);
    auto server = SessionServer::Start(agent_.get(), [this] { idle_ = true; });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void StopAgent() {
    server_.reset();
    agent_.reset();
  }

  SliceRecord Create(const std::string& name, uint64_t memory_bytes = kGiB) {
    auto view = agent_->CreateSlice({.name = name, .guarantee_bp = 1000, .memory_bytes = memory_bytes});
    EXPECT_TRUE(view.ok()) << view.status();
    return view.ok() ? view->slice : SliceRecord{};
  }

  Client Connect() {
    Client client;
    auto socket = ConnectSeqPacket(options_.paths.session_socket());
    EXPECT_TRUE(socket.ok()) << socket.status();
    if (socket.ok()) client.socket = *std::move(socket);
    return client;
  }

  static Hello HelloTo(const std::string& slice) {
    auto hello = NewMessage<Hello>();
    SetString(hello.slice, slice);
    hello.api = 1;
    return hello;
  }

  Client Attach(const Hello& hello) {
    Client client = Connect();
    client.Send(MessageBytes(hello));
    SocketMessage answer = client.Receive();
    auto welcome = ParseMessage<Welcome>(answer.bytes);
    EXPECT_TRUE(welcome.ok()) << welcome.status();
    EXPECT_EQ(answer.fds.size(), size_t{kWelcomeFdCount});
    if (!welcome.ok() || answer.fds.size() != kWelcomeFdCount) return client;
    client.welcome = *welcome;
    client.page_fd = std::move(answer.fds[kPageFd]);
    client.agent_doorbell = std::move(answer.fds[kAgentDoorbellFd]);
    client.client_doorbell = std::move(answer.fds[kClientDoorbellFd]);
    auto page = MapControlPage(client.page_fd.get());
    EXPECT_TRUE(page.ok()) << page.status();
    if (page.ok()) client.page = *std::move(page);
    return client;
  }

  Refusal Refused(std::span<const std::byte> bytes) {
    Client client = Connect();
    client.Send(bytes);
    auto refusal = ParseMessage<Refusal>(client.Receive().bytes);
    EXPECT_TRUE(refusal.ok()) << refusal.status();
    EXPECT_TRUE(client.IsClosed());
    return refusal.ok() ? *refusal : Refusal{};
  }

  size_t CountEvents(const std::string& kind) {
    size_t count = 0;
    for (const Event& event : agent_->events().Last(0)) count += event.kind == kind ? 1 : 0;
    return count;
  }

  // Waits for the events that make |kind| happen |count| times.
  bool AwaitEvent(const std::string& kind, size_t count = 1) {
    const int64_t deadline_ns = MonotonicNowNs() + int64_t{kPatienceMs} * kNsPerMs;
    while (CountEvents(kind) < count && MonotonicNowNs() < deadline_ns) {
      const auto last = agent_->events().Last(1);
      agent_->events().WaitAfter(last.empty() ? 0 : last[0].sequence, 100 * kNsPerMs);
    }
    return CountEvents(kind) >= count;
  }

  // Waits until a session is listed in |state|.
  bool AwaitState(SessionId id, const std::string& state) {
    const int64_t deadline_ns = MonotonicNowNs() + int64_t{kPatienceMs} * kNsPerMs;
    while (MonotonicNowNs() < deadline_ns) {
      for (const SessionView& view : agent_->ListSessions()) {
        if (view.session.id == id && view.state == state) return true;
      }
      usleep(10'000);
    }
    return false;
  }

  // A process attached to |slice| that never reattaches.
  pid_t StartDeafClient(const std::string& slice) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
      dup2(ready[1], 3);
      close_range(4, ~0U, 0);  // the agent's sockets, which would stay open when it ends
      Client client = Attach(HelloTo(slice));
      [[maybe_unused]] const ssize_t written = write(3, "x", 1);
      for (;;) pause();
    }
    char byte;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
  }

  Options options_;
  std::string xpu_type_ = "GPU";
  uint64_t xpu_memory_bytes_ = 8 * kGiB;
  std::atomic<bool> idle_{false};
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<SessionServer> server_;
};

TEST_F(SessionServerTest, WelcomeSaysWhatToLoadAndTheLeaseComesOnDemand) {
  const SliceRecord slice = Create("train");
  Client client = Attach(HelloTo("train"));
  EXPECT_EQ(GetString(client.welcome.slice_id), slice.id());
  EXPECT_EQ(GetString(client.welcome.driver_library), "libcard.so");
  EXPECT_EQ(GetString(client.welcome.device_name), "card");
  EXPECT_EQ(client.welcome.memory_limit_bytes, kGiB);
  client.page->wants = 1;
  client.RingAgent();
  EXPECT_TRUE(client.AwaitLease(LeaseState::kBusy));
  EXPECT_EQ(agent_->ListSessions().size(), 1u);
  EXPECT_EQ(agent_->ListSessions()[0].session.pid, getpid());
}

TEST_F(SessionServerTest, RefusalsSayWhy) {
  Create("train");
  EXPECT_THAT(Refused(MessageBytes(HelloTo("nosuch"))).message, HasSubstr("train"));
  EXPECT_THAT(Refused(MessageBytes(HelloTo(""))).message, HasSubstr("XPOOL_SLICE"));
  auto other = HelloTo("train");
  other.header.version = kSessionVersion + 1;
  const Refusal refusal = Refused(MessageBytes(other));
  EXPECT_EQ(static_cast<absl::StatusCode>(refusal.code), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(refusal.retry, 0u);
}

TEST_F(SessionServerTest, OtherUsersAreRefused) {
  Create("train");
  PeerCredentials stranger{getpid(), geteuid() + 12345, 0};
  Hello hello = HelloTo("train");
  auto refused = agent_->Attach(hello, {stranger, UniqueFd()});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied);
  stranger = {0, geteuid(), 0};
  refused = agent_->Attach(hello, {stranger, UniqueFd()});
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("--pid=host"));
}

TEST_F(SessionServerTest, GarbageEndsItsOwnConnectionOnly) {
  Create("train");
  Client good = Attach(HelloTo("train"));
  const std::vector<std::byte> noise(100, std::byte{0x5a}), oversized(3 * kMaxSessionMessageBytes);
  Hello hello = HelloTo("train");
  const auto whole = MessageBytes(hello);
  for (const std::span<const std::byte> bytes :
       {std::span<const std::byte>(noise), std::span<const std::byte>(oversized), whole.first(whole.size() / 2),
        whole.first(1)}) {
    Client bad = Connect();
    bad.Send(bytes);
    while (!bad.IsClosed()) {
    }
  }
  // The same on a connection that is attached already.
  Client attached = Attach(HelloTo("train"));
  attached.Send(noise);
  EXPECT_TRUE(attached.IsClosed());
  Client twice = Attach(HelloTo("train"));
  twice.Send(MessageBytes(HelloTo("train")));
  EXPECT_TRUE(twice.IsClosed());
  EXPECT_TRUE(AwaitEvent("session-garbage", 5));
  EXPECT_EQ(good.Ask(kMiB).granted_bytes, kMiB);
}

TEST_F(SessionServerTest, QuotaHoldsOverAllSessionsAndEndsGiveBack) {
  Create("train", 100 * kMiB);
  Client a = Attach(HelloTo("train"));
  Client b = Attach(HelloTo("train"));
  EXPECT_EQ(a.Ask(90 * kMiB).granted_bytes, 90 * kMiB);
  a.page->memory_used_bytes = 100 * kMiB;  // uses all of it: nothing to hope for
  const MemoryReply denied = b.Ask(20 * kMiB);
  EXPECT_EQ(denied.granted_bytes, 0u);
  EXPECT_EQ(denied.limit_bytes, 100 * kMiB);
  EXPECT_EQ(b.Ask(~uint64_t{0}).granted_bytes, 0u);
  EXPECT_TRUE(AwaitEvent("quota-refused"));
  a.socket.Reset();
  EXPECT_TRUE(AwaitEvent("session-detached"));
  EXPECT_EQ(b.Ask(20 * kMiB).granted_bytes, 20 * kMiB);
}

TEST_F(SessionServerTest, UnusedCreditOfOneIsFetchedForAnother) {
  Create("train", 100 * kMiB);
  Client a = Attach(HelloTo("train"));
  Client b = Attach(HelloTo("train"));
  ASSERT_EQ(a.Ask(90 * kMiB).granted_bytes, 90 * kMiB);
  auto request = NewMessage<MemoryRequest>();
  request.bytes = 50 * kMiB;
  b.Send(MessageBytes(request));
  pollfd entry{a.client_doorbell.get(), POLLIN, 0};
  ASSERT_EQ(poll(&entry, 1, kPatienceMs), 1);
  EXPECT_GT(a.page->memory_trim.load(), 0u);
  a.Return(80 * kMiB);
  auto reply = ParseMessage<MemoryReply>(b.Receive().bytes);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->granted_bytes, 50 * kMiB);
}

TEST_F(SessionServerTest, ShrinkingBelowUseStopsFurtherGrants) {
  Create("train", 100 * kMiB);
  Client a = Attach(HelloTo("train"));
  ASSERT_EQ(a.Ask(80 * kMiB).granted_bytes, 80 * kMiB);
  a.page->memory_used_bytes = 80 * kMiB;
  ASSERT_TRUE(agent_->ResizeSlice("train", {.memory_bytes = 50 * kMiB}).ok());
  EXPECT_EQ(a.page->memory_limit_bytes.load(), 50 * kMiB);
  EXPECT_EQ(a.Ask(1).granted_bytes, 0u);
}

TEST_F(SessionServerTest, KilledHolderFreesTheXpuAndItsMemory) {
  Create("a");
  Create("b");
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    Client holder = Attach(HelloTo("a"));
    holder.Ask(500 * kMiB);
    holder.page->wants = 1;
    holder.RingAgent();
    const char ok = holder.AwaitLease(LeaseState::kBusy) ? 1 : 0;
    [[maybe_unused]] const ssize_t written = write(ready[1], &ok, 1);
    pause();
    _exit(0);
  }
  char ok = 0;
  ASSERT_EQ(read(ready[0], &ok, 1), 1);
  ASSERT_EQ(ok, 1);
  Client b = Attach(HelloTo("b"));
  b.page->wants = 1;
  b.RingAgent();
  kill(child, SIGKILL);
  EXPECT_TRUE(b.AwaitLease(LeaseState::kBusy));
  EXPECT_TRUE(AwaitEvent("session-died"));
  waitpid(child, nullptr, 0);
  EXPECT_EQ(agent_->GetSlice("a")->sessions, 0u);
  close(ready[0]);
  close(ready[1]);
}

TEST_F(SessionServerTest, HolderThatDoesNotDrainIsShownAsOverrunning) {
  Create("a");
  Create("b");
  Client a = Attach(HelloTo("a"));
  a.page->wants = 1;
  a.RingAgent();
  ASSERT_TRUE(a.AwaitLease(LeaseState::kBusy));
  EXPECT_EQ(agent_->ListSessions()[0].state, "running");
  Client b = Attach(HelloTo("b"));
  b.page->wants = 1;
  b.RingAgent();
  ASSERT_TRUE(a.AwaitLease(LeaseState::kRevoke));
  EXPECT_TRUE(AwaitState(a.welcome.session_id, "overrunning"));
  EXPECT_TRUE(AwaitState(b.welcome.session_id, "running"));
}

TEST_F(SessionServerTest, ClientWithAFullBlockingDoorbellHoldsNobodyUp) {
  Create("a");
  Create("b");
  Client a = Attach(HelloTo("a"));
  Client b = Attach(HelloTo("b"));
  ASSERT_EQ(fcntl(a.client_doorbell.get(), F_SETFL, 0), 0);
  const uint64_t most = ~uint64_t{0} - 1;
  ASSERT_EQ(write(a.client_doorbell.get(), &most, sizeof(most)), ssize_t{sizeof(most)});
  a.page->wants = 1;
  a.RingAgent();  // the grant rings a
  b.page->wants = 1;
  b.RingAgent();
  EXPECT_EQ(agent_->ListSlices().size(), 2u);  // goes through the broker
  a.socket.Reset();
  EXPECT_TRUE(b.AwaitLease(LeaseState::kBusy));
}

TEST_F(SessionServerTest, RestartGrantsNothingUntilTheHolderIsBack) {
  Create("a", kGiB);
  Create("b", kGiB);
  Client a = Attach(HelloTo("a"));
  ASSERT_EQ(a.Ask(500 * kMiB).granted_bytes, 500 * kMiB);

  a.page->wants = 1;
  a.RingAgent();
  ASSERT_TRUE(a.AwaitLease(LeaseState::kBusy));
  StopAgent();
  EXPECT_TRUE(a.IsClosed());
  StartAgent();
  EXPECT_TRUE(agent_->recovering());

  Client b = Attach(HelloTo("b"));
  b.page->wants = 1;
  b.RingAgent();
  EXPECT_EQ(agent_->ListSlices().size(), 2u);  // goes through the broker: it has seen the ring
  EXPECT_EQ(b.state(), LeaseState::kNone);

  Hello again = HelloTo("a");
  again.session_id = a.welcome.session_id;
  again.lease_bits = a.page->lease.load();
  again.memory_held_bytes = 600 * kMiB;
  Client back = Attach(again);
  EXPECT_FALSE(agent_->recovering());
  EXPECT_EQ(back.welcome.session_id, a.welcome.session_id);
  EXPECT_EQ(back.welcome.memory_granted_bytes, 600 * kMiB);
  EXPECT_EQ(LeaseWord{back.page->lease.load()}.epoch(), LeaseWord{again.lease_bits}.epoch());
  EXPECT_TRUE(back.AwaitLease(LeaseState::kRevoke));  // b waits
  EXPECT_EQ(b.state(), LeaseState::kNone);
  back.page->lease = LeaseWord{back.page->lease.load()}.Ended().bits;
  back.RingAgent();
  EXPECT_TRUE(b.AwaitLease(LeaseState::kBusy));
  EXPECT_EQ(back.Ask(500 * kMiB).granted_bytes, 0u);
}

TEST_F(SessionServerTest, RestartForgetsProcessesThatDiedMeanwhile) {
  Create("a");
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    Client holder = Attach(HelloTo("a"));
    [[maybe_unused]] const ssize_t written = write(ready[1], "x", 1);
    pause();
    _exit(0);
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  StopAgent();
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  StartAgent();
  EXPECT_FALSE(agent_->recovering());
  EXPECT_TRUE(agent_->ListSessions().empty());
  EXPECT_EQ(agent_->ListSlices().size(), 1u);
  close(ready[0]);
  close(ready[1]);
}

TEST_F(SessionServerTest, ProcessThatDoesNotReattachToACardIsKilledAtTheHangLimit) {
  Create("a");
  const pid_t child = StartDeafClient("a");
  StopAgent();
  options_.hang_limit_ns = 50 * kNsPerMs;
  StartAgent();
  EXPECT_TRUE(agent_->recovering());
  EXPECT_TRUE(AwaitEvent("lease-overrun"));
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  EXPECT_TRUE(AwaitEvent("session-died"));
  EXPECT_FALSE(agent_->recovering());
}

TEST_F(SessionServerTest, StoppedProcessIsNotWaitedForOnACpu) {
  StopAgent();
  xpu_type_ = "CPU";
  StartAgent();
  Create("a");
  const pid_t child = StartDeafClient("a");
  StopAgent();
  kill(child, SIGSTOP);
  waitpid(child, nullptr, WUNTRACED);
  StartAgent();
  ASSERT_TRUE(agent_->recovering());
  agent_->EndRecovery();
  EXPECT_FALSE(agent_->recovering());
  EXPECT_TRUE(agent_->ListSessions().empty());
  EXPECT_EQ(CountEvents("lease-overrun"), 0u);
  EXPECT_EQ(waitpid(child, nullptr, WNOHANG), 0);  // it lives
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_F(SessionServerTest, CpuThatReportsLessMemoryKeepsWhatItHadBefore) {
  StopAgent();
  xpu_type_ = "CPU";
  StartAgent();
  Create("a", 7 * kGiB);
  StopAgent();
  xpu_memory_bytes_ = 5 * kGiB;
  StartAgent();
  EXPECT_EQ(agent_->ListXpus()[0].xpu.memory_bytes, 8 * kGiB);
  EXPECT_EQ(CountEvents("memory-overcommitted"), 0u);
  Create("b", kGiB);
}

TEST_F(SessionServerTest, CardWithLessMemoryThanItsSlicesReserveIsTold) {
  Create("a", 7 * kGiB);
  StopAgent();
  xpu_memory_bytes_ = 5 * kGiB;
  StartAgent();
  EXPECT_EQ(CountEvents("memory-overcommitted"), 1u);
  EXPECT_EQ(agent_->CreateSlice({.name = "b"}).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(agent_->ResizeSlice("a", {.memory_bytes = 5 * kGiB}).ok());
}

TEST_F(SessionServerTest, ASessionOfSomeoneElseIsNotTakenOver) {
  Create("a");
  Client a = Attach(HelloTo("a"));
  Hello thief = HelloTo("a");
  thief.session_id = a.welcome.session_id;
  thief.lease_bits = LeaseWord{}.NextGrant(false).bits;
  Client b = Attach(thief);
  EXPECT_NE(b.welcome.session_id, a.welcome.session_id);
  EXPECT_EQ(b.state(), LeaseState::kNone);
}

TEST_F(SessionServerTest, DeletedSliceLetsItsProgramsGo) {
  Create("a");
  Client a = Attach(HelloTo("a"));
  EXPECT_EQ(agent_->DeleteSlice("a", false).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(agent_->DeleteSlice("a", true).ok());
  EXPECT_TRUE(a.IsClosed());
  EXPECT_EQ(agent_->GetSlice("a").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SessionServerTest, EphemeralSliceEndsWithItsOwnerAndLastSession) {
  const pid_t owner = fork();
  if (owner == 0) {
    pause();
    _exit(0);
  }
  ASSERT_TRUE(agent_->CreateSlice({.name = "run", .memory_bytes = kMiB, .owner_pid = owner}).ok());
  Client a = Attach(HelloTo("run"));
  kill(owner, SIGKILL);
  waitpid(owner, nullptr, 0);
  EXPECT_EQ(CountEvents("slice-deleted"), 0u);
  a.socket.Reset();
  EXPECT_TRUE(AwaitEvent("slice-deleted"));
}

TEST_F(SessionServerTest, IdleAgentSaysSoOnceSlicesAreGone) {
  StopAgent();
  options_.idle_exit_ns = 20 * kNsPerMs;
  StartAgent();
  const int64_t deadline_ns = MonotonicNowNs() + int64_t{kPatienceMs} * kNsPerMs;
  while (!idle_ && MonotonicNowNs() < deadline_ns) poll(nullptr, 0, 5);
  EXPECT_TRUE(idle_);
}

}  // namespace
}  // namespace xpool::agent
