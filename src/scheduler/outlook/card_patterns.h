// How well shares fit on cards: the patterns in which the mix's shares fill whole cards with the fewest cards, as a
// linear program (the cutting stock problem: Gilmore & Gomory, "A Linear Programming Approach to the Cutting-Stock
// Problem", Operations Research 9, 1961). Of its solution only the prices are kept: what a pod of each share is worth,
// in cards, so that no pattern is worth more than the card it fills and the best ones just that. They tell at once what
// a placement spoils: half a card left beside a pod of 47 % can still be sold, 19 % beside one of 81 % can not.
//
// Shares are counted in thousandths of a card, rounded against the pod. Immutable once made; thread-safe.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "scheduler/outlook/mix.h"

namespace xpool::scheduler {

class CardPatterns {
 public:
  explicit CardPatterns(const Mix& mix);

  // What |idle| of a card (basis points) is worth when it is filled as well as the mix allows, in cards: 0 to 1.
  double IdleValue(int32_t idle) const { return values_[idle / 10]; }
  // What a pod of share |share| is worth, in cards: no cards can be filled with more than they are.
  double Worth(int32_t share) const { return worths_[std::min(share / 10, kWhole)]; }
  // What a card loses in worth, beyond the worth of the pod, when one of share |share| is put on it: 0 where it
  // belongs. REQUIRES: share <= idle.
  double Spoiled(int32_t idle, int32_t share) const;

 private:
  static constexpr int kWhole = 1000;
  struct Size {
    int milli;
    double cards;  // of the mix, that ask for so much
    double worth;
  };

  // The best way to fill a card at the present worths: how often each size. Sets |values_|.
  std::vector<int> BestPattern();
  void Solve();

  std::vector<Size> sizes_;
  std::array<double, kWhole + 1> values_{};
  std::array<double, kWhole + 1> worths_{};  // of a pod by its share
};

}  // namespace xpool::scheduler
