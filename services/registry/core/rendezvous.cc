#include "services/registry/core/rendezvous.h"

#include <algorithm>
#include <utility>

#include "libs/base/hash.h"
#include "libs/base/strings.h"

namespace homeport::registry {

std::set<uint32_t> PartitionsOf(const std::string& pod, const std::vector<std::string>& members,
                                uint32_t partitions) {
  std::set<uint32_t> mine;
  for (uint32_t partition = 0; partition < partitions; ++partition) {
    std::pair<uint64_t, std::string> best;
    for (const std::string& member : members) {
      best = std::max(best, {Hash64(fmt::format("{}/{}", member, partition)), member});
    }
    if (best.second == pod) mine.insert(partition);
  }
  return mine;
}

}  // namespace homeport::registry
