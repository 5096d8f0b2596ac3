// Shell completion scripts, made from the parser's own tree of commands and options.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace xpool::cli {

std::string BashCompletion(const CLI::App& root);
std::string ZshCompletion(const CLI::App& root);
std::string FishCompletion(const CLI::App& root);

}  // namespace xpool::cli
