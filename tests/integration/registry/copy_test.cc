#include <catch2/catch.hpp>

#include "libs/base/strings.h"
#include "libs/postgres/copy_rows.h"
#include "tests/integration/registry/world.h"

// COPY in PostgreSQL's binary format: what the tables of history are written by.
namespace homeport::registry::testing {
namespace {

constexpr postgres::Statement kCopy{
    "copy_sample", "COPY sample (name, number, at, count) FROM STDIN (FORMAT binary)"};

struct Sample {
  Sample() {
    world.Run(
        "DROP TABLE IF EXISTS sample; CREATE TABLE sample (name text NOT NULL, number float8,"
        " at timestamptz, count int8 CHECK (count < 1000000))");
  }
  ~Sample() { world.Run("DROP TABLE sample"); }
  absl::Status Copy(postgres::CopyRows& rows) {
    postgres::Transaction transaction(world.db());
    const absl::Status status = transaction.Copy(kCopy, rows);
    return status.ok() ? transaction.Commit() : status;
  }
  World world;
};

void Add(postgres::CopyRows& rows, std::string_view name, int64_t count) {
  rows.Text(name);
  rows.Null();
  rows.Null();
  rows.Int8(count);
}

TEST_CASE("every type of field arrives as it was") {
  Sample sample;
  postgres::CopyRows rows(4);
  CHECK(rows.empty());
  rows.Text("\t\\N \xC3\xA9\n");
  rows.Float8(-0.1);
  rows.Timestamp(946'684'799'999);  // the last millisecond of 1999
  rows.Int8(-5);
  Add(rows, "", 6);
  REQUIRE(sample.Copy(rows).ok());
  CHECK(sample.world.Sql("SELECT name || number || ' ' || count FROM sample WHERE count < 0") ==
        "\t\\N \xC3\xA9\n-0.1 -5");
  CHECK(sample.world.Sql("SELECT extract(epoch FROM at) FROM sample WHERE count < 0") ==
        "946684799.999000");
  CHECK(sample.world.Sql("SELECT number IS NULL AND at IS NULL AND name = '' FROM sample"
                         " WHERE count = 6") == "t");
}

TEST_CASE("many rows at once, and none") {
  Sample sample;
  postgres::CopyRows none(4);
  CHECK(sample.Copy(none).ok());
  postgres::CopyRows rows(4);
  for (int i = 0; i < 20'000; ++i) Add(rows, "a name", i);
  REQUIRE(sample.Copy(rows).ok());
  CHECK(sample.world.Sql("SELECT count(*) || ' ' || sum(count) FROM sample") == "20000 199990000");
}

TEST_CASE("what cannot be stored fails like any statement, and leaves the connection usable") {
  Sample sample;
  postgres::CopyRows nul(4);
  Add(nul, std::string_view("a\0b", 3), 1);
  CHECK(absl::IsInvalidArgument(sample.Copy(nul)));
  postgres::CopyRows breach(4);
  Add(breach, "fine", 1);
  Add(breach, "secret", 1'000'000);
  const absl::Status refused = sample.Copy(breach);
  CHECK(absl::IsFailedPrecondition(refused));
  CHECK(refused.message().find("copy_sample") == 0);
  CHECK(refused.message().find("secret") == std::string_view::npos);
  CHECK(sample.world.Sql("SELECT count(*) FROM sample") == "0");
}

}  // namespace
}  // namespace homeport::registry::testing
