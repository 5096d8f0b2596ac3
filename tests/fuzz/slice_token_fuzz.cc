// Any bytes, and a good token with any bytes put into it, as a slice token: none is taken but the one that was made.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "check.h"
#include "input.h"
#include "pki/slice_token.h"

namespace {

using namespace xpool::pki;
using namespace xpool::fuzz;

constexpr int64_t kNow = 1'000;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const TokenKeys keys{{1, 2, 3}, TokenKey{4, 5, 6}};
  static const TokenUse use{TokenPurpose::kAttach, {7, 8}, TokenHolder::OfUid(9)};
  static const std::string good =
      MakeSliceToken({.slice = use.slice, .holder = use.holder}, TokenId{1}, keys, kNow).value();
  const std::string_view bytes = TextOf(data, size);
  std::string spliced = good;
  if (size >= 2) spliced.replace(data[0] % (good.size() + 1), data[1], bytes.substr(2));
  for (const std::string& text : {std::string(bytes), spliced, good.substr(0, 14) + std::string(bytes)}) {
    const auto token = CheckSliceToken(text, use, keys, kNow);
    Check(token.ok() == (text == good));
    Check(token.ok() || FaultOf(token.status()) == TokenFault::kMalformed ||
          FaultOf(token.status()) == TokenFault::kWrongKey);
  }
  return 0;
}
