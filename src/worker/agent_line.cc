#include "worker/agent_line.h"

#include <fcntl.h>
#include <poll.h>

#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "base/unix_socket.h"

namespace xpool::worker {

absl::Status AgentLine::Connect(const Message& first) {
  ASSIGN_OR_RETURN(UniqueFd socket, ConnectSeqPacket(path_));
  // An agent that does not read is none for the time being: nothing here waits for it.
  fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, EncodeMessage(first));
  RETURN_IF_ERROR(SendMessage(socket.get(), bytes));
  MutexLock lock(&mutex_);
  socket_ = std::move(socket);
  return absl::OkStatus();
}

absl::Status AgentLine::Send(const Message& message) {
  ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, EncodeMessage(message));
  MutexLock lock(&mutex_);
  if (!socket_.valid()) return absl::UnavailableError("the agent is away");
  return SendMessage(socket_.get(), bytes);
}

absl::StatusOr<std::optional<AgentLine::Received>> AgentLine::Receive(int64_t timeout_ns, int also) {
  int fd;
  {
    MutexLock lock(&mutex_);
    fd = socket_.get();  // this thread alone replaces it
  }
  pollfd polled[] = {{fd, POLLIN, 0}, {also, POLLIN, 0}};
  const int ready = poll(polled, 2, static_cast<int>(timeout_ns / kNsPerMs));
  if (ready < 0 && errno != EINTR) return ErrnoStatus("poll of the agent's socket");
  if (ready <= 0 || polled[0].revents == 0) return std::nullopt;
  absl::StatusOr<SocketMessage> message = ReceiveMessage(fd, kMaxWorkerMessageBytes);
  if (message.ok() && !message->bytes.empty()) {
    ASSIGN_OR_RETURN(Message decoded, DecodeMessage(message->bytes));
    return Received{std::move(decoded), std::move(message->fds)};
  }
  MutexLock lock(&mutex_);
  socket_.Reset();
  return absl::UnavailableError("the agent is gone");
}

}  // namespace xpool::worker
