// Any bytes as a stream of frames, in any pieces: the parser finds the same frames however the stream is cut, keeps its
// limit, and what it finds are the stream's own bytes, as they stand.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "check.h"
#include "wire/frame.h"

namespace {

using namespace xpool::wire;
using namespace xpool::fuzz;

constexpr uint32_t kMaxPayload = 4096;

struct Parsed {
  std::vector<std::byte> bytes;  // the frames found, encoded again one after the other
  bool ok = true;
};

void Feed(FrameParser* parser, std::span<const std::byte> input, Parsed* parsed) {
  while (parsed->ok) {
    const auto frame = parser->Next(&input);
    parsed->ok = frame.ok();
    if (!frame.ok() || !frame->has_value()) break;
    const auto [header, payload] = **frame;
    Check(header.length == payload.size() && payload.size() <= kMaxPayload);
    const auto encoded = EncodeHeader(header);
    parsed->bytes.insert(parsed->bytes.end(), encoded.begin(), encoded.end());
    parsed->bytes.insert(parsed->bytes.end(), payload.begin(), payload.end());
  }
  Check(!parsed->ok || (input.empty() && parser->wanted() > 0 && parser->Missing().size() <= kMaxPayload));
}

// The next piece of |input|, received as a transport would: into its own buffer, or straight to its place.
size_t FeedPiece(FrameParser* parser, std::span<const std::byte> input, uint8_t choice, Parsed* parsed) {
  const std::span<std::byte> missing = parser->Missing();
  if (choice % 2 == 1 && !missing.empty()) {
    const size_t size = std::min({missing.size(), input.size(), size_t{choice}});
    std::memcpy(missing.data(), input.data(), size);
    parser->Filled(size);
    Feed(parser, {}, parsed);
    return size;
  }
  // Copied, so that the sanitizer sees reads past the piece.
  const std::vector<std::byte> piece(input.begin(), input.begin() + std::min(input.size(), size_t{choice} / 2 + 1));
  Feed(parser, piece, parsed);
  return piece.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t choices = std::min<size_t>(data[0] % 16 + 1, size);  // the first bytes say how to cut the rest
  const auto stream = std::as_bytes(std::span(data, size)).subspan(choices);

  Parsed whole;
  FrameParser at_once(kMaxPayload);
  Feed(&at_once, stream, &whole);
  Check(whole.bytes.size() <= stream.size());
  Check(std::equal(whole.bytes.begin(), whole.bytes.end(), stream.begin()));

  Parsed pieces;
  FrameParser in_pieces(kMaxPayload);
  size_t at = 0;
  for (size_t i = 0; at < stream.size() && pieces.ok; ++i)
    at += FeedPiece(&in_pieces, stream.subspan(at), data[i % choices], &pieces);
  Check(pieces.ok == whole.ok && pieces.bytes == whole.bytes);
  return 0;
}
