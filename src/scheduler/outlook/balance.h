// Which resource a pool runs out of first, if it is asked for what the mix asks for: the compute of its cards, or its
// cores, or the memory of its cards. What is idle of that one is what is lost. Pure.
#pragma once

#include <vector>

#include "scheduler/outlook/mix.h"
#include "scheduler/outlook/pool_groups.h"

namespace xpool::scheduler {

struct Balance {
  // How much an idle card's compute counts, an idle core, and an idle GiB of a card's memory, each in cards.
  double card = 1, core = 0, card_gib = 0;
};

// The cards count unless another resource is asked for more, in proportion to what there is; from a tenth more on, that
// one alone does. A core, or a GiB, is worth the cards that pods ask for with each.
Balance BalanceOf(const Mix& mix, const std::vector<NodeGroup>& groups);

}  // namespace xpool::scheduler
