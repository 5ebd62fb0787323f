#pragma once

#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "libs/json/value.h"
#include "libs/model/codes.h"
#include "services/fleet/sim/kind.h"

namespace homeport::fleet {

// Time that went by: on the device's own clock, which may run faster so that a demonstration moves,
// and on ours, for what people wait to see (a curtain that moves).
struct Passed {
  double device_s = 0;
  double real_s = 0;
};

// One simulated device without its network: the values of its model's properties, how they change
// by themselves and by commands, and which of them are due to be reported. Pure and deterministic
// for a given seed. Not thread-safe.
class DeviceSim {
 public:
  struct HappenedEvent {
    const model::Event* event;
    json::Array arguments;  // in the order of event->arguments
  };
  struct ActionResult {
    model::Code code = model::Code::kOk;
    json::Array out;
  };
  using Properties = std::vector<const model::Property*>;

  // `kind` outlives the device.
  DeviceSim(const Kind& kind, std::string_view id, uint64_t seed);

  [[nodiscard]] const Kind& kind() const { return kind_; }
  [[nodiscard]] const json::Value& Get(const model::Property& property) const {
    return values_[kind_.IndexOf(property)];
  }

  void Advance(const Passed& passed);
  // Something moves that one would watch: call Advance at least twice a second.
  [[nodiscard]] bool moving() const { return moving_; }

  // Commands of a user. REQUIRES: checked against the model (model/validate.h).
  void Set(const model::Property& property, const json::Value& value);
  ActionResult Act(const model::Action& action, const json::Array& in);

  // What to report now; it counts as reported. TakeCommanded: what commands changed. TakeDue: what
  // the report classes ask for. TakeStalest: one property, due or not. TakeAll: every notifiable
  // property, as after a (re)connect.
  [[nodiscard]] Properties TakeCommanded();
  [[nodiscard]] Properties TakeDue();
  [[nodiscard]] Properties TakeStalest();
  [[nodiscard]] Properties TakeAll();
  [[nodiscard]] std::vector<HappenedEvent> TakeEvents();

  // For the kinds' behaviours (behaviours.h). REQUIRES: the model has the path.
  [[nodiscard]] double Number(std::string_view path) const;
  void Write(std::string_view path, double value);
  void Emit(std::string_view path, json::Array arguments = {});
  void set_moving(bool moving) { moving_ = moving; }
  [[nodiscard]] std::mt19937_64& random() { return random_; }
  // True with the probability that a Poisson process of this mean interval fires in `passed_s`.
  [[nodiscard]] bool Happens(double passed_s, double mean_interval_s);
  // A person does not touch what an app has just set.
  [[nodiscard]] bool left_alone() const { return commanded_ago_s_ < kLeftAloneS; }

 private:
  static constexpr double kLeftAloneS = 60;

  void Write(const model::Property& property, json::Value value);
  void MoveSignal(size_t rule, const Passed& passed);
  [[nodiscard]] double FirstValue(const PropertyRule& rule);
  [[nodiscard]] double PickOther(const model::Property& property, double current);
  void EmitFor(const model::Property& property, bool value);
  void Reported(const Properties& properties);
  [[nodiscard]] double Uniform(double from, double to);

  const Kind& kind_;
  std::mt19937_64 random_;
  std::vector<json::Value> values_;  // by the position in model.properties()
  std::vector<ReportGate> gates_;    // by the position in kind.rules
  std::vector<double> raw_;          // of each rule's signal, before rounding to the model's steps
  double phase_;                     // of daily waves
  double clock_s_ = 0;
  double commanded_ago_s_ = kLeftAloneS;
  bool moving_ = false;
  bool in_command_ = false;
  Properties commanded_;
  std::vector<HappenedEvent> events_;
};

}  // namespace homeport::fleet
