// Who waits to be placed, and for what. A unit, a pod or a gang, is either ready to be tried, or blocked until
// something happens that could help it, or sits out a while. Units that are blocked for the same want are woken one at
// a time, the first of them: when it has got its place the next one follows, so that one freed place does not wake a
// thousand. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "scheduler/model/demand.h"
#include "scheduler/queue/queue_order.h"

namespace xpool::scheduler {

using UnitId = uint32_t;

// What would help: a node with room for |demand| that is allowed by the filter of that key.
struct Want {
  Demand demand;
  std::string filter;  // its key (pool/node_filters.h)

  friend bool operator==(const Want&, const Want&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const Want& want) {
    return H::combine(std::move(state), want.demand, want.filter);
  }
};

class WaitingRoom {
 public:
  struct Entry {
    std::string queue;
    int32_t priority = 0;
    int64_t since_ns = 0;
  };

  void SetQueue(const QueueSpec& queue) { QueueOf(queue.name).spec = queue; }
  const QueueSpec& queue(const std::string& name) { return QueueOf(name).spec; }

  // A new unit, ready. It keeps its turn until it is removed.
  void Add(UnitId unit, const Entry& entry);
  void Remove(UnitId unit);
  bool contains(UnitId unit) const { return units_.contains(unit); }
  const Entry& entry(UnitId unit) const { return units_.at(unit).entry; }

  // Takes the unit whose turn it is out of the ready ones; it must be put somewhere, or removed, next.
  std::optional<UnitId> TakeNext(const QueueOrder& order, int64_t now_ns,
                                 absl::FunctionRef<int64_t(const std::string&)> used_compute_milli);
  void MakeReady(UnitId unit);
  // Until any of |wants| is helped, or Wake() names it.
  void Block(UnitId unit, const std::vector<Want>& wants);
  // Until its queue has quota again.
  void BlockForQuota(UnitId unit);
  void SitOut(UnitId unit, int64_t until_ns);

  // Wakes the first unit of each want that |helps|. The units that are ready for it now are added to |woken|.
  void WakeWants(absl::FunctionRef<bool(const Want&)> helps, std::vector<UnitId>* woken);
  // The same for one that has just been helped: who else wants the same.
  void WakeNextLike(const std::vector<Want>& wants, std::vector<UnitId>* woken);
  // The first one that waits for quota of |queue|.
  void WakeQueue(const std::string& queue, std::vector<UnitId>* woken);
  void WakeDue(int64_t now_ns, std::vector<UnitId>* woken);
  std::optional<int64_t> next_due_ns() const;

  size_t size() const { return units_.size(); }
  size_t ready() const { return ready_count_; }
  size_t wants() const { return wants_.size(); }

 private:
  enum class State : uint8_t { kTaken, kReady, kBlocked, kQuota, kSittingOut };
  struct Turn {
    int32_t priority;
    uint64_t sequence;
    UnitId unit;
    friend bool operator<(const Turn& one, const Turn& other) {
      if (one.priority != other.priority) return one.priority > other.priority;
      return one.sequence < other.sequence;
    }
  };
  struct Unit {
    Entry entry;
    uint64_t sequence = 0;
    State state = State::kTaken;
    std::vector<Want> wants;
    int64_t until_ns = 0;
  };
  struct Queue {
    QueueSpec spec;
    std::set<Turn> ready, waits_for_quota;
  };

  Turn TurnOf(UnitId unit) const;
  void Leave(UnitId unit);  // wherever it is
  Queue& QueueOf(const std::string& name);

  uint64_t sequence_ = 0;
  size_t ready_count_ = 0;
  absl::flat_hash_map<UnitId, Unit> units_;
  std::map<std::string, Queue> queues_;
  absl::flat_hash_map<Want, std::set<Turn>> wants_;
  std::set<std::pair<int64_t, UnitId>> due_;
};

}  // namespace xpool::scheduler
