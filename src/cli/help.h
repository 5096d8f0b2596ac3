// `--help` in the shape of a manual page: NAME, SYNOPSIS, DESCRIPTION, OPTIONS, EXAMPLES, EXIT STATUS, SEE ALSO. The
// options come from the parser itself, so they are never out of date.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "cli/context.h"

namespace xpool::cli {

class ManPage : public CLI::FormatterBase {
 public:
  void Describe(const CLI::App* app, HelpText text) { texts_[app] = std::move(text); }
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;

 private:
  std::map<const CLI::App*, HelpText> texts_;
};

// "xpool slice create".
std::string FullName(const CLI::App& app);

// |text| broken at blanks into lines of at most |width|, each indented by |indent|.
std::string Wrap(const std::string& text, size_t indent, size_t width = 78);

// The candidate nearest to |word| in spelling, or "" when none is near.
std::string Nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace xpool::cli
