// The two scenes of these tests, and the processes that play in them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "sandbox/testing/child.h"
#include "scene.h"
#include "test_worker.h"

namespace xpool::sandbox {

// An agent that is root, with a user for each tenant. REQUIRES: this process is root.
const Scene& RootScene();

// An agent that is not: this process's user, or when that is root, another that a child takes.
const Scene& UserScene();

// As UserScene(), for attempts that succeed and leave it changed.
const Scene& ScratchScene();

// Runs |body| in a child of a process that plays UserScene()'s agent: without privileges, of the same user.
Outcome RunAsAgentUser(const std::function<std::string()>& body);

// Runs |work| in a warm worker with PoCL that has entered its sandbox; what it returns, or why there is none.
// REQUIRES: the only thread.
std::string InSandbox(const Scene& scene, const Spec& spec, const std::function<std::string(TestWorker&)>& work,
                      Sockets sockets = Sockets::kUnix);

// A warm worker with PoCL, whose kernels go to the scene's tenant from now on. REQUIRES: the only thread.
absl::StatusOr<std::unique_ptr<TestWorker>> StartWorker(const Scene& scene);

}  // namespace xpool::sandbox
