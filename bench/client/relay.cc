// xpool_bench_relay: stands between a program and an agent on loopback TCP, and makes of the way between them a longer
// or narrower one, or one that breaks. Prints "port N" and serves until its input ends. A line "cut MS" on its input
// closes all connections, and each new one, for so long. (Stopped with SIGSTOP, it is a network that loses everything.)

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <iostream>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "transport/emulated_link.h"
#include "transport/tcp_channel.h"

namespace xpool::bench {
namespace {

using transport::Channel;
using transport::Deadline;

class Relay {
 public:
  Relay(std::string target, transport::EmulatedLinkOptions link, transport::TcpListener* listener)
      : target_(std::move(target)), link_(link), listener_(listener) {}

  // Until the listener is closed.
  void Serve() {
    while (true) {
      absl::StatusOr<std::unique_ptr<Channel>> near = listener_->Accept(Deadline::Never());
      if (!near.ok()) return;
      if (MonotonicNowNs() < cut_until_ns_) {
        (*near)->Close();
        continue;
      }
      Join(*std::move(near));
    }
  }

  void Cut(int64_t for_ns) {
    cut_until_ns_ = MonotonicNowNs() + for_ns;
    MutexLock lock(&mutex_);
    links_.clear();
  }

 private:
  void Join(std::unique_ptr<Channel> near) {
    constexpr int64_t kConnectNs = 5 * kNsPerSec;
    absl::StatusOr<std::unique_ptr<Channel>> far = transport::ConnectTcp(
        target_, transport::PlainTcp::kLoopbackOnly, Deadline::After(Clock::Monotonic(), kConnectNs));
    if (!far.ok()) return near->Close();
    auto link = std::make_unique<transport::EmulatedLink>(std::move(near), *std::move(far), link_);
    MutexLock lock(&mutex_);
    links_.push_back(std::make_unique<transport::EmulatedLinkThread>(std::move(link)));
  }

  const std::string target_;
  const transport::EmulatedLinkOptions link_;
  transport::TcpListener* const listener_;
  std::atomic<int64_t> cut_until_ns_{0};
  Mutex mutex_;
  std::vector<std::unique_ptr<transport::EmulatedLinkThread>> links_ ABSL_GUARDED_BY(mutex_);
};

int Main(int argc, char** argv) {
  CLI::App app{"A network between a program and an agent"};
  std::string target;
  double round_trip_us = 0, gigabits = 0;
  app.add_option("--to", target, "HOST:PORT of the agent")->required();
  app.add_option("--round-trip-us", round_trip_us, "Added to each round trip, half of it each way");
  app.add_option("--gigabits", gigabits, "Bandwidth each way, Gb/s; 0: as fast as it goes");
  CLI11_PARSE(app, argc, argv);

  transport::EmulatedLinkOptions link;
  link.latency_ns = static_cast<int64_t>(round_trip_us * kNsPerUs / 2);
  link.bytes_per_second = static_cast<uint64_t>(gigabits * 1e9 / 8);
  const auto listener = transport::TcpListener::Listen("127.0.0.1:0", {});
  if (!listener.ok()) {
    fprintf(stderr, "%s\n", std::string(listener.status().message()).c_str());
    return 1;
  }
  const std::string address = (*listener)->address();
  printf("port %s\n", address.substr(address.rfind(':') + 1).c_str());
  fflush(stdout);
  Relay relay(target, link, listener->get());
  std::thread server([&] { relay.Serve(); });
  std::string word;
  for (double ms; std::cin >> word >> ms;) relay.Cut(static_cast<int64_t>(ms * kNsPerMs));
  (*listener)->Close();
  server.join();
  return 0;
}

}  // namespace
}  // namespace xpool::bench

int main(int argc, char** argv) { return xpool::bench::Main(argc, argv); }
