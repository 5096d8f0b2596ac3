// An agent without devices, sessions or leases: it keeps slices in memory and answers the control API as the real one
// would, so that commands can be tested without drivers. Slices whose owner died are dropped when they are looked at.
// Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/paths.h"
#include "xpool.pb.h"

namespace xpool::cli {

class FakeAgent {
 public:
  // Serves on paths.control_socket() until destroyed.
  explicit FakeAgent(const AgentPaths& paths);
  ~FakeAgent();

  // What later answers hold.
  void SetSessions(std::vector<v1::Session> sessions);
  void SetEvents(std::vector<v1::Event> events);
  void SetRecords(std::vector<v1::LeaseRecord> records);
  void SetUsage(const std::string& slice, const v1::SliceUsage& usage);

  // As of now.
  std::vector<v1::Slice> slices() const;

 private:
  class FakeAgentService;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xpool::cli
