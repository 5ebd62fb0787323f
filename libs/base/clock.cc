#include "libs/base/clock.h"

#include <chrono>

namespace homeport {
namespace {

class RealClock final : public Clock {
 public:
  MonoMs Now() const override { return {MonotonicMicros() / 1000}; }
  WallMs Wall() const override {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<std::chrono::milliseconds>(now).count()};
  }
};

}  // namespace

const Clock& SystemClock() {
  static const RealClock clock;
  return clock;
}

int64_t MonotonicMicros() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

}  // namespace homeport
