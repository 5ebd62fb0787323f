#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "services/fleet/io/mqtt_client.h"
#include "tests/bench/mqtt_load/load_options.h"

namespace homeport::bench {

enum class SessionKind : uint8_t { kClean, kKept };

// Connects `client` as session `index` of the load to server `target` % count, from one of
// the sources. A kept session outlives its connection.
void OpenSession(const Load& load, uint32_t index, uint32_t target, fleet::MqttClient* client,
                 SessionKind kind = SessionKind::kClean);

// Logs why sessions are lost, one line in a second: with thousands of sessions the first tells all.
class LossLog {
 public:
  void Note(std::string_view client, std::string_view why);

 private:
  int64_t next_us_ = 0;
  uint64_t unlogged_ = 0;
};

// Opens sessions 0 to count - 1 with a bounded number of them under way.
class Ramp {
 public:
  Ramp(uint32_t count, uint32_t window, std::function<void(uint32_t)> open)
      : count_(count), window_(window), open_(std::move(open)) {}

  void Start() { Fill(); }
  // One session has got as far as it should. Not to be called inside `open`.
  void Finished() {
    ++finished_;
    Fill();
  }
  [[nodiscard]] bool done() const { return finished_ >= count_; }

 private:
  void Fill() {
    while (opened_ < count_ && opened_ - finished_ < window_) open_(opened_++);
  }

  const uint32_t count_;
  const uint32_t window_;
  const std::function<void(uint32_t)> open_;
  uint32_t opened_ = 0;
  uint32_t finished_ = 0;
};

}  // namespace homeport::bench
