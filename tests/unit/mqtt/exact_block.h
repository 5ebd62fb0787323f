#pragma once

#include <cstring>
#include <memory>
#include <string_view>

namespace homeport::mqtt {

// A copy of some bytes in a heap block of just their size, so that AddressSanitizer sees a read one
// byte too far.
class ExactBlock {
 public:
  explicit ExactBlock(std::string_view bytes) : size_(bytes.size()), data_(new char[bytes.size()]) {
    if (size_ != 0) std::memcpy(data_.get(), bytes.data(), size_);
  }
  [[nodiscard]] std::string_view view() const { return {data_.get(), size_}; }

 private:
  size_t size_;
  std::unique_ptr<char[]> data_;
};

}  // namespace homeport::mqtt
