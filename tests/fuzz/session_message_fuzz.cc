// Any bytes as a session message, on both ends: the agent's parse of what a client sends, and the client's parse of the
// answer to its Hello. A parsed message must keep the promises of slice/session_protocol.h.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/unix_socket.h"
#include "check.h"
#include "slice/agent_link.h"
#include "slice/session_protocol.h"

namespace {

using namespace xpool::fuzz;
using xpool::MessageType;

template <typename Message>
void CheckParse(std::span<const std::byte> bytes, MessageType type) {
  const absl::StatusOr<Message> message = xpool::ParseMessage<Message>(bytes);
  Check(message.ok() == (type == xpool::TypeOf<Message>()));
  if (message.ok()) Check(message->header.size == bytes.size() && bytes.size() == sizeof(Message));
}

void CheckStrings(std::span<const std::byte> bytes) {
  if (const auto hello = xpool::ParseMessage<xpool::Hello>(bytes); hello.ok())
    Check(xpool::GetString(hello->slice).size() < sizeof(hello->slice));
  if (const auto refusal = xpool::ParseMessage<xpool::Refusal>(bytes); refusal.ok())
    Check(!xpool::RefusalStatus(*refusal).ok());
}

// Without descriptors no answer may make a link; with a header in place the fuzzer gets past the first check.
void CheckAnswer(std::span<const std::byte> bytes) {
  xpool::SocketMessage message;
  message.bytes.assign(bytes.begin(), bytes.end());
  Check(!xpool::ParseHelloAnswer(std::move(message)).status.ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  CheckAnswer(bytes);
  const absl::StatusOr<xpool::MessageHeader> header = xpool::CheckMessage(bytes);
  const MessageType type = header.ok() ? header->type : MessageType{};
  CheckParse<xpool::Hello>(bytes, type);
  CheckParse<xpool::Welcome>(bytes, type);
  CheckParse<xpool::Refusal>(bytes, type);
  CheckParse<xpool::MemoryRequest>(bytes, type);
  CheckParse<xpool::MemoryReply>(bytes, type);
  CheckParse<xpool::MemoryReturn>(bytes, type);
  CheckStrings(bytes);
  return 0;
}
