// Stands between the two ends of a lane, and does to its frames what networks and dying processes do: holds them up,
// sends one twice (as a resume does), loses the connection between two frames or in the middle of one, with all that is
// under way. What happens at which frame is drawn from a seed. For tests.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "transport/channel.h"

namespace xpool::faults {

// What has been done, over all relays that count in it.
struct FaultCounts {
  std::atomic<uint64_t> frames{0}, delayed{0}, doubled{0}, cut_between{0}, cut_within{0};
};

class FaultRelay {
 public:
  // Both are closed at the cut, and when either ends. |counts| must outlive this.
  FaultRelay(std::unique_ptr<transport::Channel> client, std::unique_ptr<transport::Channel> server, uint64_t seed,
             FaultCounts* counts);
  FaultRelay(const FaultRelay&) = delete;
  FaultRelay& operator=(const FaultRelay&) = delete;
  ~FaultRelay();

  bool over() const { return over_; }

 private:
  struct Direction {
    transport::Channel* from = nullptr;
    transport::Channel* to = nullptr;
    std::vector<std::byte> in, out;  // not yet cut into frames; to be sent
    uint64_t frames = 0;
    uint64_t cut_at = 0;  // the frame at which the connection is lost; 0: none
    bool cut_within = false;
    int64_t hold_until_ns = 0;
    std::mt19937_64 random;
  };

  void Run();
  void Wait();
  // False when the connection is over.
  bool Move(Direction* direction);
  bool TakeIn(Direction* direction);
  bool CutFrames(Direction* direction);
  bool PassFrame(Direction* direction, std::span<const std::byte> frame);
  bool SendOut(Direction* direction);

  const std::unique_ptr<transport::Channel> client_, server_;
  FaultCounts* const counts_;
  std::array<Direction, 2> directions_;
  std::atomic<bool> stop_{false}, over_{false};
  std::thread thread_;
};

}  // namespace xpool::faults
