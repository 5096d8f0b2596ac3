// A connected stream socket as a channel: what the Unix and the TCP channel have in common. Thread-safety: channel.h.
#pragma once

#include <atomic>
#include <string>

#include "base/fd.h"
#include "transport/channel.h"

namespace xpool::transport {

class SocketChannel : public Channel {
 public:
  // |who| is the other end, for messages. Whether |socket| is blocking does not matter.
  SocketChannel(UniqueFd socket, std::string who) : socket_(std::move(socket)), who_(std::move(who)) {}

  absl::StatusOr<size_t> Send(std::span<const iovec> pieces) override;
  absl::StatusOr<size_t> Receive(std::span<std::byte> buffer) override;
  PollTarget PollFor(Interest interest) override;
  void Close() override;
  std::string Describe() const override { return who_; }

  int fd() const { return socket_.get(); }

 private:
  absl::Status Failed(int error, const char* doing) const;
  absl::StatusOr<size_t> Full() const;

  const UniqueFd socket_;
  const std::string who_;
  std::atomic<bool> closed_{false};
};

}  // namespace xpool::transport
