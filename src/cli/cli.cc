#include "cli/cli.h"

#include <algorithm>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/json.h"

namespace xpool::cli {
namespace {

constexpr char kRootDescription[] =
    "Cuts the accelerators (XPUs) of a machine into slices and runs unmodified programs\n"
    "in them: each slice has a guaranteed share of the XPU's time, a limit, an amount of\n"
    "memory and a priority, and they are held.";

constexpr char kRootExamples[] =
    "xpool run --compute 30% --memory 512Mi -- python3 train.py\n"
    "xpool slice create serving --compute 50% --priority high\n"
    "xpool top\n"
    "xpool help run";

// The command that the arguments named, as far as they did.
const CLI::App& Deepest(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : Deepest(*parsed[0]);
}

std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options({})) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

// What is wrong with the arguments, in a sentence.
std::string Describe(const CLI::App& command, const CLI::ParseError& error) {
  const std::vector<std::string> extras = command.remaining();
  const bool group = !CommandNames(command).empty();
  if (extras.empty()) {
    if (group) return "which one? A command is missing";
    return error.what();
  }
  const std::string& word = extras[0];
  if (word.starts_with('-')) {
    const std::string name = word.substr(0, word.find('='));
    const std::string near = Nearest(name, OptionNames(command));
    return absl::StrCat("unknown option ", name, near.empty() ? "" : absl::StrCat("; did you mean ", near, "?"));
  }
  if (!group) return absl::StrCat("unexpected argument '", word, "'");
  const std::string near = Nearest(word, CommandNames(command));
  return absl::StrCat("unknown command '", word, "'", near.empty() ? "" : absl::StrCat("; did you mean '", near, "'?"));
}

int UsageError(Context& context, const CLI::App& command, const std::string& message) {
  std::string help = FullName(command);
  const size_t first = help.find(' ');
  context.err << "xpool: " << message << "\n"
              << "See '" << (first == std::string::npos ? help + " --help" : "xpool help" + help.substr(first))
              << "'.\n";
  return command.get_name() == "run" ? kRunFailed : kUsage;
}

void AddAll(Commands& commands) {
  AddRun(commands);
  AddSlice(commands);
  AddLists(commands);
  AddTop(commands);
  AddTrace(commands);
  AddAgent(commands);
  AddNode(commands);
  AddNodes(commands);
  AddCa(commands);
  AddSim(commands);
  AddCompletion(commands);
  AddVersion(commands);
}

// "help slice create" -> "slice create --help".
void TurnHelpAround(std::vector<std::string>& arguments) {
  if (!arguments.empty() && (arguments[0] == "-V" || arguments[0] == "--version")) arguments[0] = "version";
  if (arguments.empty() || arguments[0] != "help") return;
  arguments.erase(arguments.begin());
  std::erase_if(arguments, [](const std::string& word) { return word.starts_with('-'); });
  arguments.push_back("--help");
}

void SplitProgram(const CLI::App& root, std::vector<std::string>& arguments, Context& context) {
  if (arguments.empty() || arguments[0] != "run") return;
  const ProgramSplit split = FindProgram(*root.get_subcommand("run"), arguments);
  context.program.assign(arguments.begin() + static_cast<std::ptrdiff_t>(split.program_begin), arguments.end());
  arguments.resize(split.options_end);
}

// Does |arguments[i]| (an option of |run|) take the next argument as its value?
bool TakesNext(const CLI::App& run, const std::string& argument) {
  const auto takes_value = [&](const std::string& name) {
    const CLI::Option* option = run.get_option_no_throw(name);
    return option != nullptr && option->get_items_expected_max() > 0;
  };
  if (argument.starts_with("--")) return argument.find('=') == std::string::npos && takes_value(argument);
  for (size_t i = 1; i < argument.size(); ++i) {
    if (takes_value(std::string("-") + argument[i])) return i + 1 == argument.size();
  }
  return false;
}

}  // namespace

ProgramSplit FindProgram(const CLI::App& run, const std::vector<std::string>& arguments) {
  for (size_t i = 1; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") return {i, i + 1};
    if (argument.size() < 2 || argument[0] != '-') return {i, i};
    if (TakesNext(run, argument)) ++i;
  }
  return {arguments.size(), arguments.size()};
}

int RunCli(std::vector<std::string> arguments, Context& context) {
  CLI::App root("slices of accelerators for unmodified programs", "xpool");
  auto manual = std::make_shared<ManPage>();
  root.formatter(manual);
  root.require_subcommand(1);
  root.set_help_flag("-h,--help", "Print this text.");
  manual->Describe(&root, {.synopsis = "xpool COMMAND [OPTIONS]\nxpool help COMMAND",
                           .description = kRootDescription,
                           .examples = kRootExamples,
                           .see_also = "The project's docs/cli.md"});
  Commands commands(root, context);
  AddAll(commands);
  if (arguments.empty()) {
    context.out << root.help();
    return kOk;
  }
  TurnHelpAround(arguments);
  SplitProgram(root, arguments, context);
  std::reverse(arguments.begin(), arguments.end());
  try {
    root.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    const CLI::App& command = Deepest(root);
    if (const auto extras = root.remaining(true); extras.empty()) {
      context.out << command.help();
      return kOk;
    }
    return UsageError(context, command, Describe(command, CLI::ExtrasError({})));
  } catch (const CLI::ParseError& error) {
    const CLI::App& command = Deepest(root);
    return UsageError(context, command, Describe(command, error));
  }
  return commands.action();
}

CLI::App& Commands::Add(CLI::App& parent, const std::string& name, const std::string& summary, HelpText help) {
  CLI::App& command = *parent.add_subcommand(name, summary);
  std::static_pointer_cast<ManPage>(root.get_formatter())->Describe(&command, std::move(help));
  command.formatter(root.get_formatter());
  return command;
}

void Commands::OnCall(CLI::App& command, Action do_it) {
  command.callback([this, &command, do_it = std::move(do_it)] {
    if (command.get_subcommands().empty()) action = do_it;  // else it is that one's turn
  });
}

void Commands::AddFormats(CLI::App& command) {
  command.add_flag_callback(
      "--json", [this] { context.format = Format::kJson; }, "Print JSON; the same as -o json.");
  static const std::map<std::string, Format> kFormats = {
      {"table", Format::kTable}, {"wide", Format::kWide}, {"json", Format::kJson}, {"name", Format::kName}};
  command
      .add_option_function<std::string>(
          "-o,--output", [this](const std::string& name) { context.format = kFormats.at(name); },
          "How to print: table, wide (more columns), json, or name (names only).")
      ->type_name("FORMAT")
      ->check([](const std::string& name) {
        return kFormats.contains(name) ? "" : "-o: there is no format '" + name + "'; write table, wide, json or name";
      });
}

void Commands::AddJson(CLI::App& command) {
  command.add_flag_callback(
      "--json", [this] { context.format = Format::kJson; }, "Print JSON.");
}

LaunchOptions Context::Launching() const {
  LaunchOptions launch;
  launch.paths = paths;
  launch.arguments = kOnDemandArguments;
  launch.clock = clock;
  launch.progress = [this](const std::string& line) { err << "xpool: " << line << std::endl; };
  return launch;
}

int Fail(Context& context, const absl::Status& status) {
  context.err << "xpool: " << std::string(status.message()) << "\n";
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return kUsage;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kNoAgent;
    default:
      return kFailed;
  }
}

void AddVersion(Commands& commands) {
  CLI::App& version = commands.Add(commands.root, "version", "print the version",
                                   {.synopsis = "xpool version [--json]", .exit_status = "0"});
  commands.AddFormats(version);
  commands.OnCall(version, [&context = commands.context] {
    if (context.format == Format::kJson) {
      context.out << Print({{"version", kVersion}});
    } else {
      context.out << "xpool " << kVersion << "\n";
    }
    return kOk;
  });
}

}  // namespace xpool::cli
