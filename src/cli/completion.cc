#include "cli/completion.h"

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/context.h"
#include "cli/help.h"

namespace xpool::cli {
namespace {

std::vector<const CLI::App*> Children(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

template <typename Visit>
void Walk(const CLI::App& app, const Visit& visit) {
  visit(app);
  for (const CLI::App* child : Children(app)) Walk(*child, visit);
}

// What may follow a command: its sub-commands and options.
std::string Words(const CLI::App& app) {
  std::string words;
  for (const CLI::App* child : Children(app)) absl::StrAppend(&words, child->get_name(), " ");
  for (const CLI::Option* option : app.get_options({})) {
    for (const std::string& name : option->get_lnames()) absl::StrAppend(&words, "--", name, " ");
  }
  if (!words.empty()) words.pop_back();
  return words;
}

bool TakesSlices(const CLI::App& app) {
  return app.get_parent() != nullptr && app.get_parent()->get_name() == "slice" && app.get_name() != "create" &&
         app.get_name() != "list";
}

bool TakesFile(const CLI::App& app) { return FullName(app) == "xpool ca show"; }

int Depth(const CLI::App& app) { return app.get_parent() == nullptr ? 1 : Depth(*app.get_parent()) + 1; }

// Shared by bash and zsh: from $words and $cword to the list of $candidates.
std::string CommonBody(const CLI::App& root) {
  std::string body =
      "  local path=xpool word candidates=\"\" i\n"
      "  for ((i = first; i < cword; i++)); do\n"
      "    word=${words[i]}\n"
      "    case \"$path $word\" in\n";
  std::string cases;
  Walk(root, [&](const CLI::App& app) {
    const std::string path = FullName(app);
    if (app.get_parent() != nullptr) {
      std::string patterns = absl::StrCat("\"", path, "\"");
      for (const std::string& alias : app.get_aliases()) {
        absl::StrAppend(&patterns, " | \"", FullName(*app.get_parent()), " ", alias, "\"");
      }
      absl::StrAppend(&body, "      ", patterns, ") path=\"", path, "\" ;;\n");
    }
    absl::StrAppend(&cases, "      \"", path, "\") candidates=\"", TakesFile(app) ? "FILES" : Words(app),
                    TakesSlices(app) ? " $(xpool slice list -o name 2>/dev/null)" : "", "\" ;;\n");
  });
  return absl::StrCat(
      body,
      "    esac\n"
      "  done\n"
      "  case \"$path $prev\" in\n"
      "    \"xpool run --slice\" | \"xpool run -s\") candidates=$(xpool slice list -o name 2>/dev/null) ;;\n"
      "    *\" --xpu\" | *\" -x\")\n"
      "      candidates=$(xpool status >/dev/null 2>&1 && xpool devices -o name 2>/dev/null) ;;\n"
      "    *\" --priority\" | *\" -p\") candidates=\"high normal low\" ;;\n"
      "    \"xpool completion completion\") candidates=\"bash zsh fish\" ;;\n"
      "    \"xpool help help\") candidates=\"",
      Words(root),
      "\" ;;\n"
      "    \"xpool trace --output\" | \"xpool trace -o\") candidates=FILES ;;\n"
      "    \"xpool ca issue \"*\" --output\" | \"xpool ca issue \"*\" -o\") candidates=FILES ;;\n"
      "    *\" --ca-dir\" | *\" --identity\") candidates=FILES ;;\n"
      "    *\" --output\" | *\" -o\") candidates=\"table wide json name\" ;;\n"
      "    *) case \"$path\" in\n",
      cases, "    esac ;;\n  esac\n");
}

std::string Quote(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

std::string FirstSentence(const std::string& text) { return text.substr(0, text.find_first_of(".;:")); }

}  // namespace

std::string BashCompletion(const CLI::App& root) {
  return absl::StrCat(
      "# bash completion for xpool. Load it with: source <(xpool completion bash)\n"
      "_xpool() {\n"
      "  local words=(\"${COMP_WORDS[@]}\") cword=$COMP_CWORD first=1\n"
      "  local cur=${words[cword]} prev=${words[cword-1]}\n",
      CommonBody(root),
      "  if [ \"$candidates\" = FILES ]; then COMPREPLY=($(compgen -f -- \"$cur\")); return; fi\n"
      "  COMPREPLY=($(compgen -W \"$candidates\" -- \"$cur\"))\n"
      "  if [ \"$path\" = \"xpool run\" ] && [ ${#COMPREPLY[@]} = 0 ]; then\n"
      "    COMPREPLY=($(compgen -c -f -- \"$cur\"))\n"
      "  fi\n"
      "}\n"
      "complete -F _xpool xpool\n");
}

std::string ZshCompletion(const CLI::App& root) {
  return absl::StrCat(
      "#compdef xpool\n"
      "# zsh completion for xpool. Load it with: source <(xpool completion zsh)\n"
      "_xpool() {\n"
      "  local cword=$CURRENT first=2 prev=${words[CURRENT-1]}\n",
      CommonBody(root),
      "  if [ \"$candidates\" = FILES ]; then _files; return; fi\n"
      "  compadd -- ${=candidates}\n"
      "  if [ \"$path\" = \"xpool run\" ]; then _command_names -e; _files; fi\n"
      "}\n"
      "compdef _xpool xpool\n");
}

std::string FishCompletion(const CLI::App& root) {
  std::string text =
      "# fish completion for xpool. Load it with: xpool completion fish | source\n"
      "function __xpool_at\n"
      "  set -l words (string match -v -- '-*' (commandline -opc))\n"
      "  test \"$words\" = \"$argv\"; or string match -q -- \"$argv *\" \"$words\"\n"
      "end\n"
      "complete -c xpool -f\n"
      "complete -c xpool -n '__xpool_at xpool run' -F\n";
  Walk(root, [&](const CLI::App& app) {
    const std::string here = absl::StrCat("complete -c xpool -n '__xpool_at ", FullName(app), "' ");
    for (const CLI::App* child : Children(app)) {
      const std::string at = absl::StrCat("complete -c xpool -n 'test (count (commandline -opc)) -eq ", Depth(app),
                                          "; and __xpool_at ", FullName(app), "' ");
      absl::StrAppend(&text, at, "-a ", child->get_name(), " -d ", Quote(child->get_description()), "\n");
    }
    for (const CLI::Option* option : app.get_options({})) {
      if (option->get_lnames().empty()) continue;
      absl::StrAppend(&text, here, "-l ", option->get_lnames()[0]);
      if (!option->get_snames().empty()) absl::StrAppend(&text, " -s ", option->get_snames()[0]);
      if (option->get_items_expected_max() > 0) absl::StrAppend(&text, " -r");
      absl::StrAppend(&text, " -d ", Quote(FirstSentence(option->get_description())), "\n");
    }
    if (TakesSlices(app)) absl::StrAppend(&text, here, "-a '(xpool slice list -o name 2>/dev/null)'\n");
  });
  return text;
}

void AddCompletion(Commands& commands) {
  auto shell = std::make_shared<std::string>();
  CLI::App& completion = commands.Add(commands.root, "completion", "print a completion script for a shell",
                                      {.synopsis = "xpool completion bash|zsh|fish",
                                       .examples = "source <(xpool completion bash)\n"
                                                   "xpool completion fish > ~/.config/fish/completions/xpool.fish",
                                       .exit_status = "0"});
  completion.add_option("SHELL", *shell, "bash, zsh or fish.")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  commands.OnCall(completion, [&commands, shell] {
    commands.context.out << (*shell == "bash"  ? BashCompletion(commands.root)
                             : *shell == "zsh" ? ZshCompletion(commands.root)
                                               : FishCompletion(commands.root));
    return kOk;
  });
}

}  // namespace xpool::cli
