#include "services/registry/core/producers.h"

#include <algorithm>
#include <vector>

namespace homeport::registry {
namespace {

constexpr int64_t kForgetEveryMs = 600'000;
constexpr size_t kForgottenAtOnce = Producers::kPodsMax / 64;  // each look goes over all of them

}  // namespace

bool Producers::Admit(ProducerMap& heard, std::string_view pod, uint64_t sequence,
                      int64_t now_ms) const {
  auto at = heard.find(pod);
  if (at == heard.end()) {
    const auto known = last_.find(pod);
    at = heard.emplace(pod, known == last_.end() ? Producer{} : known->second).first;
  }
  at->second.heard_ms = now_ms;
  if (sequence <= at->second.sequence) return false;
  at->second.sequence = sequence;
  return true;
}

void Producers::Keep(const ProducerMap& heard, int64_t now_ms) {
  for (const auto& [pod, producer] : heard) last_.insert_or_assign(pod, producer);
  if (forget_at_ms_ == 0) forget_at_ms_ = now_ms + kForgetEveryMs;
  if (last_.size() > kPodsMax || now_ms >= forget_at_ms_) Forget(now_ms);
}

void Producers::Forget(int64_t now_ms) {
  forget_at_ms_ = now_ms + kForgetEveryMs;
  std::erase_if(last_,
                [&](const auto& entry) { return entry.second.heard_ms < now_ms - kForgetMs; });
  if (last_.size() <= kPodsMax) return;
  std::vector<ProducerMap::iterator> oldest;
  for (auto at = last_.begin(); at != last_.end(); ++at) oldest.push_back(at);
  const size_t forgotten = last_.size() - kPodsMax + kForgottenAtOnce;
  std::nth_element(
      oldest.begin(), oldest.begin() + static_cast<std::ptrdiff_t>(forgotten), oldest.end(),
      [](const auto& a, const auto& b) { return a->second.heard_ms < b->second.heard_ms; });
  for (size_t i = 0; i < forgotten; ++i) last_.erase(oldest[i]);
}

}  // namespace homeport::registry
