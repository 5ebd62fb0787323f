#include "services/gateway/stream/stream_pos.h"

#include <algorithm>
#include <charconv>

namespace homeport::gateway {

StreamPos ParseStreamPos(std::string_view id) {
  StreamPos pos;
  const size_t dash = id.find('-');
  std::from_chars(id.data(), id.data() + std::min(dash, id.size()), pos.ms);
  if (dash != std::string_view::npos) {
    std::from_chars(id.data() + dash + 1, id.data() + id.size(), pos.seq);
  }
  return pos;
}

RetainedValue ParseRetained(std::string_view value) {
  RetainedValue parsed;
  if (value.empty()) return parsed;
  const size_t length = static_cast<unsigned char>(value.back());
  value.remove_suffix(1);
  if (length > value.size()) return parsed;
  parsed.place = ParseStreamPos(value.substr(value.size() - length));
  parsed.message = value.substr(0, value.size() - length);
  return parsed;
}

}  // namespace homeport::gateway
