#include "transport/tls_channel.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

#include "base/status.h"
#include "transport/tls_x509.h"

namespace xpool::transport {
namespace {

constexpr size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
constexpr size_t kFlushBytes = 128 * kKiB;  // encrypted before the channel below is asked; then Send goes on

// The alerts by which a peer says that it does not like our certificate.
bool IsRefusal(int alert) {
  switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
    case TLS1_AD_BAD_CERTIFICATE_STATUS_RESPONSE:
      return true;
    default:
      return false;
  }
}

absl::Status StalledError(const std::string& who) {
  return absl::DeadlineExceededError(absl::StrCat("the TLS handshake with ", who,
                                                  " did not end in time: it is connected",
                                                  " but says nothing; is that port xpool's?"));
}

absl::Status NoFarewellError(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(
      what, ": the connection ended without TLS's farewell: the peer's process died or the stream was cut"));
}

absl::Status SetServerName(SSL* ssl, const std::string& name) {
  if (name.empty()) return absl::InvalidArgumentError("TLS: a client must say which server it expects");
  X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str()) == 1) return absl::OkStatus();
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (SSL_set1_host(ssl, name.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, name.c_str()) == 1)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("TLS: \"", name, "\" is no server name: ", TakeTlsReason("no reason given")));
}

}  // namespace

// OpenSSL reads and writes the channel below through this. (Its own socket BIO would raise SIGPIPE and write each
// record by itself.) It is called inside of SSL_* calls only, and those hold the mutex.
struct TlsBio {
  static int Read(BIO* bio, char* out, int size) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    BIO_clear_retry_flags(bio);
    const int result = static_cast<TlsChannel*>(BIO_get_data(bio))->ReadBelow(out, size);
    if (result < 0) BIO_set_retry_read(bio);
    return result;
  }

  static int Write(BIO* bio, const char* bytes, int size) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    BIO_clear_retry_flags(bio);
    const int result = static_cast<TlsChannel*>(BIO_get_data(bio))->WriteBelow(bytes, size);
    if (result < 0) BIO_set_retry_write(bio);
    return result;
  }

  static long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* Method() {
    static const BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "xpool channel");
      BIO_meth_set_read(made, Read);
      BIO_meth_set_write(made, Write);
      BIO_meth_set_ctrl(made, Control);
      return made;
    }();
    return method;
  }
};

TlsChannel::TlsChannel(std::unique_ptr<Channel> below)
    : below_(std::move(below)), who_(absl::StrCat("TLS over ", below_->Describe())) {}

TlsChannel::~TlsChannel() {
  MutexLock lock(&mutex_);
  SSL_free(ssl_);  // says no farewell: a fork's child destroys its copy too
}

absl::StatusOr<std::unique_ptr<TlsChannel>> TlsChannel::Handshake(std::unique_ptr<Channel> below,
                                                                  const TlsContext& context, TlsRole role,
                                                                  std::string_view server_name,
                                                                  const Deadline& deadline) {
  std::unique_ptr<TlsChannel> channel(new TlsChannel(std::move(below)));
  RETURN_IF_ERROR(channel->Prepare(context, role, server_name));
  const absl::Status shaken = channel->ShakeHands(deadline);
  if (!shaken.ok()) {
    channel->below_->Close();
    return shaken;
  }
  channel->ReadPeer();
  return channel;
}

absl::Status TlsChannel::Prepare(const TlsContext& context, TlsRole role, std::string_view server_name) {
  MutexLock lock(&mutex_);
  ERR_clear_error();
  ssl_ = SSL_new(context.get());
  const bool made = ssl_ != nullptr && SSL_set1_verify_cert_store(ssl_, context.peers()) == 1;
  BIO* bio = made ? BIO_new(TlsBio::Method()) : nullptr;
  if (bio == nullptr) return absl::ResourceExhaustedError(absl::StrCat("OpenSSL: ", TakeTlsReason("out of memory")));
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  if (role == TlsRole::kServer) {
    SSL_set_accept_state(ssl_);
    return absl::OkStatus();
  }
  SSL_set_connect_state(ssl_);
  return SetServerName(ssl_, std::string(server_name));
}

absl::Status TlsChannel::ShakeHands(const Deadline& deadline) {
  while (true) {
    bool done = false, unsent = false;
    {
      MutexLock lock(&mutex_);
      ERR_clear_error();
      const int result = SSL_do_handshake(ssl_);
      const absl::Status status = result == 1 ? absl::OkStatus() : Explain(result, "shake hands with");
      const absl::Status flushed = FlushLocked();  // also the alert that says why
      RETURN_IF_ERROR(status);
      done = result == 1;
      if (done) RETURN_IF_ERROR(flushed);  // otherwise the next read tells more than a failed write
      unsent = !unsent_.empty();
      more_to_read_ = done && SSL_has_pending(ssl_);
    }
    if (done && !unsent) return absl::OkStatus();
    const absl::Status waited = below_->Wait({!done, unsent}, deadline);
    if (absl::IsDeadlineExceeded(waited)) return StalledError(who_);
    RETURN_IF_ERROR(waited);
  }
}

void TlsChannel::ReadPeer() {
  MutexLock lock(&mutex_);
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return;  // not after a handshake that asks for one
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
  peer_name_ = name;
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size > 0) peer_certificate_.assign(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
}

int TlsChannel::ReadBelow(char* out, int size) {
  if (!below_status_.ok()) return 0;
  const absl::StatusOr<size_t> received =
      below_->Receive(std::as_writable_bytes(std::span(out, static_cast<size_t>(size))));
  if (received.ok()) return *received == 0 ? -1 : static_cast<int>(*received);
  below_status_ = received.status();
  return 0;
}

// Takes whole records. A peer that makes us answer and reads nothing ends at the bound.
int TlsChannel::WriteBelow(const char* bytes, int size) {
  if (unsent_.size() - unsent_start_ >= kMostUnsentBytes) return -1;
  unsent_.insert(unsent_.end(), bytes, bytes + size);
  return size;
}

absl::Status TlsChannel::FlushLocked() {
  while (unsent_start_ < unsent_.size()) {
    const iovec rest{unsent_.data() + unsent_start_, unsent_.size() - unsent_start_};
    const absl::StatusOr<size_t> sent = below_->Send({&rest, 1});
    if (!sent.ok())
      return IsPeerClosed(sent.status()) ? NoFarewellError(absl::StrCat("cannot send to ", who_)) : sent.status();
    if (*sent == 0) return absl::OkStatus();
    unsent_start_ += *sent;
  }
  unsent_.clear();
  unsent_start_ = 0;
  return absl::OkStatus();
}

absl::Status TlsChannel::Explain(int result, const char* doing) {
  const int kind = SSL_get_error(ssl_, result);
  if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) return absl::OkStatus();
  if (closed_) return ClosedHereError(who_);
  if (kind == SSL_ERROR_ZERO_RETURN) return PeerClosedError(who_);
  const std::string what = absl::StrCat("cannot ", doing, " ", who_, ": ");
  if (IsPeerClosed(below_status_)) return NoFarewellError(absl::StrCat("cannot ", doing, " ", who_));
  if (!below_status_.ok()) return below_status_;
  const unsigned long error = ERR_peek_error();
  const int alert = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET : 0;
  const long verified = SSL_get_verify_result(ssl_);
  const std::string reason = TakeTlsReason("no reason given");
  if (IsRefusal(alert)) {
    return absl::UnauthenticatedError(
        absl::StrCat(what, "it refused our certificate (", reason, "); get a new one from the authority it knows"));
  }
  if (verified != X509_V_OK) {
    return absl::UnauthenticatedError(
        absl::StrCat(what, "its certificate is refused: ", X509_verify_cert_error_string(verified),
                     "; both sides need current certificates of the same authority, "
                     "the server one for the name or address it is reached by"));
  }
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
    return absl::UnauthenticatedError(absl::StrCat(what, "it showed no certificate; give the client one"));
  return absl::DataLossError(absl::StrCat(what, reason,
                                          "; it does not speak TLS 1.3 (a door without encryption is reached with "
                                          "--plain), or bytes were changed on the way"));
}

// The next record's contents: a long piece as it lies there, short ones put together.
std::span<const std::byte> TlsChannel::NextRecord(PieceCursor left) {
  if (left.current().size() >= kRecordBytes) return left.current().first(kRecordBytes);
  gathered_.clear();
  while (!left.done() && gathered_.size() < kRecordBytes) {
    const std::span<const std::byte> piece = left.current();
    const size_t step = std::min(piece.size(), kRecordBytes - gathered_.size());
    gathered_.insert(gathered_.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(step));
    left.Advance(step);
  }
  return gathered_;
}

absl::Status TlsChannel::Encrypt(PieceCursor* left, size_t* taken) {
  while (!left->done() && unsent_.size() < kFlushBytes) {
    const std::span<const std::byte> record = NextRecord(*left);
    size_t written = 0;
    ERR_clear_error();
    const int result = SSL_write_ex(ssl_, record.data(), record.size(), &written);
    if (result != 1) return Explain(result, "send to");
    left->Advance(written);
    *taken += written;
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> TlsChannel::Send(std::span<const iovec> pieces) {
  if (closed_) return ClosedHereError(who_);
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(FlushLocked());
  PieceCursor left(pieces);
  size_t taken = 0;
  while (!left.done() && unsent_.empty()) {
    const size_t before = taken;
    RETURN_IF_ERROR(Encrypt(&left, &taken));
    RETURN_IF_ERROR(FlushLocked());
    if (taken == before) break;
  }
  return taken;
}

absl::StatusOr<size_t> TlsChannel::Receive(std::span<std::byte> buffer) {
  if (closed_) return ClosedHereError(who_);
  if (buffer.empty()) return 0;
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(over_);
  // A channel below that is over for sending may still have something to read, such as the peer's reason.
  (void)FlushLocked();
  size_t filled = 0;
  more_to_read_ = true;
  while (filled < buffer.size() && more_to_read_) {
    size_t read = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_, buffer.data() + filled, buffer.size() - filled, &read);
    filled += read;
    if (result == 1) {
      more_to_read_ = SSL_has_pending(ssl_);
      continue;
    }
    more_to_read_ = false;
    over_ = Explain(result, "receive from");
    if (filled == 0) RETURN_IF_ERROR(over_);  // else the next call says so
  }
  return filled;
}

absl::StatusOr<bool> TlsChannel::Flush() {
  if (closed_) return ClosedHereError(who_);
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(FlushLocked());
  return unsent_.empty();
}

PollTarget TlsChannel::PollFor(Interest interest) {
  MutexLock lock(&mutex_);
  const bool failed = !closed_ && !FlushLocked().ok();
  // Who owes us room for answers is not listened to until it has read some.
  const bool receive = interest.receive && unsent_.size() - unsent_start_ < kMostUnsentBytes;
  PollTarget target = below_->PollFor({receive, interest.send || !unsent_.empty()});
  target.ready |= closed_ || failed || (receive && more_to_read_) || !over_.ok();
  return target;
}

void TlsChannel::Close() {
  if (closed_.exchange(true)) return;
  {
    MutexLock lock(&mutex_);
    ERR_clear_error();
    if (ssl_ != nullptr && SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);
    ERR_clear_error();
    (void)FlushLocked();
  }
  below_->Close();
}

}  // namespace xpool::transport
