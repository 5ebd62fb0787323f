#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/base/strings.h"

namespace homeport::gateway {

// Tells the batches of a stream apart from those that their pod has appended again because an
// answer was lost: the number of the last one of each pod. Pods come and go under new names, so
// only those heard of last are remembered. Shard's thread only.
class SeenBatches {
 public:
  static constexpr size_t kPodsMax = 1024;

  // `ms`: when the batch was appended.
  [[nodiscard]] bool IsNew(std::string_view pod, uint64_t sequence, uint64_t ms);
  [[nodiscard]] size_t pods() const { return pods_.size(); }

 private:
  struct Last {
    uint64_t sequence = 0;
    uint64_t ms = 0;
  };
  void ForgetOldest();

  absl::flat_hash_map<std::string, Last, StringHash, StringEqual> pods_;
};

}  // namespace homeport::gateway
