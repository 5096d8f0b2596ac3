// `xpool node add|remove`: the nodes that this user knows by name.

#include <filesystem>

#include "CLI/CLI.hpp"
#include "base/status.h"
#include "cli/context.h"
#include "cli/format.h"
#include "cli/json.h"
#include "pki/nodes_file.h"

namespace xpool::cli {
namespace {

// As it is seen from elsewhere than here; "~/" is kept.
std::string Lasting(const std::string& path) {
  if (path.empty() || path.starts_with("~/")) return path;
  std::error_code error;
  return std::filesystem::absolute(path, error).lexically_normal().string();
}

int Add(Context& context, const std::string& name, const std::string& address, const std::string& identity) {
  const std::string file = context.user.nodes();
  const absl::Status added = pki::AddNode(file, name, address, Lasting(identity));
  if (!added.ok()) return Fail(context, added);
  if (context.format == Format::kJson) {
    context.out << Print({{"name", name}, {"address", address}, {"identity", Lasting(identity)}, {"file", file}});
  } else {
    context.out << "node " << name << " added: " << address << " (" << file << ")\n";
  }
  return kOk;
}

int Remove(Context& context, const std::string& name) {
  const std::string file = context.user.nodes();
  const absl::Status removed = pki::RemoveNode(file, name);
  if (!removed.ok()) return Fail(context, removed);
  if (context.format == Format::kJson) {
    context.out << Print({{"removed", name}, {"file", file}});
  } else {
    context.out << "node " << name << " removed (" << file << ")\n";
  }
  return kOk;
}

void AddAdd(Commands& commands, CLI::App& group) {
  struct Values {
    std::string name, address, identity;
  };
  auto values = std::make_shared<Values>();
  CLI::App& add =
      commands.Add(group, "add", "remember a node",
                   {.synopsis = "xpool node add NAME HOST[:PORT] [--identity FILE] [--json]",
                    .description = "HOST must be one of the addresses in the node's certificate ('xpool ca issue node\n"
                                   "NAME --address HOST'), or the node is refused when it is called.",
                    .examples = "xpool node add gpu1 10.0.0.2\n"
                                "xpool node add theirs gpu.other.example:7070 --identity ~/other.pem\n"
                                "    A node of another laboratory, which gave you an identity.",
                    .exit_status = kStatusWithoutAgent,
                    .see_also = "xpool help ca issue node"});
  add.add_option("NAME", values->name, "What you call it.")->required();
  add.add_option("HOST[:PORT]", values->address, "Where its agent listens; port 9747 unless you say.")->required();
  add.add_option("--identity", values->identity, "Your identity there, if it is not the usual one.")->type_name("FILE");
  commands.AddJson(add);
  commands.OnCall(add, [&context = commands.context, values] {
    return Add(context, values->name, values->address, values->identity);
  });
}

void AddRemove(Commands& commands, CLI::App& group) {
  auto name = std::make_shared<std::string>();
  CLI::App& remove =
      commands.Add(group, "remove", "forget a node",
                   {.synopsis = "xpool node remove NAME [--json]\nxpool node rm NAME",
                    .description = "Removes its line from the file of nodes. The node itself is not told.",
                    .examples = "xpool node rm gpu1",
                    .exit_status = kStatusWithoutAgent});
  remove.alias("rm");
  remove.add_option("NAME", *name, "What you called it.")->required();
  commands.AddJson(remove);
  commands.OnCall(remove, [&context = commands.context, name] { return Remove(context, *name); });
}

}  // namespace

void AddNode(Commands& commands) {
  CLI::App& group =
      commands.Add(commands.root, "node", "the nodes that lend to you: add and remove them",
                   {.synopsis = "xpool node add NAME HOST[:PORT]\nxpool node remove NAME",
                    .description = "Names for machines that lend slices over the network, in a text that you may edit\n"
                                   "too: $XPOOL_NODES, else ~/.config/xpool/nodes. A line is\n"
                                   "\n"
                                   "    NAME HOST[:PORT] [identity=FILE]      # and what follows a '#' is for you"});
  group.require_subcommand(1);
  AddAdd(commands, group);
  AddRemove(commands, group);
}

}  // namespace xpool::cli
