// What happened on an XPU between two instants, worked out from the agent's lease records: who held it, who waited,
// where it stood still and why. Pure code, no I/O; `xpool trace` records, this explains, timeline_svg.h draws.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/share.h"

namespace xpool::cli {

// One change of a lease; mirrors xpool.v1.LeaseRecord.
struct LeaseChange {
  int64_t at_ns = 0;
  std::string xpu_id;
  std::string slice_id;
  std::string what;  // "want", "grant", "idle", "busy", "revoke", "take", "return", "died"
  int64_t until_ns = 0;
};

// How a slice stands with its XPU.
enum class SliceState { kAway, kWaiting, kRunning, kIdle, kDraining };

// What a slice is called and was promised, and how it stood when the recording began.
struct TracedSlice {
  std::string id, name, xpu_id;
  Share guarantee, limit = Share::Full();
  SliceState initial = SliceState::kAway;
};

// Why an XPU is (not) working.
enum class XpuState {
  kWorking,    // a holder runs or drains
  kGrace,      // the holder's queue is empty; its lease is kept for a moment
  kHandOver,   // somebody waits and nobody holds: the lease is on its way
  kThrottled,  // only slices at their limit wait
  kUnwanted,   // nobody wants it
};

const char* ToString(SliceState state);
const char* ToString(XpuState state);

template <typename State>
struct Span {
  int64_t from_ns = 0, to_ns = 0;
  State state{};
};

struct SliceLane {
  TracedSlice slice;
  std::vector<Span<SliceState>> spans;  // ordered, gapless over the recording
  int64_t held_ns = 0, idle_ns = 0, waited_ns = 0, contended_ns = 0;
  int64_t longest_wait_ns = 0;
  int leases = 0;
  double charged_share = 0;  // of the contended time of all slices on the XPU; NaN when there was none
};

struct XpuTimeline {
  std::string xpu_id;
  int64_t from_ns = 0, to_ns = 0;
  std::vector<SliceLane> lanes;         // by name
  std::vector<Span<XpuState>> spans;    // ordered, gapless
  std::vector<int64_t> hand_overs_ns;   // sorted: lease given back with somebody waiting -> next grant
  std::map<XpuState, int64_t> time_ns;  // per state, over the recording

  // The |fraction| quantile (0..1) of the hand-overs; 0 when there were none.
  int64_t HandOverQuantile(double fraction) const;
};

// A wait longer than this, by slices that all have a limit below 100 %, is their limit at work and not a hand-over.
inline constexpr int64_t kLongestHandOverNs = 500'000;

// One timeline per XPU that has a slice or a record, by ID. Records of slices not in |slices| get lanes named by their
// ID; records outside [from_ns, to_ns] only set how a slice stood at the edge. |changes| may come in any order.
std::vector<XpuTimeline> BuildTimelines(std::vector<LeaseChange> changes, const std::vector<TracedSlice>& slices,
                                        int64_t from_ns, int64_t to_ns);

}  // namespace xpool::cli
