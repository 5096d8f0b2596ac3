#include "scheduler/outlook/fragmentation.h"

#include <algorithm>
#include <array>

#include "scheduler/model/mixed.h"

namespace xpool::scheduler {
namespace {

constexpr double kCoverage = 0.95;  // section 4.2

constexpr size_t kMostKinds = 128;

// Why idle compute is of no use to a type, in the order in which the reasons are summed up.
enum Reason { kLacksBoth, kLacksCards, kLacksCpu, kNeedsNone, kNeedsNoneLacksCpu, kOtherModel, kReasons };

// Of one kind of card on a node.
struct Usable {
  int32_t cards = 0;       // that could serve it
  int32_t of_model = 0;    // that could if nobody else were on them
  int32_t lost_milli = 0;  // idle on the others, in thousandths of a card
};

}  // namespace

int32_t Fragmentation::KindOf(CardRequest kind) {
  kind.count = 1;
  const auto found = std::find(kinds_.begin(), kinds_.end(), kind);
  const auto place = static_cast<int32_t>(found - kinds_.begin());
  if (found == kinds_.end() && kinds_.size() == kMostKinds) return place - 1;  // the rarest ones are thrown together
  if (found == kinds_.end()) kinds_.push_back(kind);
  return place;
}

Fragmentation::Fragmentation(const Mix& mix) {
  const Mix target = TypicalOf(mix, kCoverage);
  const auto all = static_cast<double>(mix.count());
  const double covered = static_cast<double>(target.count()) / all;
  for (const PodType& type : target.types) {
    const bool needs_cards = !type.demand.cards.empty();
    types_.push_back({type.demand.cpu_milli, needs_cards ? KindOf(type.demand.cards[0]) : kNoCards,
                      needs_cards ? type.demand.cards[0].count : 0, static_cast<double>(type.count) / all / covered});
    cpu_steps_.push_back(type.demand.cpu_milli);
  }
  std::sort(cpu_steps_.begin(), cpu_steps_.end());
}

uint64_t Fragmentation::KeyOf(const NodeState& node) const {
  const auto step = std::upper_bound(cpu_steps_.begin(), cpu_steps_.end(), node.cpu_milli);
  return Mixed(node.shape() ^ Mixed(static_cast<uint64_t>(step - cpu_steps_.begin())));
}

double Fragmentation::Of(const NodeState& node) const {
  const auto idle_milli = static_cast<int32_t>(node.idle_milli());
  if (idle_milli == 0) return 0;
  std::array<Usable, kMostKinds> usable{};
  for (size_t i = 0; i < kinds_.size(); ++i) {
    for (const CardState& card : node.cards()) {
      if (!card.usable) continue;
      const bool serves = card.Serves(kinds_[i]);
      usable[i].of_model += card.IsOneOf(kinds_[i].models);
      usable[i].cards += serves;
      usable[i].lost_milli += serves ? 0 : card.idle_milli();
    }
  }
  std::array<double, kReasons> lost{};
  for (const Type& type : types_) {
    const bool lacks_cpu = node.cpu_milli < type.cpu_milli;
    if (type.kind == kNoCards) {
      lost[lacks_cpu ? kNeedsNoneLacksCpu : kNeedsNone] += type.part * idle_milli;
      continue;
    }
    const Usable& of = usable[type.kind];
    const bool lacks_cards = of.cards < type.cards;
    if (of.of_model == 0) {
      lost[kOtherModel] += type.part * idle_milli;
    } else if (lacks_cards) {
      lost[lacks_cpu ? kLacksBoth : kLacksCards] += type.part * idle_milli;
    } else if (lacks_cpu) {
      lost[kLacksCpu] += type.part * idle_milli;
    } else {
      lost[kLacksCards] += type.part * of.lost_milli;
    }
  }
  double sum = 0;
  for (const double milli : lost) sum += milli;
  return sum;
}

}  // namespace xpool::scheduler
