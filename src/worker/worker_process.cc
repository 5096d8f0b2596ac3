#include "worker/worker_process.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <thread>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "generated/opencl/icd_dispatch.h"
#include "sandbox/enter.h"
#include "shim/opencl/platform.h"
#include "slice/session.h"
#include "transport/tls_context.h"
#include "transport/tls_ephemeral.h"
#include "worker/agent_line.h"
#include "worker/client_session.h"
#include "worker/dial_requests.h"
#include "worker/kernel_output.h"
#include "worker/lane_door.h"
#include "worker/slow_calls.h"
#include "worker/warm_driver.h"
#include "worker_protocol/messages.h"

namespace xpool::worker {
namespace {

constexpr int64_t kFirstLaneNs = 30 * kNsPerSec;  // a client that has attached connects by then
constexpr int64_t kReportNs = kNsPerSec;          // how often traffic is reported, and an agent that is away looked for
constexpr int64_t kGoodbyeNs = 200 * kNsPerMs;    // for what was said last to leave

// What the worker may do from now on. Its sentences say what this machine lacks for more.
absl::StatusOr<std::vector<std::string>> Confine(sandbox::Sandbox sandbox, const Tenancy& tenancy) {
  constexpr uint64_t kLargestFile = kGiB;
  constexpr uint64_t kMostProcesses = 4096;  // of all workers of the tenant
  if (!tenancy.confined) return std::vector<std::string>();
  setenv("TMPDIR", tenancy.temporary_directory.c_str(), 1);
  sandbox::Spec spec;
  if (tenancy.own_user) spec.identity = {tenancy.uid, tenancy.gid};
  spec.paths = {{tenancy.cache_directory, sandbox::Access::kReadWrite},
                {tenancy.temporary_directory, sandbox::Access::kReadWrite}};
  spec.limits = {.data_bytes = tenancy.data_bytes, .file_bytes = kLargestFile, .processes = kMostProcesses};
  ASSIGN_OR_RETURN(sandbox::Report report, sandbox.Enter(spec));
  return std::move(report.missing);
}

void* CL_API_CALL EntryPoint(const char* name) { return cl::FindEntryPoint(name); }

// The session's life, from Start to the process's end.
class Tenant {
 public:
  // |identity|: by which the session's lanes are known where they are under TLS.
  Tenant(AgentLine* line, const Start& start, absl::StatusOr<transport::EphemeralIdentity> identity)
      : line_(line), dials_(line), start_(start), identity_(std::move(identity)), ended_(eventfd(0, EFD_CLOEXEC)) {}

  // |sandbox|: prepared, not entered yet.
  absl::StatusOr<Started> Begin(sandbox::Sandbox sandbox);
  // Returns when the session has ended, with how.
  absl::Status Live();

 private:
  absl::Status OpenSlice();
  PeerOptions PeersOf();
  void Handle(AgentLine::Received received);
  void ReportTraffic();
  bool tls() const { return !start_.client_certificate.empty(); }

  AgentLine* const line_;
  DialRequests dials_;
  const Start start_;
  const absl::StatusOr<transport::EphemeralIdentity> identity_;
  const UniqueFd ended_;
  Session* slice_ = nullptr;
  cl::DispatchTable shim_, api_;
  ClientSession* session_ = nullptr;  // never destroyed
  std::unique_ptr<LaneDoor> door_;
  absl::Status outcome_;  // written before |ended_| is
  Report reported_;
};

// The worker becomes a program in a slice, as any other is.
absl::Status Tenant::OpenSlice() {
  setenv("XPOOL_SLICE", start_.slice.c_str(), 1);
  program_invocation_short_name = strdup(start_.program.c_str());  // by which the agent lists it
  ASSIGN_OR_RETURN(cl::Platform* const platform, cl::Platform::Attach());
  ASSIGN_OR_RETURN(slice_, Session::Current());
  cl::FillDispatchTable(cl::ToHandle(platform), &EntryPoint, &shim_);
  api_ = SlowCalls::LeaveLaneIn(shim_);
  return absl::OkStatus();
}

PeerOptions Tenant::PeersOf() {
  PeerOptions options;
  if (tls()) options.identity = *identity_;
  options.dial = [this](const std::string& address, const wire::Preamble& preamble,
                        const transport::Deadline& deadline) { return dials_.Dial(address, preamble, deadline); };
  return options;
}

// Files are opened before the sandbox keeps them out of reach, and clients are let in after.
absl::StatusOr<Started> Tenant::Begin(sandbox::Sandbox sandbox) {
  RETURN_IF_ERROR(OpenSlice());
  std::unique_ptr<transport::TlsContext> lanes;
  if (tls()) {
    RETURN_IF_ERROR(identity_.status());
    ASSIGN_OR_RETURN(lanes, identity_->context->Believing(start_.client_certificate));
  }
  ASSIGN_OR_RETURN(std::vector<std::string> missing, Confine(std::move(sandbox), start_.tenancy));
  ASSIGN_OR_RETURN(std::unique_ptr<KernelOutput> output, KernelOutput::Take(STDOUT_FILENO));
  SessionOptions options{.session_id = start_.session_id, .token = start_.token};
  options.slice = {.memory_used_bytes = [slice = slice_] { return slice->memory().used_bytes(); },
                   .memory_limit_bytes = [slice = slice_] { return slice->memory_limit_bytes(); },
                   .output = output.release()};  // as the session, for good
  options.slice_status = [slice = slice_] { return slice->status(); };
  options.peers = PeersOf();
  session_ = new ClientSession(api_, options);
  door_ = std::make_unique<LaneDoor>(session_, std::move(lanes));
  std::thread([this] {
    pthread_setname_np(pthread_self(), "xpool-calls");
    outcome_ = session_->Run(kFirstLaneNs);
    eventfd_write(ended_.get(), 1);
  }).detach();
  return Started{.certificate = tls() ? identity_->certificate : "",
                 .memory_limit_bytes = slice_->memory_limit_bytes(),
                 .missing = std::move(missing)};
}

void Tenant::Handle(AgentLine::Received received) {
  if (const auto* lane = std::get_if<Lane>(&received.message)) {
    if (received.fds.size() != 1) return;
    if (lane->preamble.purpose == wire::Purpose::kPeer)
      return session_->OfferPeer(std::move(received.fds[0]), lane->preamble.security);
    door_->Open(std::move(received.fds[0]), lane->preamble);
  } else if (const auto* dialed = std::get_if<Dialed>(&received.message)) {
    dials_.Answered(*dialed, received.fds.size() == 1 ? std::move(received.fds[0]) : UniqueFd());
  } else if (const auto* end = std::get_if<End>(&received.message)) {
    session_->Stop(absl::UnavailableError(end->why));
  }
}

void Tenant::ReportTraffic() {
  const lane::Traffic traffic = session_->traffic();
  const Report report{.sent_bytes = traffic.sent_bytes,
                      .received_bytes = traffic.received_bytes,
                      .calls = traffic.received_frames,
                      .connections = traffic.connections,
                      .round_trip_ns = traffic.round_trip_ns};
  if (report == reported_ || !line_->Send(report).ok()) return;
  reported_ = report;
}

absl::Status Tenant::Live() {
  bool connected = true;
  while (true) {
    if (connected) {
      absl::StatusOr<std::optional<AgentLine::Received>> received = line_->Receive(kReportNs, ended_.get());
      connected = received.ok();
      if (received.ok() && received->has_value()) Handle(**std::move(received));
    } else {
      connected = line_->Connect(Serving{start_.session_id}).ok();
    }
    eventfd_t ended = 0;
    pollfd over{ended_.get(), POLLIN, 0};
    if (poll(&over, 1, connected ? 0 : static_cast<int>(kReportNs / kNsPerMs)) > 0 &&
        eventfd_read(ended_.get(), &ended) == 0)
      return outcome_;
    ReportTraffic();
  }
}

// Waits for the one Start; nothing when the agent needs this worker no more.
absl::StatusOr<std::optional<Start>> AwaitStart(AgentLine* line) {
  while (true) {
    absl::StatusOr<std::optional<AgentLine::Received>> received = line->Receive(3600 * kNsPerSec, -1);
    if (absl::IsUnavailable(received.status())) return std::nullopt;
    RETURN_IF_ERROR(received.status());
    if (!received->has_value()) continue;
    if (auto* start = std::get_if<Start>(&(*received)->message)) return std::move(*start);
    return absl::InvalidArgumentError("the agent's first message is no Start");
  }
}

void SayEnded(AgentLine* line, const absl::Status& why) {
  line->Send(Ended{why.code(), std::string(why.message())}).IgnoreError();
}

AgentLine* last_line = nullptr;  // of the tenant's

// An allocation that failed where nobody could answer for it ends the process. What took all the memory was large, so
// there is still some for a sentence.
[[noreturn]] void Terminate() {
  try {
    if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    SayEnded(last_line, absl::ResourceExhaustedError(
                            "its worker has no memory left besides the slice's, for programs, transfers and commands "
                            "under way; keep fewer of them, or take a slice with more memory"));
    _exit(1);
  } catch (...) {
    // a defect: the core tells more
  }
  abort();
}

}  // namespace

absl::Status RunWorker(const WorkerOptions& options) {
  unsetenv("XPOOL_REMOTE_SLICES");  // what serves a remote slice is on a slice of this machine
  setenv("XPOOL_DIR", options.paths.directory.c_str(), 1);
  setenv("POCL_AFFINITY", "1", 0);  // as `xpool run` has it for programs in slices, and for the same reason
  RETURN_IF_ERROR(WarmDriver(options.driver_library));
  // Before somebody waits for it, and while the files that OpenSSL wants to see are in reach.
  absl::StatusOr<transport::EphemeralIdentity> identity = transport::MakeEphemeralIdentity(UnixNowNs() / kNsPerSec);
  ASSIGN_OR_RETURN(
      sandbox::Sandbox sandbox,
      sandbox::Sandbox::Prepare(sandbox::ProfileOfLibrary(options.driver_library), sandbox::Sockets::kUnix));
  AgentLine line(options.paths.worker_socket());
  RETURN_IF_ERROR(line.Connect(Ready{options.driver_library}));
  ASSIGN_OR_RETURN(const std::optional<Start> start, AwaitStart(&line));
  if (!start.has_value()) return absl::OkStatus();
  last_line = &line;
  std::set_terminate(&Terminate);
  Tenant tenant(&line, *start, std::move(identity));
  const absl::StatusOr<Started> started = tenant.Begin(std::move(sandbox));
  if (!started.ok()) {
    SayEnded(&line, started.status());
    return started.status();
  }
  RETURN_IF_ERROR(line.Send(*started));
  const absl::Status outcome = tenant.Live();
  SayEnded(&line, outcome);
  usleep(kGoodbyeNs / kNsPerUs);
  // The driver's threads and ours run on, and nothing of theirs is wanted any more.
  _exit(0);
}

}  // namespace xpool::worker
