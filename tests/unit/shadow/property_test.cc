// The shadow algebra against an independent model: a document as a flat map from paths to leaf
// texts, rewritten by path prefixes, which shares no idea with the recursive merge.
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/shadow/harness.h"

namespace homeport::shadow {
namespace {

using Path = std::vector<std::string>;
// Leaf texts by path; an object is there as the entry "{" of its own path, too.
using Flat = std::map<Path, std::string>;

bool IsBelow(const Path& path, const Path& top) {
  return path.size() >= top.size() && std::equal(top.begin(), top.end(), path.begin());
}

void EraseBelow(Flat& flat, const Path& top) {
  std::erase_if(flat, [&top](const auto& entry) { return IsBelow(entry.first, top); });
}

void Flatten(const json::Value& value, const Path& at, Flat& flat) {
  const json::Object* object = value.IfObject();
  flat[at] = object != nullptr ? "{" : json::Print(value);
  if (object == nullptr) return;
  for (const json::Member& member : *object) {
    Path below = at;
    below.push_back(member.key);
    Flatten(member.value, below, flat);
  }
}

// RFC 7396 said as a walk over the patch's paths in order, parents before children.
void MergeFlat(Flat& flat, const json::Value& patch, const Path& section) {
  Flat steps;
  Flatten(patch, section, steps);
  for (const auto& [path, text] : steps) {
    if (text == "null") {
      EraseBelow(flat, path);
    } else if (text != "{") {
      EraseBelow(flat, path);
      flat[path] = text;
    } else if (flat.count(path) == 0 || flat[path] != "{") {
      EraseBelow(flat, path);
      flat[path] = "{";
    }
  }
}

// What of `desired` does not stand in `reported`, as paths of leaves and of whole objects.
Flat DeltaFlat(const Flat& desired, const Flat& reported) {
  Flat delta;
  for (const auto& [path, text] : desired) {
    const auto there = reported.find(path);
    const bool same = there != reported.end() && there->second == text;
    if (!same) {
      for (Path top = path; !top.empty(); top.pop_back()) delta[top] = desired.at(top);
    }
  }
  return delta;
}

class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}

  size_t Pick(size_t count) { return random_() % count; }

  json::Value MakeValue(int depth) {
    switch (Pick(depth > 0 ? 9 : 6)) {
      case 0:
        return nullptr;
      case 1:
        return Pick(2) == 0;
      case 2:
        return "text" + std::to_string(Pick(3));
      case 3:
        return json::Array{static_cast<int64_t>(Pick(2)), "x"};
      case 4:
      case 5:
        return static_cast<int64_t>(Pick(3));
      default:
        return MakeObject(depth - 1);
    }
  }

  json::Object MakeObject(int depth) {
    json::Object object;
    for (size_t i = Pick(4); i > 0; --i) {
      const std::string key(1, static_cast<char>('a' + Pick(4)));
      object.Set(key, MakeValue(depth));
    }
    return object;
  }

  json::Value MakeSection() { return Pick(20) == 0 ? json::Value() : json::Value(MakeObject(3)); }

  json::Value MakeState() {
    if (Pick(40) == 0) return nullptr;
    json::Object state;
    if (Pick(3) != 0) state.Set("desired", MakeSection());
    if (Pick(3) != 0) state.Set("reported", MakeSection());
    return state;
  }

 private:
  std::mt19937 random_;
};

// The model of one shadow.
struct Model {
  Flat desired, reported;
  int64_t version = 0;

  static void Apply(Flat& flat, const json::Value* patch) {
    if (patch == nullptr) return;
    if (patch->is_null())
      flat.clear();
    else
      MergeFlat(flat, *patch, {});
    if (flat.size() == 1) flat.clear();  // only the section's own "{" is left
  }

  void Update(const json::Value& state) {
    const json::Value null;
    Apply(desired, state.is_null() ? &null : state.Find("desired"));
    Apply(reported, state.is_null() ? &null : state.Find("reported"));
    ++version;
  }
};

Flat FlattenSection(const json::Value& state, const char* section) {
  Flat flat;
  if (const json::Value* value = state.Find(section)) Flatten(*value, {}, flat);
  return flat;
}

void CheckAgainst(const Model& model, const Harness& shadow) {
  const json::Value got = shadow.Get();
  const json::Value& state = *got.Find("state");
  REQUIRE(FlattenSection(state, "desired") == model.desired);
  REQUIRE(FlattenSection(state, "reported") == model.reported);
  Flat delta = FlattenSection(state, "delta");
  delta.erase(Path{});
  REQUIRE(delta ==
          DeltaFlat(model.desired, model.reported.empty() ? Flat{{{}, "{"}} : model.reported));
  REQUIRE(*got.Find("version") == json::Value(model.version));
}

// Every leaf of the state has a time, and nothing else has one.
void CheckMirrors(const json::Object& state, const json::Object& times) {
  REQUIRE(state.size() == times.size());
  for (size_t i = 0; i < state.size(); ++i) {
    const json::Member& member = state.members()[i];
    REQUIRE(times.members()[i].key == member.key);
    const json::Value& time = times.members()[i].value;
    REQUIRE(member.value.is_object() == time.is_object());
    if (member.value.is_object())
      CheckMirrors(*member.value.IfObject(), *time.IfObject());
    else
      REQUIRE(time.IfInt64() != nullptr);
  }
}

// Changes applied to the old state must give the new one.
void CheckChanges(const json::Object& before, const json::Object& changes,
                  const json::Object& after) {
  Flat flat;
  Flatten(before, {}, flat);
  MergeFlat(flat, changes, {});
  Flat expected;
  Flatten(after, {}, expected);
  REQUIRE(flat == expected);
}

TEST_CASE("random updates agree with the model") {
  for (uint32_t seed = 1; seed <= 250; ++seed) {
    INFO("seed " << seed);
    Generator random(seed);
    Harness shadow;
    shadow.options.want_changes = true;
    Model model;
    for (int step = 0; step < 25; ++step) {
      const json::Value state = random.MakeState();
      INFO("step " << step << " " << json::Print(state));
      const Document before = shadow.document;
      const UpdateRequest request = MakeUpdate(state);
      REQUIRE_FALSE(CheckState(state, shadow.limits));
      const UpdateResult result =
          ApplyUpdate(shadow.document, request, 1000 + step, shadow.limits, shadow.options);
      REQUIRE(result.accepted());
      model.Update(state);
      CheckAgainst(model, shadow);
      CheckMirrors(shadow.document.desired.state, shadow.document.desired.times);
      CheckMirrors(shadow.document.reported.state, shadow.document.reported.times);
      CheckChanges(before.desired.state, result.changed_desired, shadow.document.desired.state);
      CheckChanges(before.reported.state, result.changed_reported, shadow.document.reported.state);
      REQUIRE(result.has_delta == (shadow.Get().Find("state")->Find("delta") != nullptr));
    }
  }
}

TEST_CASE("skipping what changes nothing never changes the state") {
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    Generator random(seed);
    Harness all;
    Harness skipping;
    skipping.options.skip_noop = true;
    for (int step = 0; step < 40; ++step) {
      const UpdateRequest request = MakeUpdate(random.MakeState());
      INFO("seed " << seed << " step " << step << " " << json::Print(request.state));
      const Document before = skipping.document;
      REQUIRE(ApplyUpdate(all.document, request, step, all.limits, all.options).accepted());
      const UpdateResult result =
          ApplyUpdate(skipping.document, request, step, skipping.limits, skipping.options);
      REQUIRE(J(all.GetState()) == J(skipping.GetState()));
      const bool same = before.desired.state == all.document.desired.state &&
                        before.reported.state == all.document.reported.state;
      REQUIRE(result.noop == (same && before.exists()));
    }
  }
}

TEST_CASE("storing at any moment changes nothing") {
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    Generator random(seed);
    Harness kept;
    Harness stored;
    for (int step = 0; step < 20; ++step) {
      const UpdateRequest request = MakeUpdate(random.MakeState());
      REQUIRE(ApplyUpdate(kept.document, request, step, kept.limits).accepted());
      REQUIRE(ApplyUpdate(stored.document, request, step, stored.limits).accepted());
      std::string state;
      std::string metadata;
      EncodeState(stored.document, state);
      EncodeMetadata(stored.document, metadata);
      stored.document = DecodeDocument({state, metadata, stored.document.version, false}).value();
      REQUIRE(GetAccepted(kept.document, {1, std::nullopt}) ==
              GetAccepted(stored.document, {1, std::nullopt}));
    }
  }
}

}  // namespace
}  // namespace homeport::shadow
