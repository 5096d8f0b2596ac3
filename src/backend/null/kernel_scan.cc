#include "backend/null/kernel_scan.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

namespace xpool::null_cl {
namespace {

using Tokens = std::vector<std::string>;

bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// The end of the comment or preprocessor line that starts at |at|, or |at| if none does.
size_t SkipIgnored(std::string_view source, size_t at) {
  const std::string_view rest = source.substr(at);
  if (rest.starts_with("//")) return std::min(source.find('\n', at), source.size());
  if (rest.starts_with("/*")) {
    const size_t end = source.find("*/", at + 2);
    return end == std::string_view::npos ? source.size() : end + 2;
  }
  if (rest.front() != '#') return at;
  size_t end = source.find('\n', at);
  while (end != std::string_view::npos && end > 0 && source[end - 1] == '\\') end = source.find('\n', end + 1);
  return std::min(end, source.size());
}

Tokens Tokenize(std::string_view source) {
  Tokens tokens;
  for (size_t at = 0; at < source.size();) {
    if (const size_t next = SkipIgnored(source, at); next != at) {
      at = next;
    } else if (std::isspace(static_cast<unsigned char>(source[at]))) {
      ++at;
    } else {
      size_t end = at + 1;
      while (IsWord(source[at]) && end < source.size() && IsWord(source[end])) ++end;
      tokens.emplace_back(source.substr(at, end - at));
      at = end;
    }
  }
  return tokens;
}

// The index after the bracket that closes the one at |open|.
size_t AfterGroup(const Tokens& tokens, size_t open) {
  int depth = 0;
  for (size_t i = open; i < tokens.size(); ++i) {
    depth += tokens[i] == "(" ? 1 : tokens[i] == ")" ? -1 : 0;
    if (depth == 0) return i + 1;
  }
  return tokens.size();
}

const std::map<std::string, size_t, std::less<>>& ScalarSizes() {
  static const auto& sizes = *new std::map<std::string, size_t, std::less<>>{
      {"char", 1},   {"uchar", 1},  {"short", 2},     {"ushort", 2},   {"int", 4},
      {"uint", 4},   {"long", 8},   {"ulong", 8},     {"half", 2},     {"float", 4},
      {"double", 8}, {"size_t", 8}, {"ptrdiff_t", 8}, {"intptr_t", 8}, {"uintptr_t", 8}};
  return sizes;
}

// The size of a scalar or vector type ("float4" is 16), or 0.
size_t TypeSize(const std::string& type) {
  const size_t digits = type.find_last_not_of("0123456789") + 1;
  const auto scalar = ScalarSizes().find(type.substr(0, digits));
  if (scalar == ScalarSizes().end()) return 0;
  const std::string width = type.substr(digits);
  if (width.empty()) return scalar->second;
  static const std::map<std::string, size_t> kWidths = {{"2", 2}, {"3", 4}, {"4", 4}, {"8", 8}, {"16", 16}};
  const auto found = kWidths.find(width);
  return found == kWidths.end() ? 0 : scalar->second * found->second;
}

// "unsigned int" and the like under the name that clGetKernelArgInfo uses.
std::string CanonicalType(const Tokens& words) {
  std::string type;
  bool is_unsigned = false;
  for (const std::string& word : words) {
    if (word == "unsigned") {
      is_unsigned = true;
    } else if (word != "signed" && word != "struct") {
      type = word;
    }
  }
  if (type.empty()) type = "int";
  return is_unsigned ? "u" + type : type;
}

struct Qualifiers {
  static const std::map<std::string, cl_kernel_arg_address_qualifier, std::less<>>& Address() {
    static const auto& table = *new std::map<std::string, cl_kernel_arg_address_qualifier, std::less<>>{
        {"global", CL_KERNEL_ARG_ADDRESS_GLOBAL},
        {"constant", CL_KERNEL_ARG_ADDRESS_CONSTANT},
        {"local", CL_KERNEL_ARG_ADDRESS_LOCAL},
        {"private", CL_KERNEL_ARG_ADDRESS_PRIVATE}};
    return table;
  }
  static const std::map<std::string, cl_kernel_arg_access_qualifier, std::less<>>& Access() {
    static const auto& table = *new std::map<std::string, cl_kernel_arg_access_qualifier, std::less<>>{
        {"read_only", CL_KERNEL_ARG_ACCESS_READ_ONLY},
        {"write_only", CL_KERNEL_ARG_ACCESS_WRITE_ONLY},
        {"read_write", CL_KERNEL_ARG_ACCESS_READ_WRITE}};
    return table;
  }
  static const std::map<std::string, cl_kernel_arg_type_qualifier, std::less<>>& Type() {
    static const auto& table = *new std::map<std::string, cl_kernel_arg_type_qualifier, std::less<>>{
        {"const", CL_KERNEL_ARG_TYPE_CONST},
        {"restrict", CL_KERNEL_ARG_TYPE_RESTRICT},
        {"volatile", CL_KERNEL_ARG_TYPE_VOLATILE}};
    return table;
  }
};

// Applies |word| if it is a qualifier.
bool ApplyQualifier(std::string word, KernelArg* arg) {
  if (word.starts_with("__")) word = word.substr(2);
  if (const auto it = Qualifiers::Address().find(word); it != Qualifiers::Address().end()) {
    arg->address = it->second;
  } else if (const auto access = Qualifiers::Access().find(word); access != Qualifiers::Access().end()) {
    arg->access = access->second;
  } else if (const auto type = Qualifiers::Type().find(word); type != Qualifiers::Type().end()) {
    arg->qualifier |= type->second;
  } else {
    return false;
  }
  return true;
}

void SetTakes(const std::string& type, bool pointer, KernelArg* arg) {
  const bool image = type.starts_with("image") && type.ends_with("_t");
  if (image || type == "pipe") {
    arg->takes = KernelArg::Takes::kMem;
    arg->address = CL_KERNEL_ARG_ADDRESS_GLOBAL;
    if (arg->access == CL_KERNEL_ARG_ACCESS_NONE) arg->access = CL_KERNEL_ARG_ACCESS_READ_ONLY;
  } else if (type == "sampler_t") {
    arg->takes = KernelArg::Takes::kSampler;
  } else if (pointer) {
    const bool local = arg->address == CL_KERNEL_ARG_ADDRESS_LOCAL;
    arg->takes = local ? KernelArg::Takes::kLocal : KernelArg::Takes::kMem;
  } else {
    arg->size = TypeSize(type);
    arg->qualifier = CL_KERNEL_ARG_TYPE_NONE;  // of a value, const is nobody's business
  }
}

// One argument from its tokens, e.g. __global const float * restrict x. Nothing for "void" and for an empty list.
std::optional<KernelArg> ParseArg(const Tokens& tokens) {
  KernelArg arg;
  Tokens words;
  int pointers = 0;
  for (const std::string& token : tokens) {
    if (token == "*" || token == "[") {
      ++pointers;
    } else if (IsWord(token[0]) && !ApplyQualifier(token, &arg)) {
      words.push_back(token);
    }
  }
  if (words.empty() || (words.size() == 1 && words[0] == "void" && pointers == 0)) return std::nullopt;
  if (words.size() > 1) {
    arg.name = words.back();
    words.pop_back();
  }
  const std::string type = CanonicalType(words);
  arg.type = type + std::string(static_cast<size_t>(pointers), '*');
  SetTakes(type, pointers > 0, &arg);
  return arg;
}

std::vector<KernelArg> ParseArgs(const Tokens& tokens, size_t begin, size_t end) {
  std::vector<KernelArg> args;
  Tokens current;
  int depth = 0;
  for (size_t i = begin; i <= end; ++i) {
    const bool last = i == end;
    if (!last) depth += tokens[i] == "(" ? 1 : tokens[i] == ")" ? -1 : 0;
    if (last || (depth == 0 && tokens[i] == ",")) {
      if (auto arg = ParseArg(current)) args.push_back(*std::move(arg));
      current.clear();
    } else if (tokens[i] == "__attribute__") {
      i = AfterGroup(tokens, i + 1) - 1;
    } else {
      current.push_back(tokens[i]);
    }
  }
  return args;
}

}  // namespace

std::vector<KernelSignature> ScanKernels(std::string_view source) {
  const Tokens tokens = Tokenize(source);
  std::vector<KernelSignature> kernels;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] != "__kernel" && tokens[i] != "kernel") continue;
    size_t at = i + 1;
    while (at < tokens.size() && (tokens[at] == "__attribute__" || tokens[at] == "void")) {
      at = tokens[at] == "void" ? at + 1 : AfterGroup(tokens, at + 1);
    }
    if (at + 1 >= tokens.size() || tokens[at + 1] != "(" || !IsWord(tokens[at][0])) continue;
    const size_t end = AfterGroup(tokens, at + 1);
    KernelSignature kernel{tokens[at], ParseArgs(tokens, at + 2, end - 1)};
    const bool known =
        std::any_of(kernels.begin(), kernels.end(), [&](const auto& k) { return k.name == kernel.name; });
    if (!known) kernels.push_back(std::move(kernel));  // a prototype, then the definition
    i = end - 1;
  }
  return kernels;
}

}  // namespace xpool::null_cl
