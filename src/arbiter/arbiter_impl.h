// The arbiter's insides: events change client states (arbiter.cc), Decide() turns states into actions (decide.cc).
// A decision is a few passes over the XPU's clients: about a microsecond for a hundred of them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "arbiter/arbiter.h"
#include "arbiter/client.h"
#include "arbiter/fair_clock.h"

namespace xpool::arbiter {

struct Arbiter::Impl {
  explicit Impl(const Options& o) : options(o), fair(o.lag_window_ns) {}

  Client* Find(ClientId id) const;

  // Charges everybody up to |time_ns|. Every event starts with it. A time that goes backwards counts as no time.
  void AdvanceTo(int64_t time_ns);
  void Charge(int64_t elapsed_ns);
  void Activate(Client& client);
  void Leave(Client& client);

  // The passes of Decide(), in this order.
  void RefreshThrottles();
  void EndLeases(std::vector<Action>& actions);
  void EndOrRenew(Client& client, std::vector<Action>& actions);
  void GrantLeases();
  void JoinBlocked(std::vector<Client*>& waiters);
  void RefreshLease(Client& client, std::vector<Action>& actions);

  void Start(Client& client, int64_t until_ns);
  void End(Client& client, std::vector<Action>& actions);
  bool MayContinue(const Client& client) const;
  bool EndsOvercommitment(const Client& client) const;
  bool MayJoin(const Client& client) const;  // run beside the holders of its class

  bool OthersWait(const Client& client) const;      // anybody, also throttled
  bool OthersEligible(const Client& client) const;  // anybody who could run now
  bool HigherRuns(const Client& client) const;      // a higher class has a lease, or could have one now
  const Client* BestWaiter(int cls) const;          // least virtual time first
  double HeldOccupancy() const;                     // sum over all holders
  double ChargedOccupancy() const;                  // the same without guests; contended time is split in it
  int64_t LeaseStepNs(const Client& client) const;  // how far a lease reaches
  int64_t LongestLimitedNs() const { return 2 * options.quantum_ns; }
  bool Throttled(const Client& client) const;
  int64_t TakeAtNs(const Client& client) const;       // when an idle lease's grace ends
  int64_t PresenceEndNs(const Client& client) const;  // until when a higher class counts as present; kNever: it is not
  int64_t RenewAtNs(const Client& client) const;      // when a lease is prolonged, early enough not to drain
  int64_t NextDeadlineOf(const Client& client) const;

  const Options options;
  FairClock fair;
  absl::flat_hash_map<ClientId, std::unique_ptr<Client>> by_id;
  std::vector<Client*> clients;  // the same, in order of arrival, so that decisions do not depend on hashing
  int64_t now_ns = 0;
  bool started = false;
};

}  // namespace xpool::arbiter
