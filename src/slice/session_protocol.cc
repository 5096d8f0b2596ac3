#include "slice/session_protocol.h"

#include "base/status.h"

namespace xpool {
namespace {

template <size_t N>
bool Ends(const char (&array)[N]) {
  return std::memchr(array, 0, N) != nullptr;
}

// Per message: whether its strings end within their arrays.
bool StringsEnd(const Hello& hello) { return Ends(hello.slice) && Ends(hello.program); }
bool StringsEnd(const Welcome& welcome) {
  return Ends(welcome.slice_id) && Ends(welcome.xpu_id) && Ends(welcome.driver_library) && Ends(welcome.device_name);
}
bool StringsEnd(const Refusal& refusal) { return Ends(refusal.message); }
bool StringsEnd(const MemoryRequest&) { return true; }
bool StringsEnd(const MemoryReply&) { return true; }
bool StringsEnd(const MemoryReturn&) { return true; }

template <typename Message>
absl::Status CheckAs(std::span<const std::byte> bytes) {
  if (bytes.size() != sizeof(Message)) {
    return absl::InvalidArgumentError(absl::StrCat("session message of type ", static_cast<uint32_t>(TypeOf<Message>()),
                                                   " has ", bytes.size(), " bytes instead of ", sizeof(Message)));
  }
  Message message;
  std::memcpy(&message, bytes.data(), sizeof(Message));
  if (!StringsEnd(message)) return absl::InvalidArgumentError("a string in a session message does not end");
  return absl::OkStatus();
}

absl::Status CheckBody(MessageType type, std::span<const std::byte> bytes) {
  switch (type) {
    case MessageType::kHello:
      return CheckAs<Hello>(bytes);
    case MessageType::kWelcome:
      return CheckAs<Welcome>(bytes);
    case MessageType::kRefusal:
      return CheckAs<Refusal>(bytes);
    case MessageType::kMemoryRequest:
      return CheckAs<MemoryRequest>(bytes);
    case MessageType::kMemoryReply:
      return CheckAs<MemoryReply>(bytes);
    case MessageType::kMemoryReturn:
      return CheckAs<MemoryReturn>(bytes);
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown session message type ", static_cast<uint32_t>(type)));
}

}  // namespace

absl::StatusOr<MessageHeader> CheckMessage(std::span<const std::byte> bytes) {
  MessageHeader header;
  if (bytes.size() < sizeof(header) || bytes.size() > kMaxSessionMessageBytes)
    return absl::InvalidArgumentError(absl::StrCat("session message of ", bytes.size(), " bytes"));
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.magic != kSessionMagic) return absl::InvalidArgumentError("not an xpool session message (wrong magic)");
  if (header.version != kSessionVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the peer speaks session protocol version ", header.version,
                                                      ", this side ", kSessionVersion,
                                                      "; install the same xpool version for agent and clients"));
  }
  if (header.size != bytes.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("session message of ", bytes.size(), " bytes says it has ", header.size));
  }
  RETURN_IF_ERROR(CheckBody(header.type, bytes));
  return header;
}

}  // namespace xpool
