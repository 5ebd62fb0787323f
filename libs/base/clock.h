#pragma once

#include <compare>
#include <cstdint>

namespace homeport {

// Milliseconds on two time lines that must never be mixed: `MonoMs` for deadlines and intervals,
// `WallMs` (Unix epoch) for time stamps that people and other machines read.
struct MonoMs {
  int64_t value = 0;
  friend auto operator<=>(const MonoMs&, const MonoMs&) = default;
  friend MonoMs operator+(MonoMs t, int64_t ms) { return {t.value + ms}; }
  friend int64_t operator-(MonoMs a, MonoMs b) { return a.value - b.value; }
};

struct WallMs {
  int64_t value = 0;
  friend auto operator<=>(const WallMs&, const WallMs&) = default;
};

// The source of time for everything above the pure layers. Implementations are thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual MonoMs Now() const = 0;
  [[nodiscard]] virtual WallMs Wall() const = 0;
};

// The machine's clocks. Lives for the whole process.
[[nodiscard]] const Clock& SystemClock();

// Microseconds of CLOCK_MONOTONIC, for measuring durations.
[[nodiscard]] int64_t MonotonicMicros();

}  // namespace homeport
