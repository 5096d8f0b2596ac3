// Random numbers for experiments: the same everywhere for the same seed, as the standard library's distributions are
// not.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <utility>
#include <vector>

namespace xpool::sim {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  uint64_t Below(uint64_t end) { return engine_() % end; }
  // In [0, 1).
  double Uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  double Between(double least, double most) { return least + (most - least) * Uniform(); }
  bool Chance(double probability) { return Uniform() < probability; }
  double Exponential(double mean) { return -mean * std::log1p(-Uniform()); }
  // Box & Muller's method.
  double Normal() { return std::sqrt(-2 * std::log1p(-Uniform())) * std::cos(2 * M_PI * Uniform()); }
  double LogNormal(double median, double sigma) { return median * std::exp(sigma * Normal()); }

  // An index, with probabilities in proportion to |weights|.
  size_t Weighted(const std::vector<double>& weights) {
    double sum = 0;
    for (const double weight : weights) sum += weight;
    double left = Uniform() * sum;
    for (size_t i = 0; i + 1 < weights.size(); ++i) {
      if (left < weights[i]) return i;
      left -= weights[i];
    }
    return weights.size() - 1;
  }
  template <typename Value>
  Value Pick(std::initializer_list<std::pair<Value, double>> choices) {
    std::vector<double> weights;
    for (const auto& [value, weight] : choices) weights.push_back(weight);
    return (choices.begin() + Weighted(weights))->first;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace xpool::sim
