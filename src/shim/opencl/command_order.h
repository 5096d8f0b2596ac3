// Which recorded command of a software queue may be forwarded next. Pure; the queue calls it with its mutex held.
//
// An in-order queue forwards from its head only. An out-of-order queue forwards any ready command, but a barrier holds
// back all that come after it, and a barrier or marker without a wait list goes only once all before it have gone (from
// then on the driver keeps the order).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace xpool::cl {

// What a command means for the commands around it in an out-of-order queue.
struct Ordering {
  bool after_all_earlier = false;  // a marker or barrier without a wait list
  bool before_all_later = false;   // a barrier
};

// |commands|: a sequence, oldest first. |ready(c)|: the wait list of |c| lets it go. |ordering(c)|: its Ordering.
template <typename Sequence, typename Ready, typename OrderingOf>
std::optional<size_t> NextForwardable(const Sequence& commands, bool out_of_order, Ready&& ready,
                                      OrderingOf&& ordering) {
  for (size_t i = 0; i < commands.size(); ++i) {
    const Ordering order = ordering(commands[i]);
    const bool held_back = order.after_all_earlier && i > 0;
    if (!held_back && ready(commands[i])) return i;
    if (!out_of_order || order.before_all_later) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace xpool::cl
