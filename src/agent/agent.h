// The agent's core: XPUs, slices, sessions, memory and leases of one machine, and their recovery after a restart. The
// session server (sockets) and the control service (gRPC) are its two doors; it owns neither.
//
// Thread-safe: one lock over the bookkeeping. Lease decisions do not take it (each XPU has a LeaseBroker with a thread
// of its own). Lock order: this lock, then the event log's or a broker's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/event_log.h"
#include "agent/lease_broker.h"
#include "agent/memory_ledger.h"
#include "agent/options.h"
#include "agent/records.h"
#include "agent/slice_registry.h"
#include "agent/store.h"
#include "base/mutex.h"
#include "base/unix_socket.h"
#include "device/discovery.h"
#include "slice/session_protocol.h"

namespace xpool::agent {

struct SliceView {
  SliceRecord slice;
  std::string borrower;  // of a slice that is lent to another machine
  uint64_t memory_used_bytes = 0;
  uint32_t sessions = 0;
  arbiter::Usage usage;
  uint64_t commands = 0, lease_waits = 0;
  double occupancy = 1;
};

// What is known of the client behind a worker.
struct RemoteView {
  std::string client;  // who and from where
  uint64_t sent_bytes = 0, received_bytes = 0, calls = 0, connections = 0;
  int64_t round_trip_ns = 0;  // 0: not measured yet
};

// A slice as whoever begins a remote session on it needs to know it.
struct RemoteTarget {
  SliceRecord slice;
  std::string driver_library;
};

struct SessionView {
  SessionRecord session;
  std::string slice_name, xpu_id;
  std::string lease, state;
  uint64_t memory_used_bytes = 0, commands = 0;
  std::optional<RemoteView> remote;  // of a worker
};

struct XpuView {
  XpuInfo xpu;
  SliceRegistry::Sums sums;
};

// Who is at the other end of a session connection.
struct Peer {
  PeerCredentials credentials;
  UniqueFd pidfd;
};

struct Attached {
  Welcome welcome{};
  UniqueFd page_fd;  // to be sent, then closed
  std::shared_ptr<SessionLink> link;
};

enum class MemoryVerdict { kGranted, kDenied, kWait };

class Agent {
 public:
  // What the agent asks of the session server; called from any thread; they only leave a note.
  struct Outlets {
    std::function<void(SliceNumber)> close_slice = [](SliceNumber) {};  // end the connections of a deleted slice
    std::function<void(SliceNumber, int pidfd)> watch_owner = [](SliceNumber, int) {};
    std::function<void()> changed = [] {};  // slices or sessions have come or gone
  };
  using RemoteSource = std::function<std::optional<RemoteView>(pid_t worker)>;

  // Opens the store, takes the XPUs of |discovery|, and recovers what an agent before has left.
  static absl::StatusOr<std::unique_ptr<Agent>> Create(const Options& options, Discovery discovery, const Clock* clock);
  ~Agent();

  void SetOutlets(Outlets outlets) { outlets_ = std::move(outlets); }  // before the first other call

  // Whom to ask about workers, until it is set to nothing again. Waits for those that ask just now.
  void SetRemoteSource(RemoteSource source);

  // Slices; for the control service.
  absl::StatusOr<SliceView> CreateSlice(SliceRequest request);
  absl::StatusOr<SliceView> ResizeSlice(std::string_view name_or_id, const SliceChange& change);
  absl::Status DeleteSlice(std::string_view name_or_id, bool force);
  absl::StatusOr<SliceView> GetSlice(std::string_view name_or_id);
  std::vector<SliceView> ListSlices();
  std::vector<SessionView> ListSessions();
  std::vector<XpuView> ListXpus();
  const LeaseBroker* Broker(std::string_view xpu_id) const;
  std::vector<std::string> XpuIds() const;
  bool recovering() const;
  bool empty() const;

  // Sessions; for the session server, on its thread.
  absl::StatusOr<Attached> Attach(const Hello& hello, Peer peer);
  void Detach(SessionId session, const std::string& why, bool died);
  // |final|: the last try, after others had time to give unused credit back.
  MemoryVerdict RequestMemory(SessionId session, uint64_t bytes, bool final, MemoryReply& reply);
  void ReturnMemory(SessionId session, uint64_t bytes);
  void OwnerDied(SliceNumber slice);
  // Pidfds of recorded sessions that have not reattached, and of owners; to be watched from the start.
  std::vector<std::pair<SessionId, int>> UnattachedPidfds();
  std::vector<std::pair<SliceNumber, int>> OwnerPidfds();
  // The recorded sessions have had |options.hang_limit_ns|: those that hang are killed, stopped ones not waited for.
  void EndRecovery();

  // Remote sessions; for the gateway.
  absl::Status RecordLoan(const LoanRecord& loan);
  std::vector<LoanRecord> LoanRecords();
  absl::StatusOr<RemoteTarget> FindRemoteTarget(std::string_view name_or_id);
  absl::Status RecordRemote(RemoteRecord* record);  // fills in when it began
  void ForgetRemote(const RemoteRecord& record, const std::string& event_kind, const std::string& why);
  std::vector<RemoteRecord> RemoteRecords();

  EventLog& events() { return events_; }
  const Options& options() const { return options_; }
  int64_t started_unix_s() const { return started_unix_s_; }
  const Clock* clock() const { return clock_; }

 private:
  struct LiveSession {
    SessionRecord record;
    std::shared_ptr<SessionLink> link;  // null: recorded, not reattached yet
    UniqueFd pidfd;                     // while not reattached
  };

  Agent(const Options& options, std::unique_ptr<Store> store, std::vector<XpuInfo> xpus, const Clock* clock);

  absl::Status StartBrokers();
  absl::Status Recover();
  // Tells of XPUs whose slices of before reserve more memory than they have now.
  void TellOvercommitted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RecoverSession(SessionRecord record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OpenRecovered() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool SliceRecovering(SliceNumber slice) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  LiveSession* FindReattaching(const Hello& hello, const PeerCredentials& peer, SliceNumber slice)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<SliceRecord> CheckHello(const Hello& hello, const PeerCredentials& peer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<LiveSession*> PlaceSession(const Hello& hello, const Peer& peer, const SliceRecord& slice,
                                            bool& reattached) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  LeaseWord PreparePage(const Hello& hello, const SliceRecord& slice, bool reattached, ControlPage& page) const;
  Welcome MakeWelcome(const SliceRecord& slice, const XpuInfo& xpu, SessionId session) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TrimOthers(const LiveSession& asker, uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void PutSlice(const SliceRecord& slice) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status EraseSlice(const SliceRecord& slice, const std::string& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the slice if its owner is dead and no session is left.
  void EraseIfOrphaned(SliceNumber number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // On an XPU that is this machine's CPU: gives a program of the slice the CPU scheduling of its priority class.
  void ScheduleByClass(const SliceRecord& slice, pid_t pid) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<SessionId> SessionsOf(SliceNumber slice) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<SessionView> ListAttached();
  SliceView ViewOf(const SliceRecord& slice, const std::map<SliceNumber, SliceLeaseView>& leases) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::map<SliceNumber, SliceLeaseView> LeaseViews();
  LeaseBroker* BrokerOf(std::string_view xpu_id) const;
  void Tell(std::string kind, const SliceRecord& slice, std::string message, SessionId session = 0);

  const Options options_;
  const Clock* const clock_;
  const int64_t started_unix_s_;
  EventLog events_;
  Outlets outlets_;
  mutable Mutex remote_mutex_;  // before it, mutex_ must not be held
  RemoteSource remote_source_ ABSL_GUARDED_BY(remote_mutex_);
  mutable Mutex mutex_;
  const std::unique_ptr<Store> store_ ABSL_PT_GUARDED_BY(mutex_);
  SliceRegistry registry_ ABSL_GUARDED_BY(mutex_);
  MemoryLedger ledger_ ABSL_GUARDED_BY(mutex_);
  std::map<SessionId, LiveSession> sessions_ ABSL_GUARDED_BY(mutex_);
  std::map<SliceNumber, UniqueFd> owners_ ABSL_GUARDED_BY(mutex_);  // invalid: the owner is dead
  std::map<SliceNumber, LoanRecord> loans_ ABSL_GUARDED_BY(mutex_);
  std::map<SliceNumber, int64_t> refusal_told_ns_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, bool, std::less<>> open_ ABSL_GUARDED_BY(mutex_);  // XPUs on which leases are given
  // The brokers come after what their threads reach through hooks, so that they are stopped first.
  std::map<std::string, std::unique_ptr<LeaseBroker>, std::less<>> brokers_;  // fixed after Create()
};

}  // namespace xpool::agent
