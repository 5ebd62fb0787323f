#pragma once

#include <cstdint>
#include <vector>

namespace homeport::gateway {

// How often clients may connect: a rate with a burst for each client id, and a ban for those that
// flap, be it that a device restarts without end or that two share a client id and throw each other
// out. Only clients that have proven who they are get here, so nobody can have another one banned.
//
// Remembers a fixed number of clients; where there is no room the calmest is forgotten, so those
// that flap stay. Shard's thread only.
class ClientPace {
 public:
  struct Options {
    uint32_t connects_per_second = 1;  // 0: no limit
    uint32_t burst = 30;               // connects at once of a client that was calm before
    uint32_t flaps_max = 90;           // connects in a window beyond which a ban begins; 0: never
    uint32_t window_s = 60;
    uint32_t ban_s = 300;
    uint32_t clients_max = 4096;  // rounded up to a power of two
  };
  enum class Answer : uint8_t { kGo, kTooFast, kBanned, kBanBegins };

  explicit ClientPace(const Options& options);

  // `client`: a hash of the device and its client id; 0 stands for another. `now_ms`: monotonic.
  [[nodiscard]] Answer OnConnect(uint64_t client, int64_t now_ms);
  // The client has the device's claim under `epoch`, which every claim of any client of the device
  // raises, on any pod: it tells what they did elsewhere since this shard saw the client first in
  // the window. So a calm client of a device may be banned for another one that flaps.
  void OnClaim(uint64_t client, uint64_t epoch);

 private:
  struct Entry {
    uint64_t client = 0;   // 0: the entry is free
    int64_t next_ms = 0;   // when the client's connects would be due at the plain rate
    uint32_t begun_s = 0;  // of the window
    uint32_t banned_until_s = 0;
    uint32_t connects = 0;     // in the window, as far as known
    uint32_t first_epoch = 0;  // of the window; 0: not known yet
  };

  [[nodiscard]] Entry* Find(uint64_t client);
  [[nodiscard]] Entry& FindOrMake(uint64_t client, uint32_t now_s);
  [[nodiscard]] bool IsOver(const Entry& entry, uint32_t now_s) const {
    return now_s - entry.begun_s >= options_.window_s && entry.banned_until_s <= now_s;
  }

  const Options options_;
  std::vector<Entry> entries_;  // in groups of kWays: a client has its place in one
};

}  // namespace homeport::gateway
