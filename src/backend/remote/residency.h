// Which nodes have the current bytes of a memory object of which each of several nodes has one. Nodes are numbered from
// 0. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace xpool::remote {

class Residency {
 public:
  static constexpr size_t kMostNodes = 64;

  // |bytes| > 0; all nodes have them, as nobody has written yet. 0 < |nodes| <= kMostNodes.
  Residency(uint64_t bytes, size_t nodes);

  // Bytes and a node that has them.
  struct Piece {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    size_t node = 0;

    bool operator==(const Piece&) const = default;
  };
  // What |node| does not have of a range, in order. What reaches past the end is nothing.
  std::vector<Piece> Missing(size_t node, uint64_t offset, uint64_t bytes) const;

  // |node| has got a range, as others have it.
  void Arrived(size_t node, uint64_t offset, uint64_t bytes);
  // |node| is about to write a range: nobody else has it any more.
  void Written(size_t node, uint64_t offset, uint64_t bytes);

  // For tests: how many ranges are told apart.
  size_t ranges() const { return nodes_from_.size(); }

 private:
  using Nodes = uint64_t;  // a bit each
  using Map = std::map<uint64_t, Nodes>;

  Map::iterator Split(uint64_t offset);
  uint64_t EndOf(Map::const_iterator range) const;
  template <typename Change>
  void ForRange(uint64_t offset, uint64_t bytes, const Change& change);
  void Join();

  const uint64_t bytes_;
  Map nodes_from_;  // ranges by where they begin; each ends where the next one begins
};

}  // namespace xpool::remote
