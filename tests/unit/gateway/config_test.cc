#include "services/gateway/config.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace homeport::gateway {
namespace {

absl::Status Load(std::vector<const char*> arguments) {
  GatewayConfig config;
  config::Table table("homeport-gateway", "Test.");
  Declare(table, config);
  arguments.insert(arguments.begin(), {"homeport-gateway", "--jwks-file=x", "--insecure"});
  return table
      .Load(static_cast<int>(arguments.size()), arguments.data(),
            [](const std::string&) { return std::optional<std::string>(); })
      .status();
}

TEST_CASE("an address that is none is named with its setting") {
  CHECK(Load({}).ok());
  CHECK(Load({"--redis=localhost:6379", "--registry-grpc=127.0.0.1:1,127.0.0.1:2"}).ok());
  CHECK(Load({"--redis=/run/redis.sock", "--mqtt-listen=[::1]:1883"}).ok());
  struct Row {
    const char* argument;
    const char* setting;
  };
  for (const Row& row : {Row{"--redis=localhost", "redis: "}, Row{"--redis=host:abc", "redis: "},
                         Row{"--redis=", "redis: "}, Row{"--mqtt-listen=1883", "mqtt-listen: "},
                         Row{"--registry-grpc=a:1,b", "registry-grpc: "},
                         Row{"--registry-grpc=a:1,b:1", "registry-grpc: "},
                         Row{"--grpc-listen=host:70000", "grpc-listen: "},
                         Row{"--metrics-listen=host:", "metrics-listen: "}}) {
    INFO(row.argument);
    const absl::Status status = Load({row.argument});
    CHECK_FALSE(status.ok());
    CHECK(status.message().find(row.setting) != std::string::npos);
  }
}

}  // namespace
}  // namespace homeport::gateway
