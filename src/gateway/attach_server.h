// The doors through which clients of remote slices come (wire/attach.h): a Unix socket for programs of this machine,
// TCP under TLS for those of others, and plain TCP where it was asked for by name. Each door has a thread that takes
// connections and looks at their preamble: a lane's connection goes to its session's worker at once, an attaching one
// is heard on a thread of its own.
//
// Whatever comes in, at most its own connection ends. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/agent.h"
#include "base/fd.h"
#include "gateway/entitlement.h"
#include "gateway/handler_threads.h"
#include "gateway/remote_sessions.h"
#include "gateway/requests.h"
#include "pki/identity_source.h"
#include "transport/channel.h"
#include "transport/tcp_channel.h"
#include "transport/unix_channel.h"
#include "wire/attach.h"

namespace xpool::gateway {

class AttachServer {
 public:
  // At the agent's socket and the addresses of its options. |identity| may be nullptr when none of them is for TLS. All
  // must outlive the server.
  static absl::StatusOr<std::unique_ptr<AttachServer>> Start(agent::Agent* agent, RemoteSessions* sessions,
                                                             Requests* requests, Tokens* tokens,
                                                             pki::IdentitySource* identity);
  ~AttachServer();

 private:
  enum class Kind { kUnix, kTls, kPlain };
  struct Door {
    Kind kind = Kind::kUnix;
    std::unique_ptr<transport::UnixListener> unix;
    std::unique_ptr<transport::TcpListener> tcp;
    std::thread thread;
  };
  struct Peer;

  AttachServer(agent::Agent* agent, RemoteSessions* sessions, Requests* requests, Tokens* tokens,
               pki::IdentitySource* identity);

  absl::Status AddTcp(Kind kind, const std::string& address);
  void Serve(Door* door);
  void Greet(Kind kind, UniqueFd socket);
  void Admit(Kind kind, UniqueFd socket, const wire::Preamble& preamble, const transport::Deadline& deadline);
  void Pass(Kind kind, UniqueFd socket, const wire::Preamble& preamble, const transport::Deadline& deadline);

  absl::StatusOr<Peer> Meet(Kind kind, UniqueFd socket, const transport::Deadline& deadline);
  absl::StatusOr<Peer> MeetTls(std::unique_ptr<transport::Channel> channel, const transport::Deadline& deadline);
  void AdmitAttach(Peer& peer, const transport::Deadline& deadline);
  void AdmitRequest(Peer& peer, const transport::Deadline& deadline);
  absl::StatusOr<wire::Attached> Hear(Peer& peer, const transport::Deadline& deadline);
  absl::StatusOr<wire::Attached> Begin(Peer& peer, const wire::Attach& attach, const transport::Deadline& deadline);
  absl::Status CheckEntitled(const Peer& peer, const wire::Attach& attach, const agent::SliceRecord& slice);
  void TellRefused(const std::string& who, const absl::Status& why);

  agent::Agent* const agent_;
  RemoteSessions* const sessions_;
  Requests* const requests_;
  Tokens* const tokens_;
  pki::IdentitySource* const identity_;
  std::vector<std::unique_ptr<Door>> doors_;
  HandlerThreads handlers_;
  Mutex mutex_;
  int64_t refusal_told_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  int refusals_untold_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace xpool::gateway
