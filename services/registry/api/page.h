#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"

namespace homeport::registry {

// A page of a list sorted by id. The token is the last id of the page before.
struct Page {
  int64_t size = 0;
  std::string after;
};

struct PageSizes {
  int64_t size = 50;  // where none is asked for
  int64_t size_max = 1000;
};

// AIP-158: 0 means the default, more than the maximum is cut, negative is refused.
[[nodiscard]] inline absl::StatusOr<int64_t> ReadPageSize(int32_t page_size,
                                                          const PageSizes& sizes = {}) {
  if (page_size < 0) return FieldInvalid("page_size", "must not be negative");
  return page_size == 0 ? sizes.size : std::min<int64_t>(page_size, sizes.size_max);
}

[[nodiscard]] inline absl::StatusOr<Page> ReadPage(int32_t page_size, const std::string& token,
                                                   const PageSizes& sizes = {}) {
  HP_ASSIGN_OR_RETURN(const int64_t size, ReadPageSize(page_size, sizes));
  return Page{size, token};
}

}  // namespace homeport::registry
