#include "pki/nodes_file.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/status.h"
#include "pki/names.h"

namespace xpool::pki {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostLineBytes = 4096;
constexpr size_t kMostNamesTold = 10;

absl::StatusOr<transport::HostPort> ParseAddress(const std::string& text) {
  ASSIGN_OR_RETURN(transport::HostPort address, transport::ParseHost(text));
  RETURN_IF_ERROR(ParseAddresses({address.host}).status());
  if (address.port == 0) return absl::InvalidArgumentError("port 0 is none that a node listens at");
  return address;
}

absl::Status CheckIdentityPath(const std::string& path) {
  const bool good = !path.empty() && std::all_of(path.begin(), path.end(), [](char c) {
    return !absl::ascii_iscntrl(c) && c != ' ' && c != '#';
  });
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("an identity's file ", Quoted(path),
                                                 " cannot stand there: its path must be without blanks and '#'"));
}

absl::StatusOr<Node> ParseWords(const std::vector<std::string>& words) {
  if (words.size() < 2 || words.size() > 3)
    return absl::InvalidArgumentError("a line is: NAME HOST[:PORT] [identity=FILE], such as 'gpu1 10.0.0.2'");
  Node node{.name = words[0]};
  RETURN_IF_ERROR(CheckNodeName("the node's name", node.name));
  ASSIGN_OR_RETURN(node.address, ParseAddress(words[1]));
  if (words.size() == 2) return node;
  absl::string_view option = words[2];
  if (!absl::ConsumePrefix(&option, "identity="))
    return absl::InvalidArgumentError(absl::StrCat(Quoted(words[2]), " is unknown; it can be identity=FILE"));
  node.identity = std::string(option);
  RETURN_IF_ERROR(CheckIdentityPath(node.identity));
  return node;
}

std::vector<std::string> WordsOf(absl::string_view line) {
  line = line.substr(0, line.find('#'));
  return absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
}

absl::Status InLine(int line, const std::string& what) {
  return absl::FailedPreconditionError(absl::StrCat("line ", line, ": ", what));
}

absl::Status InFile(const std::string& path, const absl::Status& status) {
  return status.ok() ? status : absl::Status(status.code(), absl::StrCat(path, ": ", std::string(status.message())));
}

// Where a link leads: the link itself stays one.
std::string RealPath(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  return error ? path : real.string();
}

absl::Status Change(const std::string& path, const std::function<absl::Status(Nodes*)>& change) {
  const std::string real = RealPath(path);
  const std::string folder = fs::path(real).parent_path().string();
  RETURN_IF_ERROR(CreateDirectories(folder));
  ASSIGN_OR_RETURN(const FileLock lock, FileLock::Take(real + ".lock"));
  ASSIGN_OR_RETURN(Nodes nodes, LoadNodes(real));
  RETURN_IF_ERROR(InFile(path, change(&nodes)));
  return WriteFileDurably(real, nodes.text(), 0644, IfExists::kReplace);
}

}  // namespace

std::string AddressText(const transport::HostPort& address) {
  const bool brackets = address.host.find(':') != std::string::npos;
  return absl::StrCat(brackets ? "[" : "", address.host, brackets ? "]:" : ":", address.port);
}

absl::StatusOr<Nodes> Nodes::Parse(std::string_view text) {
  if (text.size() > kMostNodesBytes)
    return absl::FailedPreconditionError(absl::StrCat("a file of nodes has at most ", kMostNodesBytes, " bytes"));
  Nodes nodes;
  nodes.text_ = std::string(text);
  absl::flat_hash_map<std::string, int> lines;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(nodes.text_, '\n')) {
    ++number;
    if (line.size() > kMostLineBytes) return InLine(number, "it is longer than a line can be");
    const std::vector<std::string> words = WordsOf(line);
    if (words.empty()) continue;
    absl::StatusOr<Node> node = ParseWords(words);
    if (!node.ok()) return InLine(number, std::string(node.status().message()));
    const auto [before, is_new] = lines.emplace(node->name, number);
    if (!is_new) return InLine(number, absl::StrCat(node->name, " stands in line ", before->second, " already"));
    node->line = number;
    nodes.nodes_.push_back(*std::move(node));
    if (nodes.nodes_.size() > kMostNodes) return InLine(number, absl::StrCat("more than ", kMostNodes, " nodes"));
  }
  return nodes;
}

absl::StatusOr<Node> Nodes::Find(const std::string& name) const {
  std::vector<std::string> names;
  for (const Node& node : nodes_) {
    if (node.name == name) return node;
    if (names.size() < kMostNamesTold) names.push_back(node.name);
  }
  if (names.empty()) {
    return absl::NotFoundError(
        absl::StrCat("there is no node ", Quoted(name), ", nor any other: xpool node add NAME HOST[:PORT]"));
  }
  if (nodes_.size() > names.size()) names.push_back("...");
  return absl::NotFoundError(
      absl::StrCat("there is no node ", Quoted(name), "; there are ", absl::StrJoin(names, ", ")));
}

absl::Status Nodes::Add(const std::string& name, const std::string& address, const std::string& identity) {
  std::vector<std::string> words = {name, address};
  if (!identity.empty()) words.push_back("identity=" + identity);
  RETURN_IF_ERROR(ParseWords(words).status());
  if (const absl::StatusOr<Node> before = Find(name); before.ok()) {
    return absl::AlreadyExistsError(absl::StrCat("node ", name, " is there already (line ", before->line, ", ",
                                                 AddressText(before->address), "); remove it first: xpool node remove ",
                                                 name));
  }
  const bool ends = text_.empty() || text_.back() == '\n';
  ASSIGN_OR_RETURN(*this, Parse(absl::StrCat(text_, ends ? "" : "\n", absl::StrJoin(words, "\t"), "\n")));
  return absl::OkStatus();
}

absl::Status Nodes::Remove(const std::string& name) {
  ASSIGN_OR_RETURN(const Node node, Find(name));
  std::vector<std::string> lines = absl::StrSplit(text_, '\n');
  lines.erase(lines.begin() + node.line - 1);
  ASSIGN_OR_RETURN(*this, Parse(absl::StrJoin(lines, "\n")));
  return absl::OkStatus();
}

absl::StatusOr<Nodes> LoadNodes(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMostNodesBytes);
  if (absl::IsNotFound(text.status())) return Nodes();
  RETURN_IF_ERROR(text.status());
  absl::StatusOr<Nodes> nodes = Nodes::Parse(*text);
  if (!nodes.ok()) return InFile(path, nodes.status());
  return nodes;
}

absl::Status AddNode(const std::string& path, const std::string& name, const std::string& address,
                     const std::string& identity) {
  return Change(path, [&](Nodes* nodes) { return nodes->Add(name, address, identity); });
}

absl::Status RemoveNode(const std::string& path, const std::string& name) {
  return Change(path, [&](Nodes* nodes) { return nodes->Remove(name); });
}

std::string IdentityPathOf(const Node& node, const std::string& path, const std::string& usual) {
  if (node.identity.empty()) return usual;
  if (node.identity.starts_with("~/")) return HomeDirectory() + node.identity.substr(1);
  return (fs::path(path).parent_path() / node.identity).string();
}

}  // namespace xpool::pki
