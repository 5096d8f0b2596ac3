// What `xpool` asks the agent of another node, and its reply: one of each on a connection (wire/attach.h). What is in
// them is protobuf's (proto/lending.proto); here are only the method's number and how it went. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/frame.h"
#include "wire/version.h"
#include "wire/writer.h"

namespace xpool::wire {

inline constexpr size_t kMaxRequestBodyBytes = 24 * 1024;

struct Request {
  VersionRange versions;
  uint16_t method = 0;  // a number that the server does not know is refused by it
  std::string body;

  friend bool operator==(const Request&, const Request&) = default;
};

// Append one whole frame. RESOURCE_EXHAUSTED if the body is too long; a reply's sentence is cut.
absl::Status WriteRequest(Writer* writer, const Request& request);
absl::Status WriteReply(Writer* writer, const absl::StatusOr<std::string>& body);

// FAILED_PRECONDITION when the client speaks no version that this code does, INVALID_ARGUMENT when it is no request.
absl::StatusOr<Request> ReadRequest(const Frame& frame);
// The body, or the server's error; a Refusal is the status that RefusalStatus() makes of it.
absl::StatusOr<std::string> ReadReply(const Frame& frame);

}  // namespace xpool::wire
