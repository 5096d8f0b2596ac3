#include "transport/tcp_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cstring>
#include <memory>

#include "absl/strings/numbers.h"
#include "base/status.h"

namespace xpool::transport {
namespace {

absl::Status BadAddress(std::string_view text, const char* why) {
  return absl::InvalidArgumentError(absl::StrCat("address \"", std::string(text), "\" ", why,
                                                 "; write HOST:PORT, and an IPv6 address as [::1]:PORT"));
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, FreeAddresses>;

absl::StatusOr<std::vector<TcpAddress>> Lookup(const HostPort& target, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(target.host.c_str(), std::to_string(target.port).c_str(), &hints, &found);
  const AddressList list(error == 0 ? found : nullptr);
  if (error != 0)
    return absl::NotFoundError(absl::StrCat("host \"", target.host, "\" has no address: ", gai_strerror(error)));
  std::vector<TcpAddress> addresses;
  for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_addrlen > sizeof(sockaddr_storage)) continue;
    TcpAddress& address = addresses.emplace_back();
    memcpy(&address.address, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
  }
  if (addresses.empty()) return absl::NotFoundError(absl::StrCat("host \"", target.host, "\" has no address"));
  return addresses;
}

bool IsIpv6(std::string_view text) {
  in6_addr address;
  return inet_pton(AF_INET6, std::string(text.substr(0, text.find('%'))).c_str(), &address) == 1;
}

}  // namespace

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  constexpr size_t kLongestName = 255;
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return BadAddress(text.substr(0, kLongestName), "has no port");
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return BadAddress(text.substr(0, kLongestName), "has an IPv6 address without brackets");
  }
  if (host.empty()) return BadAddress(text.substr(0, kLongestName), "has no host");
  if (host.size() > kLongestName || host.find('\0') != std::string_view::npos)
    return BadAddress(text.substr(0, kLongestName), "has no valid host name");
  const std::string port_text(text.substr(colon + 1));
  uint32_t port = 0;
  const bool digits = !port_text.empty() && port_text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || !absl::SimpleAtoi(port_text, &port) || port > UINT16_MAX)
    return BadAddress(text.substr(0, kLongestName), "has no port from 0 to 65535");
  return HostPort{std::string(host), static_cast<uint16_t>(port)};
}

absl::StatusOr<HostPort> ParseHost(std::string_view text) {
  const absl::StatusOr<HostPort> whole = ParseHostPort(text);
  if (whole.ok()) return whole;
  const bool bare_ipv6 = text.find(':') != std::string_view::npos && !text.starts_with('[');
  const std::string host = bare_ipv6 ? "[" + std::string(text) + "]" : std::string(text);
  const absl::StatusOr<HostPort> with_port = ParseHostPort(absl::StrCat(host, ":", kDefaultPort));
  // What is only short of a port has nothing else that is wrong.
  return with_port.ok() && (!bare_ipv6 || IsIpv6(text)) ? with_port : whole;
}

bool TcpAddress::IsLoopback() const {
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
  }
  if (address.ss_family != AF_INET6) return false;
  const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

std::string TcpAddress::ToString() const {
  char host[NI_MAXHOST] = "?";
  char port[NI_MAXSERV] = "?";
  getnameinfo(get(), size, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
  return address.ss_family == AF_INET6 ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

absl::StatusOr<std::vector<TcpAddress>> Resolve(const HostPort& target) { return Lookup(target, 0); }

absl::StatusOr<TcpAddress> ResolveNumeric(const HostPort& target) {
  absl::StatusOr<std::vector<TcpAddress>> addresses = Lookup(target, AI_NUMERICHOST);
  if (addresses.ok()) return addresses->front();
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", target.host, "\" is no IP address; name the address to listen on in numbers, such as 127.0.0.1"));
}

}  // namespace xpool::transport
