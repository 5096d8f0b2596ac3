#include "daemon/daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "agent/control_service.h"
#include "agent/metrics_server.h"
#include "agent/session_server.h"
#include "base/process.h"
#include "base/status.h"
#include "gateway/attach_server.h"
#include "gateway/entitlement.h"
#include "gateway/loans.h"
#include "gateway/remote_sessions.h"
#include "gateway/requests.h"
#include "gateway/worker_rooms.h"
#include "pki/identity_source.h"
#include "pki/token_keys.h"

namespace xpool::agent {
namespace {

constexpr int kLockAttempts = 100;
constexpr useconds_t kLockPauseUs = 20'000;

// Of the process that holds the lock, or held it last; 0: nobody.
pid_t HolderOf(int file) {
  char text[16] = {};
  pid_t pid = 0;
  if (pread(file, text, sizeof(text) - 1, 0) <= 0 || !absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &pid))
    return 0;
  return pid;
}

// The pid file is the lock too: it is held for as long as the process lives, however it ends. A worker that a killed
// agent was about to start has copies of its descriptors, this one among them, until it is one: that is waited for.
absl::StatusOr<UniqueFd> LockDirectory(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file.valid()) return ErrnoStatus(absl::StrCat("open ", path));
  for (int attempt = 1; flock(file.get(), LOCK_EX | LOCK_NB) != 0; ++attempt) {
    const pid_t holder = HolderOf(file.get());
    const bool dead = holder > 0 && kill(holder, 0) != 0 && errno == ESRCH;
    if (!dead || attempt == kLockAttempts) {
      return absl::AlreadyExistsError(absl::StrCat("an agent (process ", holder, ") already runs on ", path,
                                                   "; use that one, or give this one another directory with --dir"));
    }
    usleep(kLockPauseUs);
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(file.get(), 0) != 0 || pwrite(file.get(), pid.data(), pid.size(), 0) != ssize_t(pid.size())) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot write ", path, ": ", strerror(errno), "; make room on that file system"));
  }
  return file;
}

// Those of an agent before this one, which may still be open in such a worker. REQUIRES: the directory's lock is held.
void RemoveSockets(const AgentPaths& paths) {
  for (const std::string& path :
       {paths.session_socket(), paths.control_socket(), paths.attach_socket(), paths.worker_socket()}) {
    struct stat info;
    if (lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) unlink(path.c_str());
  }
}

// A session takes five descriptors.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

absl::StatusOr<UniqueFd> BlockSignals() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a full quota is an error of the write, not our end
  UniqueFd fd(signalfd(-1, &ends, SFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("signalfd");
  return fd;
}

absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetrics(Agent& agent) {
  const Options& options = agent.options();
  if (options.metrics_address == "off") return nullptr;
  auto metrics = MetricsServer::Start(&agent, options.metrics_address);
  if (metrics.ok() || options.metrics_required) return metrics;
  agent.events().Add({.kind = "metrics-off", .message = std::string(metrics.status().message())});
  return nullptr;
}

// All that lends slices to programs of other machines, and to isolated ones of this.
struct Lending {
  std::unique_ptr<gateway::WorkerRooms> rooms;
  std::unique_ptr<gateway::Tokens> tokens;
  std::unique_ptr<pki::IdentitySource> identity;
  std::unique_ptr<gateway::RemoteSessions> sessions;
  std::unique_ptr<gateway::Loans> loans;
  std::unique_ptr<gateway::Requests> requests;
  std::unique_ptr<gateway::AttachServer> doors;
};

std::vector<std::string> DriversOf(Agent& agent) {
  std::set<std::string> drivers;
  for (const XpuView& view : agent.ListXpus()) drivers.insert(view.xpu.driver_library);
  return {drivers.begin(), drivers.end()};
}

absl::StatusOr<std::unique_ptr<gateway::WorkerRooms>> OpenRooms(Agent& agent) {
  const Options& options = agent.options();
  if (!options.confine_workers) {
    agent.events().Add({.kind = "sandbox-off", .message = "workers are not confined: --no-sandbox was given"});
    return nullptr;
  }
  std::set<uint64_t> recorded;
  for (const RemoteRecord& record : agent.RemoteRecords()) recorded.insert(record.id);
  std::optional<sandbox::UserRange> users;
  if (geteuid() == 0) users = {options.first_tenant_user, options.tenant_user_count};
  ASSIGN_OR_RETURN(
      auto rooms, gateway::WorkerRooms::Open({.directory = options.paths.cache_directory(),
                                              .users = users,
                                              .is_served = [recorded](uint64_t id) { return recorded.contains(id); }}));
  if (!rooms->groups().ok()) {
    agent.events().Add({.kind = "no-control-groups",
                        .message = absl::StrCat("workers are bounded without control groups, by limits of each alone: ",
                                                rooms->groups().message())});
  }
  return rooms;
}

absl::StatusOr<Lending> StartLending(Agent& agent) {
  const Options& options = agent.options();
  Lending lending;
  if (options.worker_program.empty()) return lending;
  ASSIGN_OR_RETURN(const pki::TokenKeys keys, pki::LoadTokenKeys(options.paths.token_keys(), BootId()));
  lending.tokens = std::make_unique<gateway::Tokens>(keys, agent.clock());
  lending.identity = std::make_unique<pki::IdentitySource>(options.paths.identity(), pki::Role::kNode);
  if (!options.tls_addresses.empty()) RETURN_IF_ERROR(lending.identity->Refresh(UnixNowNs() / kNsPerSec));
  const bool lends_to_others = !options.tls_addresses.empty() || !options.plain_addresses.empty();
  absl::StatusOr<std::unique_ptr<gateway::WorkerRooms>> rooms = OpenRooms(agent);
  if (!rooms.ok() && !lends_to_others) {
    agent.events().Add(
        {.kind = "lending-off", .message = absl::StrCat("no isolated programs: ", rooms.status().message())});
    return lending;
  }
  RETURN_IF_ERROR(rooms.status());
  lending.rooms = *std::move(rooms);
  ASSIGN_OR_RETURN(lending.sessions,
                   gateway::RemoteSessions::Start(&agent, {.program = options.worker_program,
                                                           .paths = options.paths,
                                                           .drivers = DriversOf(agent),
                                                           .warm_each = options.warm_workers,
                                                           .warm_at_once = lends_to_others,
                                                           .rooms = lending.rooms.get(),
                                                           .peers = {options.peers, !options.tls_addresses.empty(),
                                                                     !options.plain_addresses.empty()},
                                                           .clock = agent.clock()}));
  agent.SetRemoteSource([sessions = lending.sessions.get()](pid_t worker) { return sessions->ViewOf(worker); });
  lending.loans = std::make_unique<gateway::Loans>(&agent, lending.tokens.get());
  lending.requests = std::make_unique<gateway::Requests>(&agent, lending.loans.get());
  ASSIGN_OR_RETURN(lending.doors, gateway::AttachServer::Start(&agent, lending.sessions.get(), lending.requests.get(),
                                                               lending.tokens.get(), lending.identity.get()));
  return lending;
}

void WaitForEnd(int signals, int idle) {
  pollfd ends[] = {{signals, POLLIN, 0}, {idle, POLLIN, 0}};
  while (poll(ends, 2, -1) < 0) {
  }
  spdlog::info(ends[0].revents != 0 ? "told to end; slices and sessions are kept for the next agent"
                                    : "nothing to do: ends until it is needed again");
}

}  // namespace

absl::Status RunAgent(const Options& options) {
  RETURN_IF_ERROR(EnsureOwnDirectory(options.paths.directory));
  ASSIGN_OR_RETURN(const UniqueFd lock, LockDirectory(options.paths.pid_file()));
  RemoveSockets(options.paths);
  ASSIGN_OR_RETURN(const UniqueFd signals, BlockSignals());
  const UniqueFd idle(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  RaiseDescriptorLimit();

  Discovery discovery = DiscoverXpus({.probe_program = options.probe_program, .libraries = options.driver_libraries});
  ASSIGN_OR_RETURN(const std::unique_ptr<Agent> agent,
                   Agent::Create(options, std::move(discovery), Clock::Monotonic()));
  ASSIGN_OR_RETURN(const std::unique_ptr<SessionServer> sessions, SessionServer::Start(agent.get(), [&idle] {
                     const uint64_t one = 1;
                     [[maybe_unused]] const ssize_t written = write(idle.get(), &one, sizeof(one));
                   }));
  ASSIGN_OR_RETURN(const Lending lending, StartLending(*agent));
  ASSIGN_OR_RETURN(const std::unique_ptr<MetricsServer> metrics, StartMetrics(*agent));
  // Last: an agent that answers there is taken to be ready.
  ASSIGN_OR_RETURN(const std::unique_ptr<ControlService> control,
                   ControlService::Start(agent.get(), metrics != nullptr ? metrics->address() : ""));
  WaitForEnd(signals.get(), idle.get());
  agent->SetRemoteSource(nullptr);
  return absl::OkStatus();
}

}  // namespace xpool::agent
