// From the clients' states to actions: leases that end or go on, leases given, and what holders must be told.

#include <algorithm>
#include <limits>

#include "arbiter/arbiter_impl.h"

namespace xpool::arbiter {
namespace {

// Rounding room in a sum of occupancies.
constexpr double kFull = 1 + 1e-9;
constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

// Holders whose occupancies sum to more than 1 slow each other down to 1 / sum of their speed. Up to this sum that
// still does more work than taking turns, with some room for measuring occupancy too low.
constexpr double kMostTogether = 1.5;
// Who fills more than this runs alone or beside what fits: beside another of its size the two would gain little, and
// their shares would be whatever the driver makes of them.
constexpr double kSmall = 0.85;

// Clients that would hold leases at once.
class Company {
 public:
  void Add(const Client& client) {
    ++members_;
    occupancy_ += client.occupancy;
    guarantee_ = std::max(guarantee_, client.terms.guarantee.fraction());
    small_ = small_ && client.occupancy <= kSmall && !client.bucket.limited();
  }
  // They fit, or each still runs at no less than its guarantee. (Being charged in proportion to occupancy, each then
  // does at least the work it is charged for.) A limited client must fit: it pays for all the time it holds.
  bool MayRun() const {
    if (members_ <= 1 || occupancy_ <= kFull) return true;
    return small_ && occupancy_ <= kMostTogether && guarantee_ * occupancy_ <= kFull;
  }

 private:
  int members_ = 0;
  double occupancy_ = 0;
  double guarantee_ = 0;
  bool small_ = true;
};

bool GoesBefore(const Client& a, const Client& b) {
  if (a.vtime != b.vtime) return a.vtime < b.vtime;
  return a.want_ns < b.want_ns;
}

}  // namespace

bool Arbiter::Impl::OthersWait(const Client& client) const {
  return std::any_of(clients.begin(), clients.end(), [&](const Client* c) { return c != &client && c->waiting(); });
}

bool Arbiter::Impl::OthersEligible(const Client& client) const {
  return std::any_of(clients.begin(), clients.end(), [&](const Client* c) { return c != &client && c->eligible(); });
}

bool Arbiter::Impl::HigherRuns(const Client& client) const {
  return std::any_of(clients.begin(), clients.end(),
                     [&](const Client* c) { return c->cls() < client.cls() && (c->eligible() || c->running()); });
}

const Client* Arbiter::Impl::BestWaiter(int cls) const {
  const Client* best = nullptr;
  for (const Client* c : clients) {
    if (c->cls() == cls && c->eligible() && (best == nullptr || GoesBefore(*c, *best))) best = c;
  }
  return best;
}

double Arbiter::Impl::HeldOccupancy() const {
  double sum = 0;
  for (const Client* c : clients) sum += c->holding() ? c->occupancy : 0;
  return sum;
}

double Arbiter::Impl::ChargedOccupancy() const {
  double sum = 0;
  for (const Client* c : clients) sum += c->holding() && !c->guest ? c->occupancy : 0;
  return std::max(sum, 1e-6);
}

bool Arbiter::Impl::MayJoin(const Client& client) const {
  Company company;
  company.Add(client);
  for (const Client* c : clients) {
    if (c->holding() && c->cls() == client.cls()) company.Add(*c);
  }
  return company.MayRun();
}

int64_t Arbiter::Impl::LeaseStepNs(const Client& client) const {
  if (OthersWait(client)) return options.quantum_ns;
  if (!client.bucket.limited()) return std::max(options.presence_ns, options.quantum_ns);
  // Alone at its limit: every lease costs it a start, so few long ones.
  const bool alone =
      std::none_of(clients.begin(), clients.end(), [&](const Client* c) { return c != &client && c->active(); });
  return alone ? LongestLimitedNs() : options.quantum_ns;
}

bool Arbiter::Impl::Throttled(const Client& client) const {
  return client.bucket.limited() && !client.bucket.AllowsLease(LeaseStepNs(client));
}

int64_t Arbiter::Impl::TakeAtNs(const Client& client) const {
  int64_t gap_ns = client.reported_gap_ns;
  if (client.observed_gap_ns > 0 && (gap_ns == 0 || client.observed_gap_ns < gap_ns)) gap_ns = client.observed_gap_ns;
  if (gap_ns == 0) gap_ns = options.max_grace_ns;
  if (gap_ns > options.max_grace_ns) return client.idle_since_ns;
  return client.idle_since_ns + std::clamp(2 * gap_ns, options.min_grace_ns, options.max_grace_ns);
}

int64_t Arbiter::Impl::PresenceEndNs(const Client& client) const {
  int64_t end_ns = Client::kNever;
  for (const Client* c : clients) {
    if (c->cls() >= client.cls()) continue;
    if (c->active()) return kForever;
    if (c->last_active_ns != Client::kNever) end_ns = std::max(end_ns, c->last_active_ns + options.presence_ns);
  }
  return end_ns > now_ns ? end_ns : Client::kNever;
}

int64_t Arbiter::Impl::RenewAtNs(const Client& client) const { return client.lease.until_ns - options.quantum_ns / 8; }

// Would |client| at its lease's end still be the best candidate?
bool Arbiter::Impl::MayContinue(const Client& client) const {
  const int64_t remaining_ns = std::max<int64_t>(0, client.lease.until_ns - now_ns);
  if (!client.bucket.AllowsRenewal(remaining_ns, LeaseStepNs(client))) return false;
  const Client* rival = BestWaiter(client.cls());
  if (rival == nullptr || MayJoin(*rival)) return true;
  const double part = client.guest ? 0 : client.occupancy / ChargedOccupancy();
  return client.vtime + static_cast<double>(remaining_ns) * part / client.weight < rival->vtime;
}

// Holders of before a restart, or ones whose occupancy has grown, may no longer fit together: the one that is furthest
// ahead leaves.
bool Arbiter::Impl::EndsOvercommitment(const Client& client) const {
  Company company;
  for (const Client* c : clients) {
    if (!c->running()) continue;
    company.Add(*c);
    if (c != &client && GoesBefore(client, *c)) return false;
  }
  return !company.MayRun();
}

void Arbiter::Impl::RefreshThrottles() {
  for (Client* c : clients) {
    if (!c->waiting()) continue;
    const bool throttled = Throttled(*c);
    if (c->throttled && !throttled) fair.Unthrottle(*c);
    c->throttled = throttled;
  }
}

void Arbiter::Impl::End(Client& client, std::vector<Action>& actions) {
  const bool idle = client.state == ClientState::kIdle;
  client.state = idle ? ClientState::kTaking : ClientState::kRevoking;
  actions.push_back({idle ? ActionKind::kTake : ActionKind::kRevoke, client.id});
}

void Arbiter::Impl::EndOrRenew(Client& client, std::vector<Action>& actions) {
  const bool idle = client.state == ClientState::kIdle;
  const bool idle_counts = client.bucket.limited() || OthersEligible(client);
  if (HigherRuns(client) || EndsOvercommitment(client) || (idle && idle_counts && now_ns >= TakeAtNs(client))) {
    End(client, actions);
    return;
  }
  if (!client.lease.tracked || now_ns < RenewAtNs(client)) return;
  if (MayContinue(client)) {
    client.lease.until_ns = std::max(client.lease.until_ns, now_ns) + LeaseStepNs(client);
    client.guest = false;
  } else if (now_ns >= client.lease.until_ns) {
    End(client, actions);
  }
}

void Arbiter::Impl::EndLeases(std::vector<Action>& actions) {
  for (Client* c : clients) {
    if (c->running()) EndOrRenew(*c, actions);
  }
  const bool has_host =
      std::any_of(clients.begin(), clients.end(), [](const Client* c) { return c->holding() && !c->guest; });
  if (has_host) return;
  for (Client* c : clients) c->guest = false;  // who keeps the XPU from others alone pays for it
}

void Arbiter::Impl::Start(Client& client, int64_t until_ns) {
  client.state = ClientState::kBusy;
  client.want_again = false;
  client.announced = false;
  client.adopted = false;
  client.guest = false;
  client.idle_since_ns = Client::kNever;
  client.lease = {until_ns, 0, true};
  client.usage.leases++;
}

void Arbiter::Impl::GrantLeases() {
  int cls = kClasses;
  for (const Client* c : clients) cls = c->eligible() ? std::min(cls, c->cls()) : cls;
  std::vector<Client*> waiters;
  for (Client* c : clients) {
    // A lower class has been told to stop and drains; waiting for that would put its kernels before us all the same.
    const bool in_the_way = c->cls() < cls ? c->holding() : c->cls() > cls && c->running();
    if (in_the_way) return;
    if (c->eligible() && c->cls() == cls) waiters.push_back(c);
  }
  std::stable_sort(waiters.begin(), waiters.end(), [](const Client* a, const Client* b) { return GoesBefore(*a, *b); });
  size_t granted = 0;
  while (granted < waiters.size() && MayJoin(*waiters[granted]))
    Start(*waiters[granted++], now_ns + options.quantum_ns);
  waiters.erase(waiters.begin(), waiters.begin() + static_cast<std::ptrdiff_t>(granted));
  if (!waiters.empty()) JoinBlocked(waiters);
}

// The first of |waiters| does not fit. Those behind it may join the holders, but not beyond the present leases, whose
// end is its turn; and only for a time that is worth a hand-over.
void Arbiter::Impl::JoinBlocked(std::vector<Client*>& waiters) {
  int64_t horizon_ns = 0;
  for (const Client* c : clients) {
    if (!c->running()) continue;
    horizon_ns = std::max(horizon_ns, c->lease.tracked ? c->lease.until_ns : now_ns + options.quantum_ns);
  }
  const int64_t until_ns = std::min(horizon_ns, now_ns + options.quantum_ns);
  if (until_ns - now_ns < options.quantum_ns / 4) return;
  double room = kFull - HeldOccupancy();
  for (Client* waiter : waiters) {
    if (waiter->occupancy > room) continue;
    room -= waiter->occupancy;
    Start(*waiter, until_ns);
    waiter->guest = true;
  }
}

// Brings what |client| knows of its lease up to date.
void Arbiter::Impl::RefreshLease(Client& client, std::vector<Action>& actions) {
  const bool contended = OthersWait(client);
  if (!contended) client.guest = false;
  const bool present = PresenceEndNs(client) != Client::kNever;
  const int64_t step_ns = LeaseStepNs(client);
  LeaseTerms lease = client.lease;
  const bool was_tracked = lease.tracked;
  lease.tracked = contended || present || client.bucket.limited();
  lease.inflight_bound_ns = present ? options.preempted_bound_ns : options.quantum_ns;
  const bool fresh = !client.announced || !was_tracked;
  if (!lease.tracked) {
    lease.until_ns = was_tracked || !client.announced ? now_ns + step_ns : lease.until_ns;
  } else if (fresh && !contended) {
    lease.until_ns = now_ns + step_ns;
  } else if (!was_tracked || lease.until_ns - now_ns > step_ns + options.quantum_ns / 8) {
    lease.until_ns = now_ns + step_ns;
  }
  client.lease = lease;
  if (client.announced && !client.adopted && client.sent == lease) return;
  const ActionKind kind = client.announced ? ActionKind::kUpdate : ActionKind::kGrant;
  actions.push_back({kind, client.id, lease.until_ns, lease.inflight_bound_ns, lease.tracked});
  client.sent = lease;
  client.announced = true;
  client.adopted = false;
}

std::vector<Action> Arbiter::Decide(int64_t now_ns) {
  impl_->AdvanceTo(now_ns);
  std::vector<Action> actions;
  impl_->RefreshThrottles();
  impl_->EndLeases(actions);
  impl_->GrantLeases();
  for (Client* c : impl_->clients) {
    if (c->running()) impl_->RefreshLease(*c, actions);
  }
  return actions;
}

int64_t Arbiter::Impl::NextDeadlineOf(const Client& client) const {
  if (client.waiting())
    return client.throttled ? now_ns + std::max<int64_t>(1, client.bucket.NsUntilLease(LeaseStepNs(client))) : kForever;
  if (!client.running()) return kForever;
  int64_t deadline_ns = kForever;
  if (client.lease.tracked) {
    deadline_ns = now_ns < RenewAtNs(client) ? RenewAtNs(client) : client.lease.until_ns;
  }
  const bool idle_counts = client.bucket.limited() || OthersEligible(client);
  if (client.state == ClientState::kIdle && idle_counts) deadline_ns = std::min(deadline_ns, TakeAtNs(client));
  const int64_t presence_end_ns = PresenceEndNs(client);
  if (presence_end_ns != Client::kNever) deadline_ns = std::min(deadline_ns, presence_end_ns);
  return deadline_ns;
}

std::optional<int64_t> Arbiter::NextDeadline() const {
  int64_t deadline_ns = kForever;
  for (const Client* c : impl_->clients) deadline_ns = std::min(deadline_ns, impl_->NextDeadlineOf(*c));
  if (deadline_ns == kForever) return std::nullopt;
  return deadline_ns;
}

}  // namespace xpool::arbiter
