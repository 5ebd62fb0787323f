#include "libs/json/unique_keys.h"

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>

namespace homeport::json {
namespace {

void KeepLastOfEachKeySlow(std::vector<Member>& members) {
  std::unordered_map<std::string, size_t> places;
  places.reserve(members.size());
  size_t kept = 0;
  for (Member& member : members) {
    const auto [place, is_new] = places.emplace(member.key, kept);
    if (!is_new) {
      members[place->second].value = std::move(member.value);
      continue;
    }
    if (&member != &members[kept]) members[kept] = std::move(member);
    ++kept;
  }
  members.resize(kept);
}

bool HasDuplicateKey(const std::vector<Member>& members) {
  for (size_t i = 1; i < members.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (members[i].key == members[j].key) return true;
    }
  }
  return false;
}

}  // namespace

void KeepLastOfEachKey(std::vector<Member>& members) {
  constexpr size_t kPairwiseMax = 24;
  if (members.size() > kPairwiseMax || HasDuplicateKey(members)) KeepLastOfEachKeySlow(members);
}

}  // namespace homeport::json
