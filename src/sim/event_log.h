// A record of everything that a scheduler was told and asked, and of what it decided: a JSON object a line, with the
// time. Played again, the same events give the same decisions; with another policy, they show what that would have
// done.
//
//   {"at":0,"policy":"xpool","mix":[...]}     the policy from here on, and what it was told of pods to come
//   {"at":0,"node":{...}}  {"at":0,"node_gone":{...}}  {"at":5,"pod":{...}}  {"at":9,"pod_gone":{...}}  ...
//   {"at":5,"decided":{"unit":"p","placed":[{"pod":"p","node":"n","claims":[...]}]}}
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "scheduler/scheduler.h"

namespace xpool::sim {

struct PolicyChosen {
  std::string spec;
  scheduler::Mix mix;
};
// The scheduler was asked, and decided this.
struct Decided {
  std::string unit;
  std::vector<scheduler::Placed> placed;  // of each, the pod, the node and the claims
};

struct LogLine {
  int64_t at_ns = 0;
  std::variant<PolicyChosen, scheduler::Event, Decided> what;
};

// Ends with a newline.
std::string PrintLine(const LogLine& line);
// INVALID_ARGUMENT says what is wrong with |text|, which comes from outside.
absl::StatusOr<LogLine> ParseLine(absl::string_view text);

struct ReplayResult {
  int64_t events = 0, decisions = 0;
  int64_t different = 0;         // decisions, from the recorded ones
  std::string first_difference;  // for people
};

// Plays |log| again. |policy|: "" for the recorded one. Errors name the line.
absl::StatusOr<ReplayResult> Replay(absl::string_view log, const std::string& policy);

}  // namespace xpool::sim
