#pragma once

#include <cstddef>

#include "libs/metrics/registry.h"

namespace homeport::registry {

// What imports, exports and the janitor tell; the names are in registry_probe.cc. Thread-safe.
class CatalogProbe {
 public:
  explicit CatalogProbe(metrics::Registry& registry);

  void Imported(size_t rows, size_t failed);
  void Exported(size_t devices);
  void DevicesPurged(size_t rows);
  void AnswersPurged(size_t rows);
  void AuditPurged(size_t rows);
  void OperationsPurged(size_t rows);

 private:
  metrics::SharedCounter& rows_imported_;
  metrics::SharedCounter& rows_failed_;
  metrics::SharedCounter& devices_exported_;
  metrics::SharedCounter& devices_purged_;
  metrics::SharedCounter& answers_purged_;
  metrics::SharedCounter& audit_purged_;
  metrics::SharedCounter& operations_purged_;
};

}  // namespace homeport::registry
