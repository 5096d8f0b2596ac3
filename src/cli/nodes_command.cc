// `xpool nodes`: the nodes that lend to this user, asked how they are.

#include <algorithm>
#include <future>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/share.h"
#include "base/status.h"
#include "cli/context.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/lender.h"
#include "cli/table.h"

namespace xpool::cli {
namespace {

using Align = Table::Align;

struct Asked {
  NodeAddress node;
  absl::StatusOr<v1::Node> answer;
  int64_t took_ns = 0;
};

Asked Ask(const NodeAddress& node, const Clock* clock) {
  const int64_t start_ns = clock->NowNs();
  absl::StatusOr<v1::Node> answer = Lender(node).Describe();
  return {node, std::move(answer), clock->NowNs() - start_ns};
}

absl::StatusOr<std::vector<NodeAddress>> Wanted(const Context& context, const std::vector<std::string>& names,
                                                bool plain) {
  if (names.empty()) return ListNodes(context);
  std::vector<NodeAddress> nodes;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(nodes.emplace_back(), FindNode(context, name, plain));
  }
  return nodes;
}

Json AnswerJson(const Asked& asked) {
  Json json = {{"name", asked.node.name}, {"address", asked.node.address}, {"reachable", asked.answer.ok()}};
  if (asked.answer.ok()) {
    json["took_ns"] = asked.took_ns;
    json["node"] = ToJson(*asked.answer);
  } else {
    json["error"] = std::string(asked.answer.status().message());
  }
  return json;
}

// What is promised to nobody: of one XPU, or of several in sum, where compute may be "150%".
struct Free {
  int64_t compute_bp = 0;
  uint64_t memory_bytes = 0;

  void Add(const v1::Xpu& xpu) {
    compute_bp += Share::Full().basis_points() - int64_t{xpu.guaranteed_bp()};
    memory_bytes += xpu.memory_bytes() - std::min(xpu.memory_bytes(), xpu.reserved_bytes());
  }
  std::string Compute() const { return absl::StrCat(compute_bp / 100, "%"); }
  std::string Memory() const { return FormatBytes(memory_bytes); }
};

void AddRows(const Asked& asked, bool wide, Table* table) {
  if (!asked.answer.ok()) return table->Add({asked.node.name, asked.node.address, "unreachable"});
  const v1::Node& node = *asked.answer;
  Free free;
  for (const v1::Xpu& xpu : node.xpus()) free.Add(xpu);
  table->Add({asked.node.name, asked.node.address, "ready", FormatDuration(asked.took_ns),
              absl::StrCat(node.xpu_count()), free.Compute(), free.Memory(), absl::StrCat(node.slice_count()),
              absl::StrCat(node.session_count()), node.version()});
  for (const v1::Xpu& xpu : node.xpus()) {
    if (!wide) break;
    Free of_xpu;
    of_xpu.Add(xpu);
    table->Add({absl::StrCat("  ", xpu.id()), xpu.name(), xpu.type(), "", "", of_xpu.Compute(), of_xpu.Memory(),
                absl::StrCat(xpu.slice_count())});
  }
}

int Nodes(Context& context, const std::vector<std::string>& names, bool plain) {
  const absl::StatusOr<std::vector<NodeAddress>> nodes = Wanted(context, names, plain);
  if (!nodes.ok()) return Fail(context, nodes.status());
  if (nodes->empty()) {
    context.err << "No node is known. Add one: xpool node add NAME HOST[:PORT]\n";
    if (context.format != Format::kJson) return kOk;
  }
  std::vector<std::future<Asked>> asking;
  for (const NodeAddress& node : *nodes) asking.push_back(std::async(std::launch::async, Ask, node, context.clock));
  Table table({{"NAME"},
               {"ADDRESS"},
               {"STATE"},
               {"ANSWER", Align::kRight},
               {"XPUS", Align::kRight},
               {"FREE", Align::kRight},
               {"FREE MEMORY", Align::kRight},
               {"SLICES", Align::kRight},
               {"SESSIONS", Align::kRight},
               {"VERSION"}});
  Json all = Json::array();
  std::vector<std::string> problems;
  for (std::future<Asked>& one : asking) {
    const Asked asked = one.get();
    all.push_back(AnswerJson(asked));
    AddRows(asked, context.format == Format::kWide, &table);
    if (context.format == Format::kName && asked.answer.ok()) context.out << asked.node.name << "\n";
    if (!asked.answer.ok()) problems.emplace_back(asked.answer.status().message());
  }
  if (context.format == Format::kJson) context.out << Print({{"nodes", all}});
  if (!asking.empty() && (context.format == Format::kTable || context.format == Format::kWide))
    context.out << table.ToString();
  if (context.format != Format::kJson) {
    for (const std::string& problem : problems) context.err << "xpool: " << Printable(problem) << "\n";
  }
  return problems.empty() ? kOk : kFailed;
}

}  // namespace

void AddNodes(Commands& commands) {
  struct Values {
    std::vector<std::string> names;
    bool plain = false;
  };
  auto values = std::make_shared<Values>();
  CLI::App& nodes = commands.Add(
      commands.root, "nodes", "list the nodes that lend to you, and what they have free",
      {.synopsis = "xpool nodes [NODE...] [--plain] [-o wide|json|name]",
       .description = "Asks all nodes of the file of nodes ('xpool node add'), or those named, at the same time.\n"
                      "ANSWER is how long the node took, its handshake included. FREE is what is not\n"
                      "guaranteed yet of its XPUs' time, in sum; -o wide lists each XPU.",
       .examples = "xpool nodes\nxpool nodes 10.0.0.2 -o wide\nxpool nodes --json | jq '.nodes[] | select(.reachable)'",
       .exit_status = "0  all answered\n1  one could not be reached; stderr says why\n2  wrong usage",
       .see_also = "xpool help node, xpool help run"});
  nodes.add_option("NODE", values->names, "Names, or HOST[:PORT]; default: all that are known.");
  nodes.add_flag("--plain", values->plain, "Without encryption.");
  commands.AddFormats(nodes);
  commands.OnCall(nodes,
                  [&context = commands.context, values] { return Nodes(context, values->names, values->plain); });
}

}  // namespace xpool::cli
