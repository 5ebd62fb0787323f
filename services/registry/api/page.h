#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/auth/token.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "services/registry/api/page_token.h"

// Pages of lists (AIP-158).
namespace homeport::registry {

struct PageSizes {
  int64_t size = 50;  // where none is asked for
  int64_t size_max = 1000;
};

// 0 means the default, more than the maximum is cut, negative is refused.
[[nodiscard]] inline absl::StatusOr<int64_t> ReadPageSize(int32_t page_size,
                                                          const PageSizes& sizes = {}) {
  if (page_size < 0) return FieldInvalid("page_size", "must not be negative");
  return page_size == 0 ? sizes.size : std::min<int64_t>(page_size, sizes.size_max);
}

// What a page token is bound to: all of the request but the page itself, and the caller's tenant,
// for which "-" may stand in a name.
template <typename Request>
[[nodiscard]] std::string ListOf(const auth::Claims& claims, Request request) {
  request.clear_page_size();
  request.clear_page_token();
  return request.GetTypeName() + "\n" + claims.tenant + "\n" + request.SerializeAsString();
}

// The page of a list that a request asks for.
struct Page {
  int64_t size = 0;
  std::vector<std::string> behind;  // the keys of the last row before it; empty: the first page
  std::string list;                 // ListOf the request

  // Of lists with one key; "" is before all.
  [[nodiscard]] std::string after() const {
    return behind.empty() ? std::string() : behind.front();
  }
};

// `keys`: of the list's order.
template <typename Request>
[[nodiscard]] absl::StatusOr<Page> ReadPage(const auth::Claims& claims, const Request& request,
                                            const PageSizes& sizes = {}, size_t keys = 1) {
  Page page;
  HP_ASSIGN_OR_RETURN(page.size, ReadPageSize(request.page_size(), sizes));
  page.list = ListOf(claims, request);
  HP_ASSIGN_OR_RETURN(page.behind, ReadPageToken(request.page_token(), page.list, keys));
  return page;
}

// Fills the page from `rows`, of which there may be one more than its size: `fill(row)` adds one to
// the response, `keys_of(row)` is where the next page goes on behind it. A page of large rows ends
// early: gRPC sends no message of more than 4 MiB.
template <typename Rows, typename Response, typename Fill, typename KeysOf>
void FillPage(const Page& page, Rows&& rows, Response& response, Fill fill, KeysOf keys_of) {
  constexpr size_t kBytesMax = 3 << 20;
  constexpr size_t kRowBytes = 256 << 10;  // of the largest rows: as many as fit are not measured
  const size_t shown = std::min(rows.size(), static_cast<size_t>(page.size));
  size_t filled = 0;
  for (size_t measured_at = kBytesMax / kRowBytes; filled < shown;) {
    fill(rows[filled++]);
    if (filled < measured_at) continue;
    const size_t bytes = response.ByteSizeLong();
    if (bytes >= kBytesMax) break;
    measured_at = filled + std::max<size_t>((kBytesMax - bytes) / kRowBytes, 1);
  }
  if (filled > 0 && filled < rows.size()) {
    response.set_next_page_token(MakePageToken(page.list, keys_of(rows[filled - 1])));
  }
}

}  // namespace homeport::registry
