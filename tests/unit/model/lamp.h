#pragma once

#include <string>
#include <string_view>

#include "libs/json/parse.h"
#include "libs/model/model.h"
#include "libs/model/parse.h"

namespace homeport::model {

inline json::Value J(std::string_view text) { return json::Parse(text).value(); }

// A made-up lamp with one of everything.
inline constexpr std::string_view kLampSpec = R"({
  "type": "urn:miot-spec-v2:device:light:0000A001:acme-lamp1:2:0000C814",
  "description": "Lamp",
  "services": [
    {"iid": 1, "type": "urn:miot-spec-v2:service:device-information:00007801:acme-lamp1:1",
     "description": "Device Information",
     "properties": [
       {"iid": 1, "type": "urn:miot-spec-v2:property:manufacturer:00000001:acme-lamp1:1",
        "format": "string", "access": ["read"]}]},
    {"iid": 2, "type": "urn:miot-spec-v2:service:light:00007802:acme-lamp1:1",
     "description": "Light",
     "properties": [
       {"iid": 1, "type": "urn:miot-spec-v2:property:on:00000006:acme-lamp1:1",
        "description": "Switch", "format": "bool", "access": ["read", "write", "notify"]},
       {"iid": 2, "type": "urn:miot-spec-v2:property:mode:00000008:acme-lamp1:1",
        "format": "int8", "access": ["read", "write", "notify"], "unit": "none",
        "value-list": [{"value": -1, "description": "Auto"}, {"value": 7, "description": "Day"}]},
       {"iid": 3, "type": "urn:miot-spec-v2:property:brightness:0000000D:acme-lamp1:1",
        "format": "uint8", "access": ["read", "write", "notify"], "unit": "percentage",
        "value-range": [1, 99, 2]},
       {"iid": 4, "type": "urn:miot-spec-v2:property:temperature:00000020:acme-lamp1:1",
        "format": "float", "access": ["read", "notify"], "unit": "celsius",
        "value-range": [-30, 100, 0.1]},
       {"iid": 9, "type": "urn:miot-spec-v2:property:delay:0000000F:acme-lamp1:1",
        "format": "uint16", "access": []},
       {"iid": 10, "type": "urn:acme-spec:property:serial:00000001:acme-lamp1:1",
        "format": "int64", "access": ["notify"],
        "value-range": [-9223372036854775808, 9223372036854775807, 1]},
       {"iid": 11, "type": "urn:acme-spec:property:secret:00000002:acme-lamp1:1",
        "format": "string", "access": ["write"]}],
     "actions": [
       {"iid": 1, "type": "urn:miot-spec-v2:action:toggle:00002811:acme-lamp1:1",
        "description": "Toggle", "in": [], "out": null},
       {"iid": 2, "type": "urn:acme-spec:action:dim-later:00002801:acme-lamp1:1",
        "in": [3, 9], "out": [4]}],
     "events": [
       {"iid": 1, "type": "urn:acme-spec:event:overheated:00005001:acme-lamp1:1",
        "arguments": [4, 9]}]},
    {"iid": 3, "type": "urn:miot-spec-v2:service:switch:0000780C:acme-lamp1:1",
     "properties": [
       {"iid": 1, "type": "urn:miot-spec-v2:property:on:00000006:acme-lamp1:1",
        "format": "bool", "access": ["read", "write"]}]},
    {"iid": 7, "type": "urn:miot-spec-v2:service:switch:0000780C:acme-lamp1:2",
     "properties": [
       {"iid": 1, "type": "urn:miot-spec-v2:property:on:00000006:acme-lamp1:1",
        "format": "bool", "access": ["read", "write"]},
       {"iid": 2, "type": "urn:miot-spec-v2:property:on:00000006:acme-lamp1:1",
        "format": "bool", "access": ["read", "write"]}]}
  ]})";

inline Model Lamp() { return ParseModel(kLampSpec).value(); }

}  // namespace homeport::model
