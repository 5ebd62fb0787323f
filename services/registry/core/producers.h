#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace homeport::registry {

// The last batch applied of each pod that appends to a partition. A pod repeats a batch, under the
// same sequence, when the answer to it was lost: what is at or below the last one is a repeat.
class Producers {
 public:
  // Whether the batch is new; if so it is now the last one of its pod.
  [[nodiscard]] bool Admit(std::string_view pod, uint64_t sequence, int64_t now_ms);

  // Forgets pods unheard of for a day, and beyond 1,024 pods the oldest. Where more than that append
  // to one partition, a batch that is repeated may be applied twice.
  void Prune(int64_t now_ms);

  // {"<pod>":[sequence, when last heard of]}; kDataLoss for other text.
  [[nodiscard]] std::string Encode() const;
  [[nodiscard]] static absl::StatusOr<Producers> Decode(std::string_view json);

  [[nodiscard]] size_t size() const { return last_.size(); }

 private:
  struct Last {
    uint64_t sequence = 0;
    int64_t heard_ms = 0;
  };
  std::map<std::string, Last, std::less<>> last_;
};

}  // namespace homeport::registry
