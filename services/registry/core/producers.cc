#include "services/registry/core/producers.h"

#include <algorithm>

#include "libs/base/status.h"
#include "libs/json/parse.h"
#include "libs/json/print.h"

namespace homeport::registry {
namespace {

constexpr int64_t kForgetMs = 86'400'000;
constexpr size_t kPodsMax = 1024;

}  // namespace

bool Producers::Admit(std::string_view pod, uint64_t sequence, int64_t now_ms) {
  auto at = last_.find(pod);
  if (at == last_.end()) at = last_.emplace(std::string(pod), Last{}).first;
  at->second.heard_ms = now_ms;
  if (sequence <= at->second.sequence) return false;
  at->second.sequence = sequence;
  return true;
}

void Producers::Prune(int64_t now_ms) {
  std::erase_if(last_,
                [&](const auto& entry) { return entry.second.heard_ms < now_ms - kForgetMs; });
  while (last_.size() > kPodsMax) {
    last_.erase(std::min_element(last_.begin(), last_.end(), [](const auto& a, const auto& b) {
      return a.second.heard_ms < b.second.heard_ms;
    }));
  }
}

std::string Producers::Encode() const {
  json::Object object;
  for (const auto& [pod, last] : last_) {
    object.Append(pod, json::Array{last.sequence, last.heard_ms});
  }
  return json::Print(json::Value(std::move(object)));
}

absl::StatusOr<Producers> Producers::Decode(std::string_view json) {
  HP_ASSIGN_OR_RETURN(const json::Value value, json::Parse(json));
  Producers producers;
  const json::Object* object = value.IfObject();
  if (object == nullptr) return absl::DataLossError("producers are no object");
  for (const json::Member& member : *object) {
    const json::Array* pair = member.value.IfArray();
    if (pair == nullptr || pair->size() != 2) return absl::DataLossError("a producer is no pair");
    const auto sequence = (*pair)[0].ToInt64();
    const auto heard_ms = (*pair)[1].ToInt64();
    if (!sequence || !heard_ms) return absl::DataLossError("a producer holds no integers");
    producers.last_[member.key] = {static_cast<uint64_t>(*sequence), *heard_ms};
  }
  return producers;
}

}  // namespace homeport::registry
