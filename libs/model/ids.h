#pragma once

#include <cstdint>

#include "libs/model/model.h"

namespace homeport::model {

// The order of parts by their numbers. Private to the library.
[[nodiscard]] constexpr uint64_t IdKey(uint32_t siid, uint32_t iid) {
  return (uint64_t{siid} << 32) | iid;
}
[[nodiscard]] inline uint64_t IdKey(const Property& p) { return IdKey(p.siid, p.piid); }
[[nodiscard]] inline uint64_t IdKey(const Action& a) { return IdKey(a.siid, a.aiid); }
[[nodiscard]] inline uint64_t IdKey(const Event& e) { return IdKey(e.siid, e.eiid); }

}  // namespace homeport::model
