// How two sides get from a control channel to a UCX channel: hellos, addresses, and a first message each way.

#include <cstring>

#include "base/random.h"
#include "base/status.h"
#include "transport/ucx_stream.h"

namespace xpool::transport {
namespace {

// Sends |ours| and fills |theirs|, both at once, so that two sides that both send first do not wait for each other.
absl::Status Exchange(Channel& control, std::span<const std::byte> ours, std::span<std::byte> theirs,
                      const Deadline& deadline) {
  while (!ours.empty() || !theirs.empty()) {
    const iovec piece{const_cast<std::byte*>(ours.data()), ours.size()};
    ASSIGN_OR_RETURN(const size_t sent, control.Send({&piece, 1}));
    ASSIGN_OR_RETURN(const size_t received, control.Receive(theirs));
    ours = ours.subspan(sent);
    theirs = theirs.subspan(received);
    if (sent == 0 && received == 0) RETURN_IF_ERROR(control.Wait({!theirs.empty(), !ours.empty()}, deadline));
  }
  return SendAll(control, {}, deadline);
}

absl::StatusOr<UcxHello> OurHello(const UcxContext& context, const UcxOptions& options) {
  UcxHello hello;
  hello.bulk = options.bulk ? 1 : 0;
  hello.ucx_major = static_cast<uint16_t>(context.ucx().major());
  hello.ucx_minor = static_cast<uint16_t>(context.ucx().minor());
  hello.window_bytes = options.window_bytes;
  RETURN_IF_ERROR(FillRandom(std::as_writable_bytes(std::span(&hello.key, 1))));
  return hello;
}

}  // namespace

absl::Status UcxChannel::Usable(const UcxOptions& options) { return UcxContext::Get(options).status(); }

absl::StatusOr<std::unique_ptr<UcxChannel>> UcxChannel::Upgrade(std::unique_ptr<Channel> control,
                                                                const UcxOptions& options, const Deadline& deadline) {
  ASSIGN_OR_RETURN(const UcxContext* const context, UcxContext::Get(options));
  ASSIGN_OR_RETURN(UcxHello ours, OurHello(*context, options));
  ASSIGN_OR_RETURN(std::unique_ptr<UcxLine> line, UcxLine::Create(*context, ours.key));
  ASSIGN_OR_RETURN(const std::vector<std::byte> our_address, line->Address());
  ours.address_bytes = static_cast<uint32_t>(our_address.size());
  UcxHello theirs;
  RETURN_IF_ERROR(
      Exchange(*control, std::as_bytes(std::span(&ours, 1)), std::as_writable_bytes(std::span(&theirs, 1)), deadline));
  RETURN_IF_ERROR(CheckHello(theirs, ours));
  std::vector<std::byte> their_address(theirs.address_bytes);
  RETURN_IF_ERROR(Exchange(*control, our_address, their_address, deadline));
  ASSIGN_OR_RETURN(std::unique_ptr<UcxStream> stream,
                   UcxStream::Create(std::move(control), std::move(line), options, theirs));
  RETURN_IF_ERROR(stream->Greet(their_address, theirs.key, deadline));
  return stream;
}

}  // namespace xpool::transport
