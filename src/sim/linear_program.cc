#include "sim/linear_program.h"

#include <coin/Clp_C_Interface.h>

#include <memory>

#include "absl/strings/str_cat.h"

namespace xpool::sim {

size_t LinearProgram::AddLimit(double most) {
  limits_.push_back(most);
  return limits_.size() - 1;
}

void LinearProgram::AddValue(double worth, const std::vector<std::pair<size_t, double>>& in_limits) {
  worths_.push_back(worth);
  for (const auto& [limit, part] : in_limits) {
    rows_.push_back(static_cast<int>(limit));
    parts_.push_back(part);
  }
  starts_.push_back(static_cast<int>(rows_.size()));
}

absl::StatusOr<double> LinearProgram::Solve() const {
  constexpr double kMaximize = -1;
  if (worths_.empty()) return 0.0;
  const std::unique_ptr<Clp_Simplex, void (*)(Clp_Simplex*)> model(Clp_newModel(), Clp_deleteModel);
  Clp_setLogLevel(model.get(), 0);
  Clp_loadProblem(model.get(), static_cast<int>(worths_.size()), static_cast<int>(limits_.size()), starts_.data(),
                  rows_.data(), parts_.data(), nullptr, nullptr, worths_.data(), nullptr, limits_.data());
  Clp_setOptimizationDirection(model.get(), kMaximize);
  Clp_initialSolve(model.get());
  if (const int status = Clp_status(model.get()); status != 0)
    return absl::InternalError(absl::StrCat("the linear program could not be solved: CLP's status is ", status));
  return Clp_objectiveValue(model.get());
}

}  // namespace xpool::sim
