#include "cli/help.h"

#include <algorithm>
#include <numeric>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace xpool::cli {
namespace {

constexpr char kCommonStatus[] =
    "0  success\n1  the agent refused or failed; the message on stderr says why\n2  wrong usage\n3  no agent could be "
    "reached";

// Lines as they are, indented.
std::string Indent(const std::string& text, size_t indent = 4) {
  std::string result;
  for (const auto& line : absl::StrSplit(text, '\n')) {
    result += line.empty() ? "\n" : absl::StrCat(std::string(indent, ' '), line, "\n");
  }
  return result;
}

std::string Section(const char* title, const std::string& body) {
  return body.empty() ? "" : absl::StrCat(title, "\n", body, "\n");
}

std::string OptionEntry(const CLI::Option& option) {
  std::string names = option.get_name(false, true);
  names = absl::StrJoin(absl::StrSplit(names, ','), ", ");
  if (option.get_items_expected_max() > 0 && !option.get_type_name().empty()) {
    const std::string type = option.get_type_name();  // The validators' wordy notes follow after a colon.
    absl::StrAppend(&names, " ", type.substr(0, type.find(':')));
  }
  return absl::StrCat("    ", names, "\n", Wrap(option.get_description(), 8));
}

std::string Options(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : app.get_options({})) {
    if (!option->get_positional()) text += OptionEntry(*option);
  }
  return text;
}

std::string Subcommands(const CLI::App& app) {
  size_t width = 0;
  const auto commands = app.get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); });
  for (const CLI::App* sub : commands) width = std::max(width, sub->get_display_name().size());
  std::string text;
  for (const CLI::App* sub : commands) {
    const std::string name = sub->get_display_name();
    absl::StrAppend(&text, "    ", name, std::string(width - name.size() + 2, ' '), sub->get_description(), "\n");
  }
  return text;
}

size_t Distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row.back();
}

}  // namespace

std::string FullName(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : FullName(*app.get_parent()) + " " + app.get_name();
}

std::string Wrap(const std::string& text, size_t indent, size_t width) {
  std::string result, line(indent, ' ');
  for (const auto word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (line.size() > indent && line.size() + 1 + word.size() > width) {
      result += line + "\n";
      line.assign(indent, ' ');
    }
    absl::StrAppend(&line, line.size() > indent ? " " : "", word);
  }
  return line.size() > indent ? result + line + "\n" : result;
}

std::string Nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t least = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = Distance(word, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

std::string ManPage::make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const {
  auto found = texts_.find(app);
  const HelpText text = found == texts_.end() ? HelpText{} : found->second;
  const bool is_group = !app->get_subcommands({}).empty();
  std::string page = Section("NAME", Indent(absl::StrCat(FullName(*app), " - ", app->get_description())));
  page += Section("SYNOPSIS", Indent(text.synopsis));
  page += Section("DESCRIPTION", text.description.empty() ? "" : Indent(text.description));
  page += Section("COMMANDS", Subcommands(*app));
  page += Section("OPTIONS", Options(*app));
  page += Section("EXAMPLES", text.examples.empty() ? "" : Indent(text.examples));
  const std::string status = text.exit_status.empty() && !is_group ? kCommonStatus : text.exit_status;
  page += Section("EXIT STATUS", status.empty() ? "" : Indent(status));
  page += Section("SEE ALSO", text.see_also.empty() ? "" : Indent(text.see_also));
  while (page.ends_with("\n\n")) page.pop_back();
  return page;
}

}  // namespace xpool::cli
