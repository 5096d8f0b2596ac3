// The nodes that a user knows: a text that people edit by hand, a node a line:
//
//   # name   address            an identity other than the usual one
//   gpu1     10.0.0.2
//   gpu2     gpu2.lab:7070      identity=~/other-lab.pem
//
// Blank lines and what follows a '#' are kept and mean nothing. An identity's path may begin with "~/", and is
// otherwise seen from the file's folder. Not thread-safe; processes that change the file wait for each other.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "transport/tcp_address.h"

namespace xpool::pki {

inline constexpr size_t kMostNodesBytes = size_t{1} << 20;
inline constexpr size_t kMostNodes = 16'384;

struct Node {
  std::string name;  // names.h
  transport::HostPort address;
  std::string identity;  // as written; empty: the user's own
  int line = 0;          // from 1
};

// "10.0.0.2:7070", "[fe80::1]:7070".
std::string AddressText(const transport::HostPort& address);

class Nodes {
 public:
  // FAILED_PRECONDITION names the line, and what to write there.
  static absl::StatusOr<Nodes> Parse(std::string_view text);

  const std::vector<Node>& all() const { return nodes_; }
  const std::string& text() const { return text_; }

  // NOT_FOUND says which there are.
  absl::StatusOr<Node> Find(const std::string& name) const;

  // At the end of the text. INVALID_ARGUMENT for what cannot stand in such a file, ALREADY_EXISTS for a name that does.
  absl::Status Add(const std::string& name, const std::string& address, const std::string& identity);
  absl::Status Remove(const std::string& name);

 private:
  std::string text_;
  std::vector<Node> nodes_;
};

// |path|: UserPaths::nodes(). A file that is not there has no nodes.
absl::StatusOr<Nodes> LoadNodes(const std::string& path);

// Changes the file as Nodes::Add and Remove do, at once, in a folder that is made if need be.
absl::Status AddNode(const std::string& path, const std::string& name, const std::string& address,
                     const std::string& identity);
absl::Status RemoveNode(const std::string& path, const std::string& name);

// The identity's file to use for |node|, which the file |path| names; |usual| when it names none.
std::string IdentityPathOf(const Node& node, const std::string& path, const std::string& usual);

}  // namespace xpool::pki
