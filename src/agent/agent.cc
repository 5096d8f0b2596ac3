#include "agent/agent.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/process.h"
#include "base/status.h"

namespace xpool::agent {
namespace {

std::string Describe(const SliceRecord& slice) {
  return absl::StrCat(slice.name, " (", slice.id(), ") on ", slice.xpu_id, ": ",
                      slice.guarantee > Share() ? slice.guarantee.ToString() : "best effort", " up to ",
                      slice.limit.ToString(), ", ", FormatBytes(slice.memory_bytes));
}

}  // namespace

Agent::Agent(const Options& options, std::unique_ptr<Store> store, std::vector<XpuInfo> xpus, const Clock* clock)
    : options_(options),
      clock_(clock),
      started_unix_s_(UnixNowNs() / kNsPerSec),
      store_(std::move(store)),
      registry_(std::move(xpus)) {}

Agent::~Agent() { brokers_.clear(); }

absl::StatusOr<std::unique_ptr<Agent>> Agent::Create(const Options& options, Discovery discovery, const Clock* clock) {
  ASSIGN_OR_RETURN(std::unique_ptr<Store> store, Store::Open(options.paths.database()));
  for (XpuInfo& xpu : discovery.xpus) {
    ASSIGN_OR_RETURN(const uint64_t number, store->XpuNumber(xpu.Key()));
    xpu.id = absl::StrCat("xpu", number);
    // A CPU driver reports what memory happens to be free when it starts; slices must not outgrow their XPU by that.
    if (xpu.is_cpu()) {
      ASSIGN_OR_RETURN(xpu.memory_bytes, store->MostXpuMemory(number, xpu.memory_bytes));
    }
  }
  std::unique_ptr<Agent> agent(new Agent(options, std::move(store), std::move(discovery.xpus), clock));
  for (DriverProblem& problem : discovery.problems) {
    agent->events_.Add({.kind = std::move(problem.kind), .message = std::move(problem.message)});
  }
  RETURN_IF_ERROR(agent->StartBrokers());
  RETURN_IF_ERROR(agent->Recover());
  return agent;
}

absl::Status Agent::StartBrokers() {
  MutexLock lock(&mutex_);
  for (const XpuInfo& xpu : registry_.xpus()) {
    LeaseTable::Config config;
    config.xpu_id = xpu.id;
    config.cpu_cores = xpu.is_cpu() ? std::max(xpu.compute_units, 1u) : 0;
    config.hang_limit_ns = options_.hang_limit_ns;
    config.arbiter.quantum_ns = options_.quantum_ns;
    config.arbiter.max_grace_ns = options_.quantum_ns / 4;
    ASSIGN_OR_RETURN(brokers_[xpu.id], LeaseBroker::Start(std::move(config),
                                                          {[this](Event event) { events_.Add(std::move(event)); },
                                                           [this](SliceNumber slice) { outlets_.close_slice(slice); }},
                                                          clock_));
    events_.Add({.kind = "xpu-found",
                 .xpu_id = xpu.id,
                 .message = absl::StrCat(xpu.id, " is ", xpu.name, " (", xpu.type, ", ", FormatBytes(xpu.memory_bytes),
                                         ") by ", xpu.driver_library)});
  }
  return absl::OkStatus();
}

const LeaseBroker* Agent::Broker(std::string_view xpu_id) const { return BrokerOf(xpu_id); }

LeaseBroker* Agent::BrokerOf(std::string_view xpu_id) const {
  const auto it = brokers_.find(xpu_id);
  return it == brokers_.end() ? nullptr : it->second.get();
}

std::vector<std::string> Agent::XpuIds() const {
  std::vector<std::string> ids;
  for (const auto& [id, broker] : brokers_) ids.push_back(id);
  return ids;
}

void Agent::Tell(std::string kind, const SliceRecord& slice, std::string message, SessionId session) {
  events_.Add({.kind = std::move(kind),
               .slice_id = slice.id(),
               .session_id = session,
               .xpu_id = slice.xpu_id,
               .message = std::move(message)});
}

bool Agent::recovering() const {
  MutexLock lock(&mutex_);
  return std::any_of(open_.begin(), open_.end(), [](const auto& entry) { return !entry.second; });
}

bool Agent::empty() const {
  MutexLock lock(&mutex_);
  return registry_.slices().empty() && sessions_.empty();
}

void Agent::PutSlice(const SliceRecord& slice) {
  registry_.Put(slice);
  ledger_.SetLimit(slice.number, slice.memory_bytes);
  if (LeaseBroker* broker = BrokerOf(slice.xpu_id)) broker->AddSlice(slice.number, slice.terms());
}

std::vector<SessionId> Agent::SessionsOf(SliceNumber slice) const {
  std::vector<SessionId> ids;
  for (const auto& [id, session] : sessions_) {
    if (session.record.slice == slice) ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<SliceView> Agent::CreateSlice(SliceRequest request) {
  UniqueFd owner;
  if (request.owner_pid > 0) {
    ASSIGN_OR_RETURN(owner, OpenPidfd(request.owner_pid));
    ASSIGN_OR_RETURN(const ProcessStat stat, ReadProcessStat(request.owner_pid));
    request.owner_start_ticks = stat.start_ticks;
  }
  const int owner_fd = owner.get();
  SliceRecord slice;
  {
    MutexLock lock(&mutex_);
    ASSIGN_OR_RETURN(slice, registry_.PlanCreate(request));
    slice.created_unix_s = UnixNowNs() / kNsPerSec;
    RETURN_IF_ERROR(store_->InsertSlice(slice));
    PutSlice(slice);
    if (owner.valid()) owners_[slice.number] = std::move(owner);
    Tell("slice-created", slice, absl::StrCat("slice ", Describe(slice)));
  }
  if (owner_fd >= 0) outlets_.watch_owner(slice.number, owner_fd);
  outlets_.changed();
  SliceView view;
  view.slice = std::move(slice);
  return view;
}

absl::StatusOr<SliceView> Agent::ResizeSlice(std::string_view name_or_id, const SliceChange& change) {
  {
    MutexLock lock(&mutex_);
    ASSIGN_OR_RETURN(const SliceRecord slice, registry_.Find(name_or_id));
    ASSIGN_OR_RETURN(const SliceRecord changed, registry_.PlanChange(slice, change));
    RETURN_IF_ERROR(store_->UpdateSlice(changed));
    registry_.Put(changed);
    ledger_.SetLimit(changed.number, changed.memory_bytes);
    if (LeaseBroker* broker = BrokerOf(changed.xpu_id)) broker->SetTerms(changed.number, changed.terms());
    for (const SessionId id : SessionsOf(changed.number)) {
      const auto& link = sessions_.at(id).link;
      if (link == nullptr) continue;  // it may be dead, and its pid somebody else's
      if (changed.priority != slice.priority) ScheduleByClass(changed, link->pid);
      link->page->memory_limit_bytes.store(changed.memory_bytes, std::memory_order_relaxed);
      if (ledger_.used_bytes(changed.number) <= changed.memory_bytes) continue;
      link->page->memory_trim.fetch_add(1, std::memory_order_relaxed);
      link->RingClient();
    }
    Tell("slice-resized", changed, absl::StrCat("slice ", Describe(changed)));
  }
  return GetSlice(name_or_id);
}

absl::Status Agent::EraseSlice(const SliceRecord& slice, const std::string& why) {
  RETURN_IF_ERROR(store_->DeleteSlice(slice.number));
  if (LeaseBroker* broker = BrokerOf(slice.xpu_id)) broker->RemoveSlice(slice.number);
  registry_.Erase(slice.number);
  ledger_.RemoveSlice(slice.number);
  owners_.erase(slice.number);
  loans_.erase(slice.number);
  refusal_told_ns_.erase(slice.number);
  // Recorded sessions that never came back have no connection through which they would end.
  std::erase_if(sessions_, [&](const auto& entry) {
    return entry.second.record.slice == slice.number && entry.second.link == nullptr;
  });
  OpenRecovered();
  Tell("slice-deleted", slice, absl::StrCat("slice ", slice.name, " (", slice.id(), "): ", why));
  return absl::OkStatus();
}

absl::Status Agent::DeleteSlice(std::string_view name_or_id, bool force) {
  {
    MutexLock lock(&mutex_);
    ASSIGN_OR_RETURN(const SliceRecord slice, registry_.Find(name_or_id));
    const size_t attached = SessionsOf(slice.number).size();
    if (attached > 0 && !force) {
      return absl::FailedPreconditionError(
          absl::StrCat("slice ", slice.name, " is used by ", attached, attached == 1 ? " process" : " processes",
                       " (see `xpool ps`); end them first, or delete with --force: then their next calls fail"));
    }
    RETURN_IF_ERROR(EraseSlice(slice, attached > 0 ? "deleted while in use" : "deleted"));
  }
  outlets_.changed();
  return absl::OkStatus();
}

void Agent::OwnerDied(SliceNumber number) {
  {
    MutexLock lock(&mutex_);
    const auto it = owners_.find(number);
    if (it == owners_.end()) return;
    it->second.Reset();
    EraseIfOrphaned(number);
  }
  outlets_.changed();
}

void Agent::EraseIfOrphaned(SliceNumber number) {
  const auto owner = owners_.find(number);
  if (owner == owners_.end() || owner->second.valid() || !SessionsOf(number).empty()) return;
  const SliceRecord* slice = registry_.Get(number);
  if (slice == nullptr) return;
  const absl::Status erased = EraseSlice(SliceRecord(*slice), "its owner has ended");
  if (!erased.ok()) events_.Add({.kind = "store-refused", .message = std::string(erased.message())});
}

std::map<SliceNumber, SliceLeaseView> Agent::LeaseViews() {
  std::map<SliceNumber, SliceLeaseView> views;
  for (const auto& [id, broker] : brokers_) {
    for (const SliceLeaseView& view : broker->View()) views[view.slice] = view;
  }
  return views;
}

SliceView Agent::ViewOf(const SliceRecord& slice, const std::map<SliceNumber, SliceLeaseView>& leases) const {
  SliceView view;
  view.slice = slice;
  if (const auto loan = loans_.find(slice.number); loan != loans_.end()) view.borrower = loan->second.borrower;
  for (const auto& [id, session] : sessions_) {
    if (session.record.slice != slice.number) continue;
    ++view.sessions;
    if (session.link == nullptr) continue;
    const ControlPage& page = *session.link->page.get();
    view.commands += page.commands.load(std::memory_order_relaxed);
    view.lease_waits += page.lease_waits.load(std::memory_order_relaxed);
    // The page is the client's word; the ledger is what bounds it.
    view.memory_used_bytes +=
        std::min(page.memory_used_bytes.load(std::memory_order_relaxed), ledger_.held_bytes(slice.number, id));
  }
  if (const auto it = leases.find(slice.number); it != leases.end()) {
    view.usage = it->second.usage;
    view.occupancy = it->second.occupancy;
  }
  return view;
}

absl::StatusOr<SliceView> Agent::GetSlice(std::string_view name_or_id) {
  const auto leases = LeaseViews();
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const SliceRecord slice, registry_.Find(name_or_id));
  return ViewOf(slice, leases);
}

std::vector<SliceView> Agent::ListSlices() {
  const auto leases = LeaseViews();
  MutexLock lock(&mutex_);
  std::vector<SliceView> views;
  for (const auto& [number, slice] : registry_.slices()) views.push_back(ViewOf(slice, leases));
  return views;
}

void Agent::SetRemoteSource(RemoteSource source) {
  MutexLock lock(&remote_mutex_);
  remote_source_ = std::move(source);
}

std::vector<SessionView> Agent::ListSessions() {
  std::vector<SessionView> views = ListAttached();
  MutexLock lock(&remote_mutex_);
  for (SessionView& view : views) {
    if (remote_source_) view.remote = remote_source_(view.session.pid);
  }
  return views;
}

std::vector<SessionView> Agent::ListAttached() {
  constexpr const char* kLeases[] = {"none", "busy", "idle", "revoke"};
  MutexLock lock(&mutex_);
  std::vector<SessionView> views;
  for (const auto& [id, session] : sessions_) {
    SessionView view;
    view.session = session.record;
    view.lease = "none";
    if (const SliceRecord* slice = registry_.Get(session.record.slice)) {
      view.slice_name = slice->name;
      view.xpu_id = slice->xpu_id;
    }
    const auto stat = ReadProcessStat(session.record.pid);
    view.state = stat.ok() && (stat->state == 'T' || stat->state == 't') ? "stopped" : "running";
    if (session.link == nullptr) {
      view.state = "recovering";
    } else {
      const ControlPage& page = *session.link->page.get();
      const auto lease = LeaseWord{page.lease.load(std::memory_order_relaxed)}.state();
      view.lease = kLeases[static_cast<size_t>(lease)];
      view.commands = page.commands.load(std::memory_order_relaxed);
      view.memory_used_bytes = std::min(page.memory_used_bytes.load(std::memory_order_relaxed),
                                        ledger_.held_bytes(session.record.slice, id));
      const bool overdue = session.link->overdue.load(std::memory_order_relaxed) && lease == LeaseState::kRevoke;
      if (view.state == "running" && overdue) view.state = "overrunning";
    }
    views.push_back(std::move(view));
  }
  return views;
}

absl::Status Agent::RecordLoan(const LoanRecord& loan) {
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(store_->InsertLoan(loan));
  loans_[loan.slice] = loan;
  return absl::OkStatus();
}

std::vector<LoanRecord> Agent::LoanRecords() {
  MutexLock lock(&mutex_);
  std::vector<LoanRecord> records;
  for (const auto& [slice, loan] : loans_) records.push_back(loan);
  return records;
}

absl::StatusOr<RemoteTarget> Agent::FindRemoteTarget(std::string_view name_or_id) {
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(SliceRecord slice, registry_.Find(name_or_id));
  const XpuInfo* const xpu = registry_.Xpu(slice.xpu_id);
  if (xpu == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("slice ", slice.name, " is on ", slice.xpu_id, ", which this agent has not found"));
  }
  return RemoteTarget{std::move(slice), xpu->driver_library};
}

absl::Status Agent::RecordRemote(RemoteRecord* record) {
  record->began_unix_s = UnixNowNs() / kNsPerSec;
  MutexLock lock(&mutex_);
  const SliceRecord* const slice = registry_.Get(record->slice);
  if (slice == nullptr) return absl::NotFoundError("the slice was deleted meanwhile");
  RETURN_IF_ERROR(store_->InsertRemote(*record));
  Tell("remote-began", *slice,
       absl::StrCat(record->program, " of ", record->client, " in slice ", slice->name, ", served by process ",
                    record->worker_pid));
  return absl::OkStatus();
}

void Agent::ForgetRemote(const RemoteRecord& record, const std::string& event_kind, const std::string& why) {
  MutexLock lock(&mutex_);
  store_->DeleteRemote(record.id).IgnoreError();  // it would be found dead again
  const SliceRecord* const slice = registry_.Get(record.slice);
  events_.Add({.kind = event_kind,
               .slice_id = SliceId(record.slice),
               .xpu_id = slice != nullptr ? slice->xpu_id : "",
               .message = absl::StrCat(record.program, " of ", record.client, ", served by process ", record.worker_pid,
                                       ": ", why)});
}

std::vector<RemoteRecord> Agent::RemoteRecords() {
  MutexLock lock(&mutex_);
  absl::StatusOr<std::vector<RemoteRecord>> records = store_->LoadRemotes();
  if (records.ok()) return *std::move(records);
  events_.Add({.kind = "store-refused", .message = std::string(records.status().message())});
  return {};
}

std::vector<XpuView> Agent::ListXpus() {
  MutexLock lock(&mutex_);
  std::vector<XpuView> views;
  for (const XpuInfo& xpu : registry_.xpus()) views.push_back({xpu, registry_.SumsOf(xpu.id)});
  return views;
}

}  // namespace xpool::agent
