// The JSON that --json prints: the messages of proto/xpool.proto field by field, with their names and units, all fields
// present, 64-bit numbers as numbers, priorities as "high", "normal", "low".
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <string>

#include "cli/lease_timeline.h"

namespace xpool::cli {

using Json = nlohmann::ordered_json;

Json ToJson(const google::protobuf::Message& message);
Json ToJson(const XpuTimeline& timeline);

// Pretty-printed with a newline; bytes that are not UTF-8 (names of other people's programs) are replaced.
std::string Print(const Json& json);
// The same on one line.
std::string PrintLine(const Json& json);

}  // namespace xpool::cli
