#include "libs/auth/base64url.h"

#include <catch2/catch.hpp>

namespace homeport::auth {
namespace {

TEST_CASE("base64url of each length") {
  struct Row {
    const char* text;
    const char* bytes;
  };
  for (const Row& row : {Row{"", ""}, Row{"Zg", "f"}, Row{"Zm8", "fo"}, Row{"Zm9v", "foo"},
                         Row{"Zm9vYg", "foob"}, Row{"_-_-", "\xff\xef\xfe"}}) {
    INFO(row.text);
    CHECK(DecodeBase64Url(row.text) == row.bytes);
  }
}

TEST_CASE("only the one spelling of the bytes is accepted") {
  for (const char* bad : {"A", "Zm9vA", "Zg==", "Zh", "Zm9", "Zm8=", "Zm+v", "Zm/v", "Z m8", "Zg\n",
                          "=", "Z\xc3\xa9"}) {
    INFO(bad);
    CHECK(DecodeBase64Url(bad) == std::nullopt);
  }
}

}  // namespace
}  // namespace homeport::auth
