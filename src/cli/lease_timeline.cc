#include "cli/lease_timeline.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace xpool::cli {
namespace {

bool Holds(SliceState state) {
  return state == SliceState::kRunning || state == SliceState::kIdle || state == SliceState::kDraining;
}

// The state after |what|. |wants_more| remembers a want that came while the slice still held a lease.
SliceState Next(SliceState state, const std::string& what, bool& wants_more) {
  if (what == "want") {
    if (!Holds(state)) return SliceState::kWaiting;
    wants_more = true;
    return state;
  }
  if (what == "grant") {
    wants_more = false;
    return SliceState::kRunning;
  }
  if (what == "busy") return SliceState::kRunning;
  if (what == "idle") return SliceState::kIdle;
  if (what == "revoke") return SliceState::kDraining;
  if (what == "died") {
    wants_more = false;
    return SliceState::kAway;
  }
  if (what == "take" || what == "return") {
    // A taken lease is also returned: the second record must not undo a want in between.
    if (state == SliceState::kWaiting) return state;
    return std::exchange(wants_more, false) ? SliceState::kWaiting : SliceState::kAway;
  }
  return state;  // A newer agent's record that this build does not know.
}

// Without a word on how a slice stood at the start, its first record tells.
SliceState StateBefore(const std::string& what) {
  if (what == "idle" || what == "revoke" || what == "return" || what == "died") return SliceState::kRunning;
  if (what == "busy" || what == "take") return SliceState::kIdle;
  return SliceState::kAway;
}

void Append(std::vector<Span<SliceState>>& spans, int64_t to_ns, SliceState state, int64_t begin_ns) {
  const int64_t from_ns = spans.empty() ? begin_ns : spans.back().to_ns;
  if (to_ns <= from_ns) return;
  if (!spans.empty() && spans.back().state == state) {
    spans.back().to_ns = to_ns;
  } else {
    spans.push_back({from_ns, to_ns, state});
  }
}

void FillLane(SliceLane& lane, const std::vector<LeaseChange>& changes, int64_t from_ns, int64_t to_ns) {
  SliceState state = lane.slice.initial;
  bool wants_more = false, first = true;
  for (const LeaseChange& change : changes) {
    if (change.slice_id != lane.slice.id || change.xpu_id != lane.slice.xpu_id) continue;
    if (first && state == SliceState::kAway) state = StateBefore(change.what);
    first = false;
    Append(lane.spans, std::clamp(change.at_ns, from_ns, to_ns), state, from_ns);
    state = Next(state, change.what, wants_more);
    if (change.what == "grant" && change.at_ns >= from_ns && change.at_ns <= to_ns) ++lane.leases;
  }
  Append(lane.spans, to_ns, state, from_ns);
  for (const auto& span : lane.spans) {
    const int64_t length = span.to_ns - span.from_ns;
    if (Holds(span.state)) lane.held_ns += length;
    if (span.state == SliceState::kIdle) lane.idle_ns += length;
    if (span.state == SliceState::kWaiting) {
      lane.waited_ns += length;
      lane.longest_wait_ns = std::max(lane.longest_wait_ns, length);
    }
  }
}

// Walks all lanes of one XPU from edge to edge at once.
class Sweep {
 public:
  explicit Sweep(XpuTimeline& timeline) : timeline_(timeline), at_(timeline.lanes.size(), 0) {}

  void Run() {
    int64_t now = timeline_.from_ns;
    while (now < timeline_.to_ns) {
      const int64_t next = NextEdge();
      Step(now, next);
      now = next;
      for (size_t i = 0; i < at_.size(); ++i) {
        while (at_[i] + 1 < Lane(i).spans.size() && Lane(i).spans[at_[i]].to_ns <= now) ++at_[i];
      }
    }
    ExplainLongGaps();
    CollectHandOvers();
  }

 private:
  SliceLane& Lane(size_t i) { return timeline_.lanes[i]; }
  SliceState State(size_t i) { return Lane(i).spans[at_[i]].state; }

  int64_t NextEdge() {
    int64_t next = timeline_.to_ns;
    for (size_t i = 0; i < at_.size(); ++i) next = std::min(next, Lane(i).spans[at_[i]].to_ns);
    return next;
  }

  void Step(int64_t from_ns, int64_t to_ns) {
    int working = 0, idle = 0, waiting = 0;
    for (size_t i = 0; i < at_.size(); ++i) {
      waiting += State(i) == SliceState::kWaiting;
      idle += State(i) == SliceState::kIdle;
      working += State(i) == SliceState::kRunning || State(i) == SliceState::kDraining;
    }
    for (size_t i = 0; i < at_.size(); ++i) {
      if (waiting > 0 && Holds(State(i))) Lane(i).contended_ns += to_ns - from_ns;
    }
    const XpuState state = working > 0   ? XpuState::kWorking
                           : idle > 0    ? XpuState::kGrace
                           : waiting > 0 ? XpuState::kHandOver
                                         : XpuState::kUnwanted;
    auto& spans = timeline_.spans;
    if (!spans.empty() && spans.back().state == state) {
      spans.back().to_ns = to_ns;
    } else {
      spans.push_back({from_ns, to_ns, state});
    }
  }

  // A hand-over that takes long while everybody who waits has a limit is throttling.
  void ExplainLongGaps() {
    for (auto& span : timeline_.spans) {
      if (span.state == XpuState::kHandOver && span.to_ns - span.from_ns > kLongestHandOverNs &&
          OnlyLimitedWait(span)) {
        span.state = XpuState::kThrottled;
      }
      timeline_.time_ns[span.state] += span.to_ns - span.from_ns;
    }
  }

  bool OnlyLimitedWait(const Span<XpuState>& gap) {
    for (const SliceLane& lane : timeline_.lanes) {
      if (lane.slice.limit < Share::Full()) continue;
      auto span = std::lower_bound(lane.spans.begin(), lane.spans.end(), gap.from_ns,
                                   [](const Span<SliceState>& s, int64_t at) { return s.to_ns <= at; });
      for (; span != lane.spans.end() && span->from_ns < gap.to_ns; ++span) {
        if (span->state == SliceState::kWaiting) return false;
      }
    }
    return true;
  }

  // A hand-over lies between two holders; a wait for an XPU that stood unwanted before is a first grant, measured too.
  void CollectHandOvers() {
    const auto& spans = timeline_.spans;
    for (size_t i = 0; i + 1 < spans.size(); ++i) {
      if (spans[i].state != XpuState::kHandOver || spans[i + 1].state == XpuState::kUnwanted) continue;
      if (i > 0) timeline_.hand_overs_ns.push_back(spans[i].to_ns - spans[i].from_ns);
    }
    std::sort(timeline_.hand_overs_ns.begin(), timeline_.hand_overs_ns.end());
  }

  XpuTimeline& timeline_;
  std::vector<size_t> at_;  // per lane: the span under the sweep
};

void ShareOut(XpuTimeline& timeline) {
  int64_t contended = 0;
  for (const SliceLane& lane : timeline.lanes) contended += lane.contended_ns;
  for (SliceLane& lane : timeline.lanes) {
    lane.charged_share = contended == 0 ? std::numeric_limits<double>::quiet_NaN()
                                        : static_cast<double>(lane.contended_ns) / static_cast<double>(contended);
  }
}

}  // namespace

const char* ToString(SliceState state) {
  constexpr const char* kNames[] = {"away", "waiting", "running", "idle", "draining"};
  return kNames[static_cast<int>(state)];
}

const char* ToString(XpuState state) {
  constexpr const char* kNames[] = {"working", "grace", "hand-over", "throttled", "unwanted"};
  return kNames[static_cast<int>(state)];
}

int64_t XpuTimeline::HandOverQuantile(double fraction) const {
  if (hand_overs_ns.empty()) return 0;
  const double rank = std::ceil(fraction * static_cast<double>(hand_overs_ns.size())) - 1;
  return hand_overs_ns[static_cast<size_t>(std::clamp(rank, 0.0, static_cast<double>(hand_overs_ns.size() - 1)))];
}

std::vector<XpuTimeline> BuildTimelines(std::vector<LeaseChange> changes, const std::vector<TracedSlice>& slices,
                                        int64_t from_ns, int64_t to_ns) {
  std::stable_sort(changes.begin(), changes.end(),
                   [](const LeaseChange& a, const LeaseChange& b) { return a.at_ns < b.at_ns; });
  std::map<std::string, std::map<std::string, TracedSlice>> by_xpu;
  for (const TracedSlice& slice : slices) by_xpu[slice.xpu_id][slice.id] = slice;
  for (const LeaseChange& change : changes) {
    TracedSlice& slice = by_xpu[change.xpu_id][change.slice_id];
    if (slice.id.empty()) slice = {.id = change.slice_id, .name = change.slice_id, .xpu_id = change.xpu_id};
  }
  std::vector<XpuTimeline> timelines;
  for (const auto& [xpu_id, lanes] : by_xpu) {
    XpuTimeline timeline{.xpu_id = xpu_id, .from_ns = from_ns, .to_ns = std::max(from_ns, to_ns)};
    for (const auto& [id, slice] : lanes) timeline.lanes.push_back({.slice = slice});
    std::stable_sort(timeline.lanes.begin(), timeline.lanes.end(),
                     [](const SliceLane& a, const SliceLane& b) { return a.slice.name < b.slice.name; });
    for (SliceLane& lane : timeline.lanes) FillLane(lane, changes, timeline.from_ns, timeline.to_ns);
    if (timeline.to_ns > timeline.from_ns) Sweep(timeline).Run();
    ShareOut(timeline);
    timelines.push_back(std::move(timeline));
  }
  return timelines;
}

}  // namespace xpool::cli
