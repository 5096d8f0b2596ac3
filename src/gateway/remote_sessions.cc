#include "gateway/remote_sessions.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/process.h"
#include "base/random.h"
#include "base/status.h"

namespace xpool::gateway {
namespace {

constexpr size_t kMostSessions = 1024;
constexpr size_t kMostPast = 1024;

}  // namespace

absl::StatusOr<std::unique_ptr<RemoteSessions>> RemoteSessions::Start(agent::Agent* agent, WorkerHostOptions workers) {
  std::unique_ptr<RemoteSessions> sessions(new RemoteSessions(agent));
  RemoteSessions* const raw = sessions.get();
  const WorkerEvents events = {
      .reported = [raw](uint64_t id, const worker::Report& report) { raw->Reported(id, report); },
      .ended = [raw](uint64_t id, bool clean, const std::string& why) { raw->Ended(id, clean, why); },
      .failed =
          [agent](const std::string& driver, const std::string& why) {
            agent->events().Add(
                {.kind = "worker-failed", .message = absl::StrCat("a worker for ", driver, " did not start: ", why)});
          },
      .dialed = [raw](uint64_t id, const std::string& address,
                      const absl::Status& connected) { raw->Dialed(id, address, connected); }};
  ASSIGN_OR_RETURN(sessions->host_, WorkerHost::Start(std::move(workers), events, sessions->TakeOver()));
  return sessions;
}

std::vector<OldWorker> RemoteSessions::TakeOver() {
  std::vector<OldWorker> old;
  for (agent::RemoteRecord& record : agent_->RemoteRecords()) {
    absl::StatusOr<UniqueFd> pidfd = OpenSameProcess(record.worker_pid, record.start_ticks);
    if (!pidfd.ok()) {
      Forget(record, "worker-died", "its worker ended while the agent was away");
      continue;
    }
    old.push_back({record.id, record.worker_pid, *std::move(pidfd)});
    MutexLock lock(&mutex_);
    sessions_[record.id].record = std::move(record);
  }
  return old;
}

absl::StatusOr<wire::Attached> RemoteSessions::Open(const agent::RemoteTarget& target, const std::string& program,
                                                    Client client, const transport::Deadline& deadline) {
  {
    MutexLock lock(&mutex_);
    if (sessions_.size() >= kMostSessions)
      return absl::UnavailableError(absl::StrCat("this node serves ", kMostSessions, " remote sessions already"));
  }
  worker::Start start{.slice = target.slice.id(), .program = program, .client_certificate = client.certificate};
  while (start.session_id == 0) RETURN_IF_ERROR(FillRandom(std::as_writable_bytes(std::span(&start.session_id, 1))));
  RETURN_IF_ERROR(FillRandom(start.token));
  agent::RemoteRecord record{
      .id = start.session_id, .slice = target.slice.number, .client = client.who, .program = program};
  Note(record);  // before there is a worker, so that its end finds it
  const absl::StatusOr<WorkerHost::Begun> begun =
      host_->Begin(target.driver_library, start, {client.tenant, target.slice.memory_bytes}, deadline);
  const absl::Status recorded = begun.ok() ? Record(begun->pid, &record) : begun.status();
  if (!recorded.ok()) {
    host_->End(record.id, "it could not begin");
    MutexLock lock(&mutex_);
    sessions_.erase(record.id);
    return recorded;
  }
  TellMissing(begun->started.missing);
  if (client.process.valid()) host_->EndWith(record.id, std::move(client.process));
  return wire::Attached{.session_id = record.id,
                        .resume_token = start.token,
                        .certificate = begun->started.certificate,
                        .slice_id = target.slice.id(),
                        .memory_limit_bytes = begun->started.memory_limit_bytes};
}

// Once: it is the same for all.
void RemoteSessions::TellMissing(const std::vector<std::string>& missing) {
  {
    MutexLock lock(&mutex_);
    if (missing.empty() || std::exchange(missing_told_, true)) return;
  }
  agent_->events().Add({.kind = "sandbox-incomplete",
                        .message = absl::StrCat("workers are confined less than they could be: ",
                                                absl::StrJoin(missing, "; "), " (docs/sandbox.md)")});
}

void RemoteSessions::Note(const agent::RemoteRecord& record) {
  MutexLock lock(&mutex_);
  sessions_[record.id].record = record;
}

// Writes down that the process |pid| serves the session.
absl::Status RemoteSessions::Record(pid_t pid, agent::RemoteRecord* record) {
  ASSIGN_OR_RETURN(const ProcessStat stat, ReadProcessStat(pid));
  record->worker_pid = pid;
  record->start_ticks = stat.start_ticks;
  RETURN_IF_ERROR(agent_->RecordRemote(record));
  {
    MutexLock lock(&mutex_);
    const auto found = sessions_.find(record->id);
    if (found != sessions_.end()) {
      found->second.record = *record;
      return absl::OkStatus();
    }
  }
  const std::string why = "its worker died at once";
  Forget(*record, "worker-died", why);
  return absl::UnavailableError(absl::StrCat("the session has ended: ", why));
}

absl::Status RemoteSessions::PassLane(const wire::Preamble& preamble, UniqueFd socket) {
  const absl::Status passed = host_->PassLane(preamble, std::move(socket));
  if (!absl::IsNotFound(passed)) return passed;
  MutexLock lock(&mutex_);
  const auto past =
      std::find_if(past_.begin(), past_.end(), [&](const Past& session) { return session.id == preamble.session_id; });
  if (past != past_.end()) return absl::NotFoundError(past->why);
  // Its worker has just died, and why will be known in a moment.
  if (sessions_.contains(preamble.session_id)) return absl::UnavailableError("the session is ending; try again");
  return passed;
}

std::optional<agent::RemoteView> RemoteSessions::ViewOf(pid_t worker) const {
  MutexLock lock(&mutex_);
  for (const auto& [id, session] : sessions_) {
    if (session.record.worker_pid != worker) continue;
    return agent::RemoteView{.client = session.record.client,
                             .sent_bytes = session.report.sent_bytes,
                             .received_bytes = session.report.received_bytes,
                             .calls = session.report.calls,
                             .connections = session.report.connections,
                             .round_trip_ns = session.report.round_trip_ns};
  }
  return std::nullopt;
}

void RemoteSessions::Reported(uint64_t id, const worker::Report& report) {
  MutexLock lock(&mutex_);
  const auto found = sessions_.find(id);
  if (found != sessions_.end()) found->second.report = report;
}

// The first of a session, of either kind: a tenant can ask for any number.
void RemoteSessions::Dialed(uint64_t id, const std::string& address, const absl::Status& connected) {
  agent::RemoteRecord record;
  {
    MutexLock lock(&mutex_);
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return;
    if (std::exchange(connected.ok() ? found->second.told_connected : found->second.told_refused, true)) return;
    record = found->second.record;
  }
  const std::string why = connected.ok() ? absl::StrCat("copies directly to ", address)
                                         : absl::StrCat("does not copy directly: ", connected.message());
  agent_->events().Add({.kind = connected.ok() ? "peer-connected" : "peer-refused",
                        .slice_id = agent::SliceId(record.slice),
                        .message = absl::StrCat(record.program, " of ", record.client, " ", why)});
}

void RemoteSessions::Ended(uint64_t id, bool clean, const std::string& why) {
  agent::RemoteRecord record;
  {
    MutexLock lock(&mutex_);
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return;
    record = found->second.record;
  }
  Forget(record, clean ? "remote-ended" : "worker-died", why);
}

void RemoteSessions::Forget(const agent::RemoteRecord& record, const char* kind, const std::string& why) {
  agent_->ForgetRemote(record, kind, why);
  MutexLock lock(&mutex_);
  sessions_.erase(record.id);
  past_.push_back({record.id, absl::StrCat("the session's worker has ended: ", why)});
  if (past_.size() > kMostPast) past_.pop_front();
}

}  // namespace xpool::gateway
