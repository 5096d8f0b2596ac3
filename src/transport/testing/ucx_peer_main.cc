// The other end of a UCX channel as a process of its own, which a test can kill: ucx_test_peer TRANSPORTS FD BYTES.
// Descriptor FD is a connected Unix socket. It sends BYTES bytes, takes whatever comes, and ends when the test closes.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "transport/ucx_channel.h"
#include "transport/unix_channel.h"

namespace xpool::transport {
namespace {

absl::Status Run(const char* transports, int fd, size_t bytes) {
  UcxOptions options;
  options.transports = transports;
  options.bulk = true;
  auto control = AdoptStreamSocket(UniqueFd(fd), "the test");
  if (!control.ok()) return control.status();
  auto channel = UcxChannel::Upgrade(*std::move(control), options, Deadline::After(Clock::Monotonic(), 60 * kNsPerSec));
  if (!channel.ok()) return channel.status();
  std::vector<std::byte> buffer(bytes + 1);
  const iovec piece{buffer.data(), bytes};
  const absl::Status sent = SendAll(**channel, {&piece, 1}, Deadline::Never());
  if (!sent.ok()) return sent;
  while (true) {
    const absl::Status received = ReceiveAll(**channel, std::span(buffer).first(1), Deadline::Never());
    if (!received.ok()) return IsPeerClosed(received) ? absl::OkStatus() : received;
  }
}

}  // namespace
}  // namespace xpool::transport

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const absl::Status status =
      xpool::transport::Run(argv[1], atoi(argv[2]), static_cast<size_t>(strtoul(argv[3], nullptr, 10)));
  if (!status.ok()) fprintf(stderr, "ucx_test_peer: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
