// Draws lease timelines as one self-contained SVG: for each XPU its use over the whole recording, a zoomed stretch with
// every lease, and a table of what each slice was promised and got. Pure function of its input.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/lease_timeline.h"

namespace xpool::cli {

struct SvgOptions {
  std::string title = "xpool lease trace";
  // The stretch drawn lease by lease, from the recording's start. 0 length: chosen so that some forty leases are seen,
  // where they change hands most.
  int64_t zoom_at_ns = 0;
  int64_t zoom_length_ns = 0;
};

// A stretch of the recording.
struct Window {
  int64_t from_ns = 0, to_ns = 0;
};

// The stretch that |options| ask for, inside the recording.
Window ZoomWindow(const XpuTimeline& timeline, const SvgOptions& options);

// Round distances between axis ticks: at most |max_ticks| over |length_ns|, 1, 2 or 5 times a power of ten.
int64_t TickStep(int64_t length_ns, int max_ticks);

std::string DrawTimelines(const std::vector<XpuTimeline>& timelines, const SvgOptions& options);

}  // namespace xpool::cli
