// `xpool slice create|list|get|resize|delete`.

#include "CLI/CLI.hpp"
#include "base/bytes.h"
#include "base/share.h"
#include "base/status.h"
#include "cli/agent_client.h"
#include "cli/context.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/slice_options.h"
#include "cli/table.h"

namespace xpool::cli {
namespace {

using Align = Table::Align;

std::string Guarantee(const v1::Slice& slice) {
  return slice.guarantee_bp() == 0 ? "best-effort" : Share::FromBasisPoints(slice.guarantee_bp()).ToString();
}

std::string Limit(const v1::Slice& slice) {
  return slice.limit_bp() == 0 ? "100%" : Share::FromBasisPoints(slice.limit_bp()).ToString();
}

std::vector<std::string> Cells(const v1::Slice& slice, bool wide, int64_t unix_s) {
  std::vector<std::string> cells = {
      slice.name(),
      slice.xpu_id(),
      Guarantee(slice),
      Limit(slice),
      absl::StrCat(FormatBytes(slice.memory_used_bytes()), "/", FormatBytes(slice.memory_bytes())),
      PriorityName(slice.priority()),
      absl::StrCat(slice.session_count()),
      FormatAge(unix_s - slice.created_unix_s())};
  if (wide) {
    cells.insert(cells.end(), {slice.id(), absl::StrCat(slice.owner_uid()),
                               slice.owner_pid() > 0 ? absl::StrCat(slice.owner_pid()) : "",
                               FormatDuration(slice.usage().held_ns()), absl::StrCat(slice.usage().leases())});
  }
  return cells;
}

Table SliceTable(bool wide) {
  std::vector<Table::Column> columns = {{"NAME"},
                                        {"XPU"},
                                        {"COMPUTE", Align::kRight},
                                        {"LIMIT", Align::kRight},
                                        {"MEMORY", Align::kRight},
                                        {"PRIORITY"},
                                        {"SESSIONS", Align::kRight},
                                        {"AGE", Align::kRight}};
  if (wide) {
    columns.insert(columns.end(), {{"ID"},
                                   {"UID", Align::kRight},
                                   {"OWNER PID", Align::kRight},
                                   {"HELD", Align::kRight},
                                   {"LEASES", Align::kRight}});
  }
  return Table(columns);
}

// The outcome of create and resize, or a slice asked for by name.
int ShowSlice(Context& context, const absl::StatusOr<v1::Slice>& slice, const char* what) {
  if (!slice.ok()) return Fail(context, slice.status());
  switch (context.format) {
    case Format::kJson:
      context.out << Print(ToJson(*slice));
      return kOk;
    case Format::kName:
      context.out << Printable(slice->name()) << "\n";
      return kOk;
    case Format::kTable:
      if (*what != '\0') {
        context.out << "slice " << Printable(slice->name()) << " " << what << ": " << Guarantee(*slice) << " of "
                    << slice->xpu_id() << ", limit " << Limit(*slice) << ", memory "
                    << FormatBytes(slice->memory_bytes()) << ", priority " << PriorityName(slice->priority()) << "\n";
        return kOk;
      }
      [[fallthrough]];
    case Format::kWide: {
      Table table = SliceTable(context.format == Format::kWide);
      table.Add(Cells(*slice, context.format == Format::kWide, context.UnixSeconds()));
      context.out << table.ToString();
      return kOk;
    }
  }
  return kOk;
}

int List(Context& context) {
  const absl::StatusOr<v1::ListSlicesResponse> response = AgentClient(context.paths).ListSlices();
  if (!response.ok()) return Fail(context, response.status());
  if (context.format == Format::kJson) {
    context.out << Print(ToJson(*response));
    return kOk;
  }
  if (context.format == Format::kName) {
    for (const v1::Slice& slice : response->slices()) context.out << Printable(slice.name()) << "\n";
    return kOk;
  }
  if (response->slices().empty()) {
    context.err << "There are no slices. Make one: xpool slice create NAME --compute 30% --memory 512Mi\n";
    return kOk;
  }
  Table table = SliceTable(context.format == Format::kWide);
  for (const v1::Slice& slice : response->slices()) {
    table.Add(Cells(slice, context.format == Format::kWide, context.UnixSeconds()));
  }
  context.out << table.ToString();
  return kOk;
}

int Delete(Context& context, const std::vector<std::string>& names, bool force) {
  AgentClient client(context.paths);
  int result = kOk;
  Json deleted = Json::array();
  for (const std::string& name : names) {
    const absl::Status status = client.DeleteSlice(name, force);
    if (!status.ok()) {
      result = Fail(context, status);
      if (result == kNoAgent) break;
      continue;
    }
    deleted.push_back(name);
    if (context.format == Format::kName) context.out << name << "\n";
    if (context.format == Format::kTable || context.format == Format::kWide)
      context.out << "slice " << name << " deleted\n";
  }
  if (context.format == Format::kJson) context.out << Print({{"deleted", deleted}});
  return result;
}

void AddCreate(Commands& commands, CLI::App& group) {
  struct Options {
    SliceOptions slice;
    std::string name;
  };
  auto options = std::make_shared<Options>();
  CLI::App& create =
      commands.Add(group, "create", "cut a slice from an XPU",
                   {.synopsis = "xpool slice create NAME [--compute P%] [--limit P%] [--memory SIZE]\n"
                                "                         [--priority high|normal|low] [--xpu ID]",
                    .description = "Makes a slice that stays until it is deleted, also across restarts of the agent.\n"
                                   "Programs use it with 'xpool run --slice NAME'; several may do so at once and\n"
                                   "share its time and memory. The guarantees of an XPU's slices cannot exceed 100%\n"
                                   "in sum, nor their memory the XPU's.\n"
                                   "\n"
                                   "Without --compute the slice gets what the others leave (best effort). Without\n"
                                   "--memory it gets as much of the XPU's memory as of its time, or, without\n"
                                   "--compute, half of what is free.",
                    .examples = "xpool slice create train --compute 60% --memory 4Gi\n"
                                "xpool slice create batch --limit 25% --priority low\n"
                                "    Never more than a quarter, and only when nobody of a higher class wants it.",
                    .see_also = "xpool help slice resize, xpool help run"});
  create.add_option("NAME", options->name, "Name of the new slice.")->required();
  AddSliceOptions(create, options->slice, /*choose_xpu=*/true);
  commands.AddFormats(create);
  commands.OnCall(create, [&context = commands.context, options] {
    absl::StatusOr<v1::SliceSpec> spec = ToSpec(options->slice);
    if (!spec.ok()) return Fail(context, spec.status());
    spec->set_name(options->name);
    absl::StatusOr<v1::Status> agent = EnsureAgent(context.Launching());
    if (!agent.ok()) return Fail(context, agent.status());
    return ShowSlice(context, AgentClient(context.paths).CreateSlice(*spec), "created");
  });
}

void AddResize(Commands& commands, CLI::App& group) {
  struct Options {
    SliceOptions slice;
    std::string name;
  };
  auto options = std::make_shared<Options>();
  CLI::App& resize =
      commands.Add(group, "resize", "change a slice while its programs run",
                   {.synopsis = "xpool slice resize NAME [--compute P%] [--limit P%] [--memory SIZE]\n"
                                "                         [--priority high|normal|low]",
                    .description = "Changes what is given and leaves the rest. It takes effect with the next lease;\n"
                                   "no program is restarted. Memory cannot shrink below what is in use.",
                    .examples = "xpool slice resize train --compute 30% --memory 2Gi\n"
                                "xpool slice resize train --limit 30%\n"
                                "    From elastic to strict.",
                    .see_also = "xpool help slice create"});
  resize.add_option("NAME", options->name, "Name or ID of the slice.")->required();
  AddSliceOptions(resize, options->slice, /*choose_xpu=*/false);
  commands.AddFormats(resize);
  commands.OnCall(resize, [&context = commands.context, options] {
    const absl::StatusOr<v1::ResizeSliceRequest> request = ToResize(options->name, options->slice);
    if (!request.ok()) return Fail(context, request.status());
    return ShowSlice(context, AgentClient(context.paths).ResizeSlice(*request), "resized");
  });
}

void AddDelete(Commands& commands, CLI::App& group) {
  struct Options {
    std::vector<std::string> names;
    bool force = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App& remove =
      commands.Add(group, "delete", "delete slices",
                   {.synopsis = "xpool slice delete NAME... [--force]\nxpool slice rm NAME... [--force]",
                    .description = "Gives the slices' share and memory back. A slice that programs still use is kept,\n"
                                   "unless --force is given: then their next calls fail.",
                    .examples = "xpool slice delete train\nxpool slice rm $(xpool slice ls -o name)",
                    .see_also = "xpool help ps"});
  remove.alias("rm");
  remove.add_option("NAME", options->names, "Names or IDs of slices.")->required();
  remove.add_flag("-f,--force", options->force, "Also when programs are attached.");
  commands.AddFormats(remove);
  commands.OnCall(remove,
                  [&context = commands.context, options] { return Delete(context, options->names, options->force); });
}

}  // namespace

void AddSlice(Commands& commands) {
  CLI::App& group = commands.Add(
      commands.root, "slice", "create, list, resize and delete slices",
      {.synopsis = "xpool slice COMMAND [OPTIONS]",
       .description = "A slice (vXPU) is a grant on one XPU: a share of its time, an amount of its memory\n"
                      "and a priority class."});
  group.require_subcommand(1);
  group.alias("slices");
  AddCreate(commands, group);

  CLI::App& list =
      commands.Add(group, "list", "list the slices",
                   {.synopsis = "xpool slice list [-o wide|json|name]\nxpool slice ls",
                    .description = "COMPUTE is the guarantee, LIMIT what is never exceeded, MEMORY used/granted,\n"
                                   "SESSIONS how many processes are attached.",
                    .examples = "xpool slice ls\nxpool slice ls -o wide\n"
                                "xpool slice ls --json | jq '.slices[].name'",
                    .see_also = "xpool help top"});
  list.alias("ls");
  commands.AddFormats(list);
  commands.OnCall(list, [&context = commands.context] { return List(context); });

  auto name = std::make_shared<std::string>();
  CLI::App& get = commands.Add(
      group, "get", "show one slice",
      {.synopsis = "xpool slice get NAME [-o wide|json|name]", .examples = "xpool slice get train -o json"});
  get.add_option("NAME", *name, "Name or ID of the slice.")->required();
  commands.AddFormats(get);
  commands.OnCall(get, [&context = commands.context, name] {
    return ShowSlice(context, AgentClient(context.paths).GetSlice(*name), "");
  });

  AddResize(commands, group);
  AddDelete(commands, group);
}

}  // namespace xpool::cli
