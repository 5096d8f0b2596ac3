// The network, and other processes' sockets.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "attempts.h"
#include "base/fd.h"

namespace xpool::sandbox {
namespace {

Action MakesSocket(int family, int type) {
  return [=](const Scene&) {
    const UniqueFd made(socket(family, type, 0));
    return Result(made.get());
  };
}

// A TCP socket that was open before is not stopped by the system-call filter, but by Landlock.
int ConnectOpenSocket(const Scene& scene) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(scene.tcp_port));
  return Result(connect(scene.tcp_socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)));
}

int ConnectAbstract(const Scene& scene) {
  const UniqueFd made(socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un address = UnixAddress(scene.abstract_name);
  return Result(connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

int SendTo(const Scene& scene) {
  const sockaddr_un address = UnixAddress("/run/systemd/journal/socket");
  return Result(
      sendto(scene.datagram_socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

int BindOwn(const Scene& scene) {
  const UniqueFd made(socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un address = UnixAddress(scene.own.cache() + "/s");
  return Result(bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

int AttachFilter(const Scene& scene) {
  const int zero = 0;
  return Result(setsockopt(scene.tcp_socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &zero, sizeof(zero)));
}

}  // namespace

std::vector<Attempt> SocketAttempts() {
  return {
      {"MakesTcpSocket", EPERM, MakesSocket(AF_INET, SOCK_STREAM)},
      {"MakesTcp6Socket", EPERM, MakesSocket(AF_INET6, SOCK_STREAM)},
      {"MakesUdpSocket", EPERM, MakesSocket(AF_INET, SOCK_DGRAM)},
      {"MakesNetlinkSocket", EPERM, MakesSocket(AF_NETLINK, SOCK_RAW)},
      {"MakesPacketSocket", EPERM, MakesSocket(AF_PACKET, SOCK_RAW)},
      {"MakesVirtualMachineSocket", EPERM, MakesSocket(AF_VSOCK, SOCK_STREAM)},
      {"MakesCryptoSocket", EPERM, MakesSocket(AF_ALG, SOCK_SEQPACKET)},
      {"MakesUnixDatagramSocket", EPERM, MakesSocket(AF_UNIX, SOCK_DGRAM)},
      {"ConnectsOpenTcpSocket", EACCES, ConnectOpenSocket, 4},
      {"ConnectsToAbstractSocket", EPERM, ConnectAbstract, 6},
      {"SendsDatagramSomewhere", EPERM, SendTo},
      {"BindsUnixSocket", EPERM, BindOwn},
      {"AttachesSocketFilter", EPERM, AttachFilter},
      {"MakesSharedMemory", EPERM, [](const Scene&) { return Result(shmget(IPC_PRIVATE, 4096, 0600)); }},
      {"MakesSemaphores", EPERM, [](const Scene&) { return Result(semget(IPC_PRIVATE, 1, 0600)); }},
      {"OpensMessageQueue", EPERM, Calls(SYS_mq_open, "x", 0, 0, nullptr)},
  };
}

}  // namespace xpool::sandbox
