// Any bytes as the file of nodes: what is taken can be printed, and stays whole when nodes are added and removed.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "check.h"
#include "input.h"
#include "pki/names.h"
#include "pki/nodes_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace xpool::pki;
  using namespace xpool::fuzz;
  const std::string_view text = TextOf(data, size);
  auto nodes = Nodes::Parse(text);
  if (!nodes.ok()) return 0;
  Check(nodes->text() == text);
  const size_t count = nodes->all().size();
  for (const Node& node : nodes->all()) {
    Check(CheckNodeName("name", node.name).ok() && node.address.port != 0);
    Check(nodes->Find(node.name)->line == node.line);
  }
  if (nodes->Find("added").ok()) return 0;
  Check(nodes->Add("added", "10.0.0.2:7070", "x.pem").ok() && nodes->all().size() == count + 1);
  Check(nodes->Remove("added").ok() && nodes->all().size() == count);
  while (!nodes->all().empty()) Check(nodes->Remove(nodes->all().back().name).ok());
  return 0;
}
