#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "libs/auth/credentials.h"
#include "libs/base/check.h"
#include "services/registry/core/provisioning_template.h"

// Lines of the form "name=value" are a device's parameters; from the first '{' on it is a template.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace homeport;
  const std::string input(reinterpret_cast<const char*>(data), size);
  const size_t begin = std::min(input.find('{'), input.size());
  std::string_view lines = std::string_view(input).substr(0, begin);
  std::map<std::string, std::string> parameters;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    const size_t equals = std::min(line.find('='), line.size());
    parameters[std::string(line.substr(0, equals))] =
        std::string(line.substr(std::min(equals + 1, line.size())));
  }
  const auto parsed = registry::ProvisioningTemplate::Parse(input.substr(begin));
  if (!parsed.ok()) return 0;
  const auto made = parsed->Evaluate(parameters);
  if (made.ok()) HP_CHECK(auth::IsDeviceName(made->thing_name));
  // What a device gives beyond what is asked for changes nothing.
  parameters["not declared\n"] = "x";
  HP_CHECK(parsed->Evaluate(parameters).status() == made.status());
  return 0;
}
