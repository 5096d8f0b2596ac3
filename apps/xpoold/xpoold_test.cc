// The agent as it is installed: the program itself, with the null driver as its XPU, real client sessions in processes
// of their own, and faults: a driver that crashes or hangs while probed, an agent that is killed under load.

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>

#include "base/clock.h"
#include "base/fd.h"
#include "device/discovery.h"
#include "slice/session.h"
#include "xpool.grpc.pb.h"

extern char** environ;

namespace xpool {
namespace {

using testing::HasSubstr;

constexpr int64_t kPatienceNs = 20 * kNsPerSec;  // only a failing test waits so long

bool Eventually(const std::function<bool()>& condition) {
  const int64_t deadline_ns = MonotonicNowNs() + kPatienceNs;
  while (!condition()) {
    if (MonotonicNowNs() > deadline_ns) return false;
    poll(nullptr, 0, 10);
  }
  return true;
}

// Whether somebody listens at |path|.
bool Accepts(const std::string& path) {
  const UniqueFd connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

// A client program: waits until its slice is there, then runs "commands" of no length on it, one after another, for as
// long as it lives.
[[noreturn]] void RunClient(const AgentPaths& paths, const std::string& slice) {
  Session* session = nullptr;
  for (int i = 0; session == nullptr; ++i) {
    if (i == 1000) _exit(1);
    auto attached = Session::Attach(paths, slice);
    if (attached.ok())
      session = *attached;
    else
      poll(nullptr, 0, 20);
  }
  LeaseGate& gate = session->gate();
  for (;;) {
    if (gate.Admit(100 * kNsPerUs) == LeaseGate::Verdict::kWait) {
      poll(nullptr, 0, 1);
    } else {
      gate.Complete(1, 100 * kNsPerUs, /*more_ready=*/true);
    }
  }
}

class XpooldTest : public testing::Test {
 protected:
  void SetUp() override {
    paths_.directory = testing::TempDir() + "/xpoold_test_" + std::to_string(getpid());
    std::filesystem::create_directories(paths_.directory + "/vendors");
    std::ofstream(paths_.directory + "/vendors/null.icd") << XPOOL_NULL_DRIVER << "\n";
    setenv("XPOOL_ICD_VENDORS", (paths_.directory + "/vendors").c_str(), 1);
  }
  void TearDown() override {
    for (const pid_t client : clients_) End(client, SIGKILL);
    if (agent_ > 0) End(agent_, SIGKILL);
    std::filesystem::remove_all(paths_.directory);
  }

  static int End(pid_t pid, int signal) {
    int status = 0;
    kill(pid, signal);
    waitpid(pid, &status, 0);
    return status;
  }

  pid_t Spawn(std::vector<std::string> arguments) {
    std::vector<char*> argv;
    arguments.insert(arguments.begin(), XPOOLD);
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_t pid = -1;
    EXPECT_EQ(posix_spawn(&pid, XPOOLD, nullptr, nullptr, argv.data(), environ), 0);
    return pid;
  }

  void StartAgent(std::vector<std::string> more = {}) {
    more.insert(more.begin(),
                {"--dir", paths_.directory, "--metrics-address", "off", "--log-file", paths_.directory + "/log"});
    agent_ = Spawn(more);
    ASSERT_TRUE(
        Eventually([&] { return Accepts(paths_.control_socket()); }));  // a failed channel backs off for seconds
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // not the channel to the agent before
    stub_ = v1::Agent::NewStub(
        grpc::CreateCustomChannel("unix:" + paths_.control_socket(), grpc::InsecureChannelCredentials(), arguments));
    ASSERT_TRUE(Eventually([&] { return Status().pid() == agent_; }));
  }

  v1::Status Status() {
    grpc::ClientContext context;
    v1::Status status;
    return stub_->GetStatus(&context, {}, &status).ok() ? status : v1::Status();
  }

  grpc::Status Create(const std::string& name) {
    grpc::ClientContext context;
    v1::CreateSliceRequest request;
    request.mutable_spec()->set_name(name);
    request.mutable_spec()->set_guarantee_bp(3000);
    request.mutable_spec()->set_memory_bytes(1 << 20);
    v1::Slice slice;
    return stub_->CreateSlice(&context, request, &slice);
  }

  // Sessions by slice name.
  std::map<std::string, v1::Session> Sessions() {
    grpc::ClientContext context;
    v1::ListSessionsResponse response;
    stub_->ListSessions(&context, {}, &response);
    std::map<std::string, v1::Session> sessions;
    for (const v1::Session& session : response.sessions()) sessions[session.slice_name()] = session;
    return sessions;
  }

  bool HasEvent(const std::string& kind) {
    grpc::ClientContext context;
    auto reader = stub_->ListEvents(&context, {});
    bool found = false;
    for (v1::Event event; reader->Read(&event);) found = found || event.kind() == kind;
    return found;
  }

  // REQUIRES: this process has no thread of gRPC yet, so before StartAgent(): the client waits for its slice.
  pid_t StartClient(const std::string& slice) {
    const pid_t pid = fork();
    if (pid == 0) RunClient(paths_, slice);
    clients_.push_back(pid);
    return pid;
  }

  bool GoesOn(const std::string& slice) {
    const uint64_t now = Sessions()[slice].commands();
    return Eventually([&] { return Sessions()[slice].commands() > now + 100; });
  }

  // On slices "a" and "b", running and taking turns.
  void StartTwoClients(std::vector<std::string> flags = {}) {
    StartClient("a");
    StartClient("b");
    StartAgent(std::move(flags));
    ASSERT_TRUE(Create("a").ok());
    ASSERT_TRUE(Create("b").ok());
    ASSERT_TRUE(GoesOn("a") && GoesOn("b") && GoesOn("a"));
  }

  AgentPaths paths_;
  pid_t agent_ = -1;
  std::vector<pid_t> clients_;
  std::unique_ptr<v1::Agent::Stub> stub_;
};

TEST_F(XpooldTest, ProgramsRunOnAcrossAKilledAgent) {
  StartTwoClients();
  auto before = Sessions();
  End(agent_, SIGKILL);
  StartAgent();
  ASSERT_TRUE(Eventually([&] { return !Status().recovering(); }));
  EXPECT_TRUE(GoesOn("a") && GoesOn("b"));
  auto after = Sessions();
  EXPECT_EQ(after["a"].id(), before["a"].id());
  EXPECT_EQ(after["b"].pid(), before["b"].pid());
  EXPECT_GT(after["a"].commands(), before["a"].commands());
  EXPECT_EQ(waitpid(clients_[0], nullptr, WNOHANG), 0);
  EXPECT_EQ(waitpid(clients_[1], nullptr, WNOHANG), 0);
}

TEST_F(XpooldTest, TraceOfRunningProgramsEndsInTimeAndHoldsTheirLeases) {
  StartTwoClients();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::nanoseconds(kPatienceNs));
  v1::TraceRequest request;
  request.set_duration_ns(200 * kNsPerMs);
  auto reader = stub_->Trace(&context, request);
  std::set<std::string> granted;
  for (v1::LeaseRecord record; reader->Read(&record);) {
    if (record.what() == "grant") granted.insert(record.slice_id());
  }
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(granted.size(), 2u);
}

TEST_F(XpooldTest, KilledHolderLetsOthersRun) {
  StartTwoClients();
  kill(clients_[0], SIGKILL);
  EXPECT_TRUE(GoesOn("b"));
  EXPECT_TRUE(Eventually([&] { return HasEvent("session-died"); }));
}

// The null driver's device is no CPU: what a stopped process had in flight there may still run, so it is waited for.
TEST_F(XpooldTest, StoppedHolderIsKilledAtTheHangLimitWhileOthersWait) {
  StartTwoClients({"--hang-limit", "500ms"});
  // Again if it was stopped in the moment between giving its lease back and asking for the next.
  EXPECT_TRUE(Eventually([&] {
    kill(clients_[0], SIGCONT);
    poll(nullptr, 0, 20);
    kill(clients_[0], SIGSTOP);
    poll(nullptr, 0, 1000);
    return HasEvent("lease-overrun");
  }));
  EXPECT_TRUE(GoesOn("b"));
}

TEST_F(XpooldTest, SecondAgentOnTheSameDirectoryIsRefused) {
  StartAgent();
  const pid_t second = Spawn({"--dir", paths_.directory, "--log-level", "off"});
  int status = 0;
  waitpid(second, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 3);
  EXPECT_EQ(Status().pid(), agent_);
}

TEST_F(XpooldTest, EndsCleanlyWhenToldAndKeepsItsSlices) {
  StartAgent();
  ASSERT_TRUE(Create("kept").ok());
  const int status = End(agent_, SIGTERM);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  StartAgent();
  EXPECT_EQ(Create("kept").error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(XpooldTest, IdleAgentEndsByItself) {
  agent_ = Spawn({"--dir", paths_.directory, "--metrics-address", "off", "--idle-exit", "100ms", "--log-level", "off"});
  int status = -1;
  EXPECT_TRUE(Eventually([&] { return waitpid(agent_, &status, WNOHANG) == agent_; }));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  agent_ = -1;
}

TEST_F(XpooldTest, CorruptDatabaseIsRefusedAndKept) {
  std::ofstream(paths_.database()) << std::string(4096, 'x');
  const pid_t agent = Spawn({"--dir", paths_.directory, "--log-file", paths_.directory + "/log"});
  int status = 0;
  waitpid(agent, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 1);
  std::ifstream log(paths_.directory + "/log");
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(log), {}), HasSubstr("The file was kept"));
  EXPECT_EQ(std::filesystem::file_size(paths_.database()), 4096u);
}

TEST_F(XpooldTest, DriverThatCrashesWhenProbedIsAnEventAndTheAgentServes) {
  setenv("XPOOL_NULL_FAULT", "clGetDeviceInfo:crash", 1);
  StartAgent();
  unsetenv("XPOOL_NULL_FAULT");
  EXPECT_TRUE(HasEvent("driver-crashed"));
  const grpc::Status refused = Create("x");
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("no XPU"));
}

TEST_F(XpooldTest, DriverThatHangsWhenProbedIsGivenUp) {
  setenv("XPOOL_NULL_FAULT", "clGetDeviceIDs:hang", 1);
  const Discovery found =
      DiscoverXpus({.probe_program = XPOOLD, .libraries = {XPOOL_NULL_DRIVER}, .timeout_ns = 500 * kNsPerMs});
  unsetenv("XPOOL_NULL_FAULT");
  EXPECT_TRUE(found.xpus.empty());
  ASSERT_EQ(found.problems.size(), 1u);
  EXPECT_EQ(found.problems[0].kind, "driver-hung");
}

TEST_F(XpooldTest, ProbeFindsTheNullDriversDevices) {
  const Discovery found = DiscoverXpus({.probe_program = XPOOLD, .libraries = {XPOOL_NULL_DRIVER}});
  ASSERT_FALSE(found.xpus.empty()) << (found.problems.empty() ? "" : found.problems[0].message);
  EXPECT_FALSE(found.xpus[0].name.empty());
  EXPECT_GT(found.xpus[0].memory_bytes, 0u);
}

}  // namespace
}  // namespace xpool
