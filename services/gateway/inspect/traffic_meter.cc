#include "services/gateway/inspect/traffic_meter.h"

#include <utility>

namespace homeport::gateway {

TrafficMeter::TrafficMeter(MonoMs now, Options options)
    : window_ms_(options.window_ms),
      current_(options.sessions),
      former_(options.sessions),
      current_from_(now),
      former_from_(now) {}

void TrafficMeter::Tick(MonoMs now) {
  if (now - current_from_ < window_ms_) return;
  std::swap(current_, former_);
  current_.Clear();
  former_from_ = std::exchange(current_from_, now);
}

Traffic TrafficMeter::Of(SessionHandle session) const {
  Traffic sum;
  for (const HeavyHitters* window : {&current_, &former_}) {
    if (const Traffic* traffic = window->Find(session.packed())) sum += *traffic;
  }
  return sum;
}

std::vector<std::pair<SessionHandle, Traffic>> TrafficMeter::All() const {
  std::vector<std::pair<SessionHandle, Traffic>> all;
  all.reserve(current_.size() + former_.size());
  current_.ForEach([&](uint64_t key, const Traffic&) {
    const SessionHandle session = SessionHandle::FromPacked(key);
    all.emplace_back(session, Of(session));
  });
  former_.ForEach([&](uint64_t key, const Traffic& traffic) {
    if (current_.Find(key) == nullptr) all.emplace_back(SessionHandle::FromPacked(key), traffic);
  });
  return all;
}

}  // namespace homeport::gateway
