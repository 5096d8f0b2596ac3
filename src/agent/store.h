// The agent's memory across restarts: slices, sessions and the ids of XPUs, in one SQLite file (write-ahead log, so
// that a killed agent loses nothing it has acknowledged). A file that cannot be used is never repaired or replaced:
// Open() refuses and says how to go on.
//
// Not thread-safe; the agent calls it under its own lock.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/records.h"

struct sqlite3;

namespace xpool::agent {

class Store {
 public:
  static constexpr int kSchemaVersion = 2;

  // Opens or creates |path|. DATA_LOSS when it is damaged or no agent's file, FAILED_PRECONDITION when it was written
  // by a newer agent, PERMISSION_DENIED or RESOURCE_EXHAUSTED when it cannot be written.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& path);
  ~Store();

  absl::StatusOr<std::vector<SliceRecord>> LoadSlices();
  absl::StatusOr<std::vector<SessionRecord>> LoadSessions();

  // Gives |slice| a number that was never used before.
  absl::Status InsertSlice(SliceRecord& slice);
  absl::Status UpdateSlice(const SliceRecord& slice);
  // Its sessions' records go with it.
  absl::Status DeleteSlice(SliceNumber number);

  // Gives |session| an id that was never used before.
  absl::Status InsertSession(SessionRecord& session);
  absl::Status DeleteSession(SessionId id);

  absl::StatusOr<std::vector<RemoteRecord>> LoadRemotes();
  absl::Status InsertRemote(const RemoteRecord& remote);
  absl::Status DeleteRemote(uint64_t id);

  absl::StatusOr<std::vector<LoanRecord>> LoadLoans();
  // It goes with its slice.
  absl::Status InsertLoan(const LoanRecord& loan);

  // The number of the XPU known by |key|, from 0; the same at every start.
  absl::StatusOr<uint64_t> XpuNumber(const std::string& key);
  // The most memory that XPU |number| was ever started with, |bytes| included.
  absl::StatusOr<uint64_t> MostXpuMemory(uint64_t number, uint64_t bytes);

 private:
  class Statement;

  Store(std::string path, sqlite3* db) : path_(std::move(path)), db_(db) {}
  absl::Status CheckFile();
  absl::Status Prepare();
  absl::Status Execute(const char* sql);
  absl::Status Failure(const std::string& what) const;
  template <typename Record>
  absl::StatusOr<std::vector<Record>> ReadAll(const char* what, const char* sql, Record (*read)(const Statement& row));

  const std::string path_;
  sqlite3* const db_;
};

}  // namespace xpool::agent
