#include "libs/config/table.h"

#include <catch2/catch.hpp>
#include <map>

#include "libs/base/strings.h"

namespace homeport::config {
namespace {

struct Settings {
  std::string redis;
  std::string password;
  int lease_ms = 10'000;
  uint8_t workers = 2;
  double ratio = 0.5;
  bool insecure = false;
};

struct Loaded {
  Settings settings;
  absl::StatusOr<Request> request = absl::UnknownError("not loaded");
  std::string print;
  std::string help;
};

Loaded Load(std::vector<const char*> arguments,
            const std::map<std::string, std::string>& environment = {}) {
  Loaded loaded;
  Settings& s = loaded.settings;
  Table table("homeport-test", "Tests settings.");
  table.Text("redis", &s.redis, {.unit = "host:port", .doc = "Redis.", .required = true});
  table.Text("password", &s.password, {.doc = "A secret.", .secret = true, .bytes_max = 8});
  table.Int("pod-lease-ms", &s.lease_ms,
            {.min = 1000, .max = 60'000, .unit = "ms", .doc = "How long a pod's lease lasts."});
  table.Int("workers", &s.workers, {.min = 1, .doc = "Threads."});
  table.Number("ratio", &s.ratio, {.max = 1, .doc = "A share."});
  table.Flag("insecure", &s.insecure, {.doc = "Allows plaintext."});
  table.Check([&s]() -> absl::Status {
    return s.insecure && s.workers > 9 ? absl::InvalidArgumentError("too many insecure workers")
                                       : absl::OkStatus();
  });
  arguments.insert(arguments.begin(), "homeport-test");
  loaded.request = table.Load(static_cast<int>(arguments.size()), arguments.data(),
                              [&](const std::string& name) -> std::optional<std::string> {
                                const auto found = environment.find(name);
                                if (found == environment.end()) return std::nullopt;
                                return found->second;
                              });
  loaded.print = table.Print();
  loaded.help = table.Help();
  return loaded;
}

TEST_CASE("defaults are the fields' values") {
  const Loaded loaded = Load({"--redis=r:1"});
  REQUIRE(loaded.request.ok());
  CHECK(*loaded.request == Request::kRun);
  CHECK(loaded.settings.lease_ms == 10'000);
  CHECK(loaded.settings.workers == 2);
  CHECK_FALSE(loaded.settings.insecure);
}

TEST_CASE("flags and environment; the flag wins") {
  const Loaded loaded = Load({"--redis", "a:1", "--workers=3", "--insecure", "--ratio=0.25"},
                             {{"HOMEPORT_REDIS", "b:2"},
                              {"HOMEPORT_POD_LEASE_MS", "2000"},
                              {"HOMEPORT_INSECURE", "false"}});
  REQUIRE(loaded.request.ok());
  CHECK(loaded.settings.redis == "a:1");
  CHECK(loaded.settings.workers == 3);
  CHECK(loaded.settings.insecure);
  CHECK(loaded.settings.ratio == 0.25);
  CHECK(loaded.settings.lease_ms == 2000);
}

TEST_CASE("a flag setting in all its spellings") {
  struct Row {
    const char* argument;
    bool value;
  };
  for (const Row& row :
       {Row{"--insecure", true}, Row{"--insecure=true", true}, Row{"--insecure=1", true},
        Row{"--insecure=off", false}, Row{"--no-insecure", false}}) {
    INFO(row.argument);
    const Loaded loaded = Load({"--redis=r", row.argument}, {{"HOMEPORT_INSECURE", "yes"}});
    REQUIRE(loaded.request.ok());
    CHECK(loaded.settings.insecure == row.value);
  }
}

TEST_CASE("each error is told in words that name the setting") {
  struct Row {
    std::vector<const char*> arguments;
    const char* error;
  };
  const Row rows[] = {
      {{}, "--redis: is required"},
      {{"--redis=r", "--pod-lease-ms=5"}, "--pod-lease-ms: must be 1000..60000 ms, is 5"},
      {{"--redis=r", "--pod-lease-ms=5s"}, "--pod-lease-ms: must be a whole number, is \"5s\""},
      {{"--redis=r", "--pod-lease-ms="}, "--pod-lease-ms: must be a whole number, is \"\""},
      {{"--redis=r", "--workers=256"}, "--workers: must be 1..255, is 256"},
      {{"--redis=r", "--workers=99999999999999999999"},
       "--workers: must be a whole number, is \"99999999999999999999\""},
      {{"--redis=r", "--ratio=1.5"}, "--ratio: must be 0..1, is 1.5"},
      {{"--redis=r", "--ratio=nan"}, "--ratio: must be a number, is \"nan\""},
      {{"--redis=r", "--insecure=maybe"}, "--insecure: must be true or false, is \"maybe\""},
      {{"--redis=r", "--password=123456789"}, "--password: must be at most 8 bytes, is 9"},
      {{"--redis=r", "--workers"}, "--workers: needs a value"},
      {{"--redis=r", "--pod-lease=5"},
       "--pod-lease: no such setting; did you mean "
       "--pod-lease-ms?"},
      {{"--redis=r", "--frobnicate"}, "--frobnicate: no such setting (see --help)"},
      {{"--redis=r", "extra"}, "unexpected argument \"extra\""},
      {{"--redis=r", "--workers=10", "--insecure"}, "too many insecure workers"},
  };
  for (const Row& row : rows) {
    INFO(row.error);
    CHECK(Message(Load(row.arguments).request.status()) == row.error);
  }
}

TEST_CASE("all errors come at once") {
  const Loaded loaded = Load({"--workers=0", "--wrkers=1"}, {{"HOMEPORT_RATIO", "x"}});
  CHECK(Message(loaded.request.status()) ==
        "HOMEPORT_RATIO: must be a number, is \"x\"\n"
        "--workers: must be 1..255, is 0\n"
        "--wrkers: no such setting; did you mean --workers?\n"
        "--redis: is required");
}

TEST_CASE("help names every setting with its unit, bounds and default") {
  const Loaded loaded = Load({"--help", "--nonsense"});
  REQUIRE(loaded.request.ok());
  CHECK(*loaded.request == Request::kHelp);
  for (const char* part :
       {"--pod-lease-ms <ms>", "How long a pod's lease lasts.", "1000..60000; default: 10000",
        "--redis <host:port>", "required; default: empty", "--insecure", "--print-config"}) {
    INFO(part);
    CHECK(loaded.help.find(part) != std::string::npos);
  }
}

TEST_CASE("the printed configuration masks secrets") {
  const Loaded loaded = Load({"--redis=r:1", "--password=hunter2", "--print-config"});
  REQUIRE(loaded.request.ok());
  CHECK(*loaded.request == Request::kPrintConfig);
  CHECK(loaded.print ==
        "redis=r:1\npassword=***\npod-lease-ms=10000\nworkers=2\nratio=0.5\ninsecure=false\n");
}

}  // namespace
}  // namespace homeport::config
