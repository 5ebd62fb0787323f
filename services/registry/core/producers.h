#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace homeport::registry {

// The last batch of a pod that was applied.
struct Producer {
  uint64_t sequence = 0;
  int64_t heard_ms = 0;  // Unix ms
};
using ProducerMap = std::map<std::string, Producer, std::less<>>;

// Of each pod that appends to a partition. A pod repeats a batch, under the same sequence, when the
// answer to it was lost: what is at or below the last one is a repeat.
class Producers {
 public:
  static constexpr size_t kPodsMax = 8192;
  static constexpr int64_t kForgetMs = 86'400'000;

  Producers() = default;
  // As they are stored. REQUIRES: kPodsMax at most.
  explicit Producers(ProducerMap last) : last_(std::move(last)) {}

  // Whether the batch is new, after those of `heard`, which are of the same transaction; if so it
  // is now the last one there.
  [[nodiscard]] bool Admit(ProducerMap& heard, std::string_view pod, uint64_t sequence,
                           int64_t now_ms) const;

  // What a transaction has stored. Forgets pods unheard of for kForgetMs, now and then, but not in
  // the first minutes: behind a long outage repeats are still to come. Beyond kPodsMax those that
  // were heard of longest ago: where more than that append to one partition, a batch that is
  // repeated may be applied twice.
  void Keep(const ProducerMap& heard, int64_t now_ms);

  [[nodiscard]] size_t size() const { return last_.size(); }

 private:
  void Forget(int64_t now_ms);

  ProducerMap last_;
  int64_t forget_at_ms_ = 0;
};

}  // namespace homeport::registry
