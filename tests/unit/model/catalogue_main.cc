// Loads every released product model of the real catalogue, prints what a pod that holds it pays,
// and checks lookups, upgrades, values and refusals. Skips (77) where the data is absent.
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/strings.h"
#include "libs/json/parse.h"
#include "libs/model/parse.h"
#include "libs/model/shadow_path.h"
#include "tests/unit/model/catalogue.h"

namespace homeport::model {
namespace {

constexpr int kSkipped = 77;
constexpr size_t kModelsExpected = 5105;

// The number of parts that a lookup does not find.
size_t CountLost(const Model& model) {
  size_t lost = 0;
  for (const Property& p : model.properties()) {
    const ShadowPath path = ToShadowPath(p);
    lost += model.FindProperty(p.siid, p.piid) != &p;
    lost += model.FindProperty(p.path) != &p;
    lost += FromShadowPath(model, path.service, path.property) != &p;
  }
  for (const Action& a : model.actions()) {
    lost += model.FindAction(a.siid, a.aiid) != &a;
    lost += model.FindAction(a.path) != &a;
  }
  for (const Event& e : model.events()) {
    lost += model.FindEvent(e.siid, e.eiid) != &e;
    lost += model.FindEvent(e.path) != &e;
  }
  return lost;
}

std::string TextOf(const json::Value& line, std::string_view key) {
  const json::Value* value = line.Find(key);
  const std::string* text = value == nullptr ? nullptr : value->IfString();
  return text == nullptr ? "" : *text;
}

// Whether the line holds a model that loads.
bool Load(const std::string& text, Catalogue& catalogue) {
  absl::StatusOr<json::Value> line = json::Parse(text, {.depth_max = 16});
  absl::StatusOr<Model> model = line.ok() ? ModelFromJson(*line) : line.status();
  if (!model.ok()) {
    fmt::print("refused: {}\n  {}\n", text.substr(0, 60), Message(model.status()));
    return false;
  }
  const json::Value* latest = line->Find("latest");
  catalogue.push_back(
      {.product = TextOf(*line, "model"),
       .version = line->Find("version")->ToInt64().value_or(0),
       .released = TextOf(*line, "status") == "released",
       .latest = latest != nullptr && latest->IfBool() != nullptr && *latest->IfBool(),
       .instance = *line->Find("instance"),
       .model = *std::move(model)});
  return true;
}

void PrintMemory(const Catalogue& catalogue) {
  std::vector<size_t> bytes;
  size_t sum = 0;
  for (const CatalogueEntry& entry : catalogue) {
    bytes.push_back(entry.model.MemoryBytes());
    sum += bytes.back();
  }
  std::sort(bytes.begin(), bytes.end());
  fmt::print("memory: {} bytes per model (median {}, largest {}), {:.1f} MiB in all\n",
             sum / bytes.size(), bytes[bytes.size() / 2], bytes.back(),
             static_cast<double>(sum) / (1 << 20));
}

// Of this process, in bytes.
int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * getpagesize();
}

// What the process grows by when it holds the models and nothing else, as a pod does.
void PrintResident(const std::string& path) {
  std::ifstream file(path);
  std::vector<Model> models;
  models.reserve(kModelsExpected);
  const int64_t before = ResidentBytes();
  const int64_t started_us = MonotonicMicros();
  for (std::string line; std::getline(file, line);) {
    absl::StatusOr<Model> model = ParseModel(line);
    if (model.ok()) models.push_back(*std::move(model));
  }
  const int64_t micros = MonotonicMicros() - started_us;
  malloc_trim(0);
  fmt::print("resident: {:.1f} MiB for {} models, read in {} ms\n",
             static_cast<double>(ResidentBytes() - before) / (1 << 20), models.size(),
             micros / 1000);
}

int Run(const std::string& folder) {
  const std::string path = folder + "/miot-specs.jsonl";
  std::ifstream file(path);
  if (!file) {
    fmt::print("skipped: {} is not here\n", path);
    return kSkipped;
  }
  PrintResident(path);
  Catalogue catalogue;
  size_t refused = 0;
  for (std::string line; std::getline(file, line);) refused += !Load(line, catalogue);
  fmt::print("{} models, {} refused\n", catalogue.size(), refused);
  if (catalogue.size() != kModelsExpected || refused != 0) return 1;
  PrintMemory(catalogue);
  bool good = CheckLookups(catalogue);
  good = CheckUpgrades(catalogue) && good;
  good = CheckValues(catalogue) && good;
  good = CheckMalformed(catalogue) && good;
  return good ? 0 : 1;
}

}  // namespace

bool CheckLookups(const Catalogue& catalogue) {
  size_t properties = 0, lost = 0;
  for (const CatalogueEntry& entry : catalogue) {
    properties += entry.model.properties().size();
    lost += CountLost(entry.model);
  }
  fmt::print("lookups: {} properties, {} parts not found\n", properties, lost);
  return lost == 0;
}

}  // namespace homeport::model

// Optionally takes the folder of the data.
int main(int argc, char** argv) {
  return homeport::model::Run(argc > 1 ? argv[1] : HOMEPORT_SOURCE_DIR "/../shared/data");
}
