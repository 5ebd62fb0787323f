#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace homeport::testing {

// The fuzzer's bytes, taken one after the other; zeros when there are none left.
class ScriptInput {
 public:
  explicit ScriptInput(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte;
  }
  // 0 <= result < end.
  size_t Below(size_t end) { return Byte() % end; }
  std::string_view Bytes(size_t count) {
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  template <typename T, size_t kSize>
  T OneOf(const std::array<T, kSize>& choices) {
    return choices[Below(kSize)];
  }

 private:
  std::string_view bytes_;
};

}  // namespace homeport::testing
