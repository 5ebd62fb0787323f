#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace homeport::registry {

// The partitions of 0..partitions-1 that fall to `pod` among `members`: each goes to the member
// with the highest hash of (member, partition), so that a member that comes or goes moves only its
// own share. Nothing when `pod` is no member. Pure.
[[nodiscard]] std::set<uint32_t> PartitionsOf(const std::string& pod,
                                              const std::vector<std::string>& members,
                                              uint32_t partitions);

}  // namespace homeport::registry
