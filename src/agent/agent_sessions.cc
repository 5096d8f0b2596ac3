// The agent's sessions: attaching, reattaching, memory, death, and recovery after a restart.

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <fstream>

#include "agent/agent.h"
#include "base/bytes.h"
#include "base/process.h"
#include "base/status.h"

namespace xpool::agent {
namespace {

constexpr uint64_t kFirstCreditBytes = kMiB;  // handed out with the welcome, so that small programs never ask
constexpr uid_t kOverflowUid = 65534;         // what a user without a mapping in our namespace looks like

// Whether |pid| still maps a control page. A process that has called exec() since keeps its identity, but has no
// session.
bool MapsControlPage(pid_t pid) {
  std::ifstream maps(absl::StrCat("/proc/", pid, "/maps"));
  if (!maps) return true;  // not ours to see: assume it does
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:xpool-control-page") != std::string::npos) return true;
  }
  return false;
}

absl::StatusOr<UniqueFd> NewDoorbell() {
  UniqueFd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus("eventfd");
  return fd;
}

absl::Status Stranger(const PeerCredentials& peer) {
  return absl::PermissionDeniedError(absl::StrCat(
      "the agent cannot see who you are (pid ", peer.pid, ", uid ", peer.uid,
      "): your process lives in another pid or user namespace. Start the container with the host's pid namespace "
      "(--pid=host) and without user remapping, or run an agent inside it"));
}

// Where the XPU is this machine's CPU, a program's host threads share the cores with everybody's kernels, and no lease
// reaches them: the scheduler must know the classes too, or a high-priority program waits behind a low one's kernel for
// its own next step.
CpuScheduling SchedulingOf(arbiter::Priority priority) {
  switch (priority) {
    case arbiter::Priority::kHigh:
      return {.nice = -10, .slice_ns = 100 * kNsPerUs};
    case arbiter::Priority::kNormal:
      return {};
    case arbiter::Priority::kLow:
      return {.nice = 10};
  }
  return {};
}

}  // namespace

void Agent::ScheduleByClass(const SliceRecord& slice, pid_t pid) const {
  const XpuInfo* const xpu = registry_.Xpu(slice.xpu_id);
  if (xpu != nullptr && xpu->is_cpu()) SetCpuScheduling(pid, SchedulingOf(slice.priority));
}

// The recorded session on |slice| that |hello| names, if |peer| is its process; else nullptr.
Agent::LiveSession* Agent::FindReattaching(const Hello& hello, const PeerCredentials& peer, SliceNumber slice) {
  const auto known = sessions_.find(hello.session_id);
  if (known == sessions_.end()) return nullptr;
  LiveSession& session = known->second;
  if (session.link != nullptr || session.record.pid != peer.pid || session.record.slice != slice) return nullptr;
  const auto stat = ReadProcessStat(peer.pid);
  return stat.ok() && stat->start_ticks == session.record.start_ticks ? &session : nullptr;
}

absl::StatusOr<SliceRecord> Agent::CheckHello(const Hello& hello, const PeerCredentials& peer) {
  if (peer.pid <= 0 || peer.uid == kOverflowUid) return Stranger(peer);
  const std::string_view name = GetString(hello.slice);
  if (name.empty()) {
    return absl::InvalidArgumentError("no slice was named: start the program with `xpool run`, or set XPOOL_SLICE");
  }
  ASSIGN_OR_RETURN(SliceRecord slice, registry_.Find(name));
  // A worker that reattaches has its tenant's user by then, to whom no slice belongs.
  if (!OwnsSlice(peer.uid, slice) && FindReattaching(hello, peer, slice.number) == nullptr) {
    return absl::PermissionDeniedError(absl::StrCat("slice ", slice.name, " belongs to uid ", slice.owner_uid,
                                                    ", you are uid ", peer.uid, "; use a slice of your own"));
  }
  if (registry_.Xpu(slice.xpu_id) == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("slice ", slice.name, " is on ", slice.xpu_id,
                                                      ", which this agent has not found; see `xpool devices` and "
                                                      "`xpool events`"));
  }
  return slice;
}

// The session that |hello| asks for: the recorded one when it reattaches, else a new one.
absl::StatusOr<Agent::LiveSession*> Agent::PlaceSession(const Hello& hello, const Peer& peer, const SliceRecord& slice,
                                                        bool& reattached) {
  LiveSession* const known = FindReattaching(hello, peer.credentials, slice.number);
  reattached = known != nullptr;
  if (reattached) return known;
  const pid_t pid = peer.credentials.pid;
  ASSIGN_OR_RETURN(const ProcessStat stat, ReadProcessStat(pid));
  if (sessions_.size() >= kMaxSessions) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this agent serves at most ", kMaxSessions, " processes at once; end some"));
  }
  SessionRecord record;
  record.slice = slice.number;
  record.pid = pid;
  record.start_ticks = stat.start_ticks;
  record.uid = peer.credentials.uid;
  record.api = hello.api;
  record.program = GetString(hello.program).empty() ? stat.command : std::string(GetString(hello.program));
  record.attached_unix_s = UnixNowNs() / kNsPerSec;
  RETURN_IF_ERROR(store_->InsertSession(record));
  LiveSession& session = sessions_[record.id];
  session.record = record;
  return &session;
}

// Fills in the agent's part of a fresh page. The lease that it starts with is returned.
LeaseWord Agent::PreparePage(const Hello& hello, const SliceRecord& slice, bool reattached, ControlPage& page) const {
  const LeaseWord held{hello.lease_bits};
  LeaseWord word{uint64_t{held.epoch()} << 32};
  if (reattached && held.state() != LeaseState::kNone) word = LeaseWord{held.bits & ~uint64_t{0xfffffff8}};
  page.quantum_ns.store(options_.quantum_ns, std::memory_order_relaxed);
  page.inflight_bound_ns.store(options_.quantum_ns, std::memory_order_relaxed);
  page.lease_until_ns.store(clock_->NowNs() + options_.quantum_ns, std::memory_order_relaxed);
  page.memory_limit_bytes.store(slice.memory_bytes, std::memory_order_relaxed);
  page.lease.store(word.bits, std::memory_order_seq_cst);
  return word;
}

Welcome Agent::MakeWelcome(const SliceRecord& slice, const XpuInfo& xpu, SessionId session) const {
  auto welcome = NewMessage<Welcome>();
  welcome.session_id = session;
  welcome.memory_limit_bytes = slice.memory_bytes;
  welcome.memory_granted_bytes = ledger_.held_bytes(slice.number, session);
  SetString(welcome.slice_id, slice.id());
  SetString(welcome.xpu_id, xpu.id);
  SetString(welcome.driver_library, xpu.driver_library);
  welcome.platform_index = xpu.platform_index;
  welcome.device_index = xpu.device_index;
  SetString(welcome.device_name, xpu.name);
  return welcome;
}

absl::StatusOr<Attached> Agent::Attach(const Hello& hello, Peer peer) {
  Attached attached;
  {
    MutexLock lock(&mutex_);
    ASSIGN_OR_RETURN(const SliceRecord slice, CheckHello(hello, peer.credentials));
    const XpuInfo& xpu = *registry_.Xpu(slice.xpu_id);
    auto link = std::make_shared<SessionLink>();
    ASSIGN_OR_RETURN(link->agent_doorbell, NewDoorbell());
    ASSIGN_OR_RETURN(link->client_doorbell, NewDoorbell());
    bool reattached = false;
    ASSIGN_OR_RETURN(LiveSession * session, PlaceSession(hello, peer, slice, reattached));
    const SessionId id = session->record.id;
    auto page = CreateControlPage(id);
    if (!page.ok()) {
      if (!reattached) {
        store_->DeleteSession(id).IgnoreError();
        sessions_.erase(id);
      }
      return page.status();
    }
    link->id = id;
    link->slice = slice.number;
    link->pid = session->record.pid;
    link->pidfd = std::move(peer.pidfd);
    link->page = std::move(page->page);
    const LeaseWord word = PreparePage(hello, slice, reattached, *link->page.get());
    // What it says it holds is allocated, whatever we knew; more than the card cannot be.
    ledger_.Restore(slice.number, id, std::min(hello.memory_held_bytes, xpu.memory_bytes));
    if (hello.memory_held_bytes == 0 && !SliceRecovering(slice.number)) {
      ledger_.Grant(slice.number, id,
                    std::min({ledger_.free_bytes(slice.number), slice.memory_bytes / 16, kFirstCreditBytes}));
    }
    session->link = link;
    session->pidfd.Reset();
    // A normal slice's program keeps the nice value that its user gave it.
    if (slice.priority != arbiter::Priority::kNormal) ScheduleByClass(slice, link->pid);
    BrokerOf(slice.xpu_id)->AddSession(link, word);
    attached.welcome = MakeWelcome(slice, xpu, id);
    attached.page_fd = std::move(page->fd);
    attached.link = std::move(link);
    OpenRecovered();
    Tell(reattached ? "session-reattached" : "session-attached", slice,
         absl::StrCat(session->record.program, " (process ", session->record.pid, ") to slice ", slice.name), id);
  }
  outlets_.changed();
  return attached;
}

void Agent::Detach(SessionId id, const std::string& why, bool died) {
  {
    MutexLock lock(&mutex_);
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) return;
    const SessionRecord record = it->second.record;
    const std::shared_ptr<SessionLink> link = std::move(it->second.link);
    sessions_.erase(it);
    ledger_.EndSession(record.slice, id);
    const absl::Status deleted = store_->DeleteSession(id);
    if (!deleted.ok()) events_.Add({.kind = "store-refused", .message = std::string(deleted.message())});
    if (link != nullptr) {
      for (const auto& [xpu_id, broker] : brokers_) broker->RemoveSession(link);
    }
    if (const SliceRecord* slice = registry_.Get(record.slice)) {
      Tell(died ? "session-died" : "session-detached", *slice,
           absl::StrCat(record.program, " (process ", record.pid, ") from slice ", slice->name, ": ", why), id);
    }
    OpenRecovered();
    EraseIfOrphaned(record.slice);
  }
  outlets_.changed();
}

// Asks the other sessions of the slice for unused credit; false when they cannot have enough.
bool Agent::TrimOthers(const LiveSession& asker, uint64_t bytes) {
  const SliceNumber slice = asker.record.slice;
  uint64_t hope = ledger_.free_bytes(slice);
  for (const SessionId id : SessionsOf(slice)) {
    const LiveSession& other = sessions_.at(id);
    if (id == asker.record.id || other.link == nullptr) continue;
    const uint64_t held = ledger_.held_bytes(slice, id);
    const uint64_t used = other.link->page->memory_used_bytes.load(std::memory_order_relaxed);
    if (used >= held) continue;
    hope += held - used;
    other.link->page->memory_trim.fetch_add(1, std::memory_order_relaxed);
    other.link->RingClient();
  }
  return hope >= bytes;
}

MemoryVerdict Agent::RequestMemory(SessionId id, uint64_t bytes, bool final, MemoryReply& reply) {
  MutexLock lock(&mutex_);
  reply = NewMessage<MemoryReply>();
  const auto it = sessions_.find(id);
  const SliceRecord* slice = it != sessions_.end() ? registry_.Get(it->second.record.slice) : nullptr;
  if (slice == nullptr) return MemoryVerdict::kDenied;
  // What sessions that have not reattached hold is unknown: nobody is given their memory.
  if (SliceRecovering(slice->number)) return MemoryVerdict::kWait;
  const bool granted = ledger_.Grant(slice->number, id, bytes);
  reply.granted_bytes = granted ? bytes : 0;
  reply.used_bytes = ledger_.used_bytes(slice->number);
  reply.limit_bytes = slice->memory_bytes;
  if (granted) return MemoryVerdict::kGranted;
  if (!final && TrimOthers(it->second, bytes)) return MemoryVerdict::kWait;
  int64_t& told_ns = refusal_told_ns_[slice->number];
  if (told_ns == 0 || clock_->NowNs() - told_ns > kNsPerSec) {
    told_ns = clock_->NowNs();
    Tell("quota-refused", *slice,
         absl::StrCat("process ", it->second.record.pid, " asked for ", FormatBytes(bytes), " in slice ", slice->name,
                      ", of whose ", FormatBytes(slice->memory_bytes), " ",
                      FormatBytes(ledger_.free_bytes(slice->number)), " is free"),
         id);
  }
  return MemoryVerdict::kDenied;
}

void Agent::ReturnMemory(SessionId id, uint64_t bytes) {
  MutexLock lock(&mutex_);
  const auto it = sessions_.find(id);
  if (it != sessions_.end()) ledger_.Return(it->second.record.slice, id, bytes);
}

absl::Status Agent::Recover() {
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const std::vector<SliceRecord> slices, store_->LoadSlices());
  ASSIGN_OR_RETURN(const std::vector<SessionRecord> sessions, store_->LoadSessions());
  ASSIGN_OR_RETURN(const std::vector<LoanRecord> loans, store_->LoadLoans());
  for (const LoanRecord& loan : loans) loans_[loan.slice] = loan;
  for (const SliceRecord& slice : slices) {
    PutSlice(slice);
    if (BrokerOf(slice.xpu_id) == nullptr) {
      Tell("xpu-missing", slice,
           absl::StrCat("slice ", slice.name, " is kept, but its ", slice.xpu_id,
                        " was not found: check the driver and restart the agent"));
    }
    if (slice.owner_pid <= 0) continue;
    UniqueFd& owner = owners_[slice.number];
    if (auto pidfd = OpenSameProcess(slice.owner_pid, slice.owner_start_ticks); pidfd.ok()) owner = *std::move(pidfd);
  }
  TellOvercommitted();
  for (const auto& [id, broker] : brokers_) open_[id] = false;
  for (const SessionRecord& session : sessions) RecoverSession(session);
  for (const SliceRecord& slice : slices) EraseIfOrphaned(slice.number);
  OpenRecovered();
  if (!slices.empty()) {
    events_.Add(
        {.kind = "agent-recovered",
         .message = absl::StrCat(slices.size(), " slices; waiting for ", sessions_.size(), " processes to reattach")});
  }
  return absl::OkStatus();
}

void Agent::TellOvercommitted() {
  for (const XpuInfo& xpu : registry_.xpus()) {
    const uint64_t reserved_bytes = registry_.SumsOf(xpu.id).reserved_bytes;
    if (reserved_bytes <= xpu.memory_bytes) continue;
    events_.Add({.kind = "memory-overcommitted",
                 .xpu_id = xpu.id,
                 .message = absl::StrCat("the slices on ", xpu.id, " reserve ", FormatBytes(reserved_bytes),
                                         " of memory, but it now has ", FormatBytes(xpu.memory_bytes),
                                         ": allocations may fail before a slice's quota is used; resize or delete "
                                         "slices")});
  }
}

// A recorded session is either known dead, or waited for.
void Agent::RecoverSession(SessionRecord record) {
  auto pidfd = OpenSameProcess(record.pid, record.start_ticks);
  const bool alive = pidfd.ok() && !PidfdIsDead(pidfd->get()) && MapsControlPage(record.pid);
  if (!alive) {
    store_->DeleteSession(record.id).IgnoreError();  // it would be found dead again
    return;
  }
  LiveSession& session = sessions_[record.id];
  session.pidfd = *std::move(pidfd);
  session.record = std::move(record);
}

bool Agent::SliceRecovering(SliceNumber slice) const {
  return std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& entry) {
    return entry.second.record.slice == slice && entry.second.link == nullptr;
  });
}

// Lets leases be given on every XPU none of whose recorded sessions is missing any more.
void Agent::OpenRecovered() {
  for (auto& [xpu_id, open] : open_) {
    if (open) continue;
    open = true;
    for (const auto& [id, session] : sessions_) {
      const SliceRecord* slice = registry_.Get(session.record.slice);
      if (session.link == nullptr && slice != nullptr && slice->xpu_id == xpu_id) open = false;
    }
    if (open) BrokerOf(xpu_id)->Open();
  }
}

std::vector<std::pair<SessionId, int>> Agent::UnattachedPidfds() {
  MutexLock lock(&mutex_);
  std::vector<std::pair<SessionId, int>> pidfds;
  for (const auto& [id, session] : sessions_) {
    if (session.link == nullptr) pidfds.emplace_back(id, session.pidfd.get());
  }
  return pidfds;
}

std::vector<std::pair<SliceNumber, int>> Agent::OwnerPidfds() {
  MutexLock lock(&mutex_);
  std::vector<std::pair<SliceNumber, int>> pidfds;
  for (const auto& [slice, pidfd] : owners_) {
    if (pidfd.valid()) pidfds.emplace_back(slice, pidfd.get());
  }
  return pidfds;
}

void Agent::EndRecovery() {
  MutexLock lock(&mutex_);
  std::vector<SessionId> given_up;
  for (const auto& [id, session] : sessions_) {
    if (session.link != nullptr) continue;
    const pid_t pid = session.record.pid;
    const SliceRecord* slice = registry_.Get(session.record.slice);
    const XpuInfo* xpu = slice != nullptr ? registry_.Xpu(slice->xpu_id) : nullptr;
    const auto stat = ReadProcessStat(pid);
    const bool stopped = stat.ok() && (stat->state == 'T' || stat->state == 't');
    if (!MapsControlPage(pid) || xpu == nullptr || (stopped && xpu->is_cpu())) {
      given_up.push_back(id);  // it has exec()ed, or nothing of it runs: when it comes back it gets a new session
    } else {
      KillByPidfd(session.pidfd.get());  // its death is then seen as any other
      Tell("lease-overrun", *slice,
           absl::StrCat("process ", pid,
                        " has not reattached to the restarted agent within the hang limit and may still "
                        "hold a lease on ",
                        slice->xpu_id, "; it was killed (SIGKILL)"),
           id);
    }
  }
  for (const SessionId id : given_up) {
    const SliceNumber slice = sessions_.at(id).record.slice;
    store_->DeleteSession(id).IgnoreError();
    sessions_.erase(id);
    EraseIfOrphaned(slice);
  }
  OpenRecovered();
}

}  // namespace xpool::agent
