// What `xpool top` shows: the difference of two readings of the slices' counters. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "base/share.h"
#include "cli/json.h"
#include "cli/table.h"
#include "xpool.pb.h"

namespace xpool::cli {

struct TopRow {
  v1::Slice slice;     // as of the later reading
  double charged = 0;  // its part of the contended lease time of all slices on its XPU; NaN: nothing was contended
  double held = 0;     // part of the interval in which it held a lease
  double waited = 0;   // part of the interval in which it waited for one
  double leases_per_s = 0, lease_waits_per_s = 0, commands_per_s = 0;
};

// Rows by XPU, then name. A slice that is not in |before| counts from its creation. Counters of a restarted agent that
// went backwards give zero.
std::vector<TopRow> CompareReadings(const v1::ListSlicesResponse& before, const v1::ListSlicesResponse& after);

// A remote client in the interval.
struct ClientRow {
  v1::Session session;                                         // as of the later reading; has a remote client
  double received_per_s = 0, sent_per_s = 0, calls_per_s = 0;  // bytes from and to the client
};
std::vector<ClientRow> CompareClients(const v1::ListSessionsResponse& before, const v1::ListSessionsResponse& after,
                                      int64_t interval_ns);

std::string TopTable(const std::vector<TopRow>& rows);
// Empty without clients.
std::string ClientTable(const std::vector<ClientRow>& rows);
Json TopJson(const std::vector<TopRow>& rows, const std::vector<ClientRow>& clients, int64_t interval_ns);

}  // namespace xpool::cli
