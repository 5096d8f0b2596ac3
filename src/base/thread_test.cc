#include "base/thread.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <memory>

namespace xpool {
namespace {

TEST(ThreadTest, WorkRunsUnderItsName) {
  std::promise<std::string> name;
  ASSERT_TRUE(StartDetached("some-work", [&name] {
    char text[16] = {};
    pthread_getname_np(pthread_self(), text, sizeof(text));
    name.set_value(text);
  }));
  EXPECT_EQ(name.get_future().get(), "some-work");
}

TEST(ThreadTest, WithoutAThreadWorkIsDestroyedUncalled) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own memory knows no limit";
#endif
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit nothing_more{1, 1};
    setrlimit(RLIMIT_AS, &nothing_more);
    int started = 0;  // on stacks that were there
    while (started < 1000 && StartDetached("some-work", [] { pause(); })) ++started;
    const auto held = std::make_shared<int>(0);
    bool called = false;
    const bool refused = !StartDetached("no-thread", [held, &called] { called = true; });
    _exit(refused && !called && held.use_count() == 1 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace xpool
