// What an agent is started with; apps/xpoold fills it from the command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/paths.h"

namespace xpool::agent {

struct Options {
  AgentPaths paths;
  std::string metrics_address = "127.0.0.1:9745";  // "off": no HTTP
  bool metrics_required = false;                   // the address was asked for: without it the agent does not start
  int64_t quantum_ns = 5 * kNsPerMs;
  int64_t hang_limit_ns = 30 * kNsPerSec;  // how long a lease may overrun while others wait
  int64_t idle_exit_ns = 0;                // > 0: end after so long without slices and sessions
  // Remote slices.
  std::vector<std::string> tls_addresses;    // "IP:port" on which slices are lent to other machines
  std::vector<std::string> plain_addresses;  // the same, unencrypted: for loopback and closed networks
  std::vector<std::string> peers;            // "host[:port]" of nodes to which data goes directly
  std::string worker_program;                // xpool-worker; empty: no remote sessions
  int warm_workers = 1;                      // that wait for each driver
  bool confine_workers = true;               // in a sandbox each (src/sandbox)
  // Users that are nobody else's on this machine, for tenants of an agent that is root. By default what systemd's list
  // of number ranges calls unused (UIDs and GIDs on systemd systems, 0x70000000 to 0x7fffffff).
  uint32_t first_tenant_user = 0x70000000, tenant_user_count = 65'536;

  std::string probe_program = "/proc/self/exe";
  std::vector<std::string> driver_libraries;
};

// Bounds on everything a client can make the agent keep.
inline constexpr size_t kMaxSlices = 1024;
inline constexpr size_t kMaxSessions = 4096;
inline constexpr size_t kMaxConnections = kMaxSessions + 256;  // attached, and still greeting
inline constexpr size_t kMaxEvents = 2048;
inline constexpr int64_t kGreetingNs = 10 * kNsPerSec;     // a connection says Hello within it
inline constexpr int64_t kTrimWaitNs = 50 * kNsPerMs;      // how long a memory request waits for others' unused credit
inline constexpr int64_t kStoppedCheckNs = 10 * kNsPerMs;  // a holder that has not drained by then is looked at

}  // namespace xpool::agent
