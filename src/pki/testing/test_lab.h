// A laboratory in a folder of its own, for tests: an authority that issues what is asked, at a time that the test sets.
// What cannot be made aborts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pki/authority.h"
#include "pki/identity.h"

namespace xpool::pki {

class TestLab {
 public:
  TestLab();
  TestLab(const TestLab&) = delete;
  TestLab& operator=(const TestLab&) = delete;
  ~TestLab();

  Authority Open() const;
  Identity Node(const std::string& name, const std::vector<std::string>& addresses = {"server"}, int days = 0) const;
  Identity User(const std::string& name, int days = 0) const;

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::string authority_folder() const { return Path("ca"); }
  std::string Read(const std::string& path) const;

  int64_t now_unix_s;  // the real time, until it is changed

 private:
  Identity Issue(const IssueRequest& request) const;

  std::string folder_;
};

}  // namespace xpool::pki
