// The session protocol: what shim and agent say to each other over the agent's SOCK_SEQPACKET socket. One message is
// one fixed struct; every message starts with a MessageHeader; sizes must match exactly or the connection is closed.
// All integers are little-endian (both ends run on one machine). Strings are NUL-terminated inside fixed arrays.
//
//   client                                   agent
//   Hello (+ pidfd of itself, optional)  ->
//                                        <-  Welcome (+ control page, agent doorbell, client doorbell) | Refusal, then
//                                        close
//   MemoryRequest                        ->
//                                        <-  MemoryReply
//   MemoryReturn                         ->
// The socket's end means the agent died (client keeps what it holds and reattaches with Hello) or the client did.
//
// Reattaching. Hello carries the lease word (an idle lease is reported as BUSY: it may be used again before the answer)
// and the memory credit held. The agent adopts the lease by writing that word into the new page before Welcome, or
// leaves NONE there; the client reconciles (LeaseGate::AttachPage). Welcome's memory_granted_bytes is the session's
// whole credit, with what Hello said it holds; the client never gives up what it already holds by a smaller number. The
// counters and gap_ns in the page are the client's and go on counting on the new page. A Refusal with retry = 0 is
// final: the client fails what waits and forwards nothing more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xpool {

inline constexpr uint32_t kSessionMagic = 0x53505858;  // "XXPS"
inline constexpr uint32_t kSessionVersion = 1;
inline constexpr size_t kMaxSessionMessageBytes = 2048;

enum class MessageType : uint32_t {
  kHello = 1,
  kWelcome = 2,
  kRefusal = 3,
  kMemoryRequest = 4,
  kMemoryReply = 5,
  kMemoryReturn = 6,
};

struct MessageHeader {
  uint32_t magic = kSessionMagic;
  uint32_t version = kSessionVersion;
  MessageType type{};
  uint32_t size = 0;  // of the whole message
};

struct Hello {
  MessageHeader header;
  char slice[64];              // name or ID of the slice ($XPOOL_SLICE)
  uint64_t session_id;         // 0 at first attach; the old one when reattaching
  uint64_t lease_bits;         // the lease word as held when reattaching (never IDLE)
  uint64_t memory_held_bytes;  // credit held when reattaching
  uint32_t api;                // 1 = OpenCL
  uint32_t reserved;
  char program[64];  // comm of the program, for `xpool ps`
};

// Descriptors passed with Welcome, in this order.
enum WelcomeFd { kPageFd = 0, kAgentDoorbellFd = 1, kClientDoorbellFd = 2, kWelcomeFdCount = 3 };

struct Welcome {
  MessageHeader header;
  uint64_t session_id;
  uint64_t memory_limit_bytes;    // of the slice
  uint64_t memory_granted_bytes;  // the session's whole credit as of now; more by MemoryRequest
  char slice_id[64];
  char xpu_id[64];
  char driver_library[512];  // to dlopen
  uint32_t platform_index;   // among the driver's platforms
  uint32_t device_index;     // among the platform's devices (CL_DEVICE_TYPE_ALL)
  char device_name[256];     // checked after loading: a driver that changed underneath is refused
};

struct Refusal {
  MessageHeader header;
  uint32_t code;      // absl::StatusCode
  uint32_t retry;     // 1: a recovering agent, try again shortly
  char message[512];  // what, where, what to do
};

// Asks for |bytes| more memory credit. One request is outstanding at a time.
struct MemoryRequest {
  MessageHeader header;
  uint64_t bytes;
};

struct MemoryReply {
  MessageHeader header;
  uint64_t granted_bytes;  // >= asked, or 0: the slice's quota is used up
  uint64_t used_bytes;     // by all sessions of the slice, for the error text
  uint64_t limit_bytes;
};

// Gives unused credit back.
struct MemoryReturn {
  MessageHeader header;
  uint64_t bytes;
};

template <typename Message>
constexpr MessageType TypeOf();
template <>
constexpr MessageType TypeOf<Hello>() {
  return MessageType::kHello;
}
template <>
constexpr MessageType TypeOf<Welcome>() {
  return MessageType::kWelcome;
}
template <>
constexpr MessageType TypeOf<Refusal>() {
  return MessageType::kRefusal;
}
template <>
constexpr MessageType TypeOf<MemoryRequest>() {
  return MessageType::kMemoryRequest;
}
template <>
constexpr MessageType TypeOf<MemoryReply>() {
  return MessageType::kMemoryReply;
}
template <>
constexpr MessageType TypeOf<MemoryReturn>() {
  return MessageType::kMemoryReturn;
}

// A zeroed message with its header filled in.
template <typename Message>
Message NewMessage() {
  static_assert(std::is_trivially_copyable_v<Message> && sizeof(Message) <= kMaxSessionMessageBytes);
  Message message{};
  message.header = MessageHeader{kSessionMagic, kSessionVersion, TypeOf<Message>(), sizeof(Message)};
  return message;
}

// The header of a received message whose magic, version, type and size are all right, and whose strings end within
// their arrays. FAILED_PRECONDITION for another version (both are named), INVALID_ARGUMENT for anything else.
absl::StatusOr<MessageHeader> CheckMessage(std::span<const std::byte> bytes);

// |bytes| as a |Message|, checked as above.
template <typename Message>
absl::StatusOr<Message> ParseMessage(std::span<const std::byte> bytes) {
  absl::StatusOr<MessageHeader> header = CheckMessage(bytes);
  if (!header.ok()) return header.status();
  if (header->type != TypeOf<Message>()) return absl::InvalidArgumentError("session message of another type");
  Message message;
  std::memcpy(&message, bytes.data(), sizeof(Message));
  return message;
}

template <typename Message>
std::span<const std::byte> MessageBytes(const Message& message) {
  return std::as_bytes(std::span<const Message, 1>(&message, 1));
}

// Copies |text| into a fixed array, cut to fit and NUL-terminated; false when it was cut.
template <size_t N>
bool SetString(char (&array)[N], std::string_view text) {
  const size_t length = text.size() < N ? text.size() : N - 1;
  std::memset(array, 0, N);
  std::memcpy(array, text.data(), length);
  return length == text.size();
}

// The string in a fixed array; ends with the array if nothing else ends it.
template <size_t N>
std::string_view GetString(const char (&array)[N]) {
  return std::string_view(array, strnlen(array, N));
}

}  // namespace xpool
