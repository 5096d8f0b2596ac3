// One UCX worker with one endpoint to one peer: messages there and back, and writes into the peer's memory. It keeps no
// window and knows no stream (ucx_channel.h does). Included by the ucx_*.cc files alone.
//
// Nothing waits and everything moves on in Progress alone, which is also where a Listener is called, and in the call
// that starts an operation. Threading: one thread at a time; the listener's calls come in it. Destroying it breaks off
// what is under way; in a fork's child it lets go of nothing, since UCX cannot be called there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "transport/ucx_context.h"
#include "transport/ucx_greeting.h"
#include "transport/ucx_puts.h"
#include "transport/ucx_window.h"

namespace xpool::transport {

// Goes with each message. A message without bytes only says what was consumed.
struct UcxHeader {
  uint64_t key;  // the receiver's, told over the control channel: nobody else's messages are looked at
  uint64_t position;
  uint64_t consumed_messages;
};
static_assert(sizeof(UcxHeader) == 24);

class UcxLine {
 public:
  static constexpr size_t kCreditSlot = kMostUcxMessages;  // for a message without bytes

  class Listener {
   public:
    virtual ~Listener() = default;
    // A message of |size| bytes has come. Where its bytes go, or an empty place: it is not wanted.
    virtual UcxReceiveWindow::Place OnMessage(const UcxHeader& header, size_t size) = 0;
    virtual void OnArrived(size_t slot) = 0;
    virtual void OnSent(size_t slot) = 0;  // UCX has taken the message over
    virtual void OnFlushed() = 0;          // a Flush that was not done at once is worth another
    virtual void OnPut(size_t slot) = 0;   // the bytes are in the peer's memory
    virtual void OnLost() = 0;             // lost() says why
  };

  // |key| is what the peer must show. UNAVAILABLE, RESOURCE_EXHAUSTED.
  static absl::StatusOr<std::unique_ptr<UcxLine>> Create(const UcxContext& context, uint64_t key);
  ~UcxLine();

  // Where the peer finds this worker.
  absl::StatusOr<std::vector<std::byte>> Address() const;

  // |address| and |key| are the peer's, told over a channel that is trusted: UCX reads an address without knowing where
  // it ends, and this class can only see to it that a short one is followed by zeros.
  absl::Status Connect(std::span<const std::byte> address, uint64_t key, Listener* listener);

  // |bytes| stay until OnSent(slot): then those of all messages before it were handed to the kernel, the peer's memory
  // or the adapter, and this one's may partly still be in UCX. When they are to be |fetched|, that takes the peer's
  // doing. REQUIRES: the slot is free.
  void Send(size_t slot, uint64_t position, uint64_t consumed_messages, std::span<const std::byte> bytes,
            bool fetched) {
    const uint32_t protocol = fetched ? UCP_AM_SEND_FLAG_RNDV : UCP_AM_SEND_FLAG_EAGER;
    Send(slot, {peer_key_, position, consumed_messages}, bytes, protocol);
  }
  // The first message, in the credit slot: OnSent comes when UCX has connected all that it otherwise would connect when
  // it is needed, with the help of a peer who may not be there then.
  void Greet() { Send(kCreditSlot, {peer_key_, 0, 0}, {}, UCP_AM_SEND_FLAG_REPLY); }

  // Asks the peer's UCX whether all has come there. True when it was so since the last Send.
  bool Flush();

  // Writes |chunk|, whose bytes stay until OnPut(chunk.slot).
  void Put(const UcxPuts::Chunk& chunk);
  absl::StatusOr<ucp_rkey_h> UnpackKey(std::span<const std::byte> packed) const;

  // Does some of what is to do; false when there was nothing.
  bool Progress() { return ucx_.ucp_worker_progress(worker_) != 0; }
  // Makes fd() readable from the next event on; false when there is more to do first. UCX needs this before each poll.
  bool Arm();
  int fd() const { return fd_; }

  // Why nothing goes on here, once it does not.
  const absl::Status& lost() const { return lost_; }
  const UcxContext& context() const { return context_; }

 private:
  // What UCX's callbacks are given.
  struct Sending {
    UcxLine* line;
    size_t slot;
    UcxHeader header;
  };
  struct Receiving {
    UcxLine* line;
    size_t slot;
  };
  struct Putting {
    UcxLine* line;
    size_t slot;
    int open;  // UCX operations
  };

  UcxLine(const UcxContext& context, uint64_t key);
  absl::Status MakeWorker();
  void Send(size_t slot, const UcxHeader& header, std::span<const std::byte> bytes, uint32_t flags);
  void CloseEndpoint();
  void Lose(ucs_status_t status, const char* doing);
  void Receive(const UcxHeader& header, void* data, size_t size, bool fetch);
  void Fetch(const UcxReceiveWindow::Place& place, void* descriptor);
  // |request| is what UCX returned for a part of a put.
  void Follow(Putting* putting, void* request, const char* doing);
  void PutPartDone(Putting* putting);

  static ucs_status_t OnMessage(void* line, const void* header, size_t header_bytes, void* data, size_t bytes,
                                const ucp_am_recv_param_t* param);
  static void OnFetched(void* request, ucs_status_t status, size_t bytes, void* receiving);
  static void OnSent(void* request, ucs_status_t status, void* sending);
  static void OnFlushed(void* request, ucs_status_t status, void* line);
  static void OnPutPart(void* request, ucs_status_t status, void* putting);
  static void OnError(void* line, ucp_ep_h endpoint, ucs_status_t status);

  const UcxContext& context_;
  const UcxLibrary& ucx_;
  const uint64_t key_;
  uint64_t peer_key_ = 0;
  Listener* listener_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  ucp_ep_h endpoint_ = nullptr;
  int fd_ = -1;  // the worker's
  bool unflushed_ = false, flushing_ = false;
  absl::Status lost_;
  std::array<Sending, kMostUcxMessages + 1> sending_;
  std::array<Receiving, kMostUcxMessages> receiving_;
  std::array<Putting, UcxPuts::kMostChunks> putting_;
};

}  // namespace xpool::transport
