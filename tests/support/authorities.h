#pragma once

#include <string_view>

#include "libs/auth/certificate_maker.h"

namespace homeport::testing {

// An authority that may sign others, by `issuer`; nullptr: by itself.
[[nodiscard]] auth::KeyAndCertificate MakeAuthorityOf(std::string_view name,
                                                      const auth::KeyAndCertificate* issuer,
                                                      WallMs now);

// A certificate over a fresh key.
[[nodiscard]] auth::KeyAndCertificate MakeDeviceOf(std::string_view name,
                                                   const auth::KeyAndCertificate& issuer,
                                                   WallMs now);

}  // namespace homeport::testing
