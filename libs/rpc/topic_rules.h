#pragma once

#include <vector>

#include "homeport/product/v1/product.pb.h"
#include "libs/auth/access_policy.h"

namespace homeport::rpc {

// The rules of a TopicPolicy as libs/auth compiles them. One without an effect denies; actions that
// are not named count for nothing.
[[nodiscard]] std::vector<auth::PolicyRule> ToRules(const product::v1::TopicPolicy& policy);

}  // namespace homeport::rpc
