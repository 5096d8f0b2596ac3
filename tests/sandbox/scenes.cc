#include "scenes.h"

#include <dlfcn.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>

#include "base/status.h"

namespace xpool::sandbox {
namespace {

constexpr uid_t kAgentUser = 1999999;  // nobody's, for tests that play an agent without root

std::unique_ptr<Scene> root_scene;
std::unique_ptr<Scene> user_scene;
std::unique_ptr<Scene> scratch_scene;

const std::string& PoclLibrary() {
  static const std::string library = [] {
    for (const local::InstalledDriver& driver : local::ListInstalledDrivers()) {
      if (ProfileOfLibrary(driver.library) == Profile::kPocl) return driver.library;
    }
    return std::string("libpocl.so.2");
  }();
  return library;
}

bool TakeAgentUser() {
  if (geteuid() != 0) return true;
  // Dumpable, as a process is that was started by that user: whoever is the same user may look into it.
  return setgroups(0, nullptr) == 0 && setresgid(kAgentUser, kAgentUser, kAgentUser) == 0 &&
         setresuid(kAgentUser, kAgentUser, kAgentUser) == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

const Scene& MadeByAgentUser(std::unique_ptr<Scene>& scene) {
  if (scene != nullptr) return *scene;
  const bool root = geteuid() == 0;
  if (root && seteuid(kAgentUser) != 0) std::abort();
  scene = Scene::Make();
  if (root && seteuid(0) != 0) std::abort();
  return *scene;
}

class Scenes : public ::testing::Environment {
 public:
  void SetUp() override {
    // Loaded, but not asked for anything: it starts no thread yet, and children need not load it again.
    dlopen(PoclLibrary().c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  void TearDown() override {
    root_scene.reset();
    user_scene.reset();
    scratch_scene.reset();
  }
};

const auto* const environment = ::testing::AddGlobalTestEnvironment(new Scenes);

}  // namespace

const Scene& RootScene() {
  if (root_scene == nullptr) root_scene = Scene::Make();
  return *root_scene;
}

const Scene& UserScene() { return MadeByAgentUser(user_scene); }
const Scene& ScratchScene() { return MadeByAgentUser(scratch_scene); }

Outcome RunAsAgentUser(const std::function<std::string()>& body) {
  const Outcome agent = RunInChild([&] {
    if (!TakeAgentUser()) return std::string("cannot take another user");
    const Outcome inner = RunInChild(body);
    return absl::StrCat(inner.signal, " ", inner.said);
  });
  const size_t space = agent.said.find(' ');
  if (space == std::string::npos) return agent;
  Outcome outcome;
  outcome.signal = std::atoi(agent.said.c_str());
  outcome.exit_code = outcome.signal == 0 ? 0 : -1;
  outcome.said = agent.said.substr(space + 1);
  return outcome;
}

std::string InSandbox(const Scene& scene, const Spec& spec, const std::function<std::string(TestWorker&)>& work,
                      Sockets sockets) {
  auto worker = StartWorker(scene);
  if (!worker.ok()) return worker.status().ToString();
  const auto report = (*worker)->Enter(sockets, spec);
  return report.ok() ? work(**worker) : report.status().ToString();
}

absl::StatusOr<std::unique_ptr<TestWorker>> StartWorker(const Scene& scene) {
  setenv("POCL_CACHE_DIR", scene.slot->path().c_str(), 1);
  RETURN_IF_ERROR(scene.slot->PointAt(scene.slot->path().substr(0, scene.slot->path().rfind('/')) + "/warm"));
  auto worker = TestWorker::Start(PoclLibrary());
  RETURN_IF_ERROR(worker.status());
  RETURN_IF_ERROR(scene.slot->PointAt(scene.own.cache()));
  return worker;
}

}  // namespace xpool::sandbox
