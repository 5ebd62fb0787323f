// Loads every released product model of the real catalogue and checks that all its parts are
// found. Prints what a pod that holds the catalogue pays. Skips (77) where the data is absent.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "libs/base/strings.h"
#include "libs/model/model.h"
#include "libs/model/parse.h"
#include "libs/model/shadow_path.h"

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

struct Totals {
  size_t refused = 0;
  size_t lost = 0;
  size_t properties = 0;
  std::vector<size_t> bytes;  // of each model
};

void Load(const std::string& line, Totals& totals) {
  const absl::StatusOr<Model> model = ParseModel(line);
  if (!model.ok()) {
    ++totals.refused;
    fmt::print("refused: {}\n  {}\n", line.substr(0, 60), Message(model.status()));
    return;
  }
  totals.lost += CountLost(*model);
  totals.properties += model->properties().size();
  totals.bytes.push_back(model->MemoryBytes());
}

int Report(Totals& totals) {
  std::sort(totals.bytes.begin(), totals.bytes.end());
  size_t sum = 0;
  for (const size_t bytes : totals.bytes) sum += bytes;
  const size_t count = std::max<size_t>(totals.bytes.size(), 1);
  fmt::print("{} models, {} properties, {} refused, {} parts not found\n", totals.bytes.size(),
             totals.properties, totals.refused, totals.lost);
  if (!totals.bytes.empty()) {
    fmt::print("memory: {} bytes per model (median {}, largest {}), {:.1f} MiB in all\n",
               sum / count, totals.bytes[count / 2], totals.bytes.back(),
               static_cast<double>(sum) / (1 << 20));
  }
  const bool good =
      totals.bytes.size() == kModelsExpected && totals.refused == 0 && totals.lost == 0;
  return good ? 0 : 1;
}

int Run() {
  const std::string path = HOMEPORT_SOURCE_DIR "/../shared/data/miot-specs.jsonl";
  std::ifstream file(path);
  if (!file) {
    fmt::print("skipped: {} is not here\n", path);
    return kSkipped;
  }
  Totals totals;
  for (std::string line; std::getline(file, line);) Load(line, totals);
  return Report(totals);
}

}  // namespace
}  // namespace homeport::model

int main() { return homeport::model::Run(); }
