#include "gateway/loans.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "agent/agent.h"
#include "gateway/requests.h"

namespace xpool::gateway {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

// Moves when told, while other threads read it.
class SteppedClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns_; }
  void Advance(int64_t ns) { now_ns_ += ns; }

 private:
  std::atomic<int64_t> now_ns_{kNsPerSec};
};

// An agent with one card of 8 GiB, and what lends its slices.
class LoansTest : public testing::Test {
 protected:
  LoansTest() {
    spdlog::set_level(spdlog::level::off);
    directory_ = std::filesystem::temp_directory_path() / ("xpool_loans_test_" + std::to_string(getpid()));
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    StartAgent();
  }
  ~LoansTest() override {
    StopAgent();
    std::filesystem::remove_all(directory_);
  }

  void StartAgent() {
    agent::Options options;
    options.paths.directory = directory_;
    XpuInfo xpu;
    xpu.name = "card";
    xpu.type = "GPU";
    xpu.memory_bytes = 8 * kGiB;
    Discovery discovery;
    discovery.xpus = {xpu};
    agent_ = agent::Agent::Create(options, std::move(discovery), &clock_).value();
    tokens_ = std::make_unique<Tokens>(pki::TokenKeys{}, &clock_);
    loans_ = std::make_unique<Loans>(agent_.get(), tokens_.get());
  }
  void StopAgent() {
    loans_.reset();
    tokens_.reset();
    agent_.reset();
  }

  absl::StatusOr<v1::Loan> Borrow(const std::string& borrower = "bob") {
    v1::BorrowRequest request;
    request.mutable_spec()->set_memory_bytes(kGiB / 1024);
    return loans_->Borrow(request, borrower, holder_);
  }
  absl::Status Renew(const std::string& slice, const std::string& secret) {
    v1::RenewRequest request;
    request.set_slice_id(slice);
    request.set_secret(secret);
    return loans_->Renew(request, holder_).status();
  }
  absl::Status Return(const std::string& slice, const std::string& secret) {
    v1::ReturnRequest request;
    request.set_slice_id(slice);
    request.set_secret(secret);
    return loans_->Return(request);
  }
  size_t slices() { return agent_->ListSlices().size(); }

  std::string directory_;
  SteppedClock clock_;
  const pki::TokenHolder holder_ = pki::TokenHolder::Anybody();
  std::unique_ptr<agent::Agent> agent_;
  std::unique_ptr<Tokens> tokens_;
  std::unique_ptr<Loans> loans_;
};

TEST_F(LoansTest, BorrowedSliceIsMadeRenewedAndGoneWhenReturned) {
  const absl::StatusOr<v1::Loan> loan = Borrow();
  ASSERT_TRUE(loan.ok()) << loan.status();
  EXPECT_EQ(slices(), 1u);
  EXPECT_EQ(loan->secret().size(), 16u);
  EXPECT_TRUE(Renew(loan->slice().id(), loan->secret()).ok());
  EXPECT_TRUE(Return(loan->slice().id(), loan->secret()).ok());
  EXPECT_EQ(slices(), 0u);
  EXPECT_TRUE(absl::IsNotFound(Return(loan->slice().id(), loan->secret())));
}

TEST_F(LoansTest, TokenEntitlesToTheSlice) {
  const v1::Loan loan = Borrow().value();
  const agent::SliceRecord slice = agent_->GetSlice(loan.slice().id())->slice;
  EXPECT_TRUE(tokens_->Check(loan.token(), slice, holder_).ok());
  EXPECT_FALSE(tokens_->Check(loan.token() + "x", slice, holder_).ok());
}

TEST_F(LoansTest, AnotherSecretIsRefusedAndChangesNothing) {
  const v1::Loan loan = Borrow().value();
  for (const std::string& secret : {std::string(), std::string("x"), loan.secret() + "x", std::string(16, '\0')}) {
    EXPECT_TRUE(absl::IsPermissionDenied(Renew(loan.slice().id(), secret)));
    EXPECT_TRUE(absl::IsPermissionDenied(Return(loan.slice().id(), secret)));
  }
  EXPECT_EQ(slices(), 1u);
}

TEST_F(LoansTest, SliceThatWasNotLentIsNobodysToReturn) {
  const agent::SliceView own = agent_->CreateSlice({.name = "own", .memory_bytes = kGiB}).value();
  EXPECT_TRUE(absl::IsNotFound(Renew(own.slice.id(), "")));
  EXPECT_TRUE(absl::IsNotFound(Return(own.slice.id(), "")));
  EXPECT_EQ(slices(), 1u);
}

TEST_F(LoansTest, OwnerOfAnotherMachineIsRefused) {
  v1::BorrowRequest request;
  request.mutable_spec()->set_owner_pid(1);
  EXPECT_TRUE(absl::IsInvalidArgument(loans_->Borrow(request, "bob", holder_).status()));
  EXPECT_EQ(slices(), 0u);
}

TEST_F(LoansTest, MoreThanTheCardHasIsRefusedAndLeavesNothing) {
  v1::BorrowRequest request;
  request.mutable_spec()->set_memory_bytes(9 * kGiB);
  EXPECT_FALSE(loans_->Borrow(request, "bob", holder_).ok());
  EXPECT_EQ(slices(), 0u);
  EXPECT_TRUE(agent_->LoanRecords().empty());
}

TEST_F(LoansTest, OneBorrowerHasABoundAndOthersAreNotHeldBack) {
  for (size_t i = 0; i < Loans::kMostEach; ++i) ASSERT_TRUE(Borrow().ok()) << i;
  EXPECT_TRUE(absl::IsResourceExhausted(Borrow().status()));
  EXPECT_TRUE(Borrow("alice").ok());
}

// The next loan has the thread that ends them look at the clock.
TEST_F(LoansTest, LoanThatIsNotRenewedEnds) {
  const v1::Loan kept = Borrow().value(), left = Borrow().value();
  clock_.Advance(Loans::kGraceNs - kNsPerSec);
  EXPECT_TRUE(Renew(kept.slice().id(), kept.secret()).ok());
  clock_.Advance(kNsPerSec);
  const v1::Loan next = Borrow().value();
  while (slices() > 2) usleep(1000);
  EXPECT_TRUE(absl::IsNotFound(Renew(left.slice().id(), left.secret())));
  EXPECT_TRUE(Renew(kept.slice().id(), kept.secret()).ok());
}

TEST_F(LoansTest, LoanSurvivesItsLendersRestart) {
  const v1::Loan loan = Borrow().value();
  StopAgent();
  StartAgent();
  EXPECT_TRUE(Renew(loan.slice().id(), loan.secret()).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(Renew(loan.slice().id(), "x")));
}

// Bodies that are no protobuf, or of another message, are refused before anything is done.
TEST_F(LoansTest, RequestsThatAreNoneAreRefused) {
  Requests requests(agent_.get(), loans_.get());
  for (const uint16_t method : {v1::METHOD_BORROW, v1::METHOD_RENEW, v1::METHOD_RETURN}) {
    const auto answer = requests.Answer({.method = method, .body = "\xff\xff\xff"}, "bob", holder_);
    EXPECT_TRUE(absl::IsInvalidArgument(answer.status())) << method << ": " << answer.status();
  }
  EXPECT_TRUE(absl::IsUnimplemented(requests.Answer({.method = 99}, "bob", holder_).status()));
  EXPECT_TRUE(absl::IsNotFound(requests.Answer({.method = v1::METHOD_RETURN}, "bob", holder_).status()));
  EXPECT_TRUE(requests.Answer({.method = v1::METHOD_DESCRIBE}, "bob", holder_).ok());
  EXPECT_EQ(slices(), 0u);
}

}  // namespace
}  // namespace xpool::gateway
