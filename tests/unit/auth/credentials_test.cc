#include "libs/auth/credentials.h"

#include <catch2/catch.hpp>

#include "libs/base/strings.h"

namespace homeport::auth {
namespace {

std::string Hex(const Sha256Digest& digest) {
  std::string text;
  for (const uint8_t byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string_view Bytes(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

struct Vector {
  std::string key;
  std::string message;
  std::string hmac;
};

TEST_CASE("HMAC-SHA256 by the vectors of RFC 4231") {
  const Vector vectors[] = {
      {std::string(20, '\x0b'), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
  };
  for (const Vector& vector : vectors) {
    INFO(vector.message);
    CHECK(Hex(HmacSha256(vector.key, vector.message)) == vector.hmac);
  }
}

TEST_CASE("a fleet password is the HMAC over the user name in lower-case hex") {
  const std::string password = FleetPassword("Jefe", "what do ya want for nothing?");
  CHECK(password == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");

  const std::string name = "homeport.light.desk1/lamp-1";
  const std::string right = FleetPassword("key", name);
  CHECK(VerifyFleetPassword("key", name, right));
  CHECK_FALSE(VerifyFleetPassword("key2", name, right));
  CHECK_FALSE(VerifyFleetPassword("key", "homeport.light.desk1/lamp-2", right));
  CHECK_FALSE(VerifyFleetPassword("key", name, ""));
  CHECK_FALSE(VerifyFleetPassword("key", name, right.substr(1)));
  CHECK_FALSE(VerifyFleetPassword("key", name, right + "0"));
  for (size_t i = 0; i < right.size(); ++i) {
    std::string wrong = right;
    wrong[i] = wrong[i] == '0' ? '1' : '0';
    INFO("character " << i);
    CHECK_FALSE(VerifyFleetPassword("key", name, wrong));
  }
}

TEST_CASE("a device secret is compared by its SHA-256") {
  const Sha256Digest stored = Sha256("secret");
  CHECK(Hex(stored) == "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b");
  CHECK(VerifySecret("secret", Bytes(stored)));
  CHECK_FALSE(VerifySecret("Secret", Bytes(stored)));
  CHECK_FALSE(VerifySecret("secret", ""));
  CHECK_FALSE(VerifySecret("secret", Bytes(stored).substr(1)));
}

struct UserCase {
  const char* username;
  const char* name;
  const char* product;
  const char* device;
};

TEST_CASE("MQTT user names that name a device") {
  const UserCase cases[] = {
      {"p.1/lamp-1", "p.1/lamp-1", "p.1", "lamp-1"},
      {"p/d?SDK=JavaScript&Version=2.2.15", "p/d", "p", "d"},
      {"p/d?", "p/d", "p", "d"},
      {"p/A:b_c.d-e", "p/A:b_c.d-e", "p", "A:b_c.d-e"},
  };
  for (const UserCase& row : cases) {
    INFO(row.username);
    const auto user = ParseMqttUser(row.username);
    REQUIRE(user.has_value());
    CHECK(user->name == row.name);
    CHECK(user->product == row.product);
    CHECK(user->device == row.device);
  }
}

TEST_CASE("MQTT user names that name no device") {
  for (const char* bad : {"", "p", "/", "p/", "/d", "P/d", "p/d/e", "p/d e", "?SDK=x", "p?a/d",
                          "p/d?a?b", "p//d", "p/#"}) {
    INFO(bad);
    CHECK_FALSE(ParseMqttUser(bad).has_value());
  }
}

}  // namespace
}  // namespace homeport::auth
