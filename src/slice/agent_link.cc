#include "slice/agent_link.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "base/process.h"
#include "base/status.h"

namespace xpool {
namespace {

absl::StatusOr<AgentLink> AcceptWelcome(const Welcome& welcome, std::vector<UniqueFd> fds) {
  if (fds.size() != kWelcomeFdCount) {
    return absl::InvalidArgumentError(
        absl::StrCat("the agent sent ", fds.size(), " descriptors with its welcome instead of ", kWelcomeFdCount));
  }
  AgentLink link;
  link.welcome = welcome;
  ASSIGN_OR_RETURN(link.page, MapControlPage(fds[kPageFd].get()));
  link.agent_doorbell = std::move(fds[kAgentDoorbellFd]);
  link.client_doorbell = std::move(fds[kClientDoorbellFd]);
  return link;
}

// A broken answer may come from a broken agent that is about to be replaced; another version will stay what it is.
HelloAnswer Broken(absl::Status status) {
  HelloAnswer answer;
  answer.is_final = absl::IsFailedPrecondition(status);
  answer.status = std::move(status);
  return answer;
}

}  // namespace

absl::StatusOr<UniqueFd> SendHello(const std::string& socket_path, const Hello& hello) {
  ASSIGN_OR_RETURN(UniqueFd socket, ConnectSeqPacket(socket_path));
  const int flags = fcntl(socket.get(), F_GETFL);
  if (flags < 0 || fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0) return ErrnoStatus("fcntl(O_NONBLOCK)");
  const absl::StatusOr<UniqueFd> pidfd = OpenPidfd(getpid());
  const int passed[] = {pidfd.ok() ? pidfd->get() : -1};
  RETURN_IF_ERROR(SendMessage(socket.get(), MessageBytes(hello), std::span<const int>(passed, pidfd.ok() ? 1 : 0)));
  return socket;
}

absl::Status RefusalStatus(const Refusal& refusal) {
  // A refusal that says OK is none that we know.
  const std::optional<absl::StatusCode> code = refusal.code == 0 ? std::nullopt : StatusCodeOf(refusal.code);
  return absl::Status(code.value_or(absl::StatusCode::kUnknown), std::string(GetString(refusal.message)));
}

HelloAnswer ParseHelloAnswer(SocketMessage message) {
  if (message.bytes.empty()) return Broken(absl::UnavailableError("the agent closed the connection without an answer"));
  const absl::StatusOr<MessageHeader> header = CheckMessage(message.bytes);
  if (!header.ok()) return Broken(header.status());
  if (header->type == MessageType::kRefusal) {
    const absl::StatusOr<Refusal> refusal = ParseMessage<Refusal>(message.bytes);
    if (!refusal.ok()) return Broken(refusal.status());
    return HelloAnswer{RefusalStatus(*refusal), refusal->retry == 0, {}};
  }
  const absl::StatusOr<Welcome> welcome = ParseMessage<Welcome>(message.bytes);
  if (!welcome.ok()) return Broken(welcome.status());
  absl::StatusOr<AgentLink> link = AcceptWelcome(*welcome, std::move(message.fds));
  if (!link.ok()) return Broken(link.status());
  return HelloAnswer{absl::OkStatus(), false, *std::move(link)};
}

}  // namespace xpool
