#include "scene.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/process.h"

namespace xpool::sandbox {
namespace {

constexpr UserRange kTenantUsers = {2000000, 100};  // far from anybody's

template <typename T>
T OrAbort(absl::StatusOr<T> value) {
  if (!value.ok()) {
    fprintf(stderr, "the test's scene cannot be made: %s\n", value.status().ToString().c_str());
    std::abort();
  }
  return *std::move(value);
}

void Require(bool done, const char* what) {
  if (done) return;
  perror(what);
  std::abort();
}

std::string MakeDirectory() {
  std::string path = "/tmp/xpool-sandbox-XXXXXX";
  Require(mkdtemp(path.data()) != nullptr && chmod(path.c_str(), 0711) == 0, "a directory for the test");
  return path;
}

void ListenAbstract(Scene& scene) {
  scene.abstract_name = '\0' + scene.directory;
  scene.abstract_listener.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = UnixAddress(scene.abstract_name);
  Require(bind(scene.abstract_listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
              listen(scene.abstract_listener.get(), 1) == 0,
          "abstract socket");
}

void ListenTcp(Scene& scene) {
  scene.tcp_socket.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  scene.tcp_listener.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const auto any = reinterpret_cast<sockaddr*>(&address);
  Require(bind(scene.tcp_listener.get(), any, size) == 0 && listen(scene.tcp_listener.get(), 8) == 0, "TCP socket");
  Require(getsockname(scene.tcp_listener.get(), any, &size) == 0, "TCP socket");
  scene.tcp_port = ntohs(address.sin_port);
}

}  // namespace

sockaddr_un UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

std::unique_ptr<Scene> Scene::Make() {
  auto scene = std::make_unique<Scene>();
  scene->directory = MakeDirectory();
  const bool root = geteuid() == 0;
  scene->store = OrAbort(
      TenantStore::Open(scene->directory + "/tenants", root ? std::optional<UserRange>(kTenantUsers) : std::nullopt));
  scene->own = OrAbort(scene->store->Admit({TenantIdentity::Kind::kCertificate, "own"}));
  scene->other = OrAbort(scene->store->Admit({TenantIdentity::Kind::kCertificate, "other"}));
  scene->other_file = scene->other.cache() + "/kernel";
  std::ofstream(scene->other_file) << "compiled\n";
  scene->slot = OrAbort(CacheSlot::Create(scene->directory + "/slot"));
  scene->public_directory = scene->directory + "/public";
  scene->public_file = scene->public_directory + "/file";
  std::filesystem::create_directory(scene->public_directory);
  std::ofstream(scene->public_file) << "public\n";
  Require(chmod(scene->public_directory.c_str(), 0777) == 0 && chmod(scene->public_file.c_str(), 0666) == 0, "chmod");
  ListenAbstract(*scene);
  ListenTcp(*scene);
  scene->datagram_socket.Reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  scene->agent_pidfd = OrAbort(OpenPidfd(getpid()));
  return scene;
}

Scene::~Scene() {
  store.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

Spec Scene::WorkerSpec() const {
  Spec spec;
  spec.identity = own.identity;
  spec.paths = {{own.cache(), Access::kReadWrite}, {own.temporary(), Access::kReadWrite}};
  spec.limits.file_bytes = kTestFileBytes;
  spec.limits.processes = kTestProcesses;
  spec.limits.open_files = kTestOpenFiles;
  return spec;
}

}  // namespace xpool::sandbox
