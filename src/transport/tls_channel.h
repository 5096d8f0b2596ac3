// A channel with secrecy and authentication: TLS 1.3 (tls_context.h) over another channel, made for TCP. Part of
// xpool_transport_tls, which links OpenSSL; see tls_context.h before linking it into anything.
//
// What Send takes is encrypted at once and leaves in one Send of the channel below, many records together; small pieces
// share a record. What that channel does not take is kept here, up to kMostUnsentBytes, and Send takes nothing more
// until it is gone (Channel::Flush, Wait, Receive and PollFor move it on).
//
// A stream that ends without TLS's own farewell was cut by somebody: UNAVAILABLE, never OUT_OF_RANGE. Close says
// farewell where the channel below takes it at once. Threading as in channel.h: OpenSSL's state is under a mutex that
// is never held while waiting.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/bytes.h"
#include "base/mutex.h"
#include "transport/channel.h"
#include "transport/tls_context.h"

struct ssl_st;

namespace xpool::transport {

enum class TlsRole { kClient, kServer };

class TlsChannel : public Channel {
 public:
  static constexpr size_t kMostUnsentBytes = 256 * kKiB;

  // Shakes hands over |below|, waiting until |deadline|. A client names the DNS name or IP address that the server's
  // certificate must be for in |server_name|; a server passes "" and looks at peer_name() afterwards. UNAUTHENTICATED
  // when one certificate is refused, DATA_LOSS when the peer does not speak TLS 1.3, DEADLINE_EXCEEDED when it stalls.
  //
  // In TLS 1.3 a client is done before the server has looked at its certificate: a refusal is the client's first
  // Receive's.
  static absl::StatusOr<std::unique_ptr<TlsChannel>> Handshake(std::unique_ptr<Channel> below,
                                                               const TlsContext& context, TlsRole role,
                                                               std::string_view server_name, const Deadline& deadline);
  ~TlsChannel() override;

  absl::StatusOr<size_t> Send(std::span<const iovec> pieces) override;
  absl::StatusOr<size_t> Receive(std::span<std::byte> buffer) override;
  absl::StatusOr<bool> Flush() override;
  PollTarget PollFor(Interest interest) override;
  void Close() override;
  std::string Describe() const override { return who_; }

  // The common name in the peer's certificate, which the authority vouches for.
  const std::string& peer_name() const { return peer_name_; }
  // All of that certificate (DER): what else it says is for pki/certificate_facts.h.
  const std::string& peer_certificate() const { return peer_certificate_; }

 private:
  explicit TlsChannel(std::unique_ptr<Channel> below);

  absl::Status Prepare(const TlsContext& context, TlsRole role, std::string_view server_name);
  absl::Status ShakeHands(const Deadline& deadline);
  void ReadPeer();

  absl::Status FlushLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Encrypt(PieceCursor* left, size_t* taken) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::span<const std::byte> NextRecord(PieceCursor left) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What a failed call of OpenSSL means; OK when it only has to be made again.
  absl::Status Explain(int result, const char* doing) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // OpenSSL's view of the channel below.
  friend struct TlsBio;
  int ReadBelow(char* out, int size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int WriteBelow(const char* bytes, int size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<Channel> below_;
  const std::string who_;
  std::string peer_name_, peer_certificate_;  // set by the handshake
  std::atomic<bool> closed_{false};

  Mutex mutex_;
  ssl_st* ssl_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::vector<char> unsent_ ABSL_GUARDED_BY(mutex_);  // records, those up to unsent_start_ are gone
  size_t unsent_start_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::byte> gathered_ ABSL_GUARDED_BY(mutex_);  // small pieces on their way into one record
  absl::Status below_status_ ABSL_GUARDED_BY(mutex_);        // the channel below is over
  absl::Status over_ ABSL_GUARDED_BY(mutex_);                // what Receive found; for all later ones
  bool more_to_read_ ABSL_GUARDED_BY(mutex_) = false;        // OpenSSL has bytes the last Receive did not ask for
};

}  // namespace xpool::transport
