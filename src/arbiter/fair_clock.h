// The virtual clocks of the priority classes: where a client stands among those of its class, and where it starts when
// it comes back. Internal to src/arbiter; pure, not thread-safe.
//
// A client's virtual time grows by lease time / weight while somebody of its class waits; the least goes first. The
// class's clock grows by the same lease time / the weight of all active clients: what each of them was due. So a
// client's virtual time minus the clock is its debt (or, negative, its credit), and going away freezes it:
//   back within the lag window: the same debt or credit as when it left. A program whose lease is taken in a short host
//     gap loses nothing, and gains no credit for time in which it wanted nothing;
//   back later: no credit. It starts level with whoever is furthest behind, so it gets its first turn soon. Debt is
//     kept, less what the time away has paid of it, so that going away is no way out of it.
//
// This is weighted fair queueing (Demers, Keshav, Shenker 1989) with the lag kept over an absence as in EEVDF (Stoica,
// Abdel-Wahab 1996).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "arbiter/client.h"

namespace xpool::arbiter {

inline constexpr int kClasses = 3;

class FairClock {
 public:
  explicit FairClock(int64_t lag_window_ns) : lag_window_ns_(lag_window_ns) {}

  // |charged_ns| of lease time went to members of |cls| while others of it waited; |weight| of all active ones.
  void Advance(int cls, double charged_ns, double weight) {
    if (weight > 0) clock_[cls] += charged_ns / weight;
  }

  // Keeps the clock from falling behind everybody, as it does when a throttled client leaves its due to others.
  void CatchUp(int cls, const std::vector<Client*>& clients, int64_t now_ns) {
    const double least = Least(cls, clients, now_ns, nullptr);
    if (least < kNobody && least > clock_[cls]) clock_[cls] = least;
  }

  void Leave(Client& client, int64_t now_ns) const {
    client.left_ns = now_ns;
    client.left_clock = clock_[client.cls()];
  }

  // REQUIRES: |client| is still away.
  void Return(Client& client, const std::vector<Client*>& clients, int64_t now_ns) const {
    const double clock = clock_[client.cls()];
    const double lag = client.vtime - client.left_clock;
    const int64_t away_ns = now_ns - client.left_ns;
    if (away_ns <= lag_window_ns_) {
      client.vtime = clock + lag;
      return;
    }
    client.vtime = StartOf(client, clients, now_ns);
    if (client.left_ns == Client::kNever) return;
    const double weight = ActiveWeight(client.cls(), clients) + client.weight;
    const double paid = std::max(clock - client.left_clock, static_cast<double>(away_ns) / weight);
    client.vtime = std::max(client.vtime, clock + lag - paid);
  }

  // |client|'s bucket allows leases again: what it left to others beyond the lag window is not owed to it.
  void Unthrottle(Client& client) const {
    const double credit = static_cast<double>(lag_window_ns_) / client.weight;
    client.vtime = std::max(client.vtime, clock_[client.cls()] - credit);
  }

  // |client| got a new weight: its debt stays the same lease time, and so does its credit up to the lag window. (Where
  // light clients drift apart, a heavy newcomer starts level with the last of them: for its weight that looks like
  // seconds of credit, which it is not owed.)
  void Reweigh(Client& client, double weight) const {
    const double clock = client.active() ? clock_[client.cls()] : client.left_clock;
    const double lag_ns = std::max((client.vtime - clock) * client.weight, -static_cast<double>(lag_window_ns_));
    client.vtime = clock + lag_ns / weight;
    client.weight = weight;
  }

  // Where a newcomer to |client|'s class starts.
  double StartOf(const Client& client, const std::vector<Client*>& clients, int64_t now_ns) const {
    const double least = Least(client.cls(), clients, now_ns, &client);
    return least < kNobody ? least : clock_[client.cls()];
  }

  static double ActiveWeight(int cls, const std::vector<Client*>& clients) {
    double weight = 0;
    for (const Client* c : clients) weight += c->active() && c->cls() == cls ? c->weight : 0;
    return weight;
  }

 private:
  static constexpr double kNobody = std::numeric_limits<double>::infinity();

  // Least virtual time in |cls|, of those who are active (but not throttled) or have left within the lag window.
  double Least(int cls, const std::vector<Client*>& clients, int64_t now_ns, const Client* except) const {
    double least = kNobody;
    for (const Client* c : clients) {
      if (c->cls() != cls || c == except || (c->waiting() && c->throttled)) continue;
      if (c->active()) {
        least = std::min(least, c->vtime);
      } else if (now_ns - c->left_ns <= lag_window_ns_) {
        least = std::min(least, c->vtime + clock_[cls] - c->left_clock);
      }
    }
    return least;
  }

  const int64_t lag_window_ns_;
  std::array<double, kClasses> clock_{};
};

}  // namespace xpool::arbiter
