#include "libs/base/hash.h"

#include <catch2/catch.hpp>
#include <string>

namespace homeport {
namespace {

struct Vector {
  const char* input;
  uint64_t hash;
};

// Published XXH64 results (seed 0): a change here would move every device to another partition.
TEST_CASE("Hash64 is XXH64 with seed 0") {
  const Vector vectors[] = {
      {"", 0xEF46DB3751D8E999},
      {"a", 0xD24EC4F1A98C6E5B},
      {"abc", 0x44BC2CF5AD770999},
  };
  for (const Vector& vector : vectors) {
    INFO(vector.input);
    CHECK(Hash64(vector.input) == vector.hash);
  }
}

TEST_CASE("Hash64 reads every byte of inputs around its block sizes") {
  for (size_t size = 1; size < 80; ++size) {
    const std::string input(size, 'x');
    for (size_t i = 0; i < size; ++i) {
      std::string changed = input;
      changed[i] = 'y';
      INFO("size " << size << " byte " << i);
      CHECK(Hash64(changed) != Hash64(input));
    }
  }
}

}  // namespace
}  // namespace homeport
