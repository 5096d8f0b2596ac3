#include "pki/testing/test_lab.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/clock.h"

namespace xpool::pki {
namespace {

void Require(bool done) {
  if (!done) std::abort();
}

}  // namespace

TestLab::TestLab() : now_unix_s(UnixNowNs() / kNsPerSec) {
  // In memory where there is such a place: what is written is synced, and a disk takes its time.
  folder_ = access("/dev/shm", W_OK) == 0 ? "/dev/shm/xpool-lab-XXXXXX" : "/tmp/xpool-lab-XXXXXX";
  Require(mkdtemp(folder_.data()) != nullptr);
  Require(Authority::Create(authority_folder(), "lab", kAuthorityDays, now_unix_s).ok());
}

TestLab::~TestLab() {
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

Authority TestLab::Open() const { return Authority::Open(authority_folder()).value(); }

Identity TestLab::Node(const std::string& name, const std::vector<std::string>& addresses, int days) const {
  return Issue({Role::kNode, name, addresses, days});
}

Identity TestLab::User(const std::string& name, int days) const { return Issue({Role::kUser, name, {}, days}); }

Identity TestLab::Issue(const IssueRequest& request) const {
  return ParseIdentity(Open().Issue(request, now_unix_s).value().text).value();
}

std::string TestLab::Read(const std::string& path) const { return ReadFile(path, kMostIndexBytes).value(); }

}  // namespace xpool::pki
