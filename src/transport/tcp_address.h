// "host:port" as people write it, and what it resolves to. Thread-safe.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace xpool::transport {

struct HostPort {
  std::string host;
  uint16_t port = 0;
};

// "node7:9747", "10.0.0.2:9747", "[fe80::1]:9747". INVALID_ARGUMENT says what is wrong.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);
// The same, and where |text| names no port, the one where nodes listen unless they are told otherwise.
inline constexpr uint16_t kDefaultPort = 9747;
absl::StatusOr<HostPort> ParseHost(std::string_view text);

struct TcpAddress {
  sockaddr_storage address{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
  bool IsLoopback() const;       // 127.0.0.0/8, ::1, and the former as IPv6
  std::string ToString() const;  // "10.0.0.2:7070", "[::1]:7070"
};

// All addresses of |target|, the C library's favourite first. A name is looked up by the C library, which waits as long
// as resolv.conf says. NOT_FOUND when it has none.
absl::StatusOr<std::vector<TcpAddress>> Resolve(const HostPort& target);

// As Resolve for an address written in numbers; a name is INVALID_ARGUMENT.
absl::StatusOr<TcpAddress> ResolveNumeric(const HostPort& target);

}  // namespace xpool::transport
