#include "services/gateway/session/client_pace.h"

#include <algorithm>
#include <bit>

namespace homeport::gateway {
namespace {

constexpr size_t kWays = 4;
// Epochs further apart are of two counters: the first was lost with Redis's keys.
constexpr uint32_t kClaimsMax = 1024;

}  // namespace

ClientPace::ClientPace(const Options& options) : options_(options) {
  if (options.connects_per_second == 0 && options.flaps_max == 0) return;
  entries_.resize(std::bit_ceil(std::max<size_t>(options.clients_max, kWays)));
}

ClientPace::Entry* ClientPace::Find(uint64_t client) {
  if (entries_.empty()) return nullptr;
  Entry* group = &entries_[client % (entries_.size() / kWays) * kWays];
  Entry* end = group + kWays;
  Entry* found = std::find_if(group, end, [&](const Entry& e) { return e.client == client; });
  return found == end ? nullptr : found;
}

ClientPace::Entry& ClientPace::FindOrMake(uint64_t client, uint32_t now_s) {
  Entry* entry = Find(client);
  if (entry == nullptr) {
    Entry* group = &entries_[client % (entries_.size() / kWays) * kWays];
    // Free ones first, then those whose window is over, then the calmest.
    const auto unrest = [&](const Entry& e) {
      return e.client == 0 ? 0 : IsOver(e, now_s) ? 1 : uint64_t{e.connects} + 2;
    };
    entry = std::min_element(group, group + kWays,
                             [&](const Entry& a, const Entry& b) { return unrest(a) < unrest(b); });
    *entry = Entry();
    entry->client = client;
    entry->begun_s = now_s;
  } else if (IsOver(*entry, now_s)) {
    entry->begun_s = now_s;
    entry->connects = 0;
    entry->first_epoch = 0;
  }
  return *entry;
}

ClientPace::Answer ClientPace::OnConnect(uint64_t client, int64_t now_ms) {
  if (entries_.empty()) return Answer::kGo;
  const auto now_s = static_cast<uint32_t>(now_ms / 1000);
  Entry& entry = FindOrMake(client == 0 ? 1 : client, now_s);
  if (entry.banned_until_s > now_s) return Answer::kBanned;
  ++entry.connects;
  if (options_.flaps_max != 0 && entry.connects > options_.flaps_max) {
    entry.banned_until_s = now_s + options_.ban_s;
    entry.begun_s = now_s - options_.window_s;  // the window is over when the ban is
    return Answer::kBanBegins;
  }
  if (options_.connects_per_second == 0) return Answer::kGo;
  const int64_t apart_ms = 1000 / options_.connects_per_second;
  const int64_t next_ms = std::max(entry.next_ms, now_ms);
  if (next_ms - now_ms > apart_ms * (int64_t{options_.burst} - 1)) return Answer::kTooFast;
  entry.next_ms = next_ms + apart_ms;
  return Answer::kGo;
}

void ClientPace::OnClaim(uint64_t client, uint64_t epoch) {
  Entry* entry = Find(client == 0 ? 1 : client);
  if (entry == nullptr) return;
  const auto low = static_cast<uint32_t>(epoch);
  if (entry->first_epoch == 0 || low - entry->first_epoch > kClaimsMax) {
    entry->first_epoch = low - (entry->connects - 1);
    return;
  }
  entry->connects = std::max(entry->connects, low - entry->first_epoch + 1);
}

}  // namespace homeport::gateway
