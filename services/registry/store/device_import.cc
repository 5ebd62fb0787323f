#include "services/registry/store/device_import.h"

#include <set>
#include <string_view>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/registry/store/tenant_table.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;
using Ids = std::set<std::string, std::less<>>;

constexpr Statement kProducts{"import_products",
                              "SELECT id FROM product "
                              "WHERE tenant = $1::text AND id = ANY ($2::text[]) "
                              "ORDER BY id FOR KEY SHARE"};  // as KeepProducts
constexpr Statement kExisting{"import_existing",
                              "SELECT id FROM device WHERE id = ANY ($1::text[])"};
// In the order of ids: imports that meet wait for one another, they do not lock one another out.
constexpr Statement kInsert{
    "import_insert",
    "INSERT INTO device (id, tenant, product, display_name, firmware_version, labels, attributes,"
    " device_groups) "
    "SELECT id, $1::text, product, display_name, firmware, labels::jsonb, attributes::jsonb,"
    " ARRAY(SELECT jsonb_array_elements_text(groups::jsonb)) "
    "FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],"
    " $8::text[]) AS u (id, product, display_name, firmware, labels, attributes, groups) "
    "ORDER BY id ON CONFLICT DO NOTHING RETURNING id"};
constexpr Statement kAuditAll{"import_audit",
                              "INSERT INTO audit (tenant, actor, action, resource, after) "
                              "SELECT $1::text, $2::text, 'ImportDevices', 'devices/' || id, after "
                              "FROM unnest($3::text[], $4::text[]) AS u (id, after)"};

Ids ReadIds(const Result& rows) {
  Ids ids;
  for (size_t i = 0; i < rows.size(); ++i) ids.emplace(rows.Text(i, 0));
  return ids;
}

absl::Status Exists(std::string_view device) {
  return ErrorWithReason(absl::StatusCode::kAlreadyExists, "DEVICE_EXISTS",
                         fmt::format("device {} exists", device));
}

// One chunk on its way.
class Import {
 public:
  Import(postgres::Transaction& transaction, const Actor& actor, const ImportRules& rules,
         std::vector<ImportRow>& rows)
      : transaction_(transaction), actor_(actor), rules_(rules), rows_(rows) {}

  absl::Status Run() {
    HP_RETURN_IF_ERROR(CheckProducts());
    HP_RETURN_IF_ERROR(FindExisting());
    HP_ASSIGN_OR_RETURN(const int64_t left, DevicesLeft(transaction_, actor_.tenant));
    Ids fresh;
    for (ImportRow& row : rows_) {
      if (!row.outcome.ok()) continue;
      if (existing_.contains(row.device.id) || fresh.contains(row.device.id)) continue;
      if (static_cast<int64_t>(fresh.size()) < left) {
        fresh.insert(row.device.id);
      } else {
        row.outcome = QuotaExceeded(actor_.tenant, "devices");
      }
    }
    HP_ASSIGN_OR_RETURN(Ids created, Create(fresh));
    for (ImportRow& row : rows_) {
      if (!row.outcome.ok()) continue;
      // The first row of an id is the one that was inserted.
      if (created.erase(row.device.id) > 0) continue;
      HP_RETURN_IF_ERROR(Meet(row));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status CheckProducts() {
    Array wanted = Array::OfText();
    for (const ImportRow& row : rows_) {
      if (row.outcome.ok()) wanted.Add(row.device.product);
    }
    HP_ASSIGN_OR_RETURN(
        const Result found,
        transaction_.Execute(kProducts, Params().Text(actor_.tenant).Add(std::move(wanted))));
    const Ids products = ReadIds(found);
    for (ImportRow& row : rows_) {
      if (!row.outcome.ok() || products.contains(row.device.product)) continue;
      row.outcome = ErrorWithReason(absl::StatusCode::kNotFound, "PRODUCT_NOT_FOUND",
                                    fmt::format("no product {}", row.device.product));
    }
    return absl::OkStatus();
  }

  absl::Status FindExisting() {
    Array ids = Array::OfText();
    for (const ImportRow& row : rows_) {
      if (row.outcome.ok()) ids.Add(row.device.id);
    }
    HP_ASSIGN_OR_RETURN(const Result found,
                        transaction_.Execute(kExisting, Params().Add(std::move(ids))));
    existing_ = ReadIds(found);
    return absl::OkStatus();
  }

  // Inserts the first row of each id of `fresh`. Returns those that nobody else inserted meanwhile.
  absl::StatusOr<Ids> Create(const Ids& fresh) {
    if (rules_.validate_only || fresh.empty()) return fresh;
    Array ids = Array::OfText(), products = Array::OfText(), names = Array::OfText();
    Array firmware = Array::OfText(), labels = Array::OfText(), attributes = Array::OfText();
    Array groups = Array::OfText();
    Ids left = fresh;
    for (const ImportRow& row : rows_) {
      if (!row.outcome.ok() || left.erase(row.device.id) == 0) continue;
      ids.Add(row.device.id);
      products.Add(row.device.product);
      names.Add(row.device.display_name);
      firmware.Add(row.device.firmware_version);
      labels.Add(ToJson(row.device.labels));
      attributes.Add(ToJson(row.device.attributes));
      groups.Add(ToJson(row.device.groups));
    }
    HP_ASSIGN_OR_RETURN(const Result inserted,
                        transaction_.Execute(kInsert, Params()
                                                          .Text(actor_.tenant)
                                                          .Add(std::move(ids))
                                                          .Add(std::move(products))
                                                          .Add(std::move(names))
                                                          .Add(std::move(firmware))
                                                          .Add(std::move(labels))
                                                          .Add(std::move(attributes))
                                                          .Add(std::move(groups))));
    Ids created = ReadIds(inserted);
    HP_RETURN_IF_ERROR(FollowUp(created));
    return created;
  }

  // What goes with a new device: its secret, the count, the audit log.
  absl::Status FollowUp(Ids left) {
    const auto count = static_cast<int64_t>(left.size());
    Array ids = Array::OfText(), texts = Array::OfText();
    for (const ImportRow& row : rows_) {
      if (!row.outcome.ok() || left.erase(row.device.id) == 0) continue;
      ids.Add(row.device.id);
      texts.Add(AuditText(row.device));
      if (row.device.secret_sha256.empty()) continue;
      HP_RETURN_IF_ERROR(SetSecret(transaction_, row.device.id, row.device.secret_sha256));
    }
    HP_RETURN_IF_ERROR(CountDevices(transaction_, actor_.tenant, count, 0));
    return transaction_
        .Execute(kAuditAll, Params()
                                .Text(actor_.tenant)
                                .Text(actor_.subject)
                                .Add(std::move(ids))
                                .Add(std::move(texts)))
        .status();
  }

  // A row whose device is there already.
  absl::Status Meet(ImportRow& row) {
    absl::StatusOr<DeviceRow> found =
        LockDevice(transaction_, TenantId(actor_.tenant), DeviceId(row.device.id), /*version=*/0);
    if (absl::IsNotFound(found.status())) {
      // Another tenant's; or, when nothing is written, that of a row before.
      row.outcome = Exists(row.device.id);
      return absl::OkStatus();
    }
    HP_RETURN_IF_ERROR(found.status());
    if (!rules_.update_existing) {
      row.outcome = Exists(row.device.id);
    } else if (found->deleted()) {
      row.outcome = ErrorWithReason(absl::StatusCode::kFailedPrecondition, "DEVICE_DELETED",
                                    fmt::format("device {} is deleted", row.device.id));
    } else if (found->product != row.device.product) {
      row.outcome = FieldInvalid("device.product", "is fixed; another was given at creation");
    } else {
      return Update(row, *found);
    }
    return absl::OkStatus();
  }

  absl::Status Update(ImportRow& row, const DeviceRow& before) {
    row.updated = true;
    if (rules_.validate_only) return absl::OkStatus();
    DeviceRow after = before;
    after.display_name = row.device.display_name;
    after.firmware_version = row.device.firmware_version;
    after.labels = row.device.labels;
    after.attributes = row.device.attributes;
    after.groups = row.device.groups;
    HP_RETURN_IF_ERROR(WriteDevice(transaction_, after).status());
    if (!row.device.secret_sha256.empty()) {
      HP_RETURN_IF_ERROR(SetSecret(transaction_, after.id, row.device.secret_sha256));
    }
    return Audit(transaction_, actor_, "ImportDevices", "devices/" + after.id,
                 {.before = AuditText(before), .after = AuditText(after)});
  }

  postgres::Transaction& transaction_;
  const Actor& actor_;
  const ImportRules& rules_;
  std::vector<ImportRow>& rows_;
  Ids existing_;
};

}  // namespace

absl::Status ImportDevices(postgres::Transaction& transaction, const Actor& actor,
                           const ImportRules& rules, std::vector<ImportRow>& rows) {
  return Import(transaction, actor, rules, rows).Run();
}

}  // namespace homeport::registry
