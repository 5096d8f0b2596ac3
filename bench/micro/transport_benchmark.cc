// The floor of each kind of channel, on which remote calls are built: a small message there and back, and bulk one way.
// Both ends are threads of this process, as near to two processes as one benchmark gets.

#include <benchmark/benchmark.h>

#include <span>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "transport/testing/tls_pair.h"
#include "transport/testing/ucx_pair.h"

namespace xpool::transport {
namespace {

constexpr size_t kBulkBytes = 64 * kMiB;
constexpr size_t kBulkPieceBytes = kMiB;

using MakePair = ChannelPair (*)();

ChannelPair MakeDefaultRingPair() { return MakeRingPair(); }

UcxOptions UcxOver(const char* transports) {
  UcxOptions options;
  options.transports = transports;
  options.bulk = true;
  return options;
}

ChannelPair MakeUcxTcpPair() { return MakeUcxPair(UcxOver("tcp")); }
ChannelPair MakeUcxShmPair() { return MakeUcxPair(UcxOver("sysv,cma")); }

// Sends back each message of |size| bytes until the other side closes.
void Echo(Channel* channel, size_t size) {
  std::vector<std::byte> message(size);
  const iovec piece{message.data(), size};
  while (ReceiveAll(*channel, message, Deadline::Never()).ok()) {
    if (!SendAll(*channel, {&piece, 1}, Deadline::Never()).ok()) return;
  }
}

void BM_RoundTrip(benchmark::State& state, MakePair make) {
  ChannelPair pair = make();
  const size_t size = static_cast<size_t>(state.range(0));
  std::thread peer([&] { Echo(pair.right.get(), size); });
  std::vector<std::byte> message(size);
  const iovec piece{message.data(), size};
  for (auto _ : state) {
    if (!SendAll(*pair.left, {&piece, 1}, Deadline::Never()).ok()) break;
    if (!ReceiveAll(*pair.left, message, Deadline::Never()).ok()) break;
  }
  pair.left->Close();
  peer.join();
}

// Takes |kBulkBytes| and answers with a byte, again and again.
void Sink(Channel* channel) {
  std::vector<std::byte> buffer(kBulkPieceBytes);
  const iovec done{buffer.data(), 1};
  while (true) {
    for (size_t received = 0; received < kBulkBytes; received += buffer.size()) {
      if (!ReceiveAll(*channel, buffer, Deadline::Never()).ok()) return;
    }
    if (!SendAll(*channel, {&done, 1}, Deadline::Never()).ok()) return;
  }
}

void BM_Bulk(benchmark::State& state, MakePair make) {
  ChannelPair pair = make();
  std::thread peer([&] { Sink(pair.right.get()); });
  std::vector<std::byte> bytes(kBulkBytes, std::byte{1});
  const iovec piece{bytes.data(), bytes.size()};
  for (auto _ : state) {
    if (!SendAll(*pair.left, {&piece, 1}, Deadline::Never()).ok()) break;
    if (!ReceiveAll(*pair.left, std::span(bytes).first(1), Deadline::Never()).ok()) break;
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(kBulkBytes));
  pair.left->Close();
  peer.join();
}

// The peer's memory, and a byte when all of it has been written.
struct PutTarget {
  UcxChannel* channel;
  std::vector<std::byte> memory = std::vector<std::byte>(kBulkBytes);
  std::unique_ptr<BulkRegion> region = channel->bulk()->Register(memory).value();

  // Answers each byte with one, until the other side closes.
  void Serve() { Echo(channel, 1); }
};

bool PutAll(UcxChannel* channel, const BulkTarget& target, std::span<const std::byte> bytes) {
  BulkLane* const bulk = channel->bulk();
  uint64_t last = 0;
  for (size_t done = 0; done < bytes.size();) {
    const absl::StatusOr<uint64_t> put = bulk->Put(target, done, bytes.subspan(done, kBulkPieceBytes));
    if (!put.ok() || (*put == 0 && !bulk->WaitForPut(last, Deadline::Never()).ok())) return false;
    if (*put == 0) continue;
    last = *put;
    done += kBulkPieceBytes;
  }
  return bulk->WaitForPut(last, Deadline::Never()).ok();
}

void BM_BulkPut(benchmark::State& state, const char* transports) {
  UcxPair pair = MakeUcxEnds(UcxOver(transports));
  PutTarget owner{pair.right.get()};
  std::thread peer([&] { owner.Serve(); });
  const std::unique_ptr<BulkTarget> target = pair.left->bulk()->Open(owner.region->key()).value();
  std::vector<std::byte> bytes(kBulkBytes, std::byte{1});
  const iovec written{bytes.data(), 1};
  for (auto _ : state) {
    if (!PutAll(pair.left.get(), *target, bytes)) break;
    if (!SendAll(*pair.left, {&written, 1}, Deadline::Never()).ok()) break;
    if (!ReceiveAll(*pair.left, std::span(bytes).first(1), Deadline::Never()).ok()) break;
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(kBulkBytes));
  pair.left->Close();
  peer.join();
}

BENCHMARK_CAPTURE(BM_RoundTrip, unix, MakeUnixPair)->Arg(64)->UseRealTime();
BENCHMARK_CAPTURE(BM_RoundTrip, tcp, MakeTcpPair)->Arg(64)->UseRealTime();
BENCHMARK_CAPTURE(BM_RoundTrip, tls, MakeTlsPair)->Arg(64)->UseRealTime();
BENCHMARK_CAPTURE(BM_RoundTrip, ring, MakeDefaultRingPair)->Arg(64)->UseRealTime();
BENCHMARK_CAPTURE(BM_RoundTrip, ucx_tcp, MakeUcxTcpPair)->Arg(64)->UseRealTime();
BENCHMARK_CAPTURE(BM_RoundTrip, ucx_shm, MakeUcxShmPair)->Arg(64)->UseRealTime();
BENCHMARK_CAPTURE(BM_Bulk, unix, MakeUnixPair)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Bulk, tcp, MakeTcpPair)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Bulk, tls, MakeTlsPair)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Bulk, ring, MakeDefaultRingPair)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Bulk, ucx_tcp, MakeUcxTcpPair)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Bulk, ucx_shm, MakeUcxShmPair)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_BulkPut, ucx_tcp, "tcp")->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_BulkPut, ucx_shm, "sysv,cma")->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace xpool::transport
