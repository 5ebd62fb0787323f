#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The settings of a program: one declaration per setting binds its name to a field of a plain
// struct. The field's value at declaration is the default.
//
//   GatewayConfig c;
//   config::Table table("homeport-gateway", "Holds the MQTT sessions of a fleet.");
//   table.Text("redis", &c.redis, {.unit = "host:port", .doc = "Redis.", .required = true});
//   table.Int("pod-lease-ms", &c.pod_lease_ms, {.min = 1000, .max = 60000, .unit = "ms"});
//   table.Flag("insecure", &c.insecure, {.doc = "Allows gRPC without TLS."});
//   table.Check([&c] { return Consistent(c); });
//   if (const auto exit_code = config::LoadForMain(table, argc, argv)) return *exit_code;
//
// Each setting is read from `--name=value`, `--name value` or the environment HOMEPORT_NAME
// (dashes become underscores); the flag wins. A flag setting takes `--name`, `--no-name`,
// `--name=true|false`. Single-threaded; the fields must outlive the table.
namespace homeport::config {

struct IntOptions {
  int64_t min = 0;
  int64_t max = std::numeric_limits<int64_t>::max();
  std::string_view unit = {};
  std::string_view doc = {};
};

struct NumberOptions {
  double min = 0;
  double max = std::numeric_limits<double>::max();
  std::string_view unit = {};
  std::string_view doc = {};
};

struct TextOptions {
  std::string_view unit = {};  // the form expected: "host:port", "PEM file"
  std::string_view doc = {};
  bool required = false;  // an empty value is an error
  bool secret = false;    // masked in Print()
  size_t bytes_max = 4096;
};

struct FlagOptions {
  std::string_view doc = {};
};

// Returns the value of an environment variable, or nothing.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
[[nodiscard]] Environment ProcessEnvironment();

// What the command line asked for.
enum class Request : uint8_t { kRun, kHelp, kPrintConfig };

class Table {
 public:
  Table(std::string_view program, std::string_view purpose);

  template <std::integral T>
  void Int(std::string_view name, T* field, const IntOptions& options) {
    AddInt(
        name, static_cast<int64_t>(*field), options,
        [field](int64_t value) { *field = static_cast<T>(value); },
        [field] { return static_cast<int64_t>(*field); },
        std::in_range<int64_t>(std::numeric_limits<T>::max())
            ? static_cast<int64_t>(std::numeric_limits<T>::max())
            : std::numeric_limits<int64_t>::max());
  }
  void Number(std::string_view name, double* field, const NumberOptions& options);
  void Text(std::string_view name, std::string* field, const TextOptions& options);
  void Flag(std::string_view name, bool* field, const FlagOptions& options);
  // A rule over several fields, evaluated after all of them are read.
  void Check(std::function<absl::Status()> rule);

  // Fills the fields. The status lists every error, one per line.
  [[nodiscard]] absl::StatusOr<Request> Load(int argc, const char* const* argv,
                                             const Environment& environment);

  [[nodiscard]] std::string Help() const;
  // The values in effect as `name=value` lines, secrets as ***.
  [[nodiscard]] std::string Print() const;

 private:
  struct Setting {
    std::string name;
    std::string unit;
    std::string bounds;
    std::string doc;
    std::string initial;
    bool is_flag = false;
    bool secret = false;
    std::function<absl::Status(std::string_view)> parse;
    std::function<absl::Status()> verify;  // after loading; may be empty
    std::function<std::string()> print;
  };

  void AddInt(std::string_view name, int64_t initial, const IntOptions& options,
              std::function<void(int64_t)> set, std::function<int64_t()> get, int64_t type_max);
  void Add(Setting setting);
  [[nodiscard]] const Setting* Find(std::string_view name) const;
  [[nodiscard]] std::string Unknown(std::string_view flag) const;
  void ReadEnvironment(const Environment& environment, std::vector<std::string>& errors);
  [[nodiscard]] Request ReadFlags(int argc, const char* const* argv,
                                  std::vector<std::string>& errors);
  void ReadFlag(std::string_view flag, std::optional<std::string_view> value,
                std::vector<std::string>& errors);

  std::string program_;
  std::string purpose_;
  std::vector<Setting> settings_;
  std::vector<std::function<absl::Status()>> rules_;
};

// Loads from the process's arguments and environment. Returns the exit code where main must return:
// 0 after printing for --help and --print-config, 2 after printing all errors.
[[nodiscard]] std::optional<int> LoadForMain(Table& table, int argc, const char* const* argv);

}  // namespace homeport::config
