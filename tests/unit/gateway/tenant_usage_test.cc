#include "services/gateway/flow/tenant_usage.h"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

namespace homeport::gateway {
namespace {

TEST_CASE("a tenant has as many sessions as it may, and no fewer once some have left") {
  TenantUsage usage;
  CHECK(usage.Enter(2));
  CHECK(usage.Enter(2));
  CHECK_FALSE(usage.Enter(2));
  CHECK(usage.sessions() == 2);
  usage.Leave();
  CHECK(usage.Enter(2));
  CHECK(usage.Enter(0));  // no limit
  CHECK(usage.sessions() == 3);
}

TEST_CASE("messages are counted by the second, also where a reactor's clock lags") {
  TenantUsage usage;
  CHECK(usage.TakeMessage(100, 2));
  CHECK(usage.TakeMessage(100, 2));
  CHECK_FALSE(usage.TakeMessage(100, 2));
  CHECK(usage.TakeMessage(101, 2));
  CHECK(usage.TakeMessage(100, 2));
  CHECK_FALSE(usage.TakeMessage(100, 2));
  CHECK_FALSE(usage.TakeMessage(101, 2));
  CHECK(usage.TakeMessage(101, 0));  // no limit
}

TEST_CASE("threads together get what one would") {
  TenantUsage usage;
  std::atomic<int> taken = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) taken += usage.TakeMessage(7, 1500);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(taken == 1500);
}

TEST_CASE("a tenant has one usage as long as somebody holds it, and nothing is left of others") {
  TenantUsages usages;
  const auto held = usages.Of("acme");
  CHECK(usages.Of("acme") == held);
  CHECK(usages.Of("other") != held);
  for (int i = 0; i < 1000; ++i) static_cast<void>(usages.Of(std::to_string(i)));
  CHECK(usages.Of("acme") == held);
}

}  // namespace
}  // namespace homeport::gateway
