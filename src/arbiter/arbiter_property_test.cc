// What the arbiter promises, over thousands of seeded workloads on the simulated machine. A failure names its seed;
// XPOOL_SEED=N runs every property with that seed alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>

#include "arbiter/arbiter_simulation.h"

namespace xpool::arbiter {
namespace {

using Random = std::mt19937_64;

constexpr int64_t kUs = kNsPerUs;
constexpr int64_t kMs = kNsPerMs;

int64_t Between(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

void ForSeeds(int count, const std::function<void(uint64_t)>& check) {
  if (const char* only = std::getenv("XPOOL_SEED")) return check(std::strtoull(only, nullptr, 10));
  for (int seed = 1; seed <= count && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("XPOOL_SEED=" + std::to_string(seed));
    check(static_cast<uint64_t>(seed));
  }
}

SimulatedClient Client(double percent, int64_t kernel_ns, int depth = 8) {
  SimulatedClient client;
  client.terms.guarantee = Share::FromBasisPoints(static_cast<int64_t>(percent * 100));
  client.kernel_ns = kernel_ns;
  client.depth = depth;
  return client;
}

int64_t LongestKernel(const SimulationSpec& spec) {
  int64_t longest = 0;
  for (const SimulatedClient& c : spec.clients) {
    longest = std::max(longest, static_cast<int64_t>(static_cast<double>(c.kernel_ns) * (1 + c.jitter)));
  }
  return longest;
}

// Leases are lumps: over a finite window a share may be off by what fits into the ones at its two ends.
double LumpOf(const SimulationSpec& spec) {
  return 2.0 * static_cast<double>(spec.options.quantum_ns + LongestKernel(spec)) / static_cast<double>(spec.window_ns);
}

void ExpectSharesByWeight(const SimulationSpec& spec, double tolerance) {
  const SimulationResult result = Simulate(spec);
  ASSERT_EQ(result.violation, "");
  double weights = 0;
  for (const SimulatedClient& c : spec.clients) weights += c.terms.guarantee.fraction();
  for (size_t i = 0; i < spec.clients.size(); ++i) {
    const double due = spec.clients[i].terms.guarantee.fraction() / weights;
    EXPECT_NEAR(result.ChargedShare(i), due, tolerance) << "client " << i << " of " << spec.clients.size();
  }
}

// |percents| with |lengths| in turn.
SimulationSpec Mix(const std::vector<double>& percents, const std::vector<int64_t>& lengths, int depth = 8) {
  SimulationSpec spec;
  for (size_t i = 0; i < percents.size(); ++i) {
    spec.clients.push_back(Client(percents[i], lengths[i % lengths.size()], depth));
  }
  return spec;
}

TEST(ArbiterShares, NamedSetsWithEqualAndFiftyToOneKernels) {
  const std::vector<std::vector<double>> sets = {{10, 90}, {30, 70}, {50, 50}, {10, 20, 30, 40}};
  const std::vector<std::vector<int64_t>> lengths = {{kMs}, {200 * kUs, 10 * kMs}, {10 * kMs, 200 * kUs}};
  for (const auto& set : sets) {
    for (const auto& length : lengths) {
      for (const int depth : {1, 8}) {
        SCOPED_TRACE(testing::Message() << set[0] << " % first, kernels " << length[0] << " ns, depth " << depth);
        ExpectSharesByWeight(Mix(set, length, depth), 0.005);
      }
    }
  }
}

TEST(ArbiterShares, HundredSlicesOfOnePercentStayWithinFivePercentOfTheirDue) {
  SimulationSpec spec = Mix(std::vector<double>(100, 1), {kMs, 200 * kUs, 3 * kMs});
  spec.window_ns = 60 * kNsPerSec;
  ExpectSharesByWeight(spec, 0.0005);
}

TEST(ArbiterShares, AnyWeightsAndKernelLengthsWithinAPoint) {
  ForSeeds(1500, [](uint64_t seed) {
    Random random(seed);
    SimulationSpec spec;
    spec.seed = seed;
    const int64_t clients = Between(random, 2, 8);
    for (int64_t i = 0; i < clients; ++i) {
      const double log_length = std::uniform_real_distribution<double>(std::log(100.0), std::log(10'000.0))(random);
      const int depth = static_cast<int>(Between(random, 1, 16));
      const double percent = static_cast<double>(Between(random, 1, 100));
      spec.clients.push_back(Client(percent, static_cast<int64_t>(std::exp(log_length) * 1000), depth));
      spec.clients.back().host_gap_ns = spec.clients.back().depth > 1 ? 0 : Between(random, 0, 60) * kUs;
    }
    spec.window_ns = 4 * kNsPerSec;
    ExpectSharesByWeight(spec, 0.01 + LumpOf(spec) / 2);
  });
}

TEST(ArbiterShares, VeryLongKernelsArePaidBack) {
  SimulationSpec spec = Mix({10, 90}, {400 * kMs, 500 * kUs});
  spec.window_ns = 200 * kNsPerSec;
  ExpectSharesByWeight(spec, 0.005);
}

TEST(ArbiterShares, StrictSlicesReachTheirGuaranteesBesideLongKernels) {
  for (const int64_t length : {kMs, 10 * kMs, 50 * kMs}) {
    SimulationSpec spec = Mix({10, 90}, {length, 200 * kUs});
    for (SimulatedClient& c : spec.clients) c.terms.limit = c.terms.guarantee;
    spec.window_ns = 20 * kNsPerSec;
    const SimulationResult result = Simulate(spec);
    ASSERT_EQ(result.violation, "");
    EXPECT_NEAR(static_cast<double>(result.clients[0].usage.held_ns) / static_cast<double>(spec.window_ns), 0.1, 0.01);
    EXPECT_NEAR(static_cast<double>(result.clients[1].usage.held_ns) / static_cast<double>(spec.window_ns), 0.9, 0.03);
  }
}

TEST(ArbiterLimits, AloneWithinOnePercentOfTheLimit) {
  for (const int limit : {10, 25, 50}) {
    for (const int64_t length : {100 * kUs, kMs, 20 * kMs}) {
      for (const int depth : {1, 8}) {
        SimulationSpec spec = Mix({static_cast<double>(limit)}, {length}, depth);
        spec.clients[0].terms.limit = Share::FromPercent(limit);
        spec.window_ns = 40 * kNsPerSec;
        const SimulationResult result = Simulate(spec);
        ASSERT_EQ(result.violation, "");
        const double held = static_cast<double>(result.clients[0].usage.held_ns) / static_cast<double>(spec.window_ns);
        EXPECT_NEAR(held, limit / 100.0, limit / 10'000.0) << length << " ns kernels, depth " << depth;
      }
    }
  }
}

// Random mixes of everything: classes, limits, bursts, gaps, co-run.
SimulationSpec AnyWorkload(uint64_t seed) {
  Random random(seed);
  SimulationSpec spec;
  spec.seed = seed;
  spec.window_ns = 2 * kNsPerSec;
  const int64_t clients = Between(random, 1, 10);
  for (int64_t i = 0; i < clients; ++i) {
    SimulatedClient c;
    c.terms.guarantee = Share::FromPercent(Between(random, 0, 60));
    c.kernel_ns = Between(random, 50, 5000) * kUs;
    c.depth = static_cast<int>(Between(random, 1, 12));
    c.terms.priority = static_cast<Priority>(Between(random, 0, 2));
    if (Between(random, 0, 2) == 0) c.terms.limit = Share::FromPercent(Between(random, 5, 95));
    if (Between(random, 0, 1) == 0) c.host_gap_ns = Between(random, 0, 2000) * kUs;
    if (Between(random, 0, 1) == 0) {
      c.mean_burst_ns = Between(random, 1, 50) * kMs;
      c.mean_think_ns = Between(random, 1, 100) * kMs;
    }
    if (Between(random, 0, 2) == 0) c.occupancy = static_cast<double>(Between(random, 10, 90)) / 100;
    c.start_ns = Between(random, 0, 500) * kMs;
    spec.clients.push_back(c);
  }
  return spec;
}

TEST(ArbiterInvariants, HoldForAnyWorkload) {
  ForSeeds(2000, [](uint64_t seed) { EXPECT_EQ(Simulate(AnyWorkload(seed)).violation, ""); });
}

TEST(ArbiterInvariants, LimitsAreNeverExceededBeyondOneCommandAndABurst) {
  ForSeeds(1000, [](uint64_t seed) {
    const SimulationSpec spec = AnyWorkload(seed);
    const SimulationResult result = Simulate(spec);
    for (size_t i = 0; i < spec.clients.size(); ++i) {
      const SimulatedClient& c = spec.clients[i];
      if (c.terms.limit == Share::Full()) continue;
      // What it saved up while others kept it waiting is its own.
      const double kept_ns = std::min<double>(20.0 * spec.options.quantum_ns,
                                              result.clients[i].usage.waited_ns + 2.0 * spec.options.quantum_ns);
      const double command_ns = static_cast<double>(c.kernel_ns) * (1 + c.jitter);
      const double most_ns = c.terms.limit.fraction() * static_cast<double>(spec.window_ns) + kept_ns + command_ns +
                             4.0 * spec.doorbell_ns;
      EXPECT_LE(static_cast<double>(result.clients[i].usage.held_ns), most_ns) << "client " << i;
    }
  });
}

TEST(ArbiterInvariants, NobodyStarvesInsideAClass) {
  ForSeeds(1000, [](uint64_t seed) {
    SimulationSpec spec = AnyWorkload(seed);
    double weights = 0;
    for (SimulatedClient& c : spec.clients) {
      c.terms.priority = Priority::kNormal;
      c.terms.limit = Share::Full();
      c.terms.guarantee = std::max(c.terms.guarantee, Share::FromPercent(2));
      weights += c.terms.guarantee.fraction();
    }
    const SimulationResult result = Simulate(spec);
    ASSERT_EQ(result.violation, "");
    for (size_t i = 0; i < spec.clients.size(); ++i) {
      // A round in which everybody has its due, with the overrun of each lease by one kernel, and once more for the
      // place in the round.
      const double lease_ns =
          static_cast<double>(spec.options.quantum_ns + LongestKernel(spec) + spec.options.lag_window_ns);
      const double round_ns =
          lease_ns * (weights / spec.clients[i].terms.guarantee.fraction() + static_cast<double>(spec.clients.size()));
      EXPECT_LE(static_cast<double>(result.clients[i].longest_wait_ns),
                2 * round_ns + static_cast<double>(spec.clients[i].kernel_ns) * 2)
          << "client " << i;
    }
  });
}

TEST(ArbiterInvariants, SaturatedXpuLosesOnlyHandOvers) {
  ForSeeds(300, [](uint64_t seed) {
    Random random(seed);
    SimulationSpec spec = AnyWorkload(seed);
    for (SimulatedClient& c : spec.clients) c.occupancy = 1;
    spec.clients.push_back(Client(20, Between(random, 200, 3000) * kUs, 16));  // always has work, without a limit
    spec.clients.back().jitter = 0;
    const SimulationResult result = Simulate(spec);
    ASSERT_EQ(result.violation, "");
    uint64_t leases = 0;
    for (const ClientResult& c : result.clients) leases += c.usage.leases;
    // Per lease: the doorbells of revoke, return and grant, and one grace.
    const double per_lease_ns = 4.0 * spec.doorbell_ns + static_cast<double>(spec.options.max_grace_ns);
    double gaps_ns = 0;
    for (size_t i = 0; i < spec.clients.size(); ++i) {
      gaps_ns += static_cast<double>(result.clients[i].completions) *
                 static_cast<double>(std::min(spec.clients[i].host_gap_ns, spec.options.max_grace_ns));
    }
    const double least_ns = static_cast<double>(spec.window_ns) - static_cast<double>(leases) * per_lease_ns - gaps_ns -
                            2.0 * LongestKernel(spec);
    EXPECT_GE(static_cast<double>(result.busy_ns), least_ns);
  });
}

TEST(ArbiterPriorities, HighClassRunsBesideAtMostWhatTwoLowerOnesDrain) {
  ForSeeds(500, [](uint64_t seed) {
    Random random(seed);
    SimulationSpec spec;
    spec.seed = seed;
    spec.window_ns = 3 * kNsPerSec;
    spec.warmup_ns = 200 * kMs;
    spec.clients.push_back(Client(10, kMs, 1));
    spec.clients[0].terms.priority = Priority::kHigh;
    spec.clients[0].host_gap_ns = Between(random, 100, 20'000) * kUs;
    for (int64_t i = Between(random, 1, 5); i > 0; --i) {
      spec.clients.push_back(Client(20, Between(random, 50, 8000) * kUs, 16));
      spec.clients.back().terms.priority = i % 2 == 0 ? Priority::kLow : Priority::kNormal;
    }
    const SimulationResult result = Simulate(spec);
    ASSERT_EQ(result.violation, "");
    // Slowed down by one draining holder of each lower class.
    const int64_t own = static_cast<int64_t>(kMs * 1.1);
    EXPECT_LE(result.clients[0].longest_latency_ns, 3 * own + 6 * spec.doorbell_ns);
  });
}

TEST(ArbiterElastic, PartnerBackFromAPauseHasItsShareAtOnce) {
  SimulationSpec spec = Mix({70, 30}, {kMs});
  spec.clients[1].start_ns = 5 * kNsPerSec;
  spec.warmup_ns = 5 * kNsPerSec + 20 * kMs;
  spec.window_ns = 50 * kMs;
  const SimulationResult result = Simulate(spec);
  EXPECT_NEAR(result.WorkShare(1), 0.3, 0.1);
}

TEST(ArbiterCoRun, FullSizeProgramKeepsItsShareAndSmallOnesFillTheRest) {
  SimulationSpec spec = Mix({30, 30, 40}, {kMs, 2 * kMs, kMs});
  spec.clients[0].occupancy = 0.4;
  spec.clients[1].occupancy = 0.5;
  const SimulationResult result = Simulate(spec);
  ASSERT_EQ(result.violation, "");
  EXPECT_NEAR(static_cast<double>(result.clients[2].usage.held_ns) / static_cast<double>(spec.window_ns), 0.4, 0.02);
  EXPECT_GT(result.busy_ns, spec.window_ns * 5 / 4);
  for (const ClientResult& c : result.clients) EXPECT_LT(c.usage.debt_ns, 100 * kMs);
}

TEST(ArbiterCoRun, TwoThatNearlyFitDoMoreThanTakingTurns) {
  SimulationSpec spec = Mix({50, 50}, {kMs});
  for (SimulatedClient& c : spec.clients) c.occupancy = 0.62;
  const SimulationResult result = Simulate(spec);
  ASSERT_EQ(result.violation, "");
  for (const ClientResult& c : result.clients) {
    EXPECT_NEAR(static_cast<double>(c.work_ns) / static_cast<double>(spec.window_ns), 1 / 1.24, 0.01);
  }
}

TEST(ArbiterCoRun, NobodyGetsLessThanItsGuaranteeFromRunningTogether) {
  ForSeeds(500, [](uint64_t seed) {
    Random random(seed);
    SimulationSpec spec;
    spec.seed = seed;
    spec.window_ns = 5 * kNsPerSec;
    double left = 100;
    for (int64_t i = Between(random, 2, 6); i > 0 && left >= 5; --i) {
      const double percent = std::min(left, static_cast<double>(Between(random, 5, 60)));
      spec.clients.push_back(Client(percent, Between(random, 100, 3000) * kUs, 8));
      spec.clients.back().occupancy = static_cast<double>(Between(random, 20, 100)) / 100;
      left -= percent;
    }
    const SimulationResult result = Simulate(spec);
    ASSERT_EQ(result.violation, "");
    for (size_t i = 0; i < spec.clients.size(); ++i) {
      const double work = static_cast<double>(result.clients[i].work_ns) / static_cast<double>(spec.window_ns);
      EXPECT_GE(work, 0.95 * spec.clients[i].terms.guarantee.fraction() - LumpOf(spec)) << "client " << i;
    }
  });
}

TEST(ArbiterCoRun, FullSizeProgramsAreNotStarvedByAnyMixOfSmallOnes) {
  ForSeeds(300, [](uint64_t seed) {
    Random random(seed);
    SimulationSpec spec;
    spec.seed = seed;
    spec.window_ns = 5 * kNsPerSec;
    spec.clients.push_back(Client(20, kMs, 8));
    double weights = 0.2;
    for (int64_t i = Between(random, 2, 6); i > 0; --i) {
      spec.clients.push_back(Client(static_cast<double>(Between(random, 5, 40)), Between(random, 100, 3000) * kUs, 8));
      spec.clients.back().occupancy = static_cast<double>(Between(random, 5, 60)) / 100;
      weights += spec.clients.back().terms.guarantee.fraction();
    }
    const SimulationResult result = Simulate(spec);
    ASSERT_EQ(result.violation, "");
    const double held = static_cast<double>(result.clients[0].usage.held_ns) / static_cast<double>(spec.window_ns);
    EXPECT_GE(held, 0.9 * 0.2 / weights);
  });
}

}  // namespace
}  // namespace xpool::arbiter
