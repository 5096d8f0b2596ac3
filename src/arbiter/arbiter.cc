#include "arbiter/arbiter.h"

#include <algorithm>
#include <cmath>

#include "arbiter/arbiter_impl.h"

namespace xpool::arbiter {
namespace {

constexpr int64_t kLongestGapNs = kNsPerSec;

double WeightOf(const Terms& terms) {
  const double guarantee = std::min(terms.guarantee.fraction(), 1.0);
  return guarantee > 0 ? guarantee : kNoGuaranteeWeight;
}

Terms Sanitized(Terms terms) {
  if (static_cast<int>(terms.priority) >= kClasses) terms.priority = Priority::kLow;
  return terms;
}

void ObserveGap(Client& client, int64_t now_ns) {
  if (client.idle_since_ns == Client::kNever) return;
  const int64_t gap_ns = std::clamp<int64_t>(now_ns - client.idle_since_ns, 1, kLongestGapNs);
  const int64_t old_ns = client.observed_gap_ns;
  client.observed_gap_ns = old_ns == 0 ? gap_ns : std::max<int64_t>(1, old_ns + (gap_ns - old_ns) / 4);
  client.idle_since_ns = Client::kNever;
}

}  // namespace

Client* Arbiter::Impl::Find(ClientId id) const {
  auto it = by_id.find(id);
  return it == by_id.end() ? nullptr : it->second.get();
}

void Arbiter::Impl::AdvanceTo(int64_t time_ns) {
  if (!started) {
    started = true;
    now_ns = time_ns;
  }
  if (time_ns <= now_ns) return;
  Charge(time_ns - now_ns);
  now_ns = time_ns;
}

void Arbiter::Impl::Charge(int64_t elapsed_ns) {
  const double elapsed = static_cast<double>(elapsed_ns);
  const double held = ChargedOccupancy();
  int waiting = 0;
  std::array<int, kClasses> waiting_in{};
  for (const Client* c : clients) {
    waiting += c->waiting() ? 1 : 0;
    waiting_in[c->cls()] += c->waiting() ? 1 : 0;
  }
  std::array<double, kClasses> charged{};
  for (Client* c : clients) {
    c->bucket.Advance(elapsed_ns, c->active(), c->holding());
    if (c->waiting()) c->usage.waited_ns += elapsed_ns;
    if (!c->holding()) continue;
    c->usage.held_ns += elapsed_ns;
    const double part = elapsed * (c->guest ? 0 : c->occupancy) / held;
    if (waiting > 0) c->usage.contended_ns += std::llround(part);
    if (waiting_in[c->cls()] == 0) continue;
    c->vtime += part / c->weight;
    charged[c->cls()] += part;
  }
  for (int cls = 0; cls < kClasses; ++cls) {
    if (charged[cls] > 0) fair.Advance(cls, charged[cls], FairClock::ActiveWeight(cls, clients));
    fair.CatchUp(cls, clients, now_ns + elapsed_ns);
  }
}

void Arbiter::Impl::Activate(Client& client) {
  fair.Return(client, clients, now_ns);
  client.want_ns = now_ns;
  client.want_again = false;
}

void Arbiter::Impl::Leave(Client& client) {
  client.state = ClientState::kAway;
  fair.Leave(client, now_ns);
}

Arbiter::Arbiter(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
Arbiter::~Arbiter() = default;

void Arbiter::Add(ClientId client, const Terms& terms, int64_t now_ns) {
  impl_->AdvanceTo(now_ns);
  auto [it, added] = impl_->by_id.try_emplace(client, nullptr);
  if (!added) return;
  it->second = std::make_unique<Client>();
  Client& c = *it->second;
  c.id = client;
  c.terms = Sanitized(terms);
  c.weight = WeightOf(terms);
  c.bucket.Configure(terms.limit, impl_->LongestLimitedNs());
  impl_->clients.push_back(&c);
}

void Arbiter::SetTerms(ClientId client, const Terms& terms, int64_t now_ns) {
  impl_->AdvanceTo(now_ns);
  Client* c = impl_->Find(client);
  if (c == nullptr) return;
  impl_->fair.Reweigh(*c, WeightOf(terms));
  if (terms.limit != c->terms.limit) c->bucket.Configure(terms.limit, impl_->LongestLimitedNs());
  const bool moves = Sanitized(terms).priority != c->terms.priority;
  c->terms = Sanitized(terms);
  if (!moves) return;
  c->vtime = impl_->fair.StartOf(*c, impl_->clients, impl_->now_ns);
  if (!c->active()) c->left_ns = Client::kNever;
}

void Arbiter::SetOccupancy(ClientId client, double occupancy) {
  Client* c = impl_->Find(client);
  if (c != nullptr) c->occupancy = occupancy > 0 && occupancy < 1 ? occupancy : 1;
}

void Arbiter::SetGap(ClientId client, int64_t gap_ns) {
  Client* c = impl_->Find(client);
  if (c != nullptr) c->reported_gap_ns = std::clamp<int64_t>(gap_ns, 0, kLongestGapNs);
}

void Arbiter::Remove(ClientId client, int64_t now_ns) {
  impl_->AdvanceTo(now_ns);
  std::erase_if(impl_->clients, [client](const Client* c) { return c->id == client; });
  impl_->by_id.erase(client);
}

void Arbiter::AdoptHolder(ClientId client, int64_t now_ns) {
  impl_->AdvanceTo(now_ns);
  Client* c = impl_->Find(client);
  if (c == nullptr || c->holding()) return;
  if (!c->active()) impl_->Activate(*c);
  c->state = ClientState::kBusy;
  c->last_active_ns = impl_->now_ns;
  c->lease = {};
  c->announced = true;
  c->adopted = true;
  c->guest = false;
  c->usage.leases++;
}

void Arbiter::Want(ClientId client, int64_t now_ns) {
  impl_->AdvanceTo(now_ns);
  Client* c = impl_->Find(client);
  if (c == nullptr) return;
  c->last_active_ns = impl_->now_ns;
  if (c->holding()) c->want_again = true;
  if (c->active()) return;
  ObserveGap(*c, impl_->now_ns);
  impl_->Activate(*c);
  c->state = ClientState::kWaiting;
  c->throttled = impl_->Throttled(*c);
}

void Arbiter::Idle(ClientId client, int64_t since_ns, int64_t now_ns) {
  impl_->AdvanceTo(now_ns);
  Client* c = impl_->Find(client);
  if (c == nullptr || !c->running()) return;
  c->state = ClientState::kIdle;
  c->want_again = false;
  c->last_active_ns = impl_->now_ns;
  // The time comes from the client: a future one would prolong the grace, a far past one only shortens it.
  c->idle_since_ns = std::clamp<int64_t>(since_ns, 0, impl_->now_ns);
}

void Arbiter::Busy(ClientId client, int64_t now_ns) {
  impl_->AdvanceTo(now_ns);
  Client* c = impl_->Find(client);
  if (c == nullptr || (c->state != ClientState::kIdle && c->state != ClientState::kTaking)) return;
  c->idle_since_ns = Client::kNever;
  c->state = ClientState::kBusy;
  c->last_active_ns = impl_->now_ns;
}

void Arbiter::Returned(ClientId client, int64_t now_ns) {
  impl_->AdvanceTo(now_ns);
  Client* c = impl_->Find(client);
  if (c == nullptr || !c->holding()) return;
  c->last_active_ns = impl_->now_ns;
  if (c->state != ClientState::kTaking) c->idle_since_ns = Client::kNever;
  if (!c->want_again) {
    impl_->Leave(*c);
    return;
  }
  c->want_again = false;
  c->want_ns = impl_->now_ns;
  c->state = ClientState::kWaiting;
  c->throttled = impl_->Throttled(*c);
}

Usage Arbiter::UsageOf(ClientId client, int64_t now_ns) const {
  impl_->AdvanceTo(now_ns);
  const Client* c = impl_->Find(client);
  if (c == nullptr) return {};
  Usage usage = c->usage;
  if (c->active()) {
    const double ahead = c->vtime - impl_->fair.StartOf(*c, impl_->clients, impl_->now_ns);
    usage.debt_ns = std::max<int64_t>(0, static_cast<int64_t>(ahead * c->weight) - impl_->options.quantum_ns);
  }
  usage.debt_ns = std::max(usage.debt_ns, c->bucket.debt_ns());
  return usage;
}

}  // namespace xpool::arbiter
