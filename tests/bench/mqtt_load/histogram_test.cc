#include "tests/bench/mqtt_load/histogram.h"

#include <catch2/catch.hpp>

namespace homeport::bench {
namespace {

TEST_CASE("percentiles are exact to 1.6 %, over the whole range") {
  for (const int64_t unit : {1, 100, 10'000, 1'000'000, 100'000'000}) {
    Histogram histogram;
    for (int64_t i = 1; i <= 1000; ++i) histogram.Add(i * unit);
    INFO(unit);
    for (const double share : {0.1, 0.5, 0.9, 0.99}) {
      const double exact = share * 1000 * static_cast<double>(unit);
      CHECK(static_cast<double>(histogram.Percentile(share)) == Approx(exact).epsilon(0.017));
    }
    CHECK(histogram.max() == 1000 * unit);
    CHECK(histogram.Percentile(1) == 1000 * unit);
    CHECK(histogram.count() == 1000);
  }
}

TEST_CASE("an empty histogram says 0, values beyond the range count as its end") {
  Histogram histogram;
  CHECK(histogram.Percentile(0.5) == 0);
  histogram.Add(int64_t{1} << 50);
  histogram.Add(-3);
  CHECK(histogram.count() == 2);
  CHECK(histogram.Percentile(0) == 0);
}

}  // namespace
}  // namespace homeport::bench
