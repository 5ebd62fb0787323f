#include "services/gateway/session/tls_reload.h"

#include <optional>

#include "libs/base/log.h"
#include "libs/base/status.h"

namespace homeport::gateway {

absl::Status TlsReload::Start() {
  HP_ASSIGN_OR_RETURN(const net::TlsMaterial material, files_.Read());
  return Use(material);
}

absl::Status TlsReload::Use(const net::TlsMaterial& material) {
  HP_RETURN_IF_ERROR(server_.Use(material));
  ends_s_ = server_.certificate_ends_s();
  return absl::OkStatus();
}

void TlsReload::Poll() {
  const absl::StatusOr<std::optional<net::TlsMaterial>> material = files_.ReadChanged();
  if (material.ok() && !material->has_value()) return;
  const absl::Status status = material.ok() ? Use(**material) : material.status();
  if (status.ok()) {
    probe_.tls_reloads.Increment();
    log::Info("tls_reloaded", {{"pod", pod_.str()}});
    return;
  }
  probe_.Refuse("tls_reload");
  log::Error("tls_reload_refused", {{"pod", pod_.str()}, {"error", status}});
}

}  // namespace homeport::gateway
