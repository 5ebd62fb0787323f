#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "libs/mqtt/types.h"

namespace homeport::gateway {

// How connections to this shard ended lately, by client: a fixed table in which a newer end may
// overwrite another client's. Shard's thread only.
class RecentEnds {
 public:
  struct End {
    uint64_t client = 0;    // Hash64 of the device and the client id; 0: none
    int64_t at_ms = 0;      // Unix ms
    std::string_view word;  // one of AWS IoT's disconnectReason words, static text
    mqtt::ReasonCode reason = mqtt::ReasonCode::kSuccess;
  };

  void Note(const End& end) {
    if (!ends_) ends_ = std::make_unique<Table>();
    (*ends_)[end.client % kEnds] = end;
  }
  // nullptr where nothing is remembered.
  [[nodiscard]] const End* Find(uint64_t client) const {
    if (!ends_) return nullptr;
    const End& end = (*ends_)[client % kEnds];
    return end.client == client && end.at_ms != 0 ? &end : nullptr;
  }

 private:
  static constexpr size_t kEnds = 2048;
  using Table = std::array<End, kEnds>;
  std::unique_ptr<Table> ends_;  // from the first end on
};

}  // namespace homeport::gateway
