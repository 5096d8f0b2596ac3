#include "pki/names.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace xpool::pki {
namespace {

constexpr size_t kMostDnsBytes = 253, kMostLabelBytes = 63, kMostQuotedBytes = 80;

absl::Status CheckCharacters(const char* what, const std::string& name, const std::string& marks) {
  const auto is_good = [&](char c) { return absl::ascii_isalnum(c) || marks.find(c) != std::string::npos; };
  const bool good = !name.empty() && name.size() <= kMostNameBytes && std::all_of(name.begin(), name.end(), is_good) &&
                    absl::ascii_isalnum(name.front()) && absl::ascii_isalnum(name.back());
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, " ", Quoted(name), " cannot be: a name has at most ",
                                                 kMostNameBytes, " letters, digits and marks (", marks,
                                                 "), and begins and ends with a letter or digit"));
}

bool IsDnsName(const std::string& text) {
  if (text.empty() || text.size() > kMostDnsBytes) return false;
  for (const absl::string_view label : absl::StrSplit(text, '.')) {
    const bool good =
        !label.empty() && label.size() <= kMostLabelBytes && label.front() != '-' && label.back() != '-' &&
        std::all_of(label.begin(), label.end(), [](char c) { return absl::ascii_isalnum(c) || c == '-'; });
    if (!good) return false;
  }
  // Numbers alone would be an IP address with a mistake in it.
  return std::any_of(text.begin(), text.end(), [](char c) { return absl::ascii_isalpha(c); });
}

// As the C library writes it, or "" when |text| is none.
std::string CanonicalIp(const std::string& text) {
  unsigned char bytes[sizeof(in6_addr)];
  char canonical[INET6_ADDRSTRLEN];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), bytes) == 1) return inet_ntop(family, bytes, canonical, sizeof(canonical));
  }
  return "";
}

absl::Status AddressError(const std::string& text) {
  const char* advice = "give an IP address or a DNS name, such as 10.0.0.2 or gpu1.lab.example";
  if (text.find('*') != std::string::npos)
    advice = "a certificate is for machines that are named, without wildcards";
  else if (text.find(':') != std::string::npos)
    advice = "give the address alone, without a port and brackets";
  return absl::InvalidArgumentError(absl::StrCat(Quoted(text), " is no address of a node: ", advice));
}

absl::Status AddAddress(const std::string& text, NodeAddresses* addresses) {
  const std::string ip = CanonicalIp(text);
  if (ip == "0.0.0.0" || ip == "::") {
    return absl::InvalidArgumentError(
        absl::StrCat(ip, " means every address of a machine, and nobody connects to it: give those that clients use"));
  }
  if (ip.empty() && !IsDnsName(text)) return AddressError(text);
  std::vector<std::string>& list = ip.empty() ? addresses->dns_names : addresses->ip_addresses;
  const std::string address = ip.empty() ? absl::AsciiStrToLower(text) : ip;
  if (std::find(list.begin(), list.end(), address) == list.end()) list.push_back(address);
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckNodeName(const char* what, const std::string& name) { return CheckCharacters(what, name, ".-_"); }
absl::Status CheckUserName(const char* what, const std::string& name) { return CheckCharacters(what, name, ".-_@"); }

std::vector<std::string> NodeAddresses::All() const {
  std::vector<std::string> all = dns_names;
  all.insert(all.end(), ip_addresses.begin(), ip_addresses.end());
  return all;
}

absl::StatusOr<NodeAddresses> ParseAddresses(const std::vector<std::string>& texts) {
  NodeAddresses addresses;
  for (const std::string& text : texts) RETURN_IF_ERROR(AddAddress(text, &addresses));
  const size_t count = addresses.All().size();
  if (count == 0) {
    return absl::InvalidArgumentError(
        "a node's certificate needs the addresses by which clients reach it, as they check that they have come to the"
        " right machine: add for example --address 10.0.0.2 gpu1.lab.example");
  }
  if (count > kMostAddresses)
    return absl::InvalidArgumentError(
        absl::StrCat(count, " addresses are more than the ", kMostAddresses, " that a node's certificate may have"));
  return addresses;
}

std::string Quoted(const std::string& text) {
  std::string shown = text.substr(0, kMostQuotedBytes);
  for (char& c : shown) {
    if (!absl::ascii_isprint(c)) c = '?';
  }
  return absl::StrCat("\"", shown, text.size() > shown.size() ? "..." : "", "\"");
}

}  // namespace xpool::pki
