// The two ends of a window over UCX messages with a peer that claims anything: no place handed out may reach outside of
// the ring or over another that is still in use, and neither end may hold more than its window.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <vector>

#include "check.h"
#include "input.h"
#include "transport/ucx_window.h"

namespace {

using namespace xpool::transport;
using namespace xpool::fuzz;

constexpr size_t kWindowBytes = 256;

class Sender {
 public:
  void Take(size_t size) {
    const std::vector<std::byte> bytes(size);
    const iovec piece{const_cast<std::byte*>(bytes.data()), size};
    PieceCursor left({&piece, 1});
    Check(window_.Take(&left) <= size);
    Check(window_.kept() <= kWindowBytes);
  }
  void Submit() {
    const auto message = window_.Next();
    if (!message.has_value()) return;
    Check(message->slot < kMostUcxMessages && !under_way_[message->slot] && !message->bytes.empty());
    under_way_[message->slot] = true;
    ++sent_;
  }
  void Finish(size_t slot) {
    if (!under_way_[slot]) return;
    under_way_[slot] = false;
    window_.Sent(slot);
  }
  void Credit(uint64_t consumed) { Check(window_.Consumed(consumed).ok() == (consumed <= sent_)); }

 private:
  UcxSendWindow window_{kWindowBytes};
  bool under_way_[kMostUcxMessages] = {};
  uint64_t sent_ = 0;
};

class Receiver {
 public:
  void Expect(uint64_t position, size_t size) {
    const auto place = window_.Expect(position, size);
    if (!place.ok()) return;
    Check(place->slot < kMostUcxMessages && place->bytes.size() == size && size <= kWindowBytes);
    Check(coming_.emplace(place->slot, position).second);
    memset(place->bytes.data(), static_cast<int>(position % 251), size);  // the sanitizer looks where this goes
  }
  void Arrive(size_t slot) {
    if (coming_.erase(slot) > 0) window_.Arrived(slot);
  }
  void Read(size_t size) {
    std::vector<std::byte> buffer(size);
    const uint64_t arrived = window_.arrived();
    const size_t read = window_.Read(buffer);
    Check(read <= size && read_ + read <= arrived);
    read_ += read;
    Check(window_.arrived() == arrived);
  }

 private:
  UcxReceiveWindow window_{kWindowBytes};
  std::map<size_t, uint64_t> coming_;
  uint64_t read_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Numbers input({data, size});
  Sender sender;
  Receiver receiver;
  while (!input.done()) {
    const uint64_t kind = input.Next(1) % 8;
    if (kind == 0) sender.Take(input.Next(1) * 2);
    if (kind == 1) sender.Submit();
    if (kind == 2) sender.Finish(input.Next(1) % kMostUcxMessages);
    if (kind == 3) sender.Credit(input.Next(1) % 2 == 0 ? input.Next(1) : input.Next(8));
    if (kind == 4) receiver.Expect(input.Next(8), input.Next(2));
    if (kind == 5) receiver.Expect(input.Next(2), input.Next(1));
    if (kind == 6) receiver.Arrive(input.Next(1) % kMostUcxMessages);
    if (kind == 7) receiver.Read(input.Next(1));
  }
  return 0;
}
