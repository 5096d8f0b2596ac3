#include "scheduler/pool/attempts.h"

#include <algorithm>

namespace xpool::scheduler {
namespace {

// Counts through all choices of alternatives, those of the last request the fastest.
class Odometer {
 public:
  explicit Odometer(std::vector<size_t> ends) : ends_(std::move(ends)), at_(ends_.size(), 0) {}

  const std::vector<uint8_t>& at() const { return at_; }
  bool Advance() {
    for (size_t i = at_.size(); i-- > 0;) {
      if (++at_[i] < ends_[i]) return true;
      at_[i] = 0;
    }
    return false;
  }

 private:
  std::vector<size_t> ends_;
  std::vector<uint8_t> at_;
};

// The claims of |pod| that have no XPUs yet.
std::vector<ClaimId> OpenClaims(const PoolState& pool, PodId pod) {
  std::vector<ClaimId> open;
  for (const ClaimId claim : pool.pod(pod).claims) {
    if (!pool.claim(claim).place.has_value()) open.push_back(claim);
  }
  return open;
}

Attempt AttemptWith(const PoolState& pool, PodId pod, const std::vector<ClaimId>& claims,
                    const std::vector<uint8_t>& alternatives, bool any_is_remote) {
  Attempt attempt;
  attempt.local = {pool.pod(pod).spec.cpu_milli, pool.pod(pod).spec.memory_bytes, {}};
  size_t request = 0;
  uint8_t together = 0;
  for (const ClaimId claim : claims) {
    const ClaimSpec& spec = pool.claim(claim).spec;
    const bool is_remote = spec.locality == Locality::kRemote || (spec.locality == Locality::kAny && any_is_remote);
    if (is_remote) {
      if (!attempt.remote.has_value()) attempt.remote.emplace();
      attempt.remote->cpu_milli += pool.worker().cpu_milli;
      attempt.remote->memory_bytes += pool.worker().memory_bytes;
    }
    std::vector<CardRequest>& cards = is_remote ? attempt.remote->cards : attempt.local.cards;
    const auto first = alternatives.begin() + static_cast<std::ptrdiff_t>(request);
    request += spec.requests.size();
    std::vector<uint8_t> chosen(first, alternatives.begin() + static_cast<std::ptrdiff_t>(request));
    const std::vector<CardRequest> resolved = Resolve(spec, chosen, pool.kinds(), ++together);
    attempt.parts.push_back({claim, std::move(chosen), is_remote, cards.size()});
    cards.insert(cards.end(), resolved.begin(), resolved.end());
  }
  return attempt;
}

}  // namespace

std::vector<Attempt> AttemptsOf(const PoolState& pool, PodId pod) {
  const std::vector<ClaimId> claims = OpenClaims(pool, pod);
  std::vector<size_t> ends;
  bool has_any = false;
  for (const ClaimId claim : claims) {
    for (const auto& alternatives : pool.claim(claim).spec.requests) ends.push_back(alternatives.size());
    has_any = has_any || pool.claim(claim).spec.locality == Locality::kAny;
  }
  std::vector<Attempt> attempts;
  if (ends.size() > kMostRequests) return attempts;  // with shared ones they have become too many
  Odometer odometer(std::move(ends));
  do {
    attempts.push_back(AttemptWith(pool, pod, claims, odometer.at(), false));
    if (!has_any) continue;
    attempts.push_back(AttemptWith(pool, pod, claims, odometer.at(), true));
    attempts.back().is_other_way = true;
  } while (attempts.size() < kMostAttempts && odometer.Advance());
  return attempts;
}

bool PinnedTo(const PoolState& pool, PodId pod, NodeIndex* node) {
  *node = kNobody;
  for (const ClaimId claim : pool.pod(pod).claims) {
    const ClaimRecord& record = pool.claim(claim);
    if (!record.place.has_value() || record.spec.locality != Locality::kLocal) continue;
    if (*node != kNobody && *node != record.place->node) return false;
    *node = record.place->node;
  }
  return true;
}

std::vector<std::pair<ClaimId, ClaimPlace>> PlacesOf(const Attempt& attempt, NodeIndex node, const Cards& cards,
                                                     NodeIndex remote_node, const Cards& remote_cards) {
  std::vector<std::pair<ClaimId, ClaimPlace>> places;
  for (const Attempt::Part& part : attempt.parts) {
    const Demand& demand = part.is_remote ? *attempt.remote : attempt.local;
    const Cards& all = part.is_remote ? remote_cards : cards;
    ClaimPlace place;
    place.node = part.is_remote ? remote_node : node;
    place.alternatives = part.alternatives;
    place.is_remote = part.is_remote;
    for (size_t i = 0; i < part.alternatives.size(); ++i) {
      place.requests.push_back(demand.cards[part.first + i]);
      place.cards[i] = all[part.first + i];
    }
    places.emplace_back(part.claim, std::move(place));
  }
  return places;
}

}  // namespace xpool::scheduler
