#include "agent/store.h"

#include <sqlite3.h>

#include "base/status.h"

namespace xpool::agent {
namespace {

constexpr int kApplicationId = 0x58504f4c;  // "XPOL": tells an agent's file from any other

constexpr char kSchema[] = R"sql(
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS slices (
  number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, xpu_id TEXT NOT NULL,
  guarantee_bp INTEGER NOT NULL, limit_bp INTEGER NOT NULL, memory_bytes INTEGER NOT NULL, priority INTEGER NOT NULL,
  owner_uid INTEGER NOT NULL, owner_pid INTEGER NOT NULL, owner_start_ticks INTEGER NOT NULL,
  created_unix_s INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
  id INTEGER PRIMARY KEY AUTOINCREMENT, slice INTEGER NOT NULL REFERENCES slices(number) ON DELETE CASCADE,
  pid INTEGER NOT NULL, start_ticks INTEGER NOT NULL, uid INTEGER NOT NULL, api INTEGER NOT NULL,
  program TEXT NOT NULL, attached_unix_s INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS remotes (
  id INTEGER PRIMARY KEY, slice INTEGER NOT NULL REFERENCES slices(number) ON DELETE CASCADE,
  worker_pid INTEGER NOT NULL, start_ticks INTEGER NOT NULL, client TEXT NOT NULL, program TEXT NOT NULL,
  began_unix_s INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS loans (
  slice INTEGER PRIMARY KEY REFERENCES slices(number) ON DELETE CASCADE, secret_hash TEXT NOT NULL,
  borrower TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS xpus (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS xpu_memory (number INTEGER PRIMARY KEY, most_bytes INTEGER NOT NULL);
PRAGMA application_id = 0x58504f4c;
PRAGMA user_version = 2;
COMMIT;
)sql";

std::string HowToRecover(const std::string& path) {
  return absl::StrCat(
      "The file was kept as it is. To go on with a copy from a backup, put it there; to start with no "
      "slices, move it and its -wal and -shm files away (mv ",
      path, " ", path, ".bad) and start the agent again");
}

}  // namespace

// One prepared statement, run once.
class Store::Statement {
 public:
  Statement(sqlite3* db, const char* sql) { result_ = sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr); }
  ~Statement() { sqlite3_finalize(statement_); }

  Statement& Bind(int64_t value) {
    if (statement_ != nullptr) sqlite3_bind_int64(statement_, ++bound_, value);
    return *this;
  }
  Statement& Bind(uint64_t value) { return Bind(static_cast<int64_t>(value)); }
  Statement& Bind(const std::string& text) {
    if (statement_ == nullptr) return *this;
    sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    return *this;
  }

  // True for a row; false at the end or on an error, which ok() tells.
  bool Step() {
    if (statement_ != nullptr) result_ = sqlite3_step(statement_);
    return result_ == SQLITE_ROW;
  }
  bool ok() const { return result_ == SQLITE_DONE || result_ == SQLITE_ROW || result_ == SQLITE_OK; }

  int64_t Int(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string Text(int column) const {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return text != nullptr ? text : "";
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  int result_ = SQLITE_OK;
};

absl::Status Store::Failure(const std::string& what) const {
  const std::string why = absl::StrCat("cannot ", what, " ", path_, ": ", sqlite3_errmsg(db_));
  switch (sqlite3_errcode(db_) & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(absl::StrCat(why, ". ", HowToRecover(path_)));
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(why, ". Make room on that file system; nothing was changed"));
    case SQLITE_IOERR:
      return absl::ResourceExhaustedError(
          absl::StrCat(why, ". Check room and health of that file system; nothing was changed"));
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return absl::PermissionDeniedError(
          absl::StrCat(why, ". The agent's user must be able to write the file and its directory"));
    case SQLITE_BUSY:
      return absl::UnavailableError(absl::StrCat(why, ". Another process holds the file; end it and try again"));
    default:
      return absl::InternalError(why);
  }
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& path) {
  sqlite3* db = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  if (db == nullptr) return absl::ResourceExhaustedError("no memory for SQLite");
  std::unique_ptr<Store> store(new Store(path, db));
  if (result != SQLITE_OK) return store->Failure("open");
  sqlite3_extended_result_codes(db, 0);
  sqlite3_busy_timeout(db, 2000);
  RETURN_IF_ERROR(store->Prepare());
  return store;
}

Store::~Store() { sqlite3_close_v2(db_); }

absl::Status Store::Execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  const absl::Status failure = Failure("use");
  if (sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  return failure;
}

absl::Status Store::CheckFile() {
  Statement check(db_, "PRAGMA quick_check(1)");
  if (!check.Step()) return Failure("read");
  if (check.Text(0) != "ok") {
    return absl::DataLossError(absl::StrCat(path_, " is damaged: ", check.Text(0), ". ", HowToRecover(path_)));
  }
  Statement application(db_, "PRAGMA application_id"), version(db_, "PRAGMA user_version"),
      tables(db_, "SELECT count(*) FROM sqlite_master");
  if (!application.Step() || !version.Step() || !tables.Step()) return Failure("read");
  if (tables.Int(0) > 0 && application.Int(0) != kApplicationId) {
    return absl::DataLossError(absl::StrCat(path_, " is a database, but no agent's. ", HowToRecover(path_)));
  }
  if (version.Int(0) > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, " has schema version ", version.Int(0), ", this agent knows ", kSchemaVersion,
                     ": it was written by a newer agent; start that one. ", HowToRecover(path_)));
  }
  return absl::OkStatus();
}

absl::Status Store::Prepare() {
  RETURN_IF_ERROR(CheckFile());
  RETURN_IF_ERROR(
      Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; "
              "PRAGMA cache_size = -512;"));
  return Execute(kSchema);
}

template <typename Record>
absl::StatusOr<std::vector<Record>> Store::ReadAll(const char* what, const char* sql,
                                                   Record (*read)(const Statement& row)) {
  Statement query(db_, sql);
  std::vector<Record> records;
  while (query.Step()) records.push_back(read(query));
  if (!query.ok()) return Failure(absl::StrCat("read ", what, " from"));
  return records;
}

absl::StatusOr<std::vector<SliceRecord>> Store::LoadSlices() {
  return ReadAll<SliceRecord>(
      "slices",
      "SELECT number, name, xpu_id, guarantee_bp, limit_bp, memory_bytes, priority, owner_uid, owner_pid, "
      "owner_start_ticks, created_unix_s FROM slices ORDER BY number",
      [](const Statement& row) {
        return SliceRecord{.number = static_cast<uint64_t>(row.Int(0)),
                           .name = row.Text(1),
                           .xpu_id = row.Text(2),
                           .guarantee = Share::FromBasisPoints(row.Int(3)),
                           .limit = Share::FromBasisPoints(row.Int(4)),
                           .memory_bytes = static_cast<uint64_t>(row.Int(5)),
                           .priority = static_cast<arbiter::Priority>(row.Int(6)),
                           .owner_uid = static_cast<uid_t>(row.Int(7)),
                           .owner_pid = static_cast<pid_t>(row.Int(8)),
                           .owner_start_ticks = static_cast<uint64_t>(row.Int(9)),
                           .created_unix_s = row.Int(10)};
      });
}

absl::StatusOr<std::vector<SessionRecord>> Store::LoadSessions() {
  return ReadAll<SessionRecord>(
      "sessions", "SELECT id, slice, pid, start_ticks, uid, api, program, attached_unix_s FROM sessions ORDER BY id",
      [](const Statement& row) {
        return SessionRecord{.id = static_cast<uint64_t>(row.Int(0)),
                             .slice = static_cast<uint64_t>(row.Int(1)),
                             .pid = static_cast<pid_t>(row.Int(2)),
                             .start_ticks = static_cast<uint64_t>(row.Int(3)),
                             .uid = static_cast<uid_t>(row.Int(4)),
                             .api = static_cast<uint32_t>(row.Int(5)),
                             .program = row.Text(6),
                             .attached_unix_s = row.Int(7)};
      });
}

absl::Status Store::InsertSlice(SliceRecord& slice) {
  Statement insert(db_,
                   "INSERT INTO slices (name, xpu_id, guarantee_bp, limit_bp, memory_bytes, priority, owner_uid, "
                   "owner_pid, owner_start_ticks, created_unix_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  insert.Bind(slice.name).Bind(slice.xpu_id).Bind(int64_t{slice.guarantee.basis_points()});
  insert.Bind(int64_t{slice.limit.basis_points()}).Bind(slice.memory_bytes);
  insert.Bind(static_cast<int64_t>(slice.priority)).Bind(int64_t{slice.owner_uid}).Bind(int64_t{slice.owner_pid});
  insert.Bind(slice.owner_start_ticks).Bind(slice.created_unix_s).Step();
  if (!insert.ok()) return Failure("write a slice to");
  slice.number = static_cast<uint64_t>(sqlite3_last_insert_rowid(db_));
  return absl::OkStatus();
}

absl::Status Store::UpdateSlice(const SliceRecord& slice) {
  Statement update(db_,
                   "UPDATE slices SET guarantee_bp = ?, limit_bp = ?, memory_bytes = ?, priority = ? WHERE number = ?");
  update.Bind(int64_t{slice.guarantee.basis_points()}).Bind(int64_t{slice.limit.basis_points()});
  update.Bind(slice.memory_bytes).Bind(static_cast<int64_t>(slice.priority)).Bind(slice.number).Step();
  return update.ok() ? absl::OkStatus() : Failure("change a slice in");
}

absl::Status Store::DeleteSlice(SliceNumber number) {
  Statement remove(db_, "DELETE FROM slices WHERE number = ?");
  remove.Bind(number).Step();
  return remove.ok() ? absl::OkStatus() : Failure("delete a slice from");
}

absl::Status Store::InsertSession(SessionRecord& session) {
  Statement insert(db_,
                   "INSERT INTO sessions (slice, pid, start_ticks, uid, api, program, attached_unix_s) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?)");
  insert.Bind(session.slice).Bind(int64_t{session.pid}).Bind(session.start_ticks).Bind(int64_t{session.uid});
  insert.Bind(int64_t{session.api}).Bind(session.program).Bind(session.attached_unix_s).Step();
  if (!insert.ok()) return Failure("write a session to");
  session.id = static_cast<uint64_t>(sqlite3_last_insert_rowid(db_));
  return absl::OkStatus();
}

absl::Status Store::DeleteSession(SessionId id) {
  Statement remove(db_, "DELETE FROM sessions WHERE id = ?");
  remove.Bind(id).Step();
  return remove.ok() ? absl::OkStatus() : Failure("delete a session from");
}

absl::StatusOr<std::vector<RemoteRecord>> Store::LoadRemotes() {
  return ReadAll<RemoteRecord>("remote sessions",
                               "SELECT id, slice, worker_pid, start_ticks, client, program, began_unix_s FROM remotes",
                               [](const Statement& row) {
                                 return RemoteRecord{.id = static_cast<uint64_t>(row.Int(0)),
                                                     .slice = static_cast<uint64_t>(row.Int(1)),
                                                     .worker_pid = static_cast<pid_t>(row.Int(2)),
                                                     .start_ticks = static_cast<uint64_t>(row.Int(3)),
                                                     .client = row.Text(4),
                                                     .program = row.Text(5),
                                                     .began_unix_s = row.Int(6)};
                               });
}

absl::Status Store::InsertRemote(const RemoteRecord& remote) {
  Statement insert(db_,
                   "INSERT INTO remotes (id, slice, worker_pid, start_ticks, client, program, began_unix_s) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?)");
  insert.Bind(remote.id).Bind(remote.slice).Bind(int64_t{remote.worker_pid}).Bind(remote.start_ticks);
  insert.Bind(remote.client).Bind(remote.program).Bind(remote.began_unix_s).Step();
  return insert.ok() ? absl::OkStatus() : Failure("write a remote session to");
}

absl::Status Store::DeleteRemote(uint64_t id) {
  Statement remove(db_, "DELETE FROM remotes WHERE id = ?");
  remove.Bind(id).Step();
  return remove.ok() ? absl::OkStatus() : Failure("delete a remote session from");
}

absl::StatusOr<std::vector<LoanRecord>> Store::LoadLoans() {
  return ReadAll<LoanRecord>("loans", "SELECT slice, secret_hash, borrower FROM loans", [](const Statement& row) {
    return LoanRecord{static_cast<uint64_t>(row.Int(0)), row.Text(1), row.Text(2)};
  });
}

absl::Status Store::InsertLoan(const LoanRecord& loan) {
  Statement insert(db_, "INSERT INTO loans (slice, secret_hash, borrower) VALUES (?, ?, ?)");
  insert.Bind(loan.slice).Bind(loan.secret_hash).Bind(loan.borrower).Step();
  return insert.ok() ? absl::OkStatus() : Failure("write a loan to");
}

absl::StatusOr<uint64_t> Store::XpuNumber(const std::string& key) {
  {
    Statement find(db_, "SELECT number FROM xpus WHERE key = ?");
    if (find.Bind(key).Step()) return static_cast<uint64_t>(find.Int(0));
    if (!find.ok()) return Failure("read XPUs from");
  }
  Statement insert(db_, "INSERT INTO xpus (number, key) SELECT coalesce(max(number) + 1, 0), ? FROM xpus");
  insert.Bind(key).Step();
  if (!insert.ok()) return Failure("write an XPU to");
  return static_cast<uint64_t>(sqlite3_last_insert_rowid(db_));
}

absl::StatusOr<uint64_t> Store::MostXpuMemory(uint64_t number, uint64_t bytes) {
  Statement keep(db_,
                 "INSERT INTO xpu_memory (number, most_bytes) VALUES (?, ?) ON CONFLICT (number) DO UPDATE SET "
                 "most_bytes = max(most_bytes, excluded.most_bytes) RETURNING most_bytes");
  if (!keep.Bind(number).Bind(bytes).Step()) return Failure("write an XPU to");
  return static_cast<uint64_t>(keep.Int(0));
}

}  // namespace xpool::agent
